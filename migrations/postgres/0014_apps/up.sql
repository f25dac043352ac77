-- Until when the app of a hub refuses changes (a manifest's waiting rule), and who ended the wait
-- before its time. The row stays: it says when a wait began and how it ended.
CREATE TABLE hub_waits (
    workspace BIGINT NOT NULL,
    hub_id BYTEA NOT NULL,
    since_at BIGINT NOT NULL,
    until_at BIGINT NOT NULL,
    reason TEXT NOT NULL,
    kinds TEXT NOT NULL,
    ended_at BIGINT,
    ended_by TEXT,
    PRIMARY KEY (workspace, hub_id)
);

-- Who connected the hub: its first owner.
ALTER TABLE hubs ADD COLUMN created_by TEXT;
