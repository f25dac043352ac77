-- What the status shows of sources and hubs without reading their history.

-- Written at most once a minute, from what the process counted meanwhile.
ALTER TABLE sources ADD COLUMN last_success_at BIGINT;
ALTER TABLE sources ADD COLUMN error_streak BIGINT NOT NULL DEFAULT 0;

-- To the minute, so that a success usually writes nothing here.
ALTER TABLE hub_lanes ADD COLUMN last_success_at BIGINT;
ALTER TABLE hub_lanes ADD COLUMN error_streak BIGINT NOT NULL DEFAULT 0;

-- The batch under way: when the planner wrote its first task, and when its last.
ALTER TABLE hubs ADD COLUMN batch_from BIGINT;
ALTER TABLE hubs ADD COLUMN batch_planned_at BIGINT;

-- Removals that are not through, however many additions are queued beside them.
CREATE INDEX tasks_removals ON tasks (workspace, hub_id, created_at)
    WHERE kind = 'remove' AND status IN ('queued', 'started', 'running', 'retrying', 'held', 'waiting', 'manual');
