-- A person by the address that reports show, also after the user was deleted.
CREATE INDEX access_intervals_person ON access_intervals (workspace, person, id);
