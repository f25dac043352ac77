-- The whole model of DESIGN.md sections 1 and 2, also where behaviour follows later.
-- Every primary key is led by the workspace; the exceptions stand in ARCHITECTURE.md.
-- Times are UTC microseconds, ids are 16 bytes (UUIDv7), JSON is text.

CREATE TABLE settings (
    name TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    value TEXT COLLATE "C" NOT NULL
);

CREATE TABLE workspaces (
    id BIGINT NOT NULL PRIMARY KEY,
    name TEXT COLLATE "C" NOT NULL UNIQUE,
    paused BOOLEAN NOT NULL DEFAULT FALSE,
    created_at BIGINT NOT NULL
);

CREATE TABLE sources (
    workspace BIGINT NOT NULL REFERENCES workspaces (id),
    id BIGINT NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    preset TEXT NOT NULL,
    strict BOOLEAN NOT NULL DEFAULT FALSE,
    created_at BIGINT NOT NULL,
    last_request_at BIGINT,
    PRIMARY KEY (workspace, id),
    UNIQUE (workspace, name)
);

CREATE TABLE tokens (
    workspace BIGINT NOT NULL,
    id BYTEA NOT NULL,
    source BIGINT NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    scope TEXT COLLATE "C" NOT NULL,
    lookup TEXT COLLATE "C" NOT NULL,
    hash BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    revoked_at BIGINT,
    last_used_at BIGINT,
    PRIMARY KEY (workspace, id)
);
CREATE UNIQUE INDEX tokens_lookup ON tokens (lookup);

CREATE TABLE users (
    workspace BIGINT NOT NULL,
    id BYTEA NOT NULL,
    source BIGINT NOT NULL,
    user_name TEXT NOT NULL,
    user_name_key TEXT COLLATE "C" NOT NULL,
    display_name_key TEXT COLLATE "C",
    external_id TEXT COLLATE "C",
    active BOOLEAN NOT NULL,
    deactivated_at BIGINT,
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    modified_at BIGINT NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (workspace, id)
);
CREATE UNIQUE INDEX users_user_name ON users (workspace, user_name_key);
CREATE INDEX users_source ON users (workspace, source, id);
CREATE INDEX users_external_id ON users (workspace, source, external_id);
CREATE INDEX users_display_name ON users (workspace, source, display_name_key);

CREATE TABLE user_emails (
    workspace BIGINT NOT NULL,
    email_key TEXT COLLATE "C" NOT NULL,
    user_id BYTEA NOT NULL,
    type_key TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (workspace, email_key, user_id, type_key)
);
CREATE INDEX user_emails_user ON user_emails (workspace, user_id);

CREATE TABLE user_groups (
    workspace BIGINT NOT NULL,
    id BYTEA NOT NULL,
    source BIGINT NOT NULL,
    display_name TEXT NOT NULL,
    display_name_key TEXT COLLATE "C" NOT NULL,
    external_id TEXT COLLATE "C",
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    modified_at BIGINT NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (workspace, id)
);
CREATE INDEX user_groups_source ON user_groups (workspace, source, id);
CREATE INDEX user_groups_external_id ON user_groups (workspace, source, external_id);
CREATE INDEX user_groups_display_name ON user_groups (workspace, source, display_name_key);

-- member_kind: 0 a user, 1 a group (nested groups are stored, never expanded into access).
CREATE TABLE memberships (
    workspace BIGINT NOT NULL,
    group_id BYTEA NOT NULL,
    member_id BYTEA NOT NULL,
    member_kind SMALLINT NOT NULL,
    confirmed_at BIGINT NOT NULL,
    PRIMARY KEY (workspace, group_id, member_id)
);
CREATE INDEX memberships_member ON memberships (workspace, member_id, group_id);

-- Members named by an IdP before they arrived; they join when a user with that id or externalId does.
CREATE TABLE pending_members (
    workspace BIGINT NOT NULL,
    group_id BYTEA NOT NULL,
    value TEXT COLLATE "C" NOT NULL,
    source BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (workspace, group_id, value)
);
CREATE INDEX pending_members_value ON pending_members (workspace, source, value);

CREATE TABLE hubs (
    workspace BIGINT NOT NULL,
    id BYTEA NOT NULL,
    slug TEXT COLLATE "C" NOT NULL,
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
);
CREATE UNIQUE INDEX hubs_slug ON hubs (workspace, slug);

