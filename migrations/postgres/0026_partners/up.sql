-- Local partners: businesses outside whose people are guests here, with admins of theirs and of ours
-- (business-hubs.md section 9).
CREATE TABLE partners (
    workspace BIGINT NOT NULL,
    id BYTEA NOT NULL,
    name TEXT NOT NULL,
    name_key TEXT NOT NULL,
    created_by TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (workspace, id)
);
CREATE UNIQUE INDEX partners_name ON partners (workspace, name_key);

-- Who is what in one: guest, guest_admin, or host_admin, who is one of ours. A guest is of one partner.
CREATE TABLE partner_people (
    workspace BIGINT NOT NULL,
    partner_id BYTEA NOT NULL,
    user_id BYTEA NOT NULL,
    role TEXT NOT NULL,
    given_by TEXT NOT NULL,
    given_at BIGINT NOT NULL,
    PRIMARY KEY (workspace, partner_id, user_id)
);
CREATE INDEX partner_people_of ON partner_people (workspace, user_id);
CREATE UNIQUE INDEX partner_people_one ON partner_people (workspace, user_id) WHERE role <> 'host_admin';
