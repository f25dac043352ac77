-- What the guard counts, as an index that holds nothing else: removals and downgrades that go out
-- by themselves (priority 20 is a downgrade). Their number is what the guard lets out, so counting
-- a window costs that, whatever the hub's history or a mass removal under way.
CREATE INDEX tasks_taken ON tasks (workspace, created_at, hub_id)
    WHERE hold_id IS NULL AND (kind = 'remove' OR priority = 20) AND cause <> 'by_hand'
    AND status NOT IN ('held', 'superseded', 'cancelled');

-- A person lets everything of one reason pass in a hub until a time; hold_id is the batch they
-- released with it, and what passes carries it.
CREATE TABLE guard_passes (
    workspace BIGINT NOT NULL,
    hub_id BYTEA NOT NULL,
    reason TEXT NOT NULL,
    hold_id BYTEA NOT NULL,
    until_at BIGINT NOT NULL,
    given_by TEXT NOT NULL,
    note TEXT,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (workspace, hub_id, reason)
);

-- Periodic work of the whole installation: whoever moves due_at does it, one process at a time.
CREATE TABLE duties (
    name TEXT NOT NULL PRIMARY KEY,
    due_at BIGINT NOT NULL
);

-- People who left: deactivated or deleted at the identity provider, and since when. The row goes
-- when they come back. Where they are still present in an app is looked up from here.
CREATE TABLE leavers (
    workspace BIGINT NOT NULL,
    user_id BYTEA NOT NULL,
    left_at BIGINT NOT NULL,
    PRIMARY KEY (workspace, user_id)
);
CREATE INDEX leavers_since ON leavers (left_at);
INSERT INTO leavers (workspace, user_id, left_at)
    SELECT workspace, id, COALESCE(deactivated_at, modified_at) FROM users WHERE active = FALSE;
INSERT INTO leavers (workspace, user_id, left_at)
    SELECT m.workspace, m.user_id, MAX(m.modified_at) FROM hub_members m
    WHERE m.user_id IS NOT NULL
    AND NOT EXISTS (SELECT 1 FROM users u WHERE u.workspace = m.workspace AND u.id = m.user_id)
    GROUP BY m.workspace, m.user_id;
