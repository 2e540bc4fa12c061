"""Items by their keys: those that are asked for in one turn of the event loop are read by one statement."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import ujson

from alt.capacity import READ_UNIT_BYTES
from alt.errors import without_trace
from alt.expressions import Projection
from alt.storage.model.items import Stored
from alt.storage.model.reads import KeysFound, Sized
from alt.storage.postgres import statements as sql
from alt.storage.postgres.database import Database, DatabaseAwayError
from alt.storage.postgres.group_writes import columns
from alt.storage.postgres.keys import Place
from alt.values.json import dumps

# Bounds the statement, and what a large item makes others wait for.
MAX_KEYS = 128
# Statements under way at once. What comes while one is gathers for the next, unless there are so many keys, or that one
# takes longer than this: the fewer there are, the less each key costs.
STATEMENTS = 4
GATHERING_SECONDS = 0.002
# Decoded at a time, before others have their turn.
STEP_BYTES = 256 * 1024

Found = Sequence[Stored | None]


class Reads:
    """All that is read by its key."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: list[tuple[Place, asyncio.Future[Sized | None]]] = []
        self._running: set[asyncio.Task[None]] = set()
        self._is_due = False
        self._gathering: asyncio.TimerHandle | None = None

    def get(self, place: Place) -> asyncio.Future[Sized | None]:
        """One item, with whatever else this turn reads."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Sized | None] = loop.create_future()
        self._waiting.append((place, future))
        if not self._is_due and len(self._running) < STATEMENTS:
            if not self._running or len(self._waiting) >= MAX_KEYS:
                self._begin_soon()
            elif self._gathering is None:
                self._gathering = loop.call_later(GATHERING_SECONDS, self._begin)
        return future

    async def all(self, places: Sequence[Place]) -> Found:
        """Items of one state."""
        found: list[Stored | None] = [None] * len(places)
        if places:
            for number, size, item in await self._database.fetch(
                sql.GET, *columns(places), range(len(places))
            ):
                found[number] = Stored(size, item)
        return found

    async def drain(self) -> None:
        while self._running or self._waiting:
            await asyncio.sleep(0)
            if self._running:
                await asyncio.wait(self._running)

    def _begin_soon(self) -> None:
        """In the next turn of the loop, with what comes until then."""
        self._is_due = True
        asyncio.get_running_loop().call_soon(self._begin)

    def _begin(self) -> None:
        self._is_due = False
        if self._gathering is not None:
            self._gathering.cancel()
            self._gathering = None
        if not self._waiting:
            return
        batch, self._waiting = self._waiting[:MAX_KEYS], self._waiting[MAX_KEYS:]
        task = asyncio.get_running_loop().create_task(self._run(batch))
        self._running.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if self._waiting and not self._is_due:
            self._begin_soon()

    async def _run(self, batch: list[tuple[Place, asyncio.Future[Sized | None]]]) -> None:
        try:
            found = await self.all([place for place, _ in batch])
        except Exception as fault:
            if isinstance(
                fault, DatabaseAwayError
            ):  # nor would those that wait be let in, each after a while
                batch, self._waiting = batch + self._waiting, []
            for _, future in batch:
                if not future.done():
                    future.set_exception(without_trace(fault))
            return
        for (_, future), stored in zip(batch, found, strict=True):
            if not future.done():
                future.set_result(sized(stored))


async def cut(found: Found, projection: Projection | None, left: int) -> tuple[KeysFound, int]:
    """Of items, until they have the bytes that are `left`, what a projection leaves; and the bytes left then."""
    items: list[bytes] = []
    blocks = step = 0
    for position, stored in enumerate(found):
        size = 0 if stored is None else stored.size
        if left <= 0 or size > left:
            return KeysFound(items, blocks, position), 0
        blocks += max(1, -(-size // READ_UNIT_BYTES))
        left -= size
        if stored is None:
            continue
        text = stored.text
        if projection is not None:
            text = dumps(projection.apply(ujson.loads(text)))
            step += size
            if step >= STEP_BYTES:
                step = 0
                await asyncio.sleep(0)
        items.append(text.encode())
    return KeysFound(items, blocks, len(found)), left


def sized(stored: Stored | None) -> Sized | None:
    return None if stored is None else (stored.size, stored.text.encode())
