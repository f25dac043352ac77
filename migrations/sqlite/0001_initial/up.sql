-- The whole model of DESIGN.md sections 1 and 2, also where behaviour follows later.
-- Every primary key is led by the workspace; the exceptions stand in ARCHITECTURE.md.
-- Times are UTC microseconds, ids are 16 bytes (UUIDv7), JSON is text.

CREATE TABLE settings (
    name TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
);

CREATE TABLE workspaces (
    id BIGINT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    paused BOOLEAN NOT NULL DEFAULT FALSE,
    created_at BIGINT NOT NULL
);

CREATE TABLE sources (
    workspace BIGINT NOT NULL REFERENCES workspaces (id),
    id BIGINT NOT NULL,
    name TEXT NOT NULL,
    preset TEXT NOT NULL,
    strict BOOLEAN NOT NULL DEFAULT FALSE,
    created_at BIGINT NOT NULL,
    last_request_at BIGINT,
    PRIMARY KEY (workspace, id),
    UNIQUE (workspace, name)
) WITHOUT ROWID;

CREATE TABLE tokens (
    workspace BIGINT NOT NULL,
    id BLOB NOT NULL,
    source BIGINT NOT NULL,
    name TEXT NOT NULL,
    scope TEXT NOT NULL,
    lookup TEXT NOT NULL,
    hash BLOB NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    revoked_at BIGINT,
    last_used_at BIGINT,
    PRIMARY KEY (workspace, id)
) WITHOUT ROWID;
CREATE UNIQUE INDEX tokens_lookup ON tokens (lookup);

CREATE TABLE users (
    workspace BIGINT NOT NULL,
    id BLOB NOT NULL,
    source BIGINT NOT NULL,
    user_name TEXT NOT NULL,
    user_name_key TEXT NOT NULL,
    display_name_key TEXT,
    external_id TEXT,
    active BOOLEAN NOT NULL,
    deactivated_at BIGINT,
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    modified_at BIGINT NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (workspace, id)
) WITHOUT ROWID;
CREATE UNIQUE INDEX users_user_name ON users (workspace, user_name_key);
CREATE INDEX users_source ON users (workspace, source, id);
CREATE INDEX users_external_id ON users (workspace, source, external_id);
CREATE INDEX users_display_name ON users (workspace, source, display_name_key);

CREATE TABLE user_emails (
    workspace BIGINT NOT NULL,
    email_key TEXT NOT NULL,
    user_id BLOB NOT NULL,
    type_key TEXT NOT NULL,
    PRIMARY KEY (workspace, email_key, user_id, type_key)
) WITHOUT ROWID;
CREATE INDEX user_emails_user ON user_emails (workspace, user_id);

CREATE TABLE user_groups (
    workspace BIGINT NOT NULL,
    id BLOB NOT NULL,
    source BIGINT NOT NULL,
    display_name TEXT NOT NULL,
    display_name_key TEXT NOT NULL,
    external_id TEXT,
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    modified_at BIGINT NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (workspace, id)
) WITHOUT ROWID;
CREATE INDEX user_groups_source ON user_groups (workspace, source, id);
CREATE INDEX user_groups_external_id ON user_groups (workspace, source, external_id);
CREATE INDEX user_groups_display_name ON user_groups (workspace, source, display_name_key);

-- member_kind: 0 a user, 1 a group (nested groups are stored, never expanded into access).
CREATE TABLE memberships (
    workspace BIGINT NOT NULL,
    group_id BLOB NOT NULL,
    member_id BLOB NOT NULL,
    member_kind SMALLINT NOT NULL,
    confirmed_at BIGINT NOT NULL,
    PRIMARY KEY (workspace, group_id, member_id)
) WITHOUT ROWID;
CREATE INDEX memberships_member ON memberships (workspace, member_id, group_id);

-- Members named by an IdP before they arrived; they join when a user with that id or externalId does.
CREATE TABLE pending_members (
    workspace BIGINT NOT NULL,
    group_id BLOB NOT NULL,
    value TEXT NOT NULL,
    source BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (workspace, group_id, value)
) WITHOUT ROWID;
CREATE INDEX pending_members_value ON pending_members (workspace, source, value);

