ALTER TABLE role_mappings DROP COLUMN file_ref;
ALTER TABLE role_mappings DROP COLUMN owner;
