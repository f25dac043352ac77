ALTER TABLE hubs DROP COLUMN created_by;
DROP TABLE hub_waits;
