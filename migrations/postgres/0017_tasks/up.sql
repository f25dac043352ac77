-- A parent stands for what one cause made in one hub: one nested task per person (R5.13). It holds no
-- counts: they are read from the index of its children, so that a worker that finishes one writes no
-- row that another one waits for.
CREATE TABLE parent_tasks (
    workspace BIGINT NOT NULL,
    id BYTEA NOT NULL,
    hub_id BYTEA NOT NULL,
    cause TEXT COLLATE "C" NOT NULL,
    request_id TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (workspace, id)
);
CREATE INDEX parent_tasks_cause ON parent_tasks (workspace, hub_id, request_id, id);

ALTER TABLE tasks ADD COLUMN parent_id BYTEA;
-- Children in order, with what is counted of them: neither needs the rows.
CREATE INDEX tasks_children ON tasks (workspace, parent_id, id, status, superseded_by) WHERE parent_id IS NOT NULL;

-- Until when an item should be done by hand; given by the sweep from the hub's setting, or by a person.
ALTER TABLE tasks ADD COLUMN due_at BIGINT;
-- Over all workspaces: the sweep looks for items without a time, the metrics count those past it.
CREATE INDEX tasks_items_due ON tasks (due_at, workspace, hub_id) WHERE status = 'manual';

-- Who does an item, where a person said so: somebody here, or a name that nobody here bears.
CREATE TABLE task_owners (
    workspace BIGINT NOT NULL,
    task_id BYTEA NOT NULL,
    user_id BYTEA,
    name TEXT,
    given_by TEXT NOT NULL,
    given_at BIGINT NOT NULL,
    PRIMARY KEY (workspace, task_id)
);

-- What failed, by when it did: the card of the last seven days (R6.8) reads no other task.
CREATE INDEX tasks_failed ON tasks (workspace, modified_at, kind) WHERE status = 'not_completed'
    OR (status = 'manual' AND error_class IS NOT NULL AND error_class NOT IN ('not_supported', 'needs_human', 'waiting_rule'));

-- Until when somebody has read the failures of a group.
CREATE TABLE failures_read (
    workspace BIGINT NOT NULL,
    reader TEXT COLLATE "C" NOT NULL,
    category TEXT COLLATE "C" NOT NULL,
    read_at BIGINT NOT NULL,
    PRIMARY KEY (workspace, reader, category)
);
