-- Whether Owners of a hub are told by mail what their hub needs (R6.5).
ALTER TABLE notifications ADD COLUMN hub_owners BOOLEAN NOT NULL DEFAULT TRUE;

-- Addresses that the mail server refused, until it takes a mail for them. way names who is told, as in
-- told.key; tries counts in a row.
CREATE TABLE mail_refusals (
    workspace BIGINT NOT NULL,
    way TEXT NOT NULL,
    mail TEXT NOT NULL,
    tries INTEGER NOT NULL,
    failed_at BIGINT NOT NULL,
    error TEXT NOT NULL,
    PRIMARY KEY (workspace, way)
) WITHOUT ROWID;

INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES ('mail_refusals', 'mail_refusals', '1000 10 1');
ANALYZE sqlite_schema;
