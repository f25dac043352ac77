-- Users in the order in which they came, and their key beside them. In a table without row numbers whole
-- rows are what its tree branches by: at nearly a kilobyte four or five to a page, so that 100,000 users
-- were seven or eight pages deep, and each lookup, by whatever attribute, went all of that way. An index
-- of keys branches by a hundred, and the rows below it by more.
CREATE TABLE users_by_arrival (
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
    address_taken_at BIGINT,
    PRIMARY KEY (workspace, id)
);
INSERT INTO users_by_arrival (workspace, id, source, user_name, user_name_key, display_name_key, external_id, active,
        deactivated_at, version, created_at, modified_at, document, address_taken_at)
    SELECT workspace, id, source, user_name, user_name_key, display_name_key, external_id, active,
        deactivated_at, version, created_at, modified_at, document, address_taken_at
    FROM users ORDER BY workspace, id;
DROP TABLE users;
ALTER TABLE users_by_arrival RENAME TO users;

CREATE UNIQUE INDEX users_user_name ON users (workspace, user_name_key);
CREATE INDEX users_source ON users (workspace, source, id);
CREATE INDEX users_external_id ON users (workspace, source, external_id);
CREATE INDEX users_display_name ON users (workspace, source, display_name_key);

DELETE FROM sqlite_stat1 WHERE tbl IN ('users', 'users_by_arrival');
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
    ('users', 'sqlite_autoindex_users_1', '1000000 1000000 1'),
    ('users', 'users_display_name', '1000000 1000000 100000 2'),
    ('users', 'users_external_id', '1000000 1000000 100000 2'),
    ('users', 'users_source', '1000000 1000000 100000 2'),
    ('users', 'users_user_name', '1000000 1000000 1');
ANALYZE sqlite_schema;
