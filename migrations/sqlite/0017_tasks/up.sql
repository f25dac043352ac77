-- A parent stands for what one cause made in one hub: one nested task per person (R5.13). It holds no
-- counts: they are read from the index of its children, so that a worker that finishes one writes no
-- row that another one waits for.
CREATE TABLE parent_tasks (
    workspace BIGINT NOT NULL,
    id BLOB NOT NULL,
    hub_id BLOB NOT NULL,
    cause TEXT NOT NULL,
    request_id TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (workspace, id)
) WITHOUT ROWID;
CREATE INDEX parent_tasks_cause ON parent_tasks (workspace, hub_id, request_id, id);

ALTER TABLE tasks ADD COLUMN parent_id BLOB;
-- Children in order, with what is counted of them: neither needs the rows.
CREATE INDEX tasks_children ON tasks (workspace, parent_id, id, status, superseded_by) WHERE parent_id IS NOT NULL;

-- Until when an item should be done by hand; given by the sweep from the hub's setting, or by a person.
ALTER TABLE tasks ADD COLUMN due_at BIGINT;
-- Over all workspaces: the sweep looks for items without a time, the metrics count those past it.
CREATE INDEX tasks_items_due ON tasks (due_at, workspace, hub_id) WHERE status = 'manual';

-- Who does an item, where a person said so: somebody here, or a name that nobody here bears.
CREATE TABLE task_owners (
    workspace BIGINT NOT NULL,
    task_id BLOB NOT NULL,
    user_id BLOB,
    name TEXT,
    given_by TEXT NOT NULL,
    given_at BIGINT NOT NULL,
    PRIMARY KEY (workspace, task_id)
) WITHOUT ROWID;

-- What failed, by when it did: the card of the last seven days (R6.8) reads no other task.
CREATE INDEX tasks_failed ON tasks (workspace, modified_at, kind) WHERE status = 'not_completed'
    OR (status = 'manual' AND error_class IS NOT NULL AND error_class NOT IN ('not_supported', 'needs_human', 'waiting_rule'));

-- Until when somebody has read the failures of a group.
CREATE TABLE failures_read (
    workspace BIGINT NOT NULL,
    reader TEXT NOT NULL,
    category TEXT NOT NULL,
    read_at BIGINT NOT NULL,
    PRIMARY KEY (workspace, reader, category)
) WITHOUT ROWID;

INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
    ('parent_tasks', 'parent_tasks', '100000 100000 1'),
    ('parent_tasks', 'parent_tasks_cause', '100000 100000 10000 2 1'),
    ('tasks', 'tasks_children', '500000 500000 200 1 1 1'),
    ('tasks', 'tasks_items_due', '10000 10 10 10'),
    ('task_owners', 'task_owners', '10000 10000 1'),
    ('tasks', 'tasks_failed', '10000 10000 2 2'),
    ('failures_read', 'failures_read', '1000 1000 3 1');
ANALYZE sqlite_schema;