CREATE TABLE hubs (
    workspace BIGINT NOT NULL,
    id BLOB NOT NULL,
    slug TEXT NOT NULL,
    app TEXT NOT NULL,
    label TEXT NOT NULL,
    login TEXT NOT NULL,
    mode TEXT NOT NULL,
    paused BOOLEAN NOT NULL DEFAULT FALSE,
    settle_micros BIGINT NOT NULL,
    connection TEXT NOT NULL,
    policy TEXT NOT NULL,
    owner TEXT,
    file_ref TEXT,
    revision BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    modified_at BIGINT NOT NULL,
    last_synced_at BIGINT,
    PRIMARY KEY (workspace, id)
) WITHOUT ROWID;
CREATE UNIQUE INDEX hubs_slug ON hubs (workspace, slug);

-- What all workers of the cluster must agree on per hub: pace, breaker, and why it stands still.
CREATE TABLE hub_lanes (
    workspace BIGINT NOT NULL,
    hub_id BLOB NOT NULL,
    max_in_flight INTEGER NOT NULL,
    per_second DOUBLE PRECISION,
    next_allowed_at BIGINT NOT NULL DEFAULT 0,
    breaker TEXT NOT NULL DEFAULT 'closed',
    breaker_failures INTEGER NOT NULL DEFAULT 0,
    breaker_until BIGINT NOT NULL DEFAULT 0,
    blocked_reason TEXT,
    last_claim_at BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (workspace, hub_id)
) WITHOUT ROWID;

CREATE TABLE hub_secrets (
    workspace BIGINT NOT NULL,
    hub_id BLOB NOT NULL,
    name TEXT NOT NULL,
    key_id TEXT NOT NULL,
    sealed BLOB NOT NULL,
    modified_at BIGINT NOT NULL,
    PRIMARY KEY (workspace, hub_id, name)
) WITHOUT ROWID;

-- binding: 'waiting' (subject not arrived), 'bound', 'gone' (the group was deleted; a person must decide).
CREATE TABLE mappings (
    workspace BIGINT NOT NULL,
    id BLOB NOT NULL,
    hub_id BLOB NOT NULL,
    subject_kind TEXT NOT NULL,
    subject_by TEXT NOT NULL,
    subject_value TEXT NOT NULL,
    subject_key TEXT NOT NULL,
    subject_source BIGINT,
    bound_id BLOB,
    binding TEXT NOT NULL,
    scope TEXT NOT NULL,
    hub_role TEXT NOT NULL,
    app_role TEXT NOT NULL,
    seat BOOLEAN NOT NULL,
    assets TEXT NOT NULL,
    owner TEXT,
    file_ref TEXT,
    confirmed_at BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    modified_at BIGINT NOT NULL,
    PRIMARY KEY (workspace, id)
) WITHOUT ROWID;
CREATE UNIQUE INDEX mappings_identity ON mappings (workspace, hub_id, subject_key, scope);
CREATE INDEX mappings_bound ON mappings (workspace, bound_id);
CREATE INDEX mappings_waiting ON mappings (workspace, subject_key) WHERE binding = 'waiting';

CREATE TABLE reconcile_marks (
    workspace BIGINT NOT NULL,
    hub_id BLOB NOT NULL,
    user_id BLOB NOT NULL,
    due_at BIGINT NOT NULL,
    settle_until BIGINT NOT NULL,
    rev BIGINT NOT NULL,
    cause TEXT NOT NULL,
    request_id TEXT,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (workspace, hub_id, user_id)
) WITHOUT ROWID;
CREATE INDEX reconcile_marks_due ON reconcile_marks (workspace, hub_id, due_at);

-- More than 500 pairs at once: expanded by the planner in key order. group_id set: the members of
-- that group; null: everybody the hub knows.
CREATE TABLE wide_marks (
    workspace BIGINT NOT NULL,
    id BLOB NOT NULL,
    hub_id BLOB NOT NULL,
    group_id BLOB,
    after_id BLOB,
    due_at BIGINT NOT NULL,
    settle_until BIGINT NOT NULL,
    cause TEXT NOT NULL,
    request_id TEXT,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (workspace, id)
) WITHOUT ROWID;
CREATE INDEX wide_marks_due ON wide_marks (workspace, hub_id, due_at);

