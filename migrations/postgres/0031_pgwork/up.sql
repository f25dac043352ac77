-- Members looked up by a list of people, or of e-mail addresses, in one hub: the key that the list holds
-- comes before the hub, so that PostgreSQL cannot take an index over the hub for as good a way.
DROP INDEX hub_members_of_user;
CREATE INDEX hub_members_of_user ON hub_members (workspace, user_id, hub_id) WHERE user_id IS NOT NULL;
DROP INDEX hub_members_email;
CREATE INDEX hub_members_email ON hub_members (workspace, email_key, hub_id);
