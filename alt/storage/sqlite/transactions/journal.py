"""The journal of transactions over several tables.

Each table is a file of its own, and SQLite makes a commit atomic in one file only. So
what such a transaction writes is first committed here: from then on it is decided, and durable.
Then each table's file commits it, with the entry's number as its mark and without waiting for
the disk; once all of them have been synced the entry goes. At start, whatever entry is still
here is written again to every file whose mark is older.

A number is never given twice, whatever became of this file: it is higher than all that the
journal remembers, and than the marks of the files that the transaction writes (`follow`).
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import apsw

from alt.storage.model.items import Stored, Token
from alt.storage.model.keys import RowKey
from alt.storage.sqlite import connections

FORMAT = 1


class Redo(NamedTuple):
    """One row of a table's file as a transaction leaves it; None where it deletes it.

    By file and not by table: a file that a snapshot put in its place knows nothing of the transaction.
    """

    file: str
    key: RowKey
    stored: Stored | None


@dataclass(frozen=True, slots=True)
class Entry:
    """A transaction as the journal has it."""

    number: int
    effects: Sequence[Redo]
    token: Token | None

    @property
    def files(self) -> list[str]:
        """Those that it writes to, each once."""
        return list(dict.fromkeys(effect.file for effect in self.effects))


class DoubtfulError(Exception):
    """The journal could neither store an entry nor make certain that it is not stored."""


class _Request:
    """Entries that a thread wants recorded, and how that went."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self.entries = entries
        self.is_done = False
        self.fault: Exception | None = None


class Journal:
    """A file beside the catalog, with a connection of its own: a commit here never makes the catalog reload.

    Always durable at once, whatever the tables are: what is decided here the files may not have yet.
    """

    def __init__(self, path: Path) -> None:
        self._connection = connections.connect(path, "full", create=True)
        self.is_new = connections.is_empty(self._connection)
        if self.is_new:
            connections.create(self._connection, "journal", FORMAT)
        connections.check_format(self._connection, FORMAT)
        last = self._connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'entry'").get
        self._number: int = last or 0
        self._finished: list[int] = []
        self.is_doubtful = False  # whether it may hold what it failed to store
        self._requests: list[_Request] = []
        self._queue = threading.Lock()  # of the requests
        self._lock = threading.Lock()  # transactions on different tables commit on different threads

    def next_number(self) -> int:
        self._number += 1
        return self._number

    def follow(self, number: int) -> None:
        """Give higher numbers than this one from now on."""
        self._number = max(self._number, number)

    def record(self, entries: Sequence[Entry]) -> None:
        """Decide transactions: durable when this returns. What several threads bring at a time is one commit.

        Raises apsw.Error where nothing is decided, and DoubtfulError where nobody can know until `settle` succeeds.
        """
        request = _Request(entries)
        with self._queue:
            self._requests.append(request)
        with self._lock:
            if not request.is_done:  # else the thread that had the lock took this one along
                with self._queue:
                    requests, self._requests = self._requests, []
                self._record_all(requests)
        if request.fault is not None:
            raise request.fault

    def _record_all(self, requests: Sequence[_Request]) -> None:
        fault: Exception | None = None
        try:
            with connections.transaction(self._connection):
                self._forget_finished()
                for request in requests:
                    for entry in request.entries:
                        self._insert(entry)
            self._finished.clear()
            self.is_doubtful = False
        except Exception as error:
            fault = self._undone(error)
        for request in requests:
            request.is_done, request.fault = True, fault

    def _insert(self, entry: Entry) -> None:
        self._connection.execute(
            "INSERT INTO entry (number, token, request, expires) VALUES (?, ?, ?, ?)",
            (entry.number, *(entry.token or (None, None, None))),
        )
        self._connection.executemany(
            "INSERT INTO effect (number, position, file, slot, pk, sk, size, item) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                (entry.number, position, file, *key, *(stored or (None, None)))
                for position, (file, key, stored) in enumerate(entry.effects)
            ),
        )

    def _undone(self, fault: Exception) -> Exception:
        """What to raise after a commit that failed: it may have reached the disk all the same, for a later start to find."""
        if not self.is_doubtful and _was_not_written(fault):
            return fault
        try:
            self._overwrite()
        except apsw.Error as another:
            self.is_doubtful = True
            doubt = DoubtfulError(f"{fault}; then {another}")
            doubt.__cause__ = fault
            return doubt
        return fault

    def settle(self) -> None:
        """Make certain that what failed is not stored. Raises apsw.Error where that still cannot be done."""
        with self._lock:
            if self.is_doubtful:
                self._overwrite()
                self.is_doubtful = False

    def _overwrite(self) -> None:
        """Commit something else: SQLite writes it over the pages that the failed commit left in the write-ahead log."""
        with connections.transaction(self._connection):
            number = self.next_number()
            self._connection.execute("INSERT INTO entry (number) VALUES (?)", (number,))
            self._connection.execute("DELETE FROM entry WHERE number = ?", (number,))

    def finish(self, numbers: Iterable[int]) -> None:
        """All files have these, durably. The entries are removed with the next one; until then the files' marks tell."""
        with self._lock:
            self._finished.extend(numbers)

    def pending(self) -> Iterator[Entry]:
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
                Redo(file, RowKey(slot, pk, sk), None if item is None else Stored(size, item))
                for file, slot, pk, sk, size, item in rows
            ]
            yield Entry(number, effects, None if token[0] is None else Token(*token))

    def close(self) -> None:
        try:
            with connections.transaction(self._connection):
                self._forget_finished()
        finally:
            self._connection.close()

    def _forget_finished(self) -> None:
        for number in self._finished:
            self._connection.execute("DELETE FROM effect WHERE number = ?", (number,))
            self._connection.execute("DELETE FROM entry WHERE number = ?", (number,))


def _was_not_written(fault: Exception) -> bool:
    """Whether it is certain that the write-ahead log has no such commit: the page that completes it was not written."""
    return isinstance(fault, apsw.FullError) or (
        isinstance(fault, apsw.IOError) and getattr(fault, "extendedresult", None) == apsw.SQLITE_IOERR_WRITE
    )
