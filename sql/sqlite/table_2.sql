-- A table's file of format 1 becomes one of format 2 (table.sql).
ALTER TABLE item ADD COLUMN checksum INTEGER;
ALTER TABLE statistics ADD COLUMN groups INTEGER NOT NULL DEFAULT 0;
CREATE TABLE self (definition TEXT, backup TEXT);
INSERT INTO self VALUES (NULL, NULL);
