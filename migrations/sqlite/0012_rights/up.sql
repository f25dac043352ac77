-- Workspace roles that were given to one person by name. What groups give is not kept here: it is
-- read from role_mappings and memberships, so that it is never old. At most one Owner (3.1).
CREATE TABLE workspace_roles (
    workspace BIGINT NOT NULL,
    user_id BLOB NOT NULL,
    role TEXT NOT NULL,
    given_by TEXT NOT NULL,
    given_at BIGINT NOT NULL,
    PRIMARY KEY (workspace, user_id)
) WITHOUT ROWID;
CREATE UNIQUE INDEX workspace_roles_one_owner ON workspace_roles (workspace) WHERE role = 'owner';

-- Groups of the identity provider that give their members a workspace role.
CREATE TABLE role_mappings (
    workspace BIGINT NOT NULL,
    group_id BLOB NOT NULL,
    role TEXT NOT NULL,
    given_by TEXT NOT NULL,
    given_at BIGINT NOT NULL,
    PRIMARY KEY (workspace, group_id)
) WITHOUT ROWID;

-- Owners and Managers of a hub by name, beside what its mappings give. service_account: whether they
-- were given the hub's service account; without it they manage people and nothing else.
CREATE TABLE hub_managers (
    workspace BIGINT NOT NULL,
    hub_id BLOB NOT NULL,
    user_id BLOB NOT NULL,
    role TEXT NOT NULL,
    service_account BOOLEAN NOT NULL,
    given_by TEXT NOT NULL,
    given_at BIGINT NOT NULL,
    PRIMARY KEY (workspace, hub_id, user_id)
) WITHOUT ROWID;
CREATE INDEX hub_managers_of ON hub_managers (workspace, user_id);

-- As whom a credential acts: a person, or a service with a role; neither for the operator's.
ALTER TABLE tokens ADD COLUMN acts_as BLOB;
ALTER TABLE tokens ADD COLUMN role TEXT;

INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
    ('workspace_roles', 'workspace_roles', '100000 100000 1'),
    ('workspace_roles', 'workspace_roles_one_owner', '100 1'),
    ('role_mappings', 'role_mappings', '10000 10000 1'),
    ('hub_managers', 'hub_managers', '100000 100000 10 1'),
    ('hub_managers', 'hub_managers_of', '100000 100000 2');
ANALYZE sqlite_schema;
