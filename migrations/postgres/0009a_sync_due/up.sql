-- The hubs of all workspaces whose next sync is due, found by time without reading every hub.
CREATE INDEX hubs_sync_due ON hubs (sync_due_at);
