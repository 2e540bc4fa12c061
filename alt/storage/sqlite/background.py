"""Work beside the requests: begun, told of when it fails, and ended between two steps."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from alt.storage.sqlite.faults import log_fault

RETRY_SECONDS = 30.0  # after a full disk or the like


class Tasks:
    """Tasks by the id of what they work on: one at a time for each."""

    def __init__(self) -> None:
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def __len__(self) -> int:
        return len(self._tasks)

    def __contains__(self, key: str) -> bool:
        return key in self._tasks

    def get(self, key: str) -> asyncio.Task[None] | None:
        return self._tasks.get(key)

    def begin(self, key: str, work: Callable[[], Coroutine[Any, Any, None]]) -> asyncio.Task[None]:
        """The task that works on this, a new one unless one is under way. Whoever waits for it hears how it ended."""
        task = self._tasks.get(key)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._run(key, work))
            task.add_done_callback(_noted)
            self._tasks[key] = task
        return task

    def cancel(self, key: str) -> None:
        """What is under way ends with its step; something new may begin at once."""
        if (task := self._tasks.pop(key, None)) is not None:
            task.cancel()

    async def stop(self) -> None:
        """End all of them between two steps."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def finish(self) -> None:
        """Return when none is under way."""
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def _run(self, key: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        try:
            await work()
        finally:
            # At once, not in a callback later: who begins more work now must not find this still there.
            if self._tasks.get(key) is asyncio.current_task():
                del self._tasks[key]


class Repeated:
    """`work` again and again, `interval` seconds apart. What it raises is told, and the next time comes all the same."""

    def __init__(self, what: str, work: Callable[[], Awaitable[None]], interval: float) -> None:
        self._what = what
        self._work = work
        self._interval = interval
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            await survive(self._what, self._work)
            await asyncio.sleep(self._interval)


async def survive(what: str, work: Callable[[], Awaitable[Any]]) -> bool:
    """Do it; False, and an entry in the log, where it fails."""
    try:
        await work()
    except Exception as fault:
        log_fault(f"{what} failed and will be tried again", fault)
        return False
    return True


def _noted(task: asyncio.Task[None]) -> None:
    """What made it fail has been told where it failed."""
    if not task.cancelled():
        task.exception()
