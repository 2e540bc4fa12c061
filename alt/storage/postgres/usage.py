"""Who consumed what, and what access keys may consume: gathered in memory and added to the database now and then."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TypeVar

from alt.storage.model.usage import READ_UNITS, WRITE_UNITS, KeyLimit, Others, Units
from alt.storage.postgres import statements as sql
from alt.storage.postgres.database import Database

# Anyone may sign with any access key; beyond this many they are summed under one name.
MAX_ACCESS_KEYS = 10_000
OTHER_KEYS = "(other)"

REQUESTS, THROTTLED = range(2, 4)  # after READ_UNITS and WRITE_UNITS
Account = tuple[str, str, str]  # the access key, the table, the index ('' for the table itself)
Place = tuple[str, str]  # the table and the index
NOISE = 0.01  # units: half a unit is the least there is, and sums of many have an error of their own
T = TypeVar("T")


class Usage:
    """See alt/storage/engine.py."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._gathered: dict[Account, list[float]] = {}
        self._keys: set[str] = set()
        self._limits: dict[str, KeyLimit] = {}
        # What this Alt has stored, and what all had when it was looked at last.
        self._own_by_index: dict[Place, list[float]] = {}
        self._own_by_key: dict[str, list[float]] = {}
        self._all_by_index: dict[Place, Units] | None = None
        self._all_by_key: dict[str, Units] = {}

    def add(self, access_key: str, table: str, index: str, kind: int, units: float) -> None:
        """Count a request and its units (`kind`: READ_UNITS or WRITE_UNITS). This is the hot path."""
        sums = self._gathered.get((access_key, table, index))
        if sums is None:
            sums = self._begin(access_key, table, index)
        sums[kind] += units
        sums[REQUESTS] += 1

    def add_throttled(self, access_key: str, table: str) -> None:
        self._begin(access_key, table, "")[THROTTLED] += 1

    def _begin(self, access_key: str, table: str, index: str) -> list[float]:
        if access_key not in self._keys:
            if len(self._keys) >= MAX_ACCESS_KEYS:
                access_key = OTHER_KEYS
            self._keys.add(access_key)
        return self._gathered.setdefault((access_key, table, index), [0.0, 0.0, 0, 0])

    def store(self) -> asyncio.Future[None]:
        """Add what has gathered to the database, and keep it if that cannot be done now; and hear of changed limits."""
        return asyncio.ensure_future(self._store())

    async def _store(self) -> None:
        gathered, self._gathered = self._gathered, {}
        try:
            if gathered:
                rows = [
                    (*account, read, write, int(requests), int(throttled))
                    for account, (read, write, requests, throttled) in sorted(gathered.items())
                ]
                async with self._database.transaction() as connection:
                    await connection.execute(sql.ADD_CONSUMPTION, *zip(*rows, strict=True))
                for (key, table, index), (read, write, *_) in gathered.items():
                    _add(self._own_by_index, (table, index), read, write)
                    _add(self._own_by_key, key, read, write)
        except Exception:
            for account, sums in gathered.items():
                kept = self._gathered.setdefault(account, [0.0, 0.0, 0, 0])
                self._gathered[account] = [a + b for a, b in zip(kept, sums, strict=True)]
            raise
        self._limits = {
            key: KeyLimit(read, write) for key, read, write in await self._database.fetch(sql.KEY_LIMITS)
        }

    def limits(self) -> Mapping[str, KeyLimit]:
        """The limited access keys, as they were stored when `store` was called last."""
        return self._limits

    def others(self) -> asyncio.Future[Others]:
        """Asked for the first time, it knows of nobody; what was consumed before that counts for nothing."""
        return asyncio.ensure_future(self._others())

    async def _others(self) -> Others:
        """Sums only ever grow, so what they have grown by, less what this Alt has added, is the others'."""
        found = await self._database.fetch(sql.CONSUMED)
        by_index = {(table, index): (read, written) for table, index, read, written in found}
        limited = list(self._limits)
        found = await self._database.fetch(sql.CONSUMED_BY_KEYS, limited) if limited else []
        by_key = {key: (read, written) for key, read, written in found}
        before, self._all_by_index = self._all_by_index, by_index
        keys_before, self._all_by_key = self._all_by_key, by_key
        # A table that is used for the first time has grown from nothing; a key is counted from when it is limited.
        others = Others(
            {} if before is None else _growth(before, by_index, self._own_by_index),
            _growth(
                keys_before, {key: by_key[key] for key in by_key if key in keys_before}, self._own_by_key
            ),
        )
        self._own_by_index, self._own_by_key = {}, {}
        return others


def _add(sums: dict[T, list[float]], name: T, read: float, write: float) -> None:
    kept = sums.setdefault(name, [0.0, 0.0])
    kept[READ_UNITS] += read
    kept[WRITE_UNITS] += write


def _growth(
    before: Mapping[T, Units], now: Mapping[T, Units], own: Mapping[T, list[float]]
) -> dict[T, Units]:
    """By how much each sum has grown through others, where it has."""
    grown = {}
    for name, sums in now.items():
        was, added = before.get(name, (0.0, 0.0)), own.get(name, (0.0, 0.0))
        read, write = (max(0.0, sums[kind] - was[kind] - added[kind]) for kind in (READ_UNITS, WRITE_UNITS))
        if read > NOISE or write > NOISE:
            grown[name] = (read, write)
    return grown