-- One row per account in a hub: what we last did (known), what a sync saw (observed), whose it is.
CREATE TABLE hub_members (
    workspace BIGINT NOT NULL,
    id BLOB NOT NULL,
    hub_id BLOB NOT NULL,
    user_id BLOB,
    remote_id TEXT,
    email_key TEXT,
    display TEXT NOT NULL,
    bucket TEXT NOT NULL,
    managed BOOLEAN NOT NULL,
    protected BOOLEAN NOT NULL DEFAULT FALSE,
    status TEXT NOT NULL,
    hub_role TEXT,
    known_state TEXT NOT NULL,
    known_role TEXT,
    known_assets TEXT NOT NULL DEFAULT '[]',
    known_at BIGINT NOT NULL,
    known_from TEXT NOT NULL,
    observed_state TEXT,
    observed_role TEXT,
    observed_at BIGINT,
    reasons TEXT NOT NULL DEFAULT '[]',
    exempt_reason TEXT,
    invited_at BIGINT,
    expires_at BIGINT,
    created_at BIGINT NOT NULL,
    modified_at BIGINT NOT NULL,
    PRIMARY KEY (workspace, id)
) WITHOUT ROWID;
CREATE UNIQUE INDEX hub_members_user ON hub_members (workspace, hub_id, user_id) WHERE user_id IS NOT NULL;
CREATE UNIQUE INDEX hub_members_remote ON hub_members (workspace, hub_id, remote_id) WHERE remote_id IS NOT NULL;
CREATE INDEX hub_members_of_user ON hub_members (workspace, user_id) WHERE user_id IS NOT NULL;
CREATE INDEX hub_members_email ON hub_members (workspace, hub_id, email_key);
CREATE INDEX hub_members_managed ON hub_members (workspace, hub_id, managed, known_state);

CREATE TABLE tasks (
    workspace BIGINT NOT NULL,
    id BLOB NOT NULL,
    hub_id BLOB NOT NULL,
    subject TEXT NOT NULL,
    user_id BLOB,
    member_id BLOB,
    kind TEXT NOT NULL,
    status TEXT NOT NULL,
    cause TEXT NOT NULL,
    request_id TEXT,
    payload TEXT NOT NULL,
    reasons TEXT NOT NULL,
    priority INTEGER NOT NULL,
    not_before BIGINT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    crashes INTEGER NOT NULL DEFAULT 0,
    verify_first BOOLEAN NOT NULL DEFAULT FALSE,
    lease_boot BLOB,
    lease_epoch BIGINT NOT NULL DEFAULT 0,
    lease_until BIGINT,
    hold_id BLOB,
    superseded_by BLOB,
    error_class TEXT,
    error_detail TEXT,
    instructions TEXT,
    created_at BIGINT NOT NULL,
    modified_at BIGINT NOT NULL,
    finished_at BIGINT,
    finished_by TEXT,
    PRIMARY KEY (workspace, id)
) WITHOUT ROWID;
CREATE UNIQUE INDEX tasks_one_open ON tasks (workspace, hub_id, subject)
    WHERE status IN ('queued', 'started', 'running', 'retrying', 'held', 'waiting', 'manual');
CREATE INDEX tasks_ready ON tasks (workspace, hub_id, priority, not_before, id)
    WHERE status IN ('queued', 'retrying');
-- Few rows whatever the size of the table: a claim counts them per lane.
CREATE INDEX tasks_in_flight ON tasks (workspace, hub_id)
    WHERE status IN ('started', 'running');
CREATE INDEX tasks_waiting ON tasks (not_before) WHERE status = 'waiting';
CREATE INDEX tasks_leased ON tasks (lease_until) WHERE lease_until IS NOT NULL;
CREATE INDEX tasks_hub ON tasks (workspace, hub_id, id);
CREATE INDEX tasks_status ON tasks (workspace, status, id);
CREATE INDEX tasks_user ON tasks (workspace, user_id, id);

