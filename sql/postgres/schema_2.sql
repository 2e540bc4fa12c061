-- Format 2, of everybody's schema alone: who may sign. A key's secret is made of its id, its salt and the master key, which is in a file of each Alt's.
CREATE TABLE access_key (
    id      text PRIMARY KEY,
    name    text NOT NULL,
    role    text,                      -- admin, readwrite or readonly; NULL with a policy
    policy  text,                      -- JSON, as it was given
    created double precision NOT NULL, -- epoch seconds
    salt    bytea NOT NULL             -- another one after each rotation
);

-- The one master key that all secrets are made with, by its fingerprint. No row until there is a first key.
CREATE TABLE master_key (
    only_one    integer PRIMARY KEY,
    fingerprint bytea NOT NULL
);
