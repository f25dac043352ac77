-- Invitations that ran out are looked for every second; without an index that was a look at every member
-- of every hub.
CREATE INDEX hub_members_invited ON hub_members (expires_at) WHERE expires_at IS NOT NULL;