CREATE TABLE attempts (
    workspace BIGINT NOT NULL,
    task_id BLOB NOT NULL,
    number INTEGER NOT NULL,
    epoch BIGINT NOT NULL,
    started_at BIGINT NOT NULL,
    finished_at BIGINT,
    outcome TEXT,
    error_class TEXT,
    detail TEXT,
    PRIMARY KEY (workspace, task_id, number)
) WITHOUT ROWID;

CREATE TABLE holds (
    workspace BIGINT NOT NULL,
    id BLOB NOT NULL,
    hub_id BLOB NOT NULL,
    reason TEXT NOT NULL,
    status TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    decided_at BIGINT,
    decided_by TEXT,
    note TEXT,
    PRIMARY KEY (workspace, id)
) WITHOUT ROWID;
CREATE UNIQUE INDEX holds_open ON holds (workspace, hub_id, reason) WHERE status = 'open';

-- Reject, cancel and permanent failure stick while wanted and known stay as they were.
CREATE TABLE decisions (
    workspace BIGINT NOT NULL,
    hub_id BLOB NOT NULL,
    subject TEXT NOT NULL,
    digest BLOB NOT NULL,
    kind TEXT NOT NULL,
    task_id BLOB,
    decided_by TEXT NOT NULL,
    note TEXT,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (workspace, hub_id, subject)
) WITHOUT ROWID;

CREATE TABLE problems (
    workspace BIGINT NOT NULL,
    hub_id BLOB NOT NULL,
    cause TEXT NOT NULL,
    message TEXT NOT NULL,
    occurrences BIGINT NOT NULL,
    opened_at BIGINT NOT NULL,
    seen_at BIGINT NOT NULL,
    closed_at BIGINT,
    PRIMARY KEY (workspace, hub_id, cause)
) WITHOUT ROWID;

CREATE TABLE access_intervals (
    workspace BIGINT NOT NULL,
    id BLOB NOT NULL,
    user_id BLOB,
    person TEXT NOT NULL,
    hub_id BLOB NOT NULL,
    hub_slug TEXT NOT NULL,
    member_id BLOB NOT NULL,
    app_role TEXT,
    assets TEXT NOT NULL,
    from_at BIGINT NOT NULL,
    to_at BIGINT,
    from_cause TEXT NOT NULL,
    to_cause TEXT,
    from_task BLOB,
    to_task BLOB,
    evidence TEXT NOT NULL,
    PRIMARY KEY (workspace, id)
) WITHOUT ROWID;
CREATE UNIQUE INDEX access_intervals_open ON access_intervals (workspace, member_id) WHERE to_at IS NULL;
CREATE INDEX access_intervals_user ON access_intervals (workspace, user_id, from_at);
CREATE INDEX access_intervals_hub ON access_intervals (workspace, hub_id, from_at);

-- Append-only. Rows commit with their change; sequence and hash are given afterwards by a sealer.
-- personal stands beside the record, so that erasing it leaves the chain valid.
CREATE TABLE activity (
    workspace BIGINT NOT NULL,
    id BLOB NOT NULL,
    at BIGINT NOT NULL,
    kind TEXT NOT NULL,
    actor TEXT NOT NULL,
    target TEXT NOT NULL,
    hub_id BLOB,
    user_id BLOB,
    task_id BLOB,
    request_id TEXT,
    detail TEXT NOT NULL,
    personal TEXT,
    seq BIGINT,
    hash BLOB,
    PRIMARY KEY (workspace, id)
) WITHOUT ROWID;
CREATE INDEX activity_user ON activity (workspace, user_id, id) WHERE user_id IS NOT NULL;
CREATE INDEX activity_hub ON activity (workspace, hub_id, id) WHERE hub_id IS NOT NULL;

