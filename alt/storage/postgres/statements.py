"""Every statement that Alt sends to the database, except those that make relations (sql/postgres/) or settings (dialect.py).

They are made of what PostgreSQL 15, CockroachDB and YugabyteDB document, which tests/storage/postgres/test_statements.py
holds them to. They name no schema: a connection has the one of those whose tables it is for (dialect.py). Rows are locked
in the order of their keys, items first with the collections that there are, then counts, then logs: so no two transactions
wait for each other in a circle.
"""

from __future__ import annotations

from typing import NamedTuple

_AT_PLACE = "i.source = k.source AND i.slot = k.slot AND i.key = k.key"

# Connections and transactions

SEARCH_PATH = "SHOW search_path"
BEGIN = "BEGIN"
COMMIT = "COMMIT"
ROLLBACK = "ROLLBACK"

# The schema

CREATE_SCHEMA = "CREATE SCHEMA"  # and its name
FORMAT = "SELECT version FROM format"
REPLACE_FORMAT = "UPDATE format SET version = $1"
SERVER = "SELECT version()"
ENCODING = "SHOW server_encoding"
COUNT_TABLES = "SELECT count(*) FROM definition WHERE name IS NOT NULL"
COUNT_ITEMS = "SELECT coalesce(sum(items), 0)::bigint, coalesce(sum(bytes), 0)::bigint FROM tally"
COUNT_REMOVED = "SELECT count(*) FROM removed"

# The catalog

REVISION = "SELECT revision FROM fence WHERE number = 0"
SHARE_FENCE = "SELECT revision FROM fence WHERE number = $1 FOR SHARE"
CLOSE_FENCES = "SELECT revision FROM fence ORDER BY number FOR UPDATE"
NEXT_REVISION = "UPDATE fence SET revision = revision + 1"
DEFINITION_REVISIONS = "SELECT id, revision FROM definition"
DEFINITIONS = "SELECT id, name, revision, definition FROM definition WHERE id = ANY($1::text[])"
ADD_DEFINITION = "INSERT INTO definition (id, name, revision, definition) VALUES ($1, $2, $3, $4)"
REPLACE_DEFINITION = (
    "UPDATE definition SET name = $2, revision = $3, definition = $4 WHERE id = $1 AND revision = $5"
)
REMOVE_DEFINITION = "DELETE FROM definition WHERE id = $1"
ADD_LOG = "INSERT INTO log (source, last, trimmed, newest) VALUES ($1, 0, 0, $2)"
REMOVE_LOG = "DELETE FROM log WHERE source = $1"
BEGIN_BUILDING = (
    "INSERT INTO building (source, slot, key) VALUES ($1, $2, $3) ON CONFLICT (source) DO NOTHING"
)
END_BUILDING = "DELETE FROM building WHERE source = ANY($1::bigint[])"
MARK_REMOVED = (
    "INSERT INTO removed (source) SELECT source FROM unnest($1::bigint[]) AS source "
    "ON CONFLICT (source) DO NOTHING"
)

# Reads

GET = (
    "SELECT k.number, i.size, i.item FROM unnest($1::bigint[], $2::bigint[], $3::bytea[], $4::integer[]) "
    f"AS k (source, slot, key, number) JOIN item AS i ON {_AT_PLACE}"
)


class _Range(NamedTuple):
    """Rows in an order. `slot`: the one that all of them have, if it is one."""

    where: str
    order: str
    slot: str | None = None


_PARTITION = _Range("source = $1 AND slot = $2 AND key >= $3 AND key < $4", "key ASC", "$2::bigint")
_PARTITION_BACKWARD = _PARTITION._replace(order="key DESC")
_SLOTS = _Range("source = $1 AND slot < $2 AND (slot, key) >= ($3, $4)", "slot, key")


def _rows(range_: _Range) -> str:
    """$5 rows at most, up to the one with which they have $6 bytes: what follows it is not sent."""
    where, order, _ = range_
    return (
        "SELECT slot, key, size, item FROM (SELECT slot, key, size, item, "
        f"sum(size) OVER (ORDER BY {order} ROWS UNBOUNDED PRECEDING) - size AS bytes_before FROM item "
        f"WHERE {where} ORDER BY {order} LIMIT $5) AS page WHERE bytes_before < $6 ORDER BY {order}"
    )