-- What all workers of the cluster must agree on per hub: pace, breaker, and why it stands still.
CREATE TABLE hub_lanes (
    workspace BIGINT NOT NULL,
    hub_id BYTEA NOT NULL,
    max_in_flight INTEGER NOT NULL,
    per_second DOUBLE PRECISION,
    next_allowed_at BIGINT NOT NULL DEFAULT 0,
    breaker TEXT NOT NULL DEFAULT 'closed',
    breaker_failures INTEGER NOT NULL DEFAULT 0,
    breaker_until BIGINT NOT NULL DEFAULT 0,
    blocked_reason TEXT,
    last_claim_at BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (workspace, hub_id)
);

CREATE TABLE hub_secrets (
    workspace BIGINT NOT NULL,
    hub_id BYTEA NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    key_id TEXT NOT NULL,
    sealed BYTEA NOT NULL,
    modified_at BIGINT NOT NULL,
    PRIMARY KEY (workspace, hub_id, name)
);

-- binding: 'waiting' (subject not arrived), 'bound', 'gone' (the group was deleted; a person must decide).
CREATE TABLE mappings (
    workspace BIGINT NOT NULL,
    id BYTEA NOT NULL,
    hub_id BYTEA NOT NULL,
    subject_kind TEXT NOT NULL,
    subject_by TEXT NOT NULL,
    subject_value TEXT NOT NULL,
    subject_key TEXT COLLATE "C" NOT NULL,
    subject_source BIGINT,
    bound_id BYTEA,
    binding TEXT NOT NULL,
    scope TEXT COLLATE "C" NOT NULL,
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
);
CREATE UNIQUE INDEX mappings_identity ON mappings (workspace, hub_id, subject_key, scope);
CREATE INDEX mappings_bound ON mappings (workspace, bound_id);
CREATE INDEX mappings_waiting ON mappings (workspace, subject_key) WHERE binding = 'waiting';

CREATE TABLE reconcile_marks (
    workspace BIGINT NOT NULL,
    hub_id BYTEA NOT NULL,
    user_id BYTEA NOT NULL,
    due_at BIGINT NOT NULL,
    settle_until BIGINT NOT NULL,
    rev BIGINT NOT NULL,
    cause TEXT COLLATE "C" NOT NULL,
    request_id TEXT,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (workspace, hub_id, user_id)
);
CREATE INDEX reconcile_marks_due ON reconcile_marks (workspace, hub_id, due_at);

-- More than 500 pairs at once: expanded by the planner in key order. group_id set: the members of
-- that group; null: everybody the hub knows.
CREATE TABLE wide_marks (
    workspace BIGINT NOT NULL,
    id BYTEA NOT NULL,
    hub_id BYTEA NOT NULL,
    group_id BYTEA,
    after_id BYTEA,
    due_at BIGINT NOT NULL,
    settle_until BIGINT NOT NULL,
    cause TEXT COLLATE "C" NOT NULL,
    request_id TEXT,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (workspace, id)
);
CREATE INDEX wide_marks_due ON wide_marks (workspace, hub_id, due_at);

-- One row per account in a hub: what we last did (known), what a sync saw (observed), whose it is.
CREATE TABLE hub_members (
    workspace BIGINT NOT NULL,
    id BYTEA NOT NULL,
    hub_id BYTEA NOT NULL,
    user_id BYTEA,
    remote_id TEXT COLLATE "C",
    email_key TEXT COLLATE "C",
    display TEXT NOT NULL,
    bucket TEXT NOT NULL,
    managed BOOLEAN NOT NULL,
    protected BOOLEAN NOT NULL DEFAULT FALSE,
    status TEXT COLLATE "C" NOT NULL,
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
);
CREATE UNIQUE INDEX hub_members_user ON hub_members (workspace, hub_id, user_id) WHERE user_id IS NOT NULL;
CREATE UNIQUE INDEX hub_members_remote ON hub_members (workspace, hub_id, remote_id) WHERE remote_id IS NOT NULL;
CREATE INDEX hub_members_of_user ON hub_members (workspace, user_id) WHERE user_id IS NOT NULL;
CREATE INDEX hub_members_email ON hub_members (workspace, hub_id, email_key);
CREATE INDEX hub_members_managed ON hub_members (workspace, hub_id, managed, known_state);

