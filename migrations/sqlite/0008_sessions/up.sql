-- Signing out of the page ends the sessions of its token that began at or before this moment: a
-- session is a sealed text that nobody keeps, so a copy of it cannot be taken back otherwise.
ALTER TABLE tokens ADD COLUMN sessions_ended_at BIGINT;
