-- On SQLite every text is ordered by bytes: nothing to do.
SELECT 1;
