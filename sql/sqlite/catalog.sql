-- What spans tables. One row a table; `definition` is JSON (alt/storage/model/definition.py).
CREATE TABLE dynamo_table (
    name       TEXT PRIMARY KEY,
    id         TEXT NOT NULL UNIQUE,
    file       TEXT NOT NULL UNIQUE,
    definition TEXT NOT NULL
) WITHOUT ROWID;

-- Tables that were deleted and whose files are kept for a while: a day for the readers of their streams, and until the
-- backup is made that the deletion leaves. `definition` says when that was.
CREATE TABLE deleted_table (
    file       TEXT PRIMARY KEY,
    definition TEXT NOT NULL,
    backup     TEXT            -- its id
) WITHOUT ROWID;

-- Files to be deleted, by their paths in the data directory: those of what was removed, and those in the making until
-- something owns them. Nothing else is ever deleted.
CREATE TABLE doomed_file (
    path       TEXT PRIMARY KEY,
    is_removed INTEGER NOT NULL  -- 0 while it is being made
) WITHOUT ROWID;

-- One row a backup, which outlives its table. `definition` is the table's at that time, `size` its bytes.
CREATE TABLE backup (
    id         TEXT PRIMARY KEY,
    name       TEXT NOT NULL,
    table_name TEXT NOT NULL,
    table_id   TEXT NOT NULL,
    created    REAL NOT NULL,     -- epoch seconds, as is expires
    expires    REAL,
    kind       TEXT NOT NULL,     -- USER or SYSTEM
    items      INTEGER NOT NULL,
    size       INTEGER NOT NULL,
    available  INTEGER NOT NULL,  -- 0 while its file is being written
    file       TEXT NOT NULL UNIQUE,
    definition TEXT NOT NULL,
    checksum   INTEGER        -- CRC32 of its file; NULL while it is being written
) WITHOUT ROWID;
