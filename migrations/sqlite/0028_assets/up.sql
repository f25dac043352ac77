-- The assets that a sync saw, where the app shows them, as JSON: on the account as it was listed and as it was last
-- observed. NULL: the app does not tell.
ALTER TABLE sync_seen ADD COLUMN assets TEXT;
ALTER TABLE hub_members ADD COLUMN observed_assets TEXT;
