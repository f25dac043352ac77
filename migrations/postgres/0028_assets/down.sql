ALTER TABLE hub_members DROP COLUMN observed_assets;
ALTER TABLE sync_seen DROP COLUMN assets;
