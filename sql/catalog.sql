-- What spans tables. One row a table; `definition` is JSON (alt/storage/definition.py).
CREATE TABLE dynamo_table (
    name       TEXT PRIMARY KEY,
    id         TEXT NOT NULL UNIQUE,
    file       TEXT NOT NULL UNIQUE,
    definition TEXT NOT NULL
) WITHOUT ROWID;
