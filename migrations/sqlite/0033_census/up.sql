-- A list of users need not count them as long as none was deleted (store::census): this index tells.
-- The condition is the one that is asked there, letter by letter.
CREATE INDEX activity_departures ON activity (workspace, id) WHERE kind IN ('user.deleted', 'guest.removed');

INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES ('activity', 'activity_departures', '1000 1000 1');
ANALYZE sqlite_schema;
