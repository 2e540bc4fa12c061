-- Format 3, of everybody's schema alone: tenants, each of which has a schema of its own.
CREATE TABLE tenant (
    name text PRIMARY KEY
);

-- Whose tables a key is for; NULL for everybody's.
ALTER TABLE access_key ADD COLUMN tenant text;
