-- One secondary index. {name} is its name in this file, {columns} its key's columns,
-- which a row of the item table reaches by pk and sk. `item` holds what is projected.
CREATE TABLE {name} (
    slot INTEGER NOT NULL,
    {columns}
    size INTEGER NOT NULL,   -- bytes of the projection, by DynamoDB's rules
    item TEXT NOT NULL,      -- DynamoDB JSON
    PRIMARY KEY ({key})
) WITHOUT ROWID;
