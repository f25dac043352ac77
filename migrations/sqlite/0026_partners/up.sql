-- Local partners: businesses outside whose people are guests here, with admins of theirs and of ours
-- (business-hubs.md section 9).
CREATE TABLE partners (
    workspace BIGINT NOT NULL,
    id BLOB NOT NULL,
    name TEXT NOT NULL,
    name_key TEXT NOT NULL,
    created_by TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (workspace, id)
) WITHOUT ROWID;
CREATE UNIQUE INDEX partners_name ON partners (workspace, name_key);

-- Who is what in one: guest, guest_admin, or host_admin, who is one of ours. A guest is of one partner.
CREATE TABLE partner_people (
    workspace BIGINT NOT NULL,
    partner_id BLOB NOT NULL,
    user_id BLOB NOT NULL,
    role TEXT NOT NULL,
    given_by TEXT NOT NULL,
    given_at BIGINT NOT NULL,
    PRIMARY KEY (workspace, partner_id, user_id)
) WITHOUT ROWID;
CREATE INDEX partner_people_of ON partner_people (workspace, user_id);
CREATE UNIQUE INDEX partner_people_one ON partner_people (workspace, user_id) WHERE role <> 'host_admin';

INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
    ('partners', 'partners', '1000 1000 1'),
    ('partners', 'partners_name', '1000 1000 1'),
    ('partner_people', 'partner_people', '10000 10000 10 1'),
    ('partner_people', 'partner_people_of', '10000 10000 1'),
    ('partner_people', 'partner_people_one', '10000 10000 1');
ANALYZE sqlite_schema;
