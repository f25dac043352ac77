-- Accounts looked up by a list of the app's ids in one hub, and by a list of addresses in one sync: the key
-- that the list holds comes first, so that PostgreSQL cannot take an index over the hub, or over the whole
-- sync, for as good a way (as in 0031_pgwork).
DROP INDEX hub_members_remote;
CREATE UNIQUE INDEX hub_members_remote ON hub_members (workspace, remote_id, hub_id) WHERE remote_id IS NOT NULL;
DROP INDEX sync_seen_address;
CREATE INDEX sync_seen_address ON sync_seen (workspace, address, task_id);
