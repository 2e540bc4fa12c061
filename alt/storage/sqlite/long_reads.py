"""Reads that would hold the event loop for long: in steps, each read on one state of its table.

They run on threads of their own, by turns, so that none waits for another's end, and each
through a connection that reads the file as it was when the read began. A table in memory
has one connection, so its steps run on the event loop, among other requests, and its writes
wait until the read is done.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any, TypeVar

from alt.storage.sqlite.group_commit import is_granted
from alt.storage.sqlite.page_reads import PageReads
from alt.storage.sqlite.reading import Reading
from alt.storage.sqlite.table import Table

T = TypeVar("T")

# Takes a step at a time, of some milliseconds; its value is the result.
Steps = Generator[None, None, T]

READ_THREADS = 2
# Each of them has three descriptors of those the server keeps for itself (alt/descriptors.py); others wait.
MAX_LONG_READS = 8


class LongReads:
    """The long reads of a store's tables."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(READ_THREADS, thread_name_prefix="read")
        self._places = asyncio.Semaphore(MAX_LONG_READS)
        self._tasks: set[asyncio.Future[Any]] = set()

    def run(self, table: Table, read: Callable[[PageReads], Steps[T]]) -> asyncio.Future[T]:
        """The result of `read`, which is given the pages of the table as it is when its first step begins."""
        table.users += 1
        task = asyncio.ensure_future(self._run(table, read))
        self._tasks.add(task)

        def end(_ended: asyncio.Future[T]) -> None:
            table.users -= 1
            self._tasks.discard(task)

        task.add_done_callback(end)
        return task

    async def stop(self) -> None:
        """End between two steps."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._executor.shutdown()

    async def _run(self, table: Table, read: Callable[[PageReads], Steps[T]]) -> T:
        async with self._places:
            return await (_among_others(table, read) if table.is_in_memory else self._beside(table, read))

    async def _beside(self, table: Table, read: Callable[[PageReads], Steps[T]]) -> T:
        loop = asyncio.get_running_loop()
        steps = _on_own_connection(table, read)
        try:
            while True:
                # The step that is under way ends before its connection is closed.
                result = await to_its_end(loop.run_in_executor(self._executor, _next, steps))
                if result is not None:
                    return result[0]
        finally:
            steps.close()


def _on_own_connection(table: Table, read: Callable[[PageReads], Steps[T]]) -> Steps[T]:
    with closing(table.pinned()) as connection:
        return (yield from read(PageReads(Reading(connection, table.label, is_writer=True))))


async def _among_others(table: Table, read: Callable[[PageReads], Steps[T]]) -> T:
    held = table.hold()
    try:
        await held
        steps = read(table.pages)
        while (result := _next(steps)) is None:
            await asyncio.sleep(0)
        return result[0]
    finally:
        if is_granted(held):
            table.release()


def _next(steps: Steps[T]) -> tuple[T] | None:
    """Take a step; the result once there is one."""
    try:
        next(steps)
    except StopIteration as end:
        return (end.value,)
    return None


def over_turns(steps: Steps[T], tables: Collection[Table]) -> T | asyncio.Future[T]:
    """The result of steps that need not be of one state: at once where one step is all, else a step a turn.

    `tables` are those that are read from.
    """
    if (result := _next(steps)) is not None:
        return result[0]
    for table in tables:
        table.users += 1

    async def go_on() -> T:
        try:
            while (result := _next(steps)) is None:
                await asyncio.sleep(0)
            return result[0]
        finally:
            for table in tables:
                table.users -= 1

    return asyncio.ensure_future(go_on())


async def to_its_end(step: asyncio.Future[T]) -> T:
    """What a thread does. Who is cancelled waits for its end first: what it uses may be closed then."""
    try:
        return await asyncio.shield(step)
    except asyncio.CancelledError:
        await asyncio.wait([step])
        if not step.cancelled():
            step.exception()  # which nobody asks for any more
        raise
