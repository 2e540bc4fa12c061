"""What the engines say each in their own way: which faults pass, and how. All else is the SQL that they share.

The codes are SQLSTATEs: PostgreSQL's (https://www.postgresql.org/docs/15/errcodes-appendix.html), which CockroachDB and
YugabyteDB give, too.
"""

from __future__ import annotations

from collections.abc import Mapping

import asyncpg

from alt.errors import ForeseenError
from alt.storage.model.activity import RetryCause

# Another transaction was in the way, and this one has done nothing: it is done again.
#   40001 serialization failure: CockroachDB and YugabyteDB (https://www.cockroachlabs.com/docs/stable/transaction-retry-error-reference)
#   40P01 deadlock, 55P03 a lock was not to be had in time
#   23505 another one has stored a row first of which this one had found that it was not there
LOST_RACES: Mapping[str | None, RetryCause] = {
    "40001": "serialization_failure",
    "40P01": "deadlock",
    "55P03": "lock_timeout",
    "23505": "lost_race",
}

# The database goes away, is not there yet, or has become a standby.
# Classes: 08 connection, 53 resources, 57P shutdown, 58 system.
_AWAY = ("08", "53", "57P", "58", "25006")

# asyncpg's own, where a connection was cut. The second: the database said so while nobody used the connection, and its
# message is not wholly read when the next statement comes, of which nothing is sent then.
CUT = (asyncpg.InterfaceError, asyncpg.InternalClientError)

# What a connection of Alt's asks of the database. A lock is waited for briefly, and an Alt that has vanished with
# locks in its hands loses them, however it went.
SESSION = {
    "application_name": "alt",
    "lock_timeout": "2000",
    "statement_timeout": "8000",
    "idle_in_transaction_session_timeout": "10000",
}

# All statements but a few rare ones find rows by the keys of an index, whatever their values are: so one plan of each is
# right for good, and a bad one, made while a relation was small, is none that can be chosen. PostgreSQL plans again with
# each value where it takes that for cheaper, 0.1 to 0.2 ms of a statement of 0.4
# (https://www.postgresql.org/docs/15/runtime-config-query.html). An engine that does not know these settings goes without.
PLANNING = "; ".join(
    f"SET {name} = {value}"
    for name, value in {
        "plan_cache_mode": "force_generic_plan",
        "enable_seqscan": "off",
        "enable_bitmapscan": "off",
        "enable_hashjoin": "off",
        "enable_mergejoin": "off",
        "jit": "off",
    }.items()
)

# A server whose memory is glibc's gives the end of it back to the kernel after each statement with a large result, and takes
# it again for the next: a third of a page's time is page faults. Once it has freed a piece of this size, it keeps as much
# (mallopt(3), M_MMAP_THRESHOLD).
KEEPING_MEMORY = "SELECT length(repeat('x', 1000000))"

# Items are read in the order of their keys, so relations have to be split by ranges of keys. CockroachDB does that anyway.
# YugabyteDB takes hashes of the first column, unless the transaction that makes a relation has said this before. An engine
# without the setting finds nothing to set.
# https://docs.yugabyte.com/stable/reference/configuration/yb-tserver/#yb-use-hash-splitting-by-default
SPLIT_BY_RANGES = (
    "SELECT set_config(name, 'off', true) FROM pg_settings WHERE name = 'yb_use_hash_splitting_by_default'"
)


def session(schema: str) -> dict[str, str]:
    """The settings of a connection whose statements are about the relations of this schema, and of no other.

    A name without a schema is looked for in those of search_path alone, and in the system's, as all three document:
    https://www.postgresql.org/docs/15/runtime-config-client.html#GUC-SEARCH-PATH
    https://www.cockroachlabs.com/docs/stable/sql-name-resolution#search-path
    https://docs.yugabyte.com/stable/api/ysql/name-resolution-in-top-level-sql/
    """
    return {**SESSION, "search_path": schema}


UNKNOWN_SETTING = (
    asyncpg.UndefinedObjectError,
    asyncpg.InvalidParameterValueError,
    asyncpg.FeatureNotSupportedError,
)


class LostRaceError(ForeseenError):
    """Another transaction was faster, as this one has found out by itself."""


def lost_race(fault: BaseException) -> RetryCause | None:
    """How another transaction was in the way, None if none was."""
    if isinstance(fault, LostRaceError):
        return "lost_race"
    return LOST_RACES.get(fault.sqlstate) if isinstance(fault, asyncpg.PostgresError) else None


def is_lost_race(fault: BaseException) -> bool:
    return lost_race(fault) is not None


def is_away(fault: BaseException) -> bool:
    """Whether the database cannot be reached just now, or has cut the connection."""
    if isinstance(fault, asyncpg.PostgresError):
        return (fault.sqlstate or "").startswith(_AWAY)
    # The last: no host has the asked-for role.
    return isinstance(fault, (OSError, TimeoutError, *CUT, asyncpg.TargetServerAttributeNotMatched))
