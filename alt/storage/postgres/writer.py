"""Writes that wait at a time are one group, in one transaction; a few groups are under way at once."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Protocol

import asyncpg

from alt.errors import ForeseenError, internal_server_error, transaction_conflict, without_trace
from alt.storage.model.activity import Totals
from alt.storage.model.items import Written
from alt.storage.postgres import dialect, group_writes
from alt.storage.postgres import statements as sql
from alt.storage.postgres.database import (
    Connection,
    Database,
    DatabaseAwayError,
    commit,
    roll_back,
)
from alt.storage.postgres.group import Replayed, Unit, Wanted

# Bounds how long locks are held, and how much one statement carries.
MAX_GROUP_WRITES = 256
MAX_GROUP_BYTES = 8 * 1024 * 1024
# Groups under way at once: while one waits for the disk another is decided.
GROUPS = 2
# Rows of the fence and of counts that a group takes one of.
STRIPES = 64
# How long a group is tried that loses races, and how long it waits between, longer each time.
RACING_SECONDS = 5.0
BACKOFF_SECONDS = 0.002
MAX_BACKOFF_SECONDS = 0.2
# How often a group is tried whose connection was cut before its COMMIT.
MAX_CUTS = 2

_log = logging.getLogger(__name__)


class Definitions(Protocol):
    """What the writer asks of the catalog."""

    revision: int

    async def follow(self, connection: Connection, revision: int) -> None:
        """Know the definitions as they are now, at this revision."""
        ...


@dataclass(slots=True)
class _Waiting:
    unit: Unit
    finish: Callable[[Sequence[Written]], Any]
    replayed: Callable[[Sequence[int]], Any] | None
    future: asyncio.Future[Any]


class Writer:
    """The write side of all tables. An item collection may have `limit` bytes; `clock` gives epoch seconds."""

    def __init__(
        self, database: Database, definitions: Definitions, limit: int, clock: Callable[[], float]
    ) -> None:
        self._database = database
        self._definitions = definitions
        self._limit = limit
        self._clock = clock
        self._waiting: deque[_Waiting] = deque()
        self._groups: set[asyncio.Task[None]] = set()
        self._is_due = False
        self.totals = Totals()

    def submit(
        self,
        unit: Unit,
        finish: Callable[[Sequence[Written]], Any],
        replayed: Callable[[Sequence[int]], Any] | None = None,
    ) -> asyncio.Future[Any]:
        """The future has what `finish` makes of what was done, or `replayed` of what had been, once it is durable."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        self._waiting.append(_Waiting(unit, finish, replayed, future))
        if not self._is_due and len(self._groups) < GROUPS:
            self._is_due = True
            loop.call_soon(self._begin)
        return future

    async def drain(self) -> None:
        """Return when every write is answered."""
        while self._waiting or self._groups:
            await asyncio.sleep(0)
            if self._groups:
                await asyncio.wait(self._groups)

    def _begin(self) -> None:
        self._is_due = False
        if not self._waiting:
            return
        task = asyncio.get_running_loop().create_task(self._run(self._take()))
        self._groups.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._groups.discard(task)
        if not self._is_due:
            self._begin()

    def _take(self) -> list[_Waiting]:
        taken: list[_Waiting] = []
        writes = size = 0
        while self._waiting and writes < MAX_GROUP_WRITES and size < MAX_GROUP_BYTES:
            waiting = self._waiting.popleft()
            if not waiting.future.done():
                taken.append(waiting)
                writes += len(waiting.unit.writes)
                size += waiting.unit.put_bytes
        return taken

    async def _run(self, group: list[_Waiting]) -> None:
        try:
            outcomes = await self.write([each.unit for each in group])
        except Exception as fault:
            await self._fail(group, fault)
            return
        for waiting, outcome in zip(group, outcomes, strict=True):
            _answer(waiting, outcome)

    async def _fail(self, group: list[_Waiting], fault: Exception) -> None:
        if isinstance(fault, asyncpg.PostgresError) and not dialect.is_lost_race(fault) and len(group) > 1:
            for waiting in group:  # what the database does not take of one is not the others' fault
                await self._run([waiting])
            return
        if isinstance(fault, DatabaseAwayError):  # nor would those that wait be let in, each after a while
            group = [*group, *self._waiting]
            self._waiting.clear()
        if not isinstance(fault, (ForeseenError, asyncpg.PostgresError)):
            _log.error("a group of %d writes was not stored", len(group), exc_info=fault)
            fault = internal_server_error()
        is_too_late = dialect.is_lost_race(fault)
        for waiting in group:
            self._database.totals.conflicts += is_too_late and waiting.unit.is_transaction
            _answer(waiting, _too_late(waiting.unit) if is_too_late else fault)

    async def write(self, units: Sequence[Unit]) -> list[Any]:
        """Do them, whatever races that takes: of each a list of Written, Replayed, or an error."""
        races = cuts = 0
        end = time.monotonic() + RACING_SECONDS
        while True:
            try:
                return await self._attempt(units)
            except Exception as fault:
                if cause := dialect.lost_race(fault):
                    races += 1
                    if time.monotonic() > end:
                        raise
                    self._database.totals.group_retries[cause] += 1
                    await asyncio.sleep(_backoff(races))
                elif dialect.is_away(fault):
                    cuts += 1
                    if cuts == MAX_CUTS:
                        raise DatabaseAwayError(f"the database does not answer: {fault}") from None
                    self._database.totals.group_retries["connection_cut"] += 1
                else:
                    raise

    async def _attempt(self, units: Sequence[Unit]) -> list[Any]:
        async with self._database.connection() as connection:
            stripe = random.randrange(STRIPES)
            await connection.execute(sql.BEGIN)
            try:
                known, wanted = self._definitions.revision, Wanted(units)
                revision, items = await group_writes.begin(connection, wanted, stripe)
                if revision != self._definitions.revision:
                    await self._definitions.follow(connection, revision)
                if revision != known:
                    wanted, items = Wanted(units), None
                found = await group_writes.find(connection, wanted, items)
                group, outcomes = await group_writes.decide(units, found, self._limit, self._clock())
                await group_writes.store(connection, group, stripe)
            except (asyncpg.PostgresError, ForeseenError):
                await roll_back(connection)
                raise
            begun = perf_counter()
            await commit(connection)
            self.totals.commit_seconds.observe(perf_counter() - begun)
            self.totals.group_writes.observe(len(units))
            return outcomes


def _answer(waiting: _Waiting, outcome: Any) -> None:
    """Finish a write, unless whoever waited has gone."""
    future = waiting.future
    if future.done():
        return
    if isinstance(outcome, Exception):
        future.set_exception(outcome)
        return
    try:
        if isinstance(outcome, Replayed):
            assert waiting.replayed is not None
            result = waiting.replayed(outcome.sizes)
        else:
            result = waiting.finish(outcome)
    except Exception as raised:
        future.set_exception(without_trace(raised))
    else:
        future.set_result(result)


def _too_late(unit: Unit) -> Any:
    """What becomes of a write that has lost every race."""
    if unit.is_transaction:
        return [Written(0, 0, refused=transaction_conflict()) for _ in unit.writes]
    return DatabaseAwayError("other writes have kept items locked for too long")


def _backoff(races: int) -> float:
    longest: float = min(MAX_BACKOFF_SECONDS, BACKOFF_SECONDS * 2 ** min(races, 10))
    return random.random() * longest