def _texts(range_: _Range, *, is_sought: bool = False) -> str:
    """The items of $5 rows at most, if these have no more than $6 bytes, and where the last is, if there are $7 of them.

    Or of these items, if all have fewer bytes, those that have the text $9: with how many all are, and the last, if
    there are $8 of them.
    """
    where, order, slot = range_
    rows = f"FROM item WHERE {where} ORDER BY {order} LIMIT"
    last = f"CASE WHEN rows = {{}} THEN (SELECT {{}} {rows} 1 OFFSET $5 - 1) END AS last_{{}}"
    items = f"CASE WHEN bytes <= $6 THEN ARRAY(SELECT item {rows} $5) END AS items"
    place = [
        f"{slot} AS last_slot" if slot else last.format("$7", "slot", "slot"),
        last.format("$7", "key", "key"),
    ]
    if is_sought:
        page = f"(SELECT slot, key, item {rows} $5) AS page WHERE strpos(item, $9) > 0"
        items = f"CASE WHEN bytes < $6 THEN ARRAY(SELECT item FROM {page} ORDER BY {order}) END AS items"
        place.append(last.format("$8", "item", "item"))
    return (
        "WITH bound AS (SELECT count(*) AS rows, coalesce(sum(size), 0)::bigint AS bytes "
        f"FROM (SELECT size {rows} $5) AS sizes) SELECT rows, bytes, {items}, {', '.join(place)} FROM bound"
    )


PARTITION = _rows(_PARTITION)
PARTITION_BACKWARD = _rows(_PARTITION_BACKWARD)
SLOTS = _rows(_SLOTS)
PARTITION_TEXTS = _texts(_PARTITION)
PARTITION_TEXTS_BACKWARD = _texts(_PARTITION_BACKWARD)
SLOTS_TEXTS = _texts(_SLOTS)
PARTITION_SOUGHT = _texts(_PARTITION, is_sought=True)
PARTITION_SOUGHT_BACKWARD = _texts(_PARTITION_BACKWARD, is_sought=True)
SLOTS_SOUGHT = _texts(_SLOTS, is_sought=True)
COUNTS = (
    "SELECT source, sum(items)::bigint AS items, sum(bytes)::bigint AS bytes FROM tally "
    "WHERE source = ANY($1::bigint[]) GROUP BY source"
)

# Groups of writes

