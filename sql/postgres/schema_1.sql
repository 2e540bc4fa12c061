-- Format 1 of what Alt keeps in a database that speaks PostgreSQL's protocol. See alt/storage/postgres/DESIGN.md.
-- Whoever runs this has the schema that it is for as its search_path: everybody's, or a tenant's.

-- Which format this is.
CREATE TABLE format (
    only_one integer PRIMARY KEY,
    version  integer NOT NULL
);

-- Tables as they are defined. A table that was deleted and left something has no name any more.
CREATE TABLE definition (
    id         text PRIMARY KEY,
    name       text UNIQUE,
    revision   bigint NOT NULL,
    definition text NOT NULL
);

-- The catalog's revision, many times. A group of writes shares one of these rows while it is under way; who changes a
-- definition or a limit has all of them, and makes them one more.
CREATE TABLE fence (
    number   integer PRIMARY KEY,
    revision bigint NOT NULL
);

-- Items, and the entries of every index. A source is a table or an index.
CREATE TABLE item (
    source bigint NOT NULL,
    slot   bigint NOT NULL,
    key    bytea NOT NULL,
    size   integer NOT NULL,
    item   text NOT NULL,
    PRIMARY KEY (source, slot, key)
);

-- How many rows a source has and their bytes, as summed up by each stripe of its writers.
CREATE TABLE tally (
    source bigint NOT NULL,
    stripe integer NOT NULL,
    items  bigint NOT NULL,
    bytes  bigint NOT NULL,
    PRIMARY KEY (source, stripe)
);

-- The bytes of item collections, of tables with local indexes.
CREATE TABLE collection (
    source bigint NOT NULL,
    slot   bigint NOT NULL,
    key    bytea NOT NULL,
    bytes  bigint NOT NULL,
    PRIMARY KEY (source, slot, key)
);

-- Where each change log stands: the last number given, the last that is gone, the newest moment (epoch seconds).
CREATE TABLE log (
    source  bigint PRIMARY KEY,
    last    bigint NOT NULL,
    trimmed bigint NOT NULL,
    newest  double precision NOT NULL
);

CREATE TABLE change (
    source   bigint NOT NULL,
    number   bigint NOT NULL,
    made     double precision NOT NULL,
    slot     bigint NOT NULL,
    key      bytea NOT NULL,
    by_ttl   boolean NOT NULL,
    old_size integer,
    new_size integer,
    old_item text,
    new_item text,
    PRIMARY KEY (source, number)
);

-- ClientRequestTokens, and of each item of their transactions the bytes that it was charged for.
CREATE TABLE token (
    token   text PRIMARY KEY,
    request bytea NOT NULL,
    expires double precision NOT NULL,
    sizes   text NOT NULL
);

-- Indexes that are being built: what comes before this key has been taken in.
CREATE TABLE building (
    source bigint PRIMARY KEY,
    slot   bigint NOT NULL,
    key    bytea NOT NULL
);

-- Sources whose rows have yet to be deleted.
CREATE TABLE removed (
    source bigint PRIMARY KEY
);

-- Who does which work in the background, and until when (the database's time).
CREATE TABLE lease (
    work    text PRIMARY KEY,
    holder  text NOT NULL,
    expires timestamptz NOT NULL
);

CREATE TABLE backup (
    id     text PRIMARY KEY,
    backup text NOT NULL
);

-- Capacity units consumed, by access key, table and index ('' for the table itself).
CREATE TABLE consumption (
    access_key  text NOT NULL,
    table_name  text NOT NULL,
    index_name  text NOT NULL,
    read_units  double precision NOT NULL,
    write_units double precision NOT NULL,
    requests    bigint NOT NULL,
    throttled   bigint NOT NULL,
    PRIMARY KEY (access_key, table_name, index_name)
);

-- What an access key may consume a second, over all tables; NULL for no limit.
CREATE TABLE key_limit (
    access_key  text PRIMARY KEY,
    read_units  double precision,
    write_units double precision
);

INSERT INTO format (only_one, version) VALUES (1, 1);
INSERT INTO fence (number, revision) SELECT number, 1 FROM generate_series(0, 63) AS number;
