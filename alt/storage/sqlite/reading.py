"""The read side of one SQLite file: what one turn of the event loop reads, it reads in one transaction.

Most of what a point read costs is the beginning and the end of a transaction (locks in shared
memory, two system calls), and a busy server answers many reads a turn. A transaction sees
what was committed when it began. Its end is queued with the loop at that moment, and so runs
before whatever a later commit queues there: no request reads less than what was
answered before it came.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

import apsw

T = TypeVar("T")


class Reading:
    """Reads on `connection`. `is_writer`: it writes, too, and every read sees what it wrote last.

    `name` is what errors call the file.
    """

    def __init__(self, connection: apsw.Connection, name: str, *, is_writer: bool) -> None:
        self._name = name
        self._connection = connection
        self._cursor = connection.cursor()
        self._bounds = connection.cursor()
        self._is_writer = is_writer
        self._is_begun = False

    def execute(self, sql: str, values: Any = ()) -> Any:
        """The cursor, which the next call takes over."""
        try:
            if not self._is_begun:
                self._begin()
            return self._cursor.execute(sql, values)
        except apsw.Error as fault:
            fault.add_note(self._name)
            raise

    def snapshot(self, read: Callable[[], T]) -> T:
        """Run several reads on one state of the file."""
        if self._is_begun or self._begin() or self._is_writer:
            return read()
        self._bounds.execute("BEGIN")
        try:
            return read()
        finally:
            self._bounds.execute("COMMIT")

    def close(self) -> None:
        self._end()
        self._connection.close()

    def _begin(self) -> bool:
        """Begin a transaction that ends with this turn; False where there are no turns."""
        if self._is_writer:
            return False
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # a command that only looks
            return False
        self._bounds.execute("BEGIN")
        self._is_begun = True
        loop.call_soon(self._end)
        return True

    def _end(self) -> None:
        if not self._is_begun:
            return
        self._is_begun = False
        try:
            self._bounds.execute("COMMIT")
        except apsw.Error:  # of a damaged file, as whoever read there was told
            with suppress(apsw.Error):
                self._bounds.execute("ROLLBACK")
