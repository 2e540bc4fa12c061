"""Transactions: all or nothing over any number of tables.

On one table a transaction is a write like any other, in its SAVEPOINT. Those over the same
several tables that wait at a time are one group: it holds all their files, so that no other write
comes between; each is applied in a SAVEPOINT of every file; the journal decides them all at once
(see there), which is the one step that waits for the disk; then every file commits. While that
takes its time, requests for one of their items can come: they are refused, as in
DynamoDB, and those for other items wait.

What is decided is given to every file, also to one that does not take it at first (decided.py).

A ClientRequestToken is kept in the files that its transaction wrote, so that both
survive or neither; here they are by token, from all tables.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Collection, Coroutine, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

import apsw

from alt.errors import (
    ApiError,
    internal_server_error,
    transaction_conflict,
    without_trace,
)
from alt.storage.engine import ConflictError
from alt.storage.model.items import Token, Write, Written
from alt.storage.model.keys import RowKey
from alt.storage.model.reads import Sized
from alt.storage.sqlite.faults import log_fault
from alt.storage.sqlite.group_commit import (
    BUSY_RETRIES,
    BUSY_RETRY_SECONDS,
    MAX_GROUP_SECONDS,
    TooLongError,
    answer,
    finish_with,
    is_granted,
)
from alt.storage.sqlite.table import Table
from alt.storage.sqlite.transactions.decided import Decided
from alt.storage.sqlite.transactions.journal import DoubtfulError, Entry, Journal
from alt.storage.sqlite.transactions.together import Together
from alt.storage.sqlite.transactions.tokens import Tokens

T = TypeVar("T")

# Bounds how long one group holds the event loop, as that of a table does; MAX_GROUP_SECONDS does, too.
MAX_GROUP_TRANSACTIONS = 64

_log = logging.getLogger(__name__)

Rows = Mapping[Table, Collection[RowKey]]


@dataclass(slots=True)
class _Waiting:
    """A transaction over several tables, from request to answer."""

    rows: Rows
    work: Together
    token: Token | None
    finish: Callable[[Sequence[Written]], Any]
    future: asyncio.Future[Any]
    result: Sequence[Written] = ()
    error: Exception | None = None
    entry: Entry | None = None


@dataclass(slots=True)
class _Outcome:
    """How far a group came: whether it is decided (None: nobody knows), the files that lack it, and what went wrong."""

    is_decided: bool | None = False
    lacking: list[Table] = field(default_factory=list)
    fault: Exception | None = None


class Transactions:
    """`journal` and `executor` are None where everything is in memory.

    `reopen` closes an open table's file for good and opens it anew; it raises where that fails.
    `on_step` is called with the name of each step once it is done; a test that ends
    the process there shows that recovery finishes or undoes it.
    """

    def __init__(
        self,
        journal: Journal | None,
        executor: Executor | None,
        reopen: Callable[[Table], None],
        on_step: Callable[[str], None] = lambda _step: None,
    ) -> None:
        self._journal = journal
        self._executor = executor
        self._on_step = on_step
        self._decided = Decided(journal, executor, reopen, on_step)
        self._tokens = Tokens()
        self._queues: dict[frozenset[Table], deque[_Waiting]] = {}
        self._runs: set[asyncio.Task[None]] = set()  # one for each queue

    def transact(
        self,
        writes: Sequence[tuple[Table, Write]],
        token: Token | None,
        finish: Callable[[Sequence[Written]], T],
        replayed: Callable[[Sequence[int]], T],
    ) -> T | asyncio.Future[T]:
        """See alt/storage/engine.py. Raises what the service says of a token that is another request's, or busy."""
        if token is not None and self._tokens.is_done(token):
            sizes = self._tokens.sizes(token)
            return replayed(
                [_size_of(table, write.key) for table, write in writes] if sizes is None else sizes
            )
        rows: dict[Table, list[RowKey]] = {table: [] for table, _ in writes}
        if any(table.contended for table in rows):
            errors = _conflicts([(table, write.key) for table, write in writes])
            if errors is not None:
                return finish([Written(0, 0, refused=error) for error in errors])
        if len(rows) == 1:
            (table,) = rows
            if token is None:
                return table.submit(Together(writes), finish)
            future = table.submit(Together(writes, token), self._remembering(token, finish))
        else:
            for table, write in writes:
                rows[table].append(write.key)
            future = self._enqueue(rows, Together(writes), token, finish)
        _keep_open(rows, future)
        if token is not None:
            self._tokens.run(token, future)
        return future

    def _remembering(
        self, token: Token, finish: Callable[[Sequence[Written]], T]
    ) -> Callable[[Sequence[Written]], T]:
        generation = self._tokens.generation

        def remember_and_finish(written: Sequence[Written]) -> T:
            if generation == self._tokens.generation and not any(each.refused for each in written):
                self._tokens.remember(token, _sizes(written))
            return finish(written)

        return remember_and_finish

    def get_together(
        self, keys: Sequence[tuple[Table, RowKey]]
    ) -> Sequence[Sized | None] | asyncio.Future[Sequence[Sized | None]]:
        """Items of one state of all tables: at once, where nothing is in the way. Raises ConflictError."""
        tables = dict.fromkeys([table for table, _ in keys])
        is_contended = any(table.contended for table in tables)
        if is_contended and (errors := _conflicts(keys)) is not None:
            raise ConflictError(errors)

        def read() -> Sequence[Sized | None]:
            return [table.get(key) for table, key in keys]

        if not is_contended:
            # Nothing over several tables is being committed, and all reads of this turn are of one moment.
            return read()
        reading = asyncio.ensure_future(self._read_held(tables, read))
        _keep_open(tables, reading)
        return reading

    async def _read_held(self, tables: Iterable[Table], work: Callable[[], T]) -> T:
        """While all files are held their readers see the same transactions."""
        held = await self._hold(tables)
        try:
            return work()
        finally:
            for table in held:
                table.release()

    # Over several tables

    def _start(self, run: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(run)
        self._runs.add(task)
        task.add_done_callback(self._runs.discard)

    def _enqueue(
        self, rows: Rows, work: Together, token: Token | None, finish: Callable[[Sequence[Written]], T]
    ) -> asyncio.Future[T]:
        loop = asyncio.get_running_loop()
        waiting = _Waiting(rows, work, token, finish, loop.create_future())
        tables = frozenset(rows)
        queue = self._queues.get(tables)
        if queue is None:
            queue = self._queues[tables] = deque()
            self._start(self._run(tables, queue))
        queue.append(waiting)
        return waiting.future

    async def _run(self, tables: frozenset[Table], queue: deque[_Waiting]) -> None:
        """Write group after group until none waits."""
        try:
            while queue:
                await self._settle_journal()
                held = await self._hold(tables)
                try:
                    await self._write_group(held, queue)
                finally:
                    for table in held:
                        table.release()
        except Exception as fault:
            refusal = fault
            if not isinstance(fault, ApiError):
                log_fault(f"transactions over {_named(tables)} failed", fault)
                refusal = internal_server_error()
            for waiting in queue:
                answer(waiting.future, None, refusal)
        finally:
            del self._queues[tables]

    async def _settle_journal(self) -> None:
        """Nothing is decided while the journal may hold what it failed to store. Raises apsw.Error."""
        if self._journal is not None and self._journal.is_doubtful:
            await asyncio.get_running_loop().run_in_executor(self._executor, self._journal.settle)

    async def _hold(self, tables: Iterable[Table]) -> list[Table]:
        """Hold all the files, in an order all transactions share: none waits for another in a circle."""
        held: list[Table] = []
        try:
            for table in sorted(tables, key=lambda table: table.definition.id):
                granted = table.hold()
                try:
                    await granted
                finally:
                    if is_granted(granted):
                        held.append(table)
        except BaseException:
            for table in held:
                table.release()
            raise
        return held

    async def _write_group(self, held: list[Table], queue: deque[_Waiting]) -> None:
        generation = self._tokens.generation
        await _begin(held)
        group: list[_Waiting] = []
        deadline = time.perf_counter() + MAX_GROUP_SECONDS
        try:
            while queue and len(group) < MAX_GROUP_TRANSACTIONS:
                waiting = queue.popleft()
                if waiting.future.done():
                    continue
                group.append(waiting)
                await self._attempt(held, waiting)
                if time.perf_counter() > deadline:
                    break
            entries = [waiting.entry for waiting in group if waiting.entry is not None]
            if entries:
                for table in held:
                    table.prepare(entries[-1].number)
        except Exception as fault:
            # A full disk or the like ended the transaction of a file: nothing of the group holds.
            self._end(held, group, _Outcome(lacking=held, fault=fault))
            return
        contended = [waiting.rows for waiting in group if waiting.entry is not None]
        for rows in contended:
            for table, keys in rows.items():
                table.contended.update(keys)
        try:
            outcome = await self._commit(held, entries)
        finally:
            for table in held:
                table.contended.clear()
        self._end(held, group, outcome)
        if generation == self._tokens.generation and outcome.is_decided:
            for waiting in group:
                if waiting.token is not None and waiting.entry is not None:
                    self._tokens.remember(waiting.token, _sizes(waiting.result))

    async def _attempt(self, held: Sequence[Table], waiting: _Waiting) -> None:
        """Apply one transaction in a SAVEPOINT of every file; its own error undoes it alone."""
        for table in held:
            table.attempt()
        try:
            try:
                waiting.result = waiting.work()
            except TooLongError as long:
                waiting.result = await self._run_beside(long)
        except Exception as error:
            for table in held:
                table.undo()
            waiting.error = without_trace(error)
            return
        effects = [effect for table in held for effect in table.keep(waiting.token)]
        if effects or waiting.token is not None:
            number = self._journal.next_number() if self._journal is not None else 0
            waiting.entry = Entry(number, effects, waiting.token)

    async def _run_beside(self, long: TooLongError) -> Sequence[Written]:
        """What takes long is read, decided and written on a thread: nobody else uses the files that are held."""
        if self._executor is None:
            write = await long.decide(in_memory=True)
            return cast(Sequence[Written], write())

        def run() -> Sequence[Written]:
            return cast(Sequence[Written], long.decide_here()())

        return await asyncio.get_running_loop().run_in_executor(None, run)

    async def _commit(self, held: Sequence[Table], entries: Sequence[Entry]) -> _Outcome:
        if self._executor is None or not entries:
            return self._commit_all(held, entries)
        loop = asyncio.get_running_loop()
        try:
            running = loop.run_in_executor(self._executor, self._commit_all, held, entries)
        except RuntimeError as fault:  # the store is being closed
            return _Outcome(lacking=list(held), fault=fault)
        return await running

    def _commit_all(self, held: Sequence[Table], entries: Sequence[Entry]) -> _Outcome:
        """Journal, then commit file after file. Runs beside the event loop."""
        outcome = _Outcome()
        committed: list[Table] = []
        try:
            self._on_step("prepared")
            if self._journal is not None and entries:
                self._journal.record(entries)
            outcome.is_decided = True
            self._on_step("journaled")
        except Exception as fault:
            outcome.fault = fault
            if isinstance(fault, DoubtfulError):
                outcome.is_decided = None
        # One file's fault is not the others'.
        for table in held if outcome.is_decided else ():
            try:
                table.commit()
                committed.append(table)
                self._on_step(f"committed {len(committed)}")
            except Exception as fault:
                outcome.fault = fault
        outcome.lacking = [table for table in held if table not in committed]
        return outcome

    def _end(self, held: Sequence[Table], group: Sequence[_Waiting], outcome: _Outcome) -> None:
        """Bring every file to what was decided, and answer."""
        entries = [waiting.entry for waiting in group if waiting.entry is not None]
        behind = outcome.lacking
        is_whole = _undo(behind)
        if outcome.fault is not None:
            log_fault(f"{len(group)} transactions over {_named(held)} failed", outcome.fault)
        if outcome.is_decided is None or (not outcome.is_decided and not is_whole):
            # Nobody writes to these files before it is certain what they have to be given: nothing.
            self._decided.give_later(held, [])
        elif outcome.is_decided:
            self._decided.settle_later(entries, [table for table in held if table not in behind])
            is_whole = self._decided.give_later(behind, entries)
        fault = None if outcome.is_decided and is_whole else internal_server_error()
        for waiting in group:
            error = waiting.error or (fault if waiting.entry else None)
            finish_with(waiting.finish, waiting.future, waiting.result, error)

    async def drain(self) -> None:
        """Return when every transaction is answered."""
        while self._runs:
            await asyncio.wait(self._runs)
        await self._decided.drain()

    def close(self) -> None:
        """Once all tables are closed."""
        self._decided.close()

    def complete(self, table: Table) -> None:
        """Give a file that was just opened what it lacks. Raises UnusableDataError, or what kept it from that."""
        self._decided.complete(table)

    def recover(self, is_known: Callable[[str], bool], is_there: Callable[[str], bool]) -> list[str]:
        """Note what the last process had decided; the files that have to be opened for it. See Decided.recover."""
        return self._decided.recover(is_known, is_there, self._tokens.remember)

    @property
    def journal_is_new(self) -> bool:
        return self._journal is not None and self._journal.is_new

    # Tokens

    def know_tokens(self, tokens: Iterable[Token]) -> None:
        """Know these tokens and those of what has yet to be given to a file, and forget any more.

        That goes for those of what is under way as well.
        """
        self._tokens.replace([*self._decided.lacking_tokens(), *tokens])


def _undo(tables: Iterable[Table]) -> bool:
    """Roll back what was not committed; False where even that fails."""
    is_undone = True
    for table in tables:
        try:
            table.rollback()
        except apsw.Error as fault:
            is_undone = False
            _log.error("table %s: %s", table.definition.name, fault)
    return is_undone


def _named(tables: Iterable[Table]) -> str:
    return ", ".join(table.definition.name for table in tables)


def _keep_open(tables: Iterable[Table], future: asyncio.Future[Any]) -> None:
    """Nobody may close the tables before the future is done."""
    for table in tables:
        table.users += 1

    def release(_done: asyncio.Future[Any]) -> None:
        for table in tables:
            table.users -= 1

    future.add_done_callback(release)


def _sizes(written: Sequence[Written]) -> list[int]:
    return [each.larger_size for each in written]


def _size_of(table: Table, key: RowKey) -> int:
    found = table.get(key)
    return 0 if found is None else found[0]


def _conflicts(keys: Sequence[tuple[Table, RowKey]]) -> list[ApiError | None] | None:
    """The errors of those items that meet another transaction; None where none does."""
    meets = [key in table.contended for table, key in keys]
    return [transaction_conflict() if each else None for each in meets] if any(meets) else None


async def _begin(held: Sequence[Table]) -> None:
    """Begin a transaction on every file, as soon as no other process writes there."""
    begun: list[Table] = []
    try:
        for table in held:
            for _ in range(BUSY_RETRIES):
                try:
                    table.begin()
                    break
                except apsw.BusyError:
                    await asyncio.sleep(BUSY_RETRY_SECONDS)
            else:
                raise internal_server_error()
            begun.append(table)
    except BaseException:
        _undo(begun)
        raise
