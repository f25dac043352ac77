-- Ready tasks that a claim looks for among many others: what an observed hub may still run, and
-- what must run alone. Both are empty as a rule, so keeping them costs nothing.
CREATE INDEX tasks_ready_sync ON tasks (workspace, hub_id, priority, not_before, id)
    WHERE status IN ('queued', 'retrying') AND kind = 'sync';
CREATE INDEX tasks_ready_alone ON tasks (workspace, hub_id, priority, not_before, id)
    WHERE status IN ('queued', 'retrying') AND crashes >= 2;
