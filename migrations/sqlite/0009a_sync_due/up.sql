-- The hubs of all workspaces whose next sync is due, found by time without reading every hub.
CREATE INDEX hubs_sync_due ON hubs (sync_due_at);

INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
    ('hubs', 'hubs_sync_due', '100000 2');
ANALYZE sqlite_schema;
