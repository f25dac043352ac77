-- Who wrote a record (threat T-29): a keyed mark, written with it, that nobody makes without the
-- installation's key. Records that were sealed before have none and need none.
ALTER TABLE activity ADD COLUMN mark BYTEA;
-- When the sealer found a record without a rightful mark. It keeps its place and is said to be another's.
ALTER TABLE activity ADD COLUMN foreign_at BIGINT;
CREATE INDEX activity_foreign ON activity (workspace, seq) WHERE foreign_at IS NOT NULL;

CREATE TRIGGER activity_marked_once BEFORE UPDATE OF mark ON activity
    FOR EACH ROW EXECUTE FUNCTION activity_refused();
CREATE TRIGGER activity_foreign_once BEFORE UPDATE OF foreign_at ON activity
    FOR EACH ROW WHEN (OLD.seq IS NOT NULL) EXECUTE FUNCTION activity_refused();
-- The program never takes these away, and empties none of the three.
CREATE TRIGGER activity_heads_deleted BEFORE DELETE ON activity_heads
    FOR EACH ROW EXECUTE FUNCTION activity_refused();
CREATE TRIGGER activity_checkpoints_deleted BEFORE DELETE ON activity_checkpoints
    FOR EACH ROW EXECUTE FUNCTION activity_refused();
CREATE TRIGGER activity_emptied BEFORE TRUNCATE ON activity
    FOR EACH STATEMENT EXECUTE FUNCTION activity_refused();
CREATE TRIGGER activity_heads_emptied BEFORE TRUNCATE ON activity_heads
    FOR EACH STATEMENT EXECUTE FUNCTION activity_refused();
CREATE TRIGGER activity_checkpoints_emptied BEFORE TRUNCATE ON activity_checkpoints
    FOR EACH STATEMENT EXECUTE FUNCTION activity_refused();
