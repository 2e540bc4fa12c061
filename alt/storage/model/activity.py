"""What an engine has done since it began, and what it is doing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple, get_args

from alt.metrics.histogram import Histogram

GROUP_BOUNDS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
COMMIT_BOUNDS = (0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)
WAIT_BOUNDS = (0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)

# Why a group of writes was done again. A lost race: another transaction has stored what this one had found absent.
RetryCause = Literal["lost_race", "serialization_failure", "deadlock", "lock_timeout", "connection_cut"]


class Totals:
    """Sums since the engine began: of the writes of each group, the seconds of each COMMIT, and of items that expired."""

    __slots__ = ("commit_seconds", "expired_items", "group_writes")

    def __init__(self) -> None:
        self.group_writes = Histogram(GROUP_BOUNDS)
        self.commit_seconds = Histogram(COMMIT_BOUNDS)
        self.expired_items = 0


class Consumed(NamedTuple):
    """Of one table and its indexes, since the engine began."""

    read_units: float
    write_units: float
    throttled: int


class DatabaseTotals:
    """Sums since the engine began, where a database keeps its data: of the connections to it, and of what it had to repeat.

    A wait is one for a connection while all were in use; refused is who waited in vain. An outcome is unknown whose
    COMMIT was not answered. A conflict is a transaction that was given up, as others were in its way all the time.
    """

    __slots__ = (
        "conflicts",
        "connections_cut",
        "connections_failed",
        "connections_made",
        "group_retries",
        "read_retries",
        "refused",
        "unknown_outcomes",
        "wait_seconds",
    )

    def __init__(self) -> None:
        self.connections_made = 0
        self.connections_failed = 0
        self.connections_cut = 0
        self.wait_seconds = Histogram(WAIT_BOUNDS)
        self.refused = 0
        self.group_retries: dict[str, int] = dict.fromkeys(get_args(RetryCause), 0)
        self.read_retries = 0
        self.unknown_outcomes = 0
        self.conflicts = 0


class DatabaseActivity(NamedTuple):
    """The connections to a database: how many are open, in use (or being made for a use), and how many there may be."""

    totals: DatabaseTotals
    open: int
    in_use: int
    limit: int


class ReplicaActivity(NamedTuple):
    """`is_current`: reads that may be old go to it. Its retries are none: the primary is asked instead."""

    database: DatabaseActivity
    is_current: bool


class Activity(NamedTuple):
    """`background`: how many tasks of a kind are under way. `consumed` is by the names of tables that were used.

    `database` is None where files keep the data, and `replica` where there is none.
    """

    totals: Totals
    tables: int
    open_tables: int
    cache_bytes: int
    background: Mapping[str, int]
    consumed: Mapping[str, Consumed]
    database: DatabaseActivity | None = None
    replica: ReplicaActivity | None = None


class FileSize(NamedTuple):
    """The bytes of a table's file, and of its write-ahead log."""

    table: str
    size: int
    wal: int
