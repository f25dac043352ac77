-- Sealing of the record (DESIGN.md section 3). The digest of the personal data beside a record is
-- what its hash covers, so that erasing the data leaves the chain valid.
ALTER TABLE activity ADD COLUMN personal_digest BYTEA;

-- Two sealers that both took a record's place: the second one's commit fails.
CREATE UNIQUE INDEX activity_seq ON activity (workspace, seq) WHERE seq IS NOT NULL;
-- What has still to be sealed; empty but for the last second.
CREATE INDEX activity_unsealed ON activity (workspace, id) WHERE seq IS NULL;
-- A hub by its name, also after it was removed, for reports.
CREATE INDEX access_intervals_slug ON access_intervals (workspace, hub_slug, id);

-- The end of each workspace's chain, and the checkpoint that retention has cut behind; the signature
-- covers both, so that a shorter chain needs the installation's key.
CREATE TABLE activity_heads (
    workspace BIGINT NOT NULL PRIMARY KEY,
    seq BIGINT NOT NULL,
    hash BYTEA NOT NULL,
    cut_seq BIGINT NOT NULL,
    signature BYTEA NOT NULL
);

-- The chain's end as it was signed once a day.
CREATE TABLE activity_checkpoints (
    workspace BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    hash BYTEA NOT NULL,
    at BIGINT NOT NULL,
    signature BYTEA NOT NULL,
    PRIMARY KEY (workspace, seq)
);

-- A record is written once: sealed once, its personal data may go, and nothing else is ever changed.
-- It is deleted only where retention has cut.
CREATE FUNCTION activity_refused() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a record is never changed, and deleted only behind a checkpoint';
END $$;
CREATE FUNCTION activity_behind_checkpoint() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM activity_heads h WHERE h.workspace = OLD.workspace AND OLD.seq <= h.cut_seq) THEN
        RAISE EXCEPTION 'a record is deleted only behind a checkpoint';
    END IF;
    RETURN OLD;
END $$;
CREATE TRIGGER activity_written_once BEFORE UPDATE OF workspace, id, at, kind, actor, target, hub_id, user_id, task_id, request_id, detail ON activity
    FOR EACH ROW EXECUTE FUNCTION activity_refused();
CREATE TRIGGER activity_sealed_once BEFORE UPDATE OF seq, hash, personal_digest ON activity
    FOR EACH ROW WHEN (OLD.seq IS NOT NULL) EXECUTE FUNCTION activity_refused();
CREATE TRIGGER activity_personal BEFORE UPDATE OF personal ON activity
    FOR EACH ROW WHEN (NEW.personal IS NOT NULL) EXECUTE FUNCTION activity_refused();
CREATE TRIGGER activity_deleted BEFORE DELETE ON activity
    FOR EACH ROW EXECUTE FUNCTION activity_behind_checkpoint();
