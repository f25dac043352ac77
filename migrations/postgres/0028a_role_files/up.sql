-- Whose file manages a group that gives a role, and the commit it came with.
ALTER TABLE role_mappings ADD COLUMN owner TEXT;
ALTER TABLE role_mappings ADD COLUMN file_ref TEXT;
