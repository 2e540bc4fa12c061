"""One writer, many writes, one COMMIT.

All writes that are waiting are applied one after another, each inside its own
SAVEPOINT, and one COMMIT makes them durable before any of their answers leaves.
The applying runs on the event loop's thread; the COMMIT, which waits for the disk
without holding the interpreter's lock, on a thread of its own, and meanwhile
further writes gather for the next group.

Whatever is raised, by SQLite or by a bug of ours, a group is answered and the next one begins.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor
from functools import partial
from typing import Any, Protocol, TypeVar

import apsw

from alt.errors import (
    ApiError,
    ForeseenError,
    disk_full,
    internal_server_error,
    resource_not_found,
    without_trace,
)
from alt.storage.model.activity import Totals
from alt.storage.sqlite.data_directory import BUSY_TIMEOUT_MS
from alt.storage.sqlite.faults import log_fault

T = TypeVar("T")

# Bound how long one group holds the event loop: so many small writes take about 10 ms, and of large ones, or with
# conditions on large items, no further one is begun after this time.
MAX_GROUP_WRITES = 256
MAX_GROUP_SECONDS = 0.02
# Another process (the CLI) holds a file's write lock for moments only.
BUSY_RETRY_SECONDS = 0.005
BUSY_RETRIES = 1_000
# At most so long the event loop waits for a COMMIT to begin; it takes some 0.06 ms unless all threads are busy.
HANDOVER_SECONDS = 0.0002

# Lets go of the interpreter for a moment without falling asleep.
_yield: Callable[[], None] = getattr(os, "sched_yield", lambda: time.sleep(0))

_log = logging.getLogger(__name__)

Write = Callable[[], Any]
Finish = Callable[[Any], Any]
Waiting = tuple[Write, "asyncio.Future[Any]", Finish | None]
Outcome = tuple[Any, Exception | None]


class UndoneError(ForeseenError):
    """Undoes a write, which has a `result` all the same."""

    def __init__(self, result: Any) -> None:
        super().__init__("a write was undone")
        self.result = result


class TooLongError(ForeseenError):
    """A write would hold the event loop for too long; nothing was done yet.

    `look` reads what the write goes by, on the write connections of files that are held. What it answers takes long
    and touches nothing, and answers the write that is left to do.
    """

    def __init__(self, look: Callable[[], Callable[[], Write]]) -> None:
        super().__init__("a write takes long")
        self.look = look

    async def decide(self, *, in_memory: bool) -> Write:
        """The write that is left to do, decided beside the event loop.

        In memory a connection is the reads' as well, and must not be used but on the event loop's thread.
        """
        decide = self.look() if in_memory else self.decide_here
        return await asyncio.get_running_loop().run_in_executor(None, decide)

    def decide_here(self) -> Write:
        """The same, on the thread of whoever calls, which it holds up."""
        return self.look()()


class Bookkeeping(Protocol):
    """What a file keeps beside its writes. `mark` and `undo` follow the SAVEPOINT of the write under way."""

    def mark(self) -> None: ...

    def undo(self) -> None: ...

    def store(self) -> None:
        """Write what has gathered, at the end of the group and inside its transaction."""
        ...

    def stored(self) -> None:
        """The group is durable."""
        ...

    def discard(self) -> None:
        """The group is lost."""
        ...


def is_granted(held: asyncio.Future[None]) -> bool:
    """Whether what `hold` gave is held. Who is cancelled in the instant that it is granted holds it all the same."""
    return held.done() and not held.cancelled() and held.exception() is None


def answer(future: asyncio.Future[Any], result: Any, error: BaseException | None = None) -> None:
    """Give a waiting future its result or its error, unless whoever waited for it has gone."""
    if future.done():
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)


def finish_with(
    finish: Finish | None, future: asyncio.Future[Any], result: Any, error: BaseException | None
) -> None:
    """Answer what `finish` makes of the result."""
    if isinstance(error, UndoneError):
        result, error = error.result, None
    if error is None and finish is not None:
        try:
            result = finish(result)
        except Exception as raised:
            error = without_trace(raised)
    answer(future, result, error)


class GroupCommit:
    """The write side of one SQLite file. `name` is what log lines call it.

    `executor` runs COMMITs; None commits where it stands (a database in memory,
    whose only connection the reads share).
    """

    def __init__(
        self,
        connection: apsw.Connection,
        executor: Executor | None,
        bookkeeping: Bookkeeping,
        name: str,
        totals: Totals | None = None,
    ) -> None:
        self._connection = connection
        self._cursor = connection.cursor()
        self._executor = executor
        self._bookkeeping = bookkeeping
        self._name = name
        self._totals = totals or Totals()
        self._waiting: deque[Waiting] = deque()
        self._holders: deque[asyncio.Future[None]] = deque()
        self._busy = False  # a group is due, being applied, or being committed
        self._refusal: ApiError | None = None  # of every further write
        self._last_taken = (
            MAX_GROUP_WRITES  # writes of the group before; so many where there was none just now
        )
        self._busy_retries = 0
        self._on_idle: list[Callable[[], None]] = []
        self._beside: set[asyncio.Task[None]] = set()  # writes that are decided on a thread

    def submit(self, write: Callable[[], Any], finish: Finish | None = None) -> asyncio.Future[Any]:
        """Queue `write`; the future has its result, or what `finish` makes of it, once the group is durable.

        An error of either is the future's.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        if self._refusal is not None:
            future.set_exception(self._refusal)
            return future
        self._waiting.append((write, future, finish))
        if not self._busy:
            self._busy = True
            self._last_taken = MAX_GROUP_WRITES
            loop.call_soon(self._begin)
        return future

    @property
    def idle(self) -> bool:
        return not self._busy

    @property
    def is_closed(self) -> bool:
        return self._refusal is not None

    def when_idle(self, callback: Callable[[], None]) -> None:
        """Call back once every submitted write is durable; at once if there is none."""
        if self._busy:
            self._on_idle.append(callback)
        else:
            callback()

    def hold(self) -> asyncio.Future[None]:
        """Resolves once no group is under way; none begins until `release`. Writes queue up meanwhile."""
        held: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self._refusal is not None:
            held.set_exception(self._refusal)
        elif self._busy:
            self._holders.append(held)
        else:
            self._busy = True
            held.set_result(None)
        return held

    def release(self) -> None:
        """Let the writes in that came meanwhile, and then the next holder: neither keeps the other out."""
        if self._waiting:
            self._schedule()
        else:
            self._next()

    async def alone(self, work: Callable[[], None]) -> None:
        """Run `work`, which may take long, in a transaction of its own on the executor; writes queue up meanwhile.

        Cancelled, it is undone.
        """
        await self.between(partial(self._run_alone, work))

    async def between(self, work: Callable[[], None]) -> None:
        """Run `work` between two groups, in no transaction, on the executor. Cancelled, it is interrupted."""
        held = self.hold()
        try:
            await held
            await self._run_held(work)
        finally:
            if is_granted(held):
                self.release()

    async def _run_held(self, work: Callable[[], None]) -> None:
        if self._executor is None:
            work()
            return
        loop = asyncio.get_running_loop()
        running = loop.run_in_executor(self._executor, work)
        try:
            await asyncio.shield(running)
        except asyncio.CancelledError:
            self._connection.interrupt()
            await asyncio.wait([running])
            raise

    def _run_alone(self, work: Callable[[], None]) -> None:
        self._connection.set_busy_timeout(BUSY_TIMEOUT_MS)
        try:
            self._cursor.execute("BEGIN IMMEDIATE")
            work()
            self._bookkeeping.store()
            self._cursor.execute("COMMIT")
            self._bookkeeping.stored()
        finally:
            if self._connection.in_transaction:
                self._bookkeeping.discard()
                self._cursor.execute("ROLLBACK")
            self._connection.set_busy_timeout(0)

    def close(self, *, is_gone: bool) -> None:
        """Refuse whoever waits, or found the table before it was closed and comes only now.

        `is_gone`: there is no such table any more.
        """
        self._refusal = refusal = resource_not_found() if is_gone else internal_server_error()
        refused = [future for _, future, _ in self._waiting] + list(self._holders)
        self._waiting.clear()
        self._holders.clear()
        for future in refused:
            answer(future, None, refusal)

    def _begin(self) -> None:
        try:
            self._cursor.execute("BEGIN IMMEDIATE")
        except apsw.BusyError as busy:
            self._busy_retries += 1
            if self._busy_retries > BUSY_RETRIES:
                self._fail(self._take(), busy)
            else:
                asyncio.get_running_loop().call_later(BUSY_RETRY_SECONDS, self._begin)
            return
        except Exception as fault:
            self._fail(self._take(), fault)
            return
        self._apply(self._take())

    def _take(self) -> list[Waiting]:
        """The writes of the next group: all that wait, but where they are more than were in the last one, half of both.

        Clients that wait for their answers come again in the groups they were answered in. Groups of like sizes
        keep interpreter and disk both busy; while 15 writes are committed and 1 is prepared, one of them idles.
        """
        self._busy_retries = 0
        waiting = len(self._waiting)
        self._last_taken = min(waiting, (waiting + self._last_taken + 1) // 2, MAX_GROUP_WRITES)
        return [self._waiting.popleft() for _ in range(self._last_taken)]

    def _apply(self, group: list[Waiting]) -> None:
        changes = self._connection.total_changes()
        outcomes: list[Outcome] = []
        deadline = time.perf_counter() + MAX_GROUP_SECONDS
        try:
            for write, _, _ in group:
                outcomes.append(self._run(write))
                if time.perf_counter() > deadline:
                    break
            if left := group[len(outcomes) :]:  # for the next group
                self._waiting.extendleft(reversed(left))
                del group[len(outcomes) :]
            # Where nothing was changed, as by conditions that do not hold, there is no disk to wait for.
            is_changed = self._connection.total_changes() != changes
            if is_changed:
                self._bookkeeping.store()
                if self._executor is not None:
                    self._commit(self._executor, group, outcomes)
                    return
            self._cursor.execute("COMMIT")
            if is_changed:
                self._bookkeeping.stored()
        except Exception as fault:
            self._fail(group, fault)
        else:
            self._finish(group, outcomes)

    def _commit(self, executor: Executor, group: list[Waiting], outcomes: list[Outcome]) -> None:
        loop = asyncio.get_running_loop()
        begun = threading.Lock()
        begun.acquire()

        def commit() -> None:
            begun.release()
            fault: Exception | None = None
            since = time.perf_counter()
            try:
                self._cursor.execute("COMMIT")
            except Exception as error:
                fault = error
            loop.call_soon_threadsafe(committed, fault, time.perf_counter() - since)

        def committed(fault: Exception | None, seconds: float) -> None:
            self._totals.commit_seconds.observe(seconds)
            if fault is None:
                self._bookkeeping.stored()
                self._finish(group, outcomes)
            else:
                self._fail(group, fault)

        executor.submit(commit)
        # The thread needs the interpreter to begin. As long as this one is busy it hardly gets it, and the disk
        # waits; so it is given it now. Asleep meanwhile, this thread would wake late and on a cold processor.
        deadline = time.perf_counter() + HANDOVER_SECONDS
        while not begun.acquire(blocking=False) and time.perf_counter() < deadline:
            _yield()

    def _run(self, write: Write) -> Outcome:
        """One write in its SAVEPOINT; its own error undoes it alone."""
        cursor = self._cursor
        cursor.execute("SAVEPOINT write")
        self._bookkeeping.mark()
        try:
            result = write()
        except Exception as error:
            # A full disk or the like may have ended the whole transaction: nothing of the group holds.
            if not self._connection.in_transaction:
                raise
            if isinstance(error, apsw.Error):
                error.add_note(self._name)
            cursor.execute("ROLLBACK TO write")
            cursor.execute("RELEASE write")
            self._bookkeeping.undo()
            return None, without_trace(error)
        cursor.execute("RELEASE write")
        return result, None

    def _finish(self, group: list[Waiting], outcomes: list[Outcome]) -> None:
        self._totals.group_writes.observe(len(group))
        for (_, future, finish), (result, error) in zip(group, outcomes, strict=True):
            if type(error) is TooLongError:
                self._run_beside(error, future, finish)
            else:
                finish_with(finish, future, result, error)
        self._next()

    def _run_beside(self, long: TooLongError, future: asyncio.Future[Any], finish: Finish | None) -> None:
        task = asyncio.get_running_loop().create_task(self._decide_beside(long, future, finish))
        self._beside.add(task)
        task.add_done_callback(self._beside.discard)

    async def _decide_beside(
        self, long: TooLongError, future: asyncio.Future[Any], finish: Finish | None
    ) -> None:
        """Decide on a thread while no other write comes between, and then write."""
        held = self.hold()
        result, error = None, None
        try:
            await held
            result = await self._run_decided(long)
        except Exception as fault:
            error = without_trace(fault)
        finally:
            if is_granted(held):
                self.release()
        if error is not None and not isinstance(error, ApiError | UndoneError):
            log_fault(f"{self._name}: a write was not stored", error)
            error = disk_full() if isinstance(error, apsw.FullError) else internal_server_error()
        finish_with(finish, future, result, error)

    async def _run_decided(self, long: TooLongError) -> Any:
        write = await long.decide(in_memory=self._executor is None)
        results: list[Any] = []
        await self._run_held(partial(self._run_alone, lambda: results.append(write())))
        return results[0]

    def _fail(self, group: list[Waiting], fault: BaseException) -> None:
        """Nothing of the group was stored: say so to each of its writes."""
        if group:
            log_fault(f"{self._name}: {len(group)} writes were not stored", fault)
        try:
            if self._connection.in_transaction:
                self._cursor.execute("ROLLBACK")
            self._bookkeeping.discard()
        except Exception as another:
            _log.error("%s: nor could that be undone: %s", self._name, another)
        refusal = disk_full() if isinstance(fault, apsw.FullError) else internal_server_error()
        for _, future, _ in group:
            answer(future, None, refusal)
        self._next()

    def _next(self) -> None:
        """Go on: holders first, since they hold up others that hold already."""
        while self._holders:
            holder = self._holders.popleft()
            if not holder.done():
                holder.set_result(None)
                return
        if self._waiting:
            self._schedule()
            return
        self._busy = False
        waiting, self._on_idle = self._on_idle, []
        for callback in waiting:
            callback()

    def _schedule(self) -> None:
        """Begin the next group a turn later: the answers of the group that has ended are sent first."""
        loop = asyncio.get_running_loop()
        loop.call_soon(loop.call_soon, self._begin)
