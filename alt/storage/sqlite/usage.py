"""Who consumed what: capacity units summed by access key, table and index, kept in `usage.db`.

What requests consume is gathered in memory and added to the file in one transaction
now and then, without an fsync of its own: a death of the process loses the last
moments' figures, and no request waits. The limits of access keys are in the same file, where
another process (the CLI) may change them at any time.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import apsw

from alt.config import Sync
from alt.storage.model.activity import Consumed
from alt.storage.model.usage import NOBODY, READ_UNITS, WRITE_UNITS, KeyLimit, Others
from alt.storage.sqlite import connections
from alt.storage.sqlite.database_files import set_aside

FORMAT = 1

# Anyone may sign with any access key; beyond this many they are summed under one name.
MAX_ACCESS_KEYS = 10_000
OTHER_KEYS = "(other)"

_log = logging.getLogger(__name__)

BUSY_TIMEOUT_MS = 100  # the event loop waits; what cannot be stored now is stored a second later


class Account(NamedTuple):
    """Whose consumption of what; `index_name` is empty for the table itself."""

    access_key: str
    table_name: str
    index_name: str = ""


class Used(NamedTuple):
    """One account's sums; `throttled` requests are not among the `requests`."""

    account: Account
    read_units: float
    write_units: float
    requests: int
    throttled: int


REQUESTS, THROTTLED = range(2, 4)  # after READ_UNITS and WRITE_UNITS
Sums = list[float]


def open_usage(path: Path) -> Usage:
    """The accounting in a file. One that is damaged keeps nobody from the data: it is set aside and begun anew.

    Raises UnusableDataError where the file is another program's, or a newer version's.
    """
    try:
        return Usage(path)
    except (apsw.NotADBError, apsw.CorruptError) as damage:
        aside = set_aside(path, time.strftime("%Y%m%d-%H%M%S"))
        _log.error("%s is damaged (%s); it is set aside as %s and begun anew", path, damage, aside.name)
        return Usage(path)


class Usage:
    """`path` None keeps all of it in memory."""

    def __init__(self, path: Path | None, sync: Sync = "normal") -> None:
        self._connection = connections.connect(
            connections.MEMORY if path is None else path, sync, create=True
        )
        self._connection.set_busy_timeout(BUSY_TIMEOUT_MS)
        if connections.is_empty(self._connection):
            connections.create(self._connection, "usage", FORMAT)
        connections.check_format(self._connection, FORMAT)
        self._gathered: dict[Account, Sums] = {}
        keys: Any = self._connection.execute("SELECT DISTINCT access_key FROM consumption")
        self._keys: set[str] = {key for (key,) in keys}
        self._data_version = -1
        self._limits: dict[str, KeyLimit] = {}
        self._by_table: dict[str, Sums] = {}  # what was stored since this was made

    # Consumption

    def add(self, access_key: str, table: str, index: str, kind: int, units: float) -> None:
        """Count a request and its units (`kind`: READ_UNITS or WRITE_UNITS). This is the hot path."""
        sums = self._gathered.get((access_key, table, index))  # type: ignore[call-overload]
        if sums is None:
            sums = self._begin(access_key, table, index)
        sums[kind] += units
        sums[REQUESTS] += 1

    def add_throttled(self, access_key: str, table: str) -> None:
        self._begin(access_key, table, "")[THROTTLED] += 1

    def _begin(self, access_key: str, table: str, index: str) -> Sums:
        if access_key not in self._keys:
            if len(self._keys) >= MAX_ACCESS_KEYS:
                access_key = OTHER_KEYS
            self._keys.add(access_key)
        return self._gathered.setdefault(Account(access_key, table, index), [0.0, 0.0, 0, 0])

    def store(self) -> None:
        """Add what has gathered to the file. Raises apsw.Error, and keeps it, if that cannot be done now."""
        if not self._gathered:
            return
        with connections.transaction(self._connection):
            self._connection.executemany(
                "INSERT INTO consumption VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET "
                "read_units = read_units + excluded.read_units, write_units = write_units + excluded.write_units, "
                "requests = requests + excluded.requests, throttled = throttled + excluded.throttled",
                ((*account, *sums) for account, sums in self._gathered.items()),
            )
        _add(self._by_table, self._gathered)
        self._gathered = {}

    def others(self) -> Others:
        """No one: a data directory has one server."""
        return NOBODY

    def by_table(self, names: Collection[str], wanted: Sequence[str]) -> dict[str, Consumed]:
        """What was consumed of the wanted tables since this was made; what is not of `names` is forgotten."""
        self._by_table = {name: sums for name, sums in self._by_table.items() if name in names}
        found = {name: list(self._by_table[name]) for name in wanted if name in self._by_table}
        _add(found, self._gathered)
        return {
            name: Consumed(sums[READ_UNITS], sums[WRITE_UNITS], int(sums[THROTTLED]))
            for name in wanted
            if (sums := found.get(name)) is not None
        }

    def rows(self) -> list[Used]:
        """All that is stored, sorted by access key, table and index."""
        found: list[Any] = self._connection.execute(
            "SELECT access_key, table_name, index_name, read_units, write_units, requests, throttled "
            "FROM consumption ORDER BY access_key, table_name, index_name"
        ).fetchall()
        return [Used(Account(*row[:3]), *row[3:]) for row in found]

    def reset(self) -> None:
        """Begin all sums anew."""
        with connections.transaction(self._connection):
            self._connection.execute("DELETE FROM consumption")

    # Limits

    def limits(self) -> Mapping[str, KeyLimit]:
        """The limited access keys, as any process last stored them."""
        version = self._connection.pragma("data_version")
        if version != self._data_version:
            self._data_version = version
            rows: Any = self._connection.execute("SELECT access_key, read_units, write_units FROM key_limit")
            self._limits = {access_key: KeyLimit(read, write) for access_key, read, write in rows}
        return self._limits

    def set_limit(self, access_key: str, limit: KeyLimit | None) -> None:
        """Limit an access key; None takes its limit off."""
        with connections.transaction(self._connection):
            if limit is None:
                self._connection.execute("DELETE FROM key_limit WHERE access_key = ?", (access_key,))
            else:
                self._connection.execute(
                    "INSERT OR REPLACE INTO key_limit VALUES (?, ?, ?)", (access_key, *limit)
                )
        self._data_version = -1

    def close(self) -> None:
        self.store()
        self._connection.close()


def _add(by_table: dict[str, Sums], gathered: Mapping[Account, Sums]) -> None:
    for account, sums in gathered.items():
        total = by_table.setdefault(account.table_name, [0.0, 0.0, 0, 0])
        for kind, units in enumerate(sums):
            total[kind] += units
