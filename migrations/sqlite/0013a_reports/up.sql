-- A person by the address that reports show, also after the user was deleted.
CREATE INDEX access_intervals_person ON access_intervals (workspace, person, id);

INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
    ('access_intervals', 'access_intervals_person', '1000000 1000000 10 1');
ANALYZE sqlite_schema;
