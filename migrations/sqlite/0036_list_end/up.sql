-- At the end of a sync each member is looked up in its list by the app's id. While PostgreSQL takes the
-- list for empty (it was, when it counted last), the index over addresses looked like as good a way as the
-- primary key, and read the whole list for each member. A partial one is no way for who names no address.
-- SQLite knew better; its index is the same.
DROP INDEX sync_seen_address;
CREATE INDEX sync_seen_address ON sync_seen (workspace, address, task_id) WHERE address IS NOT NULL;

DELETE FROM sqlite_stat1 WHERE idx = 'sync_seen_address';
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES ('sync_seen', 'sync_seen_address', '1000000 1000000 20 2');
ANALYZE sqlite_schema;
