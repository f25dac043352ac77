ALTER TABLE notifications DROP COLUMN hub_owners;
