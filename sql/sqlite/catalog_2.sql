-- A catalog of format 1 becomes one of format 2 (catalog.sql).
CREATE TABLE doomed_file (
    path       TEXT PRIMARY KEY,
    is_removed INTEGER NOT NULL
) WITHOUT ROWID;
ALTER TABLE backup ADD COLUMN checksum INTEGER;
