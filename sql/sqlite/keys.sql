-- Who may sign. A key's secret is made of its id, its salt and the master key, which is in a file beside this one.
CREATE TABLE access_key (
    id      TEXT PRIMARY KEY,
    name    TEXT NOT NULL,
    role    TEXT,              -- admin, readwrite or readonly; NULL with a policy
    policy  TEXT,              -- JSON, as it was given
    tenant  TEXT,              -- whose tables it is for; NULL for everybody's
    created REAL NOT NULL,     -- epoch seconds
    salt    BLOB NOT NULL      -- another one after each rotation
) WITHOUT ROWID;

-- The one master key that all secrets are made with, by its fingerprint. No row until there is a first key.
CREATE TABLE master_key (
    fingerprint BLOB NOT NULL
);