CREATE TABLE tasks (
    workspace BIGINT NOT NULL,
    id BYTEA NOT NULL,
    hub_id BYTEA NOT NULL,
    subject TEXT COLLATE "C" NOT NULL,
    user_id BYTEA,
    member_id BYTEA,
    kind TEXT NOT NULL,
    status TEXT COLLATE "C" NOT NULL,
    cause TEXT COLLATE "C" NOT NULL,
    request_id TEXT,
    payload TEXT NOT NULL,
    reasons TEXT NOT NULL,
    priority INTEGER NOT NULL,
    not_before BIGINT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    crashes INTEGER NOT NULL DEFAULT 0,
    verify_first BOOLEAN NOT NULL DEFAULT FALSE,
    lease_boot BYTEA,
    lease_epoch BIGINT NOT NULL DEFAULT 0,
    lease_until BIGINT,
    hold_id BYTEA,
    superseded_by BYTEA,
    error_class TEXT,
    error_detail TEXT,
    instructions TEXT,
    created_at BIGINT NOT NULL,
    modified_at BIGINT NOT NULL,
    finished_at BIGINT,
    finished_by TEXT,
    PRIMARY KEY (workspace, id)
);
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
    task_id BYTEA NOT NULL,
    number INTEGER NOT NULL,
    epoch BIGINT NOT NULL,
    started_at BIGINT NOT NULL,
    finished_at BIGINT,
    outcome TEXT,
    error_class TEXT,
    detail TEXT,
    PRIMARY KEY (workspace, task_id, number)
);

CREATE TABLE holds (
    workspace BIGINT NOT NULL,
    id BYTEA NOT NULL,
    hub_id BYTEA NOT NULL,
    reason TEXT COLLATE "C" NOT NULL,
    status TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    decided_at BIGINT,
    decided_by TEXT,
    note TEXT,
    PRIMARY KEY (workspace, id)
);
CREATE UNIQUE INDEX holds_open ON holds (workspace, hub_id, reason) WHERE status = 'open';

-- Reject, cancel and permanent failure stick while wanted and known stay as they were.
CREATE TABLE decisions (
    workspace BIGINT NOT NULL,
    hub_id BYTEA NOT NULL,
    subject TEXT COLLATE "C" NOT NULL,
    digest BYTEA NOT NULL,
    kind TEXT NOT NULL,
    task_id BYTEA,
    decided_by TEXT NOT NULL,
    note TEXT,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (workspace, hub_id, subject)
);

CREATE TABLE problems (
    workspace BIGINT NOT NULL,
    hub_id BYTEA NOT NULL,
    cause TEXT COLLATE "C" NOT NULL,
    message TEXT NOT NULL,
    occurrences BIGINT NOT NULL,
    opened_at BIGINT NOT NULL,
    seen_at BIGINT NOT NULL,
    closed_at BIGINT,
    PRIMARY KEY (workspace, hub_id, cause)
);

CREATE TABLE access_intervals (
    workspace BIGINT NOT NULL,
    id BYTEA NOT NULL,
    user_id BYTEA,
    person TEXT NOT NULL,
    hub_id BYTEA NOT NULL,
    hub_slug TEXT NOT NULL,
    member_id BYTEA NOT NULL,
    app_role TEXT,
    assets TEXT NOT NULL,
    from_at BIGINT NOT NULL,
    to_at BIGINT,
    from_cause TEXT NOT NULL,
    to_cause TEXT,
    from_task BYTEA,
    to_task BYTEA,
    evidence TEXT NOT NULL,
    PRIMARY KEY (workspace, id)
);
CREATE UNIQUE INDEX access_intervals_open ON access_intervals (workspace, member_id) WHERE to_at IS NULL;
CREATE INDEX access_intervals_user ON access_intervals (workspace, user_id, from_at);
CREATE INDEX access_intervals_hub ON access_intervals (workspace, hub_id, from_at);

-- Append-only. Rows commit with their change; sequence and hash are given afterwards by a sealer.
-- personal stands beside the record, so that erasing it leaves the chain valid.
CREATE TABLE activity (
    workspace BIGINT NOT NULL,
    id BYTEA NOT NULL,
    at BIGINT NOT NULL,
    kind TEXT NOT NULL,
    actor TEXT NOT NULL,
    target TEXT NOT NULL,
    hub_id BYTEA,
    user_id BYTEA,
    task_id BYTEA,
    request_id TEXT,
    detail TEXT NOT NULL,
    personal TEXT,
    seq BIGINT,
    hash BYTEA,
    PRIMARY KEY (workspace, id)
);
CREATE INDEX activity_user ON activity (workspace, user_id, id) WHERE user_id IS NOT NULL;
CREATE INDEX activity_hub ON activity (workspace, hub_id, id) WHERE hub_id IS NOT NULL;
