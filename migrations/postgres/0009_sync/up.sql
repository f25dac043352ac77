-- One row per sync task: how far its list is read and applied, so that a crash, a rate limit or the
-- end of an attempt costs a page and no more. counts is JSON for people.
CREATE TABLE sync_runs (
    workspace BIGINT NOT NULL,
    task_id BYTEA NOT NULL,
    hub_id BYTEA NOT NULL,
    phase TEXT NOT NULL,
    cursor TEXT,
    pass INTEGER NOT NULL DEFAULT 1,
    seen BIGINT NOT NULL DEFAULT 0,
    total BIGINT,
    conclusive BOOLEAN NOT NULL DEFAULT TRUE,
    accept_removals BOOLEAN NOT NULL DEFAULT FALSE,
    started_at BIGINT,
    after_key TEXT,
    after_id BYTEA,
    counts TEXT NOT NULL DEFAULT '{}',
    cleared BOOLEAN NOT NULL DEFAULT FALSE,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (workspace, task_id)
);
CREATE INDEX sync_runs_uncleared ON sync_runs (created_at) WHERE cleared = FALSE;

-- What the app listed, until it is applied; emptied afterwards. member_id is the id of the row that
-- an account nobody knows gets. address is the e-mail with ASCII case removed and nothing else.
CREATE TABLE sync_seen (
    workspace BIGINT NOT NULL,
    task_id BYTEA NOT NULL,
    remote_id TEXT NOT NULL,
    member_id BYTEA NOT NULL,
    address TEXT,
    display TEXT NOT NULL,
    role TEXT,
    state TEXT NOT NULL,
    expires_at BIGINT,
    seen_at BIGINT NOT NULL,
    PRIMARY KEY (workspace, task_id, remote_id)
);
CREATE INDEX sync_seen_address ON sync_seen (workspace, task_id, address);

-- When the next sync that nobody asks for is due: at once for a hub that was just connected.
ALTER TABLE hubs ADD COLUMN sync_due_at BIGINT NOT NULL DEFAULT 0;
