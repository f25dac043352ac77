-- Accounts that somebody protected from automation (T-08): why, who, and until when. The row is there
-- as long as the protection holds; hub_members.protected says it too, and also of the account that
-- the hub works with, which has no row here.
CREATE TABLE protections (
    workspace BIGINT NOT NULL,
    member_id BYTEA NOT NULL,
    hub_id BYTEA NOT NULL,
    reason TEXT NOT NULL,
    given_by TEXT NOT NULL,
    given_at BIGINT NOT NULL,
    until_at BIGINT,
    PRIMARY KEY (workspace, member_id)
);
CREATE INDEX protections_end ON protections (until_at) WHERE until_at IS NOT NULL;
