"""The journal of transactions over several tables.

Each table is a file of its own, and SQLite makes a commit atomic in one file only. So
what such a transaction writes is first committed here: from then on it is decided.
Then each table's file commits it, with the entry's number as its mark, and the entry
goes. At start, whatever entry is still here is written again to every file whose
mark is older.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import apsw

from alt.config import Sync
from alt.storage import sqlite
from alt.storage.indexes import Stored
from alt.storage.rows import RowKey

FORMAT = 1


class Token(NamedTuple):
    """A ClientRequestToken: the hash of its request, and until when it counts, in epoch seconds."""

    token: str
    request: bytes
    expires: float


class Effect(NamedTuple):
    """One row of a table's file as a transaction leaves it; None where it deletes it.

    By file and not by table: a file that a snapshot put in its place knows nothing of the transaction.
    """

    file: str
    key: RowKey
    stored: Stored | None


class Journal:
    """A file beside the catalog, with a connection of its own: a commit here never makes the catalog reload."""

    def __init__(self, path: Path, sync: Sync) -> None:
        self._connection = sqlite.connect(path, sync)
        if sqlite.is_empty(self._connection):
            sqlite.create(self._connection, "journal", FORMAT)
        sqlite.check_format(self._connection, FORMAT)
        last = self._connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'entry'").get
        self._number: int = last or 0
        self._finished: list[int] = []
        self._lock = threading.Lock()  # transactions on different tables commit on different threads

    def next_number(self) -> int:
        self._number += 1
        return self._number

    def record(self, number: int, effects: Iterable[Effect], token: Token | None) -> None:
        """Decide a transaction: durable when this returns. Entries finished before go at the same time."""
        with self._lock, self._transaction():
            self._forget_finished()
            self._connection.execute(
                "INSERT INTO entry (number, token, request, expires) VALUES (?, ?, ?, ?)",
                (number, *(token or (None, None, None))),
            )
            self._connection.executemany(
                "INSERT INTO effect (number, position, file, slot, pk, sk, size, item) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    (number, position, file, *key, *(stored or (None, None)))
                    for position, (file, key, stored) in enumerate(effects)
                ),
            )

    def finish(self, number: int) -> None:
        """All files have it. The entry is removed with the next one; until then the files' marks tell."""
        with self._lock:
            self._finished.append(number)

    def pending(self) -> Iterator[tuple[int, list[Effect], Token | None]]:
        """The entries that may not be in all files yet, in their order."""
        entries: list[Any] = self._connection.execute(
            "SELECT number, token, request, expires FROM entry ORDER BY number"
        ).fetchall()
        for number, *token in entries:
            rows: list[Any] = self._connection.execute(
                "SELECT file, slot, pk, sk, size, item FROM effect WHERE number = ? ORDER BY position",
                (number,),
            ).fetchall()
            effects = [
                Effect(file, RowKey(slot, pk, sk), None if item is None else Stored(size, item))
                for file, slot, pk, sk, size, item in rows
            ]
            yield number, effects, None if token[0] is None else Token(*token)

    def close(self) -> None:
        with self._transaction():
            self._forget_finished()
        self._connection.close()

    def _transaction(self) -> apsw.Connection:
        self._connection.transaction_mode = "IMMEDIATE"
        return self._connection

    def _forget_finished(self) -> None:
        for number in self._finished:
            self._connection.execute("DELETE FROM effect WHERE number = ?", (number,))
            self._connection.execute("DELETE FROM entry WHERE number = ?", (number,))
        self._finished.clear()
