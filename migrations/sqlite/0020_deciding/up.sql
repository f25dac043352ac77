-- What an app needs to know of a person before it can add them and no attribute tells: given by hand,
-- one row for each field. It goes with the person or the hub.
CREATE TABLE given_fields (
    workspace BIGINT NOT NULL,
    hub_id BLOB NOT NULL,
    user_id BLOB NOT NULL,
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    given_by TEXT NOT NULL,
    given_at BIGINT NOT NULL,
    PRIMARY KEY (workspace, hub_id, user_id, name)
) WITHOUT ROWID;
CREATE INDEX given_fields_of ON given_fields (workspace, user_id);

INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
    ('given_fields', 'given_fields', '100000 100000 1000 2 1'),
    ('given_fields', 'given_fields_of', '100000 100000 2');
ANALYZE sqlite_schema;
