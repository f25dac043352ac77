-- What an app needs to know of a person before it can add them and no attribute tells: given by hand,
-- one row for each field. It goes with the person or the hub.
CREATE TABLE given_fields (
    workspace BIGINT NOT NULL,
    hub_id BYTEA NOT NULL,
    user_id BYTEA NOT NULL,
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    given_by TEXT NOT NULL,
    given_at BIGINT NOT NULL,
    PRIMARY KEY (workspace, hub_id, user_id, name)
);
CREATE INDEX given_fields_of ON given_fields (workspace, user_id);