-- Every key is led by the workspace, and one workspace may be the whole database. Without numbers
-- SQLite takes the first column of any key for a good filter and reads the tenant instead of an
-- index; these say that it is none. Rows in all, then rows left per column, roughly: ten hubs, a
-- thousand members a group. ANALYZE may replace them with real numbers at any time.
ANALYZE sqlite_schema;
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
    ('access_intervals', 'access_intervals', '1000000 1000000 1'),
    ('access_intervals', 'access_intervals_hub', '1000000 1000000 100000 2'),
    ('access_intervals', 'access_intervals_open', '100000 100000 1'),
    ('access_intervals', 'access_intervals_user', '1000000 1000000 10 2'),
    ('activity', 'activity', '1000000 1000000 1'),
    ('activity', 'activity_hub', '100000 100000 10000 2'),
    ('activity', 'activity_user', '100000 100000 10 2'),
    ('attempts', 'attempts', '1000000 1000000 10 1'),
    ('decisions', 'decisions', '1000000 1000000 100000 1'),
    ('holds', 'holds', '1000000 1000000 1'),
    ('holds', 'holds_open', '100000 100000 10000 1'),
    ('hub_lanes', 'hub_lanes', '1000000 1000000 1'),
    ('hub_members', 'hub_members', '1000000 1000000 1'),
    ('hub_members', 'hub_members_email', '1000000 1000000 100000 2'),
    ('hub_members', 'hub_members_managed', '1000000 1000000 100000 25000 6250'),
    ('hub_members', 'hub_members_of_user', '100000 100000 10'),
    ('hub_members', 'hub_members_remote', '100000 100000 10000 1'),
    ('hub_members', 'hub_members_user', '100000 100000 10000 1'),
    ('hub_secrets', 'hub_secrets', '1000000 1000000 100000 1'),
    ('hubs', 'hubs', '1000000 1000000 1'),
    ('hubs', 'hubs_slug', '1000000 1000000 1'),
    ('mappings', 'mappings', '1000000 1000000 1'),
    ('mappings', 'mappings_bound', '1000000 1000000 2'),
    ('mappings', 'mappings_identity', '1000000 1000000 100000 2 1'),
    ('mappings', 'mappings_waiting', '100000 100000 2'),
    ('memberships', 'memberships', '1000000 1000000 1000 1'),
    ('memberships', 'memberships_member', '1000000 1000000 10 10'),
    ('pending_members', 'pending_members', '1000000 1000000 1000 1'),
    ('pending_members', 'pending_members_value', '1000000 1000000 100000 2'),
    ('problems', 'problems', '1000000 1000000 100000 1'),
    ('reconcile_marks', 'reconcile_marks', '1000000 1000000 100000 1'),
    ('reconcile_marks', 'reconcile_marks_due', '1000000 1000000 100000 2'),
    ('sources', 'sources', '1000000 1000000 1'),
    ('tasks', 'tasks', '1000000 1000000 1'),
    ('tasks', 'tasks_hub', '1000000 1000000 100000 2'),
    ('tasks', 'tasks_in_flight', '100000 100000 10000'),
    ('tasks', 'tasks_one_open', '100000 100000 10000 1'),
    ('tasks', 'tasks_ready', '100000 100000 10000 2500 2 2'),
    ('tasks', 'tasks_status', '1000000 1000000 250000 2'),
    ('tasks', 'tasks_user', '1000000 1000000 10 2'),
    ('tasks', 'tasks_waiting', '100000 2'),
    ('tokens', 'tokens', '1000000 1000000 1'),
    ('user_emails', 'user_emails', '1000000 1000000 2 2 1'),
    ('user_emails', 'user_emails_user', '1000000 1000000 10'),
    ('user_groups', 'user_groups', '1000000 1000000 1'),
    ('user_groups', 'user_groups_display_name', '1000000 1000000 100000 2'),
    ('user_groups', 'user_groups_external_id', '1000000 1000000 100000 2'),
    ('user_groups', 'user_groups_source', '1000000 1000000 100000 2'),
    ('users', 'users', '1000000 1000000 1'),
    ('users', 'users_display_name', '1000000 1000000 100000 2'),
    ('users', 'users_external_id', '1000000 1000000 100000 2'),
    ('users', 'users_source', '1000000 1000000 100000 2'),
    ('users', 'users_user_name', '1000000 1000000 1'),
    ('wide_marks', 'wide_marks', '1000000 1000000 1'),
    ('wide_marks', 'wide_marks_due', '1000000 1000000 100000 2');
ANALYZE sqlite_schema;
