-- One DynamoDB table. Clustered by slot (a hash of the partition key), partition key
-- and sort key, in the order-preserving encoding of alt/values/keys.py; a table without
-- a sort key has x'' there. `size` stands before `item` so that sizes are read without
-- touching an item's overflow pages.
CREATE TABLE item (
    slot INTEGER NOT NULL,
    pk   NOT NULL,
    sk   NOT NULL,
    size INTEGER NOT NULL,   -- bytes, by DynamoDB's rules
    item TEXT NOT NULL,      -- DynamoDB JSON
    checksum INTEGER NOT NULL,  -- CRC32 of the item
    PRIMARY KEY (slot, pk, sk)
) WITHOUT ROWID;

-- The table's own definition, as the catalog has it (alt/storage/model/definition.py): from the files a lost catalog is
-- made again. In a backup's file, `backup` is what the catalog keeps of it.
CREATE TABLE self (definition TEXT, backup TEXT);
INSERT INTO self VALUES (NULL, NULL);

-- Exact counts, by the name of the clustered table they count. `groups` of 'item' is the number of the last group
-- of writes, whose page a group mostly writes anyway (alt/storage/sqlite/durable_mark.py).
CREATE TABLE statistics (
    source TEXT PRIMARY KEY,
    items  INTEGER NOT NULL DEFAULT 0,
    bytes  INTEGER NOT NULL DEFAULT 0,
    groups INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
INSERT INTO statistics (source) VALUES ('item');

-- Where there are local indexes: the bytes of each partition key's items and their entries in those.
CREATE TABLE item_collection (
    slot  INTEGER NOT NULL,
    pk    NOT NULL,
    bytes INTEGER NOT NULL,
    PRIMARY KEY (slot, pk)
) WITHOUT ROWID;

-- How far the building of an index has come: the last item whose entry is in it.
CREATE TABLE backfill (
    source TEXT PRIMARY KEY,
    slot INTEGER NOT NULL,
    pk   NOT NULL,
    sk   NOT NULL
) WITHOUT ROWID;

-- The last transaction over several tables that reached this file, by its number in the journal.
CREATE TABLE transaction_mark (number INTEGER NOT NULL);
INSERT INTO transaction_mark VALUES (0);

-- ClientRequestTokens of transactions that wrote here; `request` is a hash, `expires` in epoch seconds.
CREATE TABLE token (
    token   TEXT PRIMARY KEY,
    request BLOB NOT NULL,
    expires REAL NOT NULL
) WITHOUT ROWID;
CREATE INDEX token_expiry ON token (expires);

-- Whether an item with an escaped NUL was ever stored: SQL alone cannot filter such (alt/storage/sqlite/filters.py).
CREATE TABLE peculiarity (nul INTEGER NOT NULL);
INSERT INTO peculiarity VALUES (0);

-- What changed, while a stream or point-in-time recovery asks for it (alt/storage/sqlite/change_log.py). A size and an
-- item (DynamoDB JSON) are NULL where there was, or is, none, and so is the item's CRC32. AUTOINCREMENT: a number is
-- never given twice.
CREATE TABLE change (
    seq      INTEGER PRIMARY KEY AUTOINCREMENT,
    at       REAL NOT NULL,     -- epoch seconds
    slot     INTEGER NOT NULL,
    pk       NOT NULL,
    sk       NOT NULL,
    by_ttl   INTEGER NOT NULL,  -- 1: the item expired
    old_size INTEGER,
    new_size INTEGER,
    old      TEXT,
    new      TEXT,
    old_checksum INTEGER,
    new_checksum INTEGER
);
