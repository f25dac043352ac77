-- Who wrote a record (threat T-29): a keyed mark, written with it, that nobody makes without the
-- installation's key. Records that were sealed before have none and need none.
ALTER TABLE activity ADD COLUMN mark BLOB;
-- When the sealer found a record without a rightful mark. It keeps its place and is said to be another's.
ALTER TABLE activity ADD COLUMN foreign_at BIGINT;
CREATE INDEX activity_foreign ON activity (workspace, seq) WHERE foreign_at IS NOT NULL;

CREATE TRIGGER activity_marked_once BEFORE UPDATE OF mark ON activity
BEGIN SELECT RAISE(ABORT, 'a record is never changed'); END;
CREATE TRIGGER activity_foreign_once BEFORE UPDATE OF foreign_at ON activity WHEN OLD.seq IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'a sealed record is never changed'); END;
-- The program never takes these away.
CREATE TRIGGER activity_heads_deleted BEFORE DELETE ON activity_heads
BEGIN SELECT RAISE(ABORT, 'the end of a record is never deleted'); END;
CREATE TRIGGER activity_checkpoints_deleted BEFORE DELETE ON activity_checkpoints
BEGIN SELECT RAISE(ABORT, 'a checkpoint is never deleted'); END;

INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
    ('activity', 'activity_foreign', '10 10 1');
ANALYZE sqlite_schema;
