-- Whether Owners of a hub are told by mail what their hub needs (R6.5).
ALTER TABLE notifications ADD COLUMN hub_owners BOOLEAN NOT NULL DEFAULT TRUE;
