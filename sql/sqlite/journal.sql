-- Transactions over several tables that are decided and perhaps not yet in all their files.
-- AUTOINCREMENT: a number is never given twice, since the files remember the last they saw.
CREATE TABLE entry (
    number  INTEGER PRIMARY KEY AUTOINCREMENT,
    token   TEXT,
    request BLOB,
    expires REAL
);

-- What an entry writes, as it is to stand in the item table; no item means a delete.
CREATE TABLE effect (
    number   INTEGER NOT NULL,
    position INTEGER NOT NULL,
    file     TEXT NOT NULL,
    slot     INTEGER NOT NULL,
    pk       NOT NULL,
    sk       NOT NULL,
    size     INTEGER,
    item     TEXT,
    PRIMARY KEY (number, position)
) WITHOUT ROWID;
