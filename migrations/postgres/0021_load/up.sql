-- The app's ids are compared with hub_members.remote_id, which is ordered by bytes. With another order
-- here the key could not answer it: each of n members was looked for among all n listed.
ALTER TABLE sync_seen ALTER COLUMN remote_id TYPE TEXT COLLATE "C";
-- A place in the old order may have accounts behind it that stand before it now: begin again.
UPDATE sync_runs SET after_key = NULL WHERE after_key IS NOT NULL;
