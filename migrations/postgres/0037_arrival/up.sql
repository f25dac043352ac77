-- PostgreSQL keeps a table's rows apart from its keys already; see SQLite's.
SELECT 1;
