"""The open tables: how many there may be, and which of them are closed to make room for others.

Who finds a table may use it until this turn of the event loop ends. Who needs it longer
has a write queued there or holds it (`Table.users`). To open one more than there is room
for, the one that was found least recently and that nobody uses is closed; where all are
in use, what wanted to open it waits.

Finding a table notes nothing, so that it costs one look-up in `recent`. Only while room is
short are the tables found in a turn moved at its end to those found before, behind them.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from alt.errors import internal_server_error
from alt.storage.engine import NotReadyError
from alt.storage.sqlite.table import Table

T = TypeVar("T")

# How often it is looked whether tables that were in use no longer are.
POLL_SECONDS = 0.001

_log = logging.getLogger(__name__)


class NoRoomError(NotReadyError):
    """All open tables are in use; `tables` is how many more are wanted at once."""

    def __init__(self, tables: int = 1) -> None:
        super().__init__(f"no room to open {tables} more tables")
        self.tables = tables


@dataclass(slots=True)
class _Waiting(Generic[T]):
    """What needs room for so many tables; `future` has what `use` gives."""

    tables: int
    use: Callable[[], T]
    future: asyncio.Future[T]

    def run(self) -> bool:
        """False if there is not enough room after all."""
        if self.future.done():  # nobody waits for it any more
            return True
        try:
            result = self.use()
        except NoRoomError as still_full:
            self.tables = still_full.tables
            return False
        except Exception as error:
            self.future.set_exception(error)
        else:
            self.future.set_result(result)
        return True


class OpenTables:
    """Open tables by name. `limit` None: never close one, since it would be gone."""

    def __init__(self, limit: int | None) -> None:
        self._limit = limit
        self.recent: dict[str, Table] = {}  # found since the last turn in which room was short
        self._older: dict[str, Table] = {}  # the one found least recently first
        self._leaving: set[Table] = set()  # in nobody's sight any more, closed once nobody uses them
        self._unfound: set[str] = set()  # since `unfound` was asked
        self._waiting: deque[_Waiting[Any]] = deque()
        self._ages_soon = False

    def __len__(self) -> int:
        return len(self.recent) + len(self._older) + len(self._leaving)

    def __iter__(self) -> Iterator[tuple[str, Table]]:
        return iter([*self._older.items(), *self.recent.items()])

    def find(self, name: str) -> Table | None:
        """The table if it is open."""
        table = self.recent.get(name)
        if table is None and (table := self._older.pop(name, None)) is not None:
            self.recent[name] = table
            self._unfound.discard(name)
        return table

    def add(self, name: str, table: Table) -> None:
        self.recent[name] = table
        self._unfound.discard(name)
        if self._limit is not None and len(self) >= self._limit:
            self._age_soon()

    def pop(self, name: str) -> Table | None:
        return self._older.pop(name, None) or self.recent.pop(name, None)

    def make_room(self) -> None:
        """See to it that one more may be opened. Raises NoRoomError."""
        if self._limit is None:
            return
        if _running_loop() is None:  # a command, which uses one table after another
            self.age()
        while len(self) >= self._limit:
            name = next((name for name, table in self._older.items() if not table.is_used), None)
            if name is None:
                raise NoRoomError
            self._older.pop(name).close()

    def unfound(self) -> set[str]:
        """The open tables that nobody has found since this was asked last, for who has a turn of his own."""
        unfound, self._unfound = self._unfound, {name for name, _ in self}
        self.age()
        return unfound

    def unused(self, name: str) -> Table | None:
        """The table if it may be closed: nobody uses it, or found it since the tables `age`d. In memory it would be gone."""
        table = None if self._limit is None else self._older.get(name)
        return None if table is None or table.is_used else table

    def close_unused(self, name: str, table: Table) -> None:
        """Close it, if it is still so."""
        if self.unused(name) is table:
            self._older.pop(name).close()

    def with_room(self, full: NoRoomError, use: Callable[[], T]) -> asyncio.Future[T]:
        """Do what met with `full` once there is room; the future has its result. Who waits longest comes first."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        if self._limit is not None and full.tables > self._limit:
            _log.error("a request for %d tables: descriptors suffice for %d", full.tables, self._limit)
            future.set_exception(internal_server_error())
            return future

        self._waiting.append(_Waiting(full.tables, use, future))
        if len(self._waiting) == 1:
            loop.call_soon(self._admit)
        return future

    def retire(self, name: str, closed: Callable[[Table], None]) -> None:
        """Close a table that nobody finds any more, once nobody uses it, and say so."""
        table = self.pop(name)
        if table is None:
            return
        self._leaving.add(table)
        loop = _running_loop()
        if loop is None:
            self._close_leaving(table, closed)
        else:
            loop.call_soon(self._close_leaving, table, closed)

    def _close_leaving(self, table: Table, closed: Callable[[Table], None]) -> None:
        loop = _running_loop()
        if loop is not None and table.is_used:
            loop.call_later(POLL_SECONDS, self._close_leaving, table, closed)
        elif table in self._leaving:
            self._leaving.remove(table)
            table.close()
            closed(table)

    async def close(self) -> None:
        """Close all of them, when their writes are durable."""
        for _, table in self:
            await table.drain()
            table.close()
        self.recent.clear()
        self._older.clear()
        while self._leaving:
            await asyncio.sleep(POLL_SECONDS)

    @property
    def leaving_files(self) -> set[str]:
        return {table.file for table in self._leaving}

    def age(self) -> None:
        """Whoever found a table until now has no more use for it."""
        self._ages_soon = False
        self._older |= self.recent
        self.recent.clear()

    def _age_soon(self) -> None:
        loop = _running_loop()
        if loop is not None and not self._ages_soon:
            self._ages_soon = True
            loop.call_soon(self.age)

    def _admit(self) -> None:
        """In a turn of its own, when nobody uses what was only found: let in who waits, as far as there is room."""
        assert self._limit is not None
        self.age()
        room = self._limit - len(self) + sum(not table.is_used for table in self._older.values())
        for _ in range(len(self._waiting)):
            if self._waiting[0].tables > room - len(self.recent):
                break
            waiting = self._waiting.popleft()
            if not waiting.run():
                self._waiting.append(waiting)
        if self._waiting:
            asyncio.get_running_loop().call_later(POLL_SECONDS, self._admit)


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
