-- Capacity units consumed since the data directory was made, by access key, table and index ('' for the table itself).
CREATE TABLE consumption (
    access_key  TEXT NOT NULL,
    table_name  TEXT NOT NULL,
    index_name  TEXT NOT NULL,
    read_units  REAL NOT NULL DEFAULT 0,
    write_units REAL NOT NULL DEFAULT 0,
    requests    INTEGER NOT NULL DEFAULT 0,
    throttled   INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (access_key, table_name, index_name)
) WITHOUT ROWID;

-- What an access key may consume a second, over all tables; NULL for no limit.
CREATE TABLE key_limit (
    access_key  TEXT PRIMARY KEY,
    read_units  REAL,
    write_units REAL
) WITHOUT ROWID;