LOCK_ITEMS = f"{GET} ORDER BY i.source, i.slot, i.key FOR UPDATE OF i"
# The fence first, whose revision comes once at least: every row has it.
BEGIN_GROUP = (
    "WITH shared AS (SELECT revision FROM fence WHERE number = $5 FOR SHARE), "
    f"locked AS ({LOCK_ITEMS}) SELECT revision, number, size, item FROM shared LEFT JOIN locked ON true"
)
LOCK_COLLECTIONS = (
    "SELECT i.source, i.slot, i.key, i.bytes FROM unnest($1::bigint[], $2::bigint[], $3::bytea[]) AS k (source, slot, key) "
    f"JOIN collection AS i ON {_AT_PLACE} ORDER BY i.source, i.slot, i.key FOR UPDATE OF i"
)
LOCK_BUILDING = (
    "SELECT source, slot, key FROM building WHERE source = ANY($1::bigint[]) ORDER BY source FOR UPDATE"
)
TOKENS = "SELECT token, request, expires, sizes FROM token WHERE token = ANY($1::text[])"
# What rows change of the counts of their sources is stored with them: sources, a stripe, items and bytes come first.
_ADD_TALLIES = (
    "WITH tallied AS (INSERT INTO tally AS t (source, stripe, items, bytes) SELECT source, $2, items, bytes "
    "FROM unnest($1::bigint[], $3::bigint[], $4::bigint[]) AS k (source, items, bytes) "
    "ON CONFLICT (source, stripe) DO UPDATE SET items = t.items + excluded.items, bytes = t.bytes + excluded.bytes) "
)
_ROWS = "unnest($5::bigint[], $6::bigint[], $7::bytea[], $8::integer[], $9::text[]) AS k (source, slot, key, size, item)"
INSERT_ITEMS = (
    f"{_ADD_TALLIES}INSERT INTO item (source, slot, key, size, item) "
    f"SELECT source, slot, key, size, item FROM {_ROWS}"
)
UPDATE_ITEMS = (
    f"{_ADD_TALLIES}UPDATE item AS i SET size = k.size, item = k.item FROM {_ROWS} WHERE {_AT_PLACE}"
)
DELETE_ITEMS = (
    f"{_ADD_TALLIES}DELETE FROM item AS i USING unnest($5::bigint[], $6::bigint[], $7::bytea[]) "
    f"AS k (source, slot, key) WHERE {_AT_PLACE}"
)
ADD_COLLECTIONS = (
    "INSERT INTO collection AS c (source, slot, key, bytes) SELECT source, slot, key, bytes "
    "FROM unnest($1::bigint[], $2::bigint[], $3::bytea[], $4::bigint[]) AS k (source, slot, key, bytes) "
    "ON CONFLICT (source, slot, key) DO UPDATE SET bytes = c.bytes + excluded.bytes"
)
LOCK_LOGS = "SELECT source, last, newest FROM log WHERE source = ANY($1::bigint[]) ORDER BY source FOR UPDATE"
UPDATE_LOG = "UPDATE log SET last = $2, newest = $3 WHERE source = $1"
INSERT_CHANGES = (
    "INSERT INTO change (source, number, made, slot, key, by_ttl, old_size, new_size, old_item, new_item) "
    "SELECT source, number, made, slot, key, by_ttl, old_size, new_size, old_item, new_item "
    "FROM unnest($1::bigint[], $2::bigint[], $3::double precision[], $4::bigint[], $5::bytea[], $6::boolean[], "
    "$7::integer[], $8::integer[], $9::text[], $10::text[]) "
    "AS k (source, number, made, slot, key, by_ttl, old_size, new_size, old_item, new_item)"
)
FORGET_TOKENS = "DELETE FROM token WHERE token = ANY($1::text[])"
INSERT_TOKENS = (
    "INSERT INTO token (token, request, expires, sizes) SELECT token, request, expires, sizes "
    "FROM unnest($1::text[], $2::bytea[], $3::double precision[], $4::text[]) AS k (token, request, expires, sizes)"
)

# The change log

LOG = "SELECT last, trimmed, newest FROM log WHERE source = $1"
MADE = "SELECT made FROM change WHERE source = $1 AND number = $2"
CHANGES = (
    "SELECT number, made, slot, key, by_ttl, old_size, new_size, old_item, new_item FROM ("
    "SELECT number, made, slot, key, by_ttl, old_size, new_size, CASE WHEN $6 THEN old_item END AS old_item, "
    "CASE WHEN $7 THEN new_item END AS new_item, sum(coalesce(old_size, 0) + coalesce(new_size, 0)) "
    "OVER (ORDER BY number ROWS UNBOUNDED PRECEDING) AS bytes_after FROM change "
    "WHERE source = $1 AND number > $2 AND number <= $3 AND slot >= $4 AND slot < $5 ORDER BY number LIMIT $8"
    ") AS page WHERE bytes_after - coalesce(old_size, 0) - coalesce(new_size, 0) < $9 ORDER BY number"
)

# Usage

ADD_CONSUMPTION = (
    "INSERT INTO consumption AS c "
    "(access_key, table_name, index_name, read_units, write_units, requests, throttled) "
    "SELECT access_key, table_name, index_name, read_units, write_units, requests, throttled FROM unnest("
    "$1::text[], $2::text[], $3::text[], $4::double precision[], $5::double precision[], $6::bigint[], $7::bigint[]) "
    "AS k (access_key, table_name, index_name, read_units, write_units, requests, throttled) "
    "ON CONFLICT (access_key, table_name, index_name) DO UPDATE SET "
    "read_units = c.read_units + excluded.read_units, write_units = c.write_units + excluded.write_units, "
    "requests = c.requests + excluded.requests, throttled = c.throttled + excluded.throttled"
)
CONSUMED = (
    "SELECT table_name, index_name, sum(read_units) AS read, sum(write_units) AS written FROM consumption "
    "GROUP BY table_name, index_name"
)
CONSUMED_BY_KEYS = (
    "SELECT access_key, sum(read_units) AS read, sum(write_units) AS written FROM consumption "
    "WHERE access_key = ANY($1::text[]) GROUP BY access_key"
)
KEY_LIMITS = "SELECT access_key, read_units, write_units FROM key_limit"

