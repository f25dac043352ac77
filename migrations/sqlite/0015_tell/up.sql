-- Who is told: another system (webhooks), and people (notifications).

-- Where a workspace's events are sent. The signing secret is sealed; after a rotation the one
-- before it signs beside it until old_until. types: words with a space between, empty for all.
CREATE TABLE webhooks (
    workspace BIGINT NOT NULL,
    id BLOB NOT NULL,
    name TEXT NOT NULL,
    url TEXT NOT NULL,
    types TEXT NOT NULL,
    enabled BOOLEAN NOT NULL,
    disabled_why TEXT,
    key_id TEXT NOT NULL,
    sealed BLOB NOT NULL,
    old_key_id TEXT,
    old_sealed BLOB,
    old_until BIGINT,
    created_at BIGINT NOT NULL,
    last_success_at BIGINT,
    PRIMARY KEY (workspace, id)
) WITHOUT ROWID;

-- One event for one endpoint, written with the change it tells of. due_at moves ahead when a row is
-- taken, so that a process that dies leaves it to the next; epoch fences the one that was slow.
CREATE TABLE webhook_deliveries (
    workspace BIGINT NOT NULL,
    webhook_id BLOB NOT NULL,
    event_id BLOB NOT NULL,
    event_type TEXT NOT NULL,
    body TEXT NOT NULL,
    state TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    epoch BIGINT NOT NULL,
    due_at BIGINT NOT NULL,
    queued_at BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    finished_at BIGINT,
    status INTEGER,
    error TEXT,
    PRIMARY KEY (workspace, webhook_id, event_id)
) WITHOUT ROWID;
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (workspace, webhook_id, due_at) WHERE state = 'pending';
CREATE INDEX webhook_deliveries_dead ON webhook_deliveries (workspace, webhook_id, event_id) WHERE state = 'dead';
CREATE INDEX webhook_deliveries_over ON webhook_deliveries (finished_at) WHERE finished_at IS NOT NULL;

-- Which people of a workspace are told of what. Lists are words with a space between; conditions
-- empty for all. error: why the last message did not go out.
CREATE TABLE notifications (
    workspace BIGINT NOT NULL,
    mail TEXT NOT NULL,
    webhook_id BLOB,
    conditions TEXT NOT NULL,
    remind_seconds BIGINT NOT NULL,
    silent_seconds BIGINT NOT NULL,
    sent_at BIGINT,
    failed_at BIGINT,
    error TEXT,
    PRIMARY KEY (workspace)
) WITHOUT ROWID;

-- What people were told of and is not over. key names the condition and what it is about.
CREATE TABLE told (
    workspace BIGINT NOT NULL,
    key TEXT NOT NULL,
    line TEXT NOT NULL,
    first_told BIGINT NOT NULL,
    last_told BIGINT NOT NULL,
    PRIMARY KEY (workspace, key)
) WITHOUT ROWID;

INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
    ('webhooks', 'webhooks', '1000 10 1'),
    ('webhook_deliveries', 'webhook_deliveries', '1000000 1000000 100000 1'),
    ('webhook_deliveries', 'webhook_deliveries_due', '10000 10000 1000 2'),
    ('webhook_deliveries', 'webhook_deliveries_dead', '1000 1000 100 1'),
    ('webhook_deliveries', 'webhook_deliveries_over', '1000000 2'),
    ('notifications', 'notifications', '1000 1'),
    ('told', 'told', '10000 100 1');
ANALYZE sqlite_schema;