# Access keys

KEYS = "SELECT id, name, role, policy, tenant, created, salt FROM access_key ORDER BY id"
ADD_KEY = "INSERT INTO access_key (id, name, role, policy, tenant, created, salt) VALUES ($1, $2, $3, $4, $5, $6, $7)"
ROTATE_KEY = "UPDATE access_key SET salt = $2 WHERE id = $1"
REMOVE_KEY = "DELETE FROM access_key WHERE id = $1"
MASTER_KEY = "SELECT fingerprint FROM master_key"
ADD_MASTER_KEY = "INSERT INTO master_key (only_one, fingerprint) VALUES ($1, $2) ON CONFLICT DO NOTHING"

# Tenants

TENANTS = "SELECT name FROM tenant ORDER BY name"
ADD_TENANT = "INSERT INTO tenant (name) VALUES ($1) ON CONFLICT DO NOTHING"

# Work beside the requests

TAKE_LEASE = (
    "INSERT INTO lease AS l (work, holder, expires) VALUES ($1, $2, now() + $3::interval) "
    "ON CONFLICT (work) DO UPDATE SET holder = excluded.holder, expires = excluded.expires "
    "WHERE l.holder = excluded.holder OR l.expires < now()"
)
RELEASE_LEASE = "DELETE FROM lease WHERE work = $1 AND holder = $2"
MOVE_BUILDING = "UPDATE building SET slot = $2, key = $3 WHERE source = $1"
REMOVED = "SELECT source FROM removed ORDER BY source LIMIT 1"
DELETE_SOME_ITEMS = (
    "DELETE FROM item WHERE source = $1 AND (slot, key) IN "
    "(SELECT slot, key FROM item WHERE source = $1 ORDER BY slot, key LIMIT $2)"
)
DELETE_SOME_COLLECTIONS = (
    "DELETE FROM collection WHERE source = $1 AND (slot, key) IN "
    "(SELECT slot, key FROM collection WHERE source = $1 ORDER BY slot, key LIMIT $2)"
)
DELETE_SOME_CHANGES = (
    "DELETE FROM change WHERE source = $1 AND number IN "
    "(SELECT number FROM change WHERE source = $1 ORDER BY number LIMIT $2)"
)
DELETE_TALLIES = "DELETE FROM tally WHERE source = $1"
FORGET_REMOVED = "DELETE FROM removed WHERE source = $1"
TRIM_LOG = "UPDATE log SET trimmed = $2 WHERE source = $1"
DELETE_CHANGES_UNTIL = "DELETE FROM change WHERE source = $1 AND number <= $2"
DELETE_EXPIRED_TOKENS = "DELETE FROM token WHERE expires < $1"

# Copies

BACKUP = "SELECT backup FROM backup WHERE id = $1"
BACKUPS = "SELECT backup FROM backup"
ADD_BACKUP = "INSERT INTO backup (id, backup) VALUES ($1, $2)"
REPLACE_BACKUP = "UPDATE backup SET backup = $2 WHERE id = $1"
REMOVE_BACKUP = "DELETE FROM backup WHERE id = $1"
WITHOUT_TIME_OUT = "SET LOCAL statement_timeout = 0"
COPY_ITEMS = (
    "INSERT INTO item (source, slot, key, size, item) "
    "SELECT $1::bigint, slot, key, size, item FROM item WHERE source = $2"
)
SUM_ITEMS = "SELECT count(*) AS items, coalesce(sum(size), 0)::bigint AS bytes FROM item WHERE source = $1"
IDLE_FOR_LONG = "SET LOCAL idle_in_transaction_session_timeout = 60000"
BEGIN_SNAPSHOT = "BEGIN ISOLATION LEVEL REPEATABLE READ"
OLD_IMAGES = (
    "SELECT number, slot, key, old_size, old_item FROM change "
    "WHERE source = $1 AND number > $2 AND number <= $3 ORDER BY number DESC LIMIT $4"
)
