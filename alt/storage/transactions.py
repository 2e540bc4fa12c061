"""Transactions: all or nothing over any number of tables, one after another.

On one table a transaction is a write like any other, in its SAVEPOINT. Over several
it holds all their files, so that no other write comes between, applies itself in a
SQLite transaction on each, and is decided by the journal (see there). That takes
several turns of the event loop, in which requests for one of its items can come: they
are refused, as in DynamoDB, and those for other items wait.

A ClientRequestToken is kept in the files that its transaction wrote, so that both
survive or neither; here they are by token, from all tables.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Container, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import TypeVar

import apsw

from alt.errors import internal_server_error
from alt.storage.data_directory import UnusableDataError
from alt.storage.group_commit import BUSY_RETRIES, BUSY_RETRY_SECONDS, is_granted
from alt.storage.journal import Effect, Journal, Token
from alt.storage.rows import RowKey
from alt.storage.table import TOKEN_SECONDS, Table

T = TypeVar("T")

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Outcome:
    """How far a transaction came: the files that have it, whether it is journaled, and what went wrong."""

    committed: list[Table]
    is_decided: bool
    fault: Exception | None


class Transactions:
    """`journal` and `executor` are None where everything is in memory.

    `on_step` is called with the name of each step once it is done; a test that ends
    the process there shows that recovery finishes or undoes it.
    """

    def __init__(
        self,
        journal: Journal | None,
        executor: Executor | None,
        on_step: Callable[[str], None] = lambda _step: None,
    ) -> None:
        self._journal = journal
        self._executor = executor
        self._on_step = on_step
        self.tokens: dict[str, Token] = {}  # in the order they expire
        self._generation = 0  # of the files that tokens are read from
        self.lacking: set[str] = set()  # files that lack a decided transaction
        self.running: dict[str, bytes] = {}  # tokens of transactions under way, and their requests' hashes

    def write(
        self, rows: Mapping[Table, Collection[RowKey]], work: Callable[[], T], token: Token | None
    ) -> asyncio.Future[T]:
        """Run `work` as one transaction; the future resolves once it is durable.

        `rows`: what it writes or checks in each table, all of which the caller found not to be contended.
        What `work` raises undoes everything and is the future's error.
        """
        tables = list(rows)
        if token is None and len(tables) == 1:
            return tables[0].submit(work)
        contended = rows if len(tables) > 1 else {}
        for table, keys in contended.items():
            table.contended.update(keys)
        if token is not None:
            self.running[token.token] = token.request

        def end(_ended: asyncio.Future[T]) -> None:
            for table, keys in contended.items():
                table.contended.difference_update(keys)
            if token is not None:
                del self.running[token.token]

        transaction = asyncio.ensure_future(self._write(tables, work, token))
        transaction.add_done_callback(end)
        return transaction

    async def _write(self, tables: Sequence[Table], work: Callable[[], T], token: Token | None) -> T:
        generation = self._generation
        if len(tables) == 1:
            result = await tables[0].submit(lambda: _with_token(tables[0], work, token))
        else:
            result = await self._write_several(tables, work, token)
        if token is not None and generation == self._generation:
            self._remember(token)
        return result

    async def read(self, tables: Sequence[Table], work: Callable[[], T]) -> T:
        """Run `work`, which reads from `tables`, on one state of them all."""
        if len(tables) == 1:
            return tables[0].snapshot(work)
        held = await self._hold(tables)
        try:
            # While all files are held their readers see the same transactions.
            return work()
        finally:
            for table in held:
                table.release()

    async def _write_several(self, tables: Sequence[Table], work: Callable[[], T], token: Token | None) -> T:
        held = await self._hold(tables)
        try:
            await _begin(held)
            result = work()
            effects = [effect for table in held for effect in table.effects or ()]
            number = self._journal.next_number() if self._journal is not None else 0
            for table in held:
                table.prepare(number, token)
        except BaseException:
            for table in held:
                table.rollback()
                table.release()
            raise
        # From here on the transaction runs to its end even if its client is gone.
        await asyncio.shield(self._commit(held, number, effects, token))
        return result

    async def _hold(self, tables: Sequence[Table]) -> list[Table]:
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

    async def _commit(
        self, held: list[Table], number: int, effects: list[Effect], token: Token | None
    ) -> None:
        if self._executor is None:
            outcome = self._commit_all(held, number, effects, token)
        else:
            outcome = await asyncio.get_running_loop().run_in_executor(
                self._executor, self._commit_all, held, number, effects, token
            )
        for table in held:
            if table in outcome.committed:
                table.release()
                continue
            table.rollback()
            if outcome.is_decided:
                table.break_off()
            else:
                table.release()
        if outcome.fault is not None:
            _log.error("a transaction over %d tables failed", len(held), exc_info=outcome.fault)
            raise internal_server_error()

    def _commit_all(
        self, held: list[Table], number: int, effects: list[Effect], token: Token | None
    ) -> _Outcome:
        """Journal, then commit file after file. Runs beside the event loop."""
        outcome = _Outcome([], False, None)
        try:
            self._on_step("prepared")
            if self._journal is not None:
                self._journal.record(number, effects, token)
                outcome.is_decided = True
                self._on_step("journaled")
            for table in held:
                table.commit()
                outcome.committed.append(table)
                self._on_step(f"committed {len(outcome.committed)}")
            if self._journal is not None:
                self._journal.finish(number)
        except Exception as fault:
            outcome.fault = fault
        return outcome

    def recover(
        self, files: Container[str], open_table: Callable[[str], Table | None], tables: Sequence[Table]
    ) -> None:
        """At start: finish what is decided, and read the tokens of `tables`.

        `open_table` finds one by its file. What was written to none of `files` was undone by a snapshot.
        """
        pending = []
        if self._journal is not None:
            for number, effects, token in self._journal.pending():
                if token is not None and any(effect.file in files for effect in effects):
                    pending.append(token)
                if self.redo(number, effects, token, open_table):
                    self._journal.finish(number)
        self.read_tokens(tables, pending)

    def read_tokens(self, tables: Sequence[Table], others: Iterable[Token] = ()) -> None:
        """Know the tokens that `tables` hold and `others`, and forget any more, those of what is under way as well."""
        self._generation += 1
        self.tokens.clear()
        tokens = [*others, *(token for table in tables for token in table.tokens())]
        for token in sorted(tokens, key=lambda token: token.expires):
            self._remember(token)

    def redo(
        self,
        number: int,
        effects: list[Effect],
        token: Token | None,
        open_table: Callable[[str], Table | None],
    ) -> bool:
        """Give every file what it lacks; False where one cannot be used, which then waits for another start."""
        redone = 0
        whole = True
        for file in dict.fromkeys(effect.file for effect in effects):
            table = None
            try:
                table = open_table(file)
                if table is None or table.mark() >= number:
                    continue
                table.begin()
                table.redo([effect for effect in effects if effect.file == file])
                table.prepare(number, token)
                table.commit()
            except (UnusableDataError, apsw.Error):
                _log.exception("a decided transaction cannot be written to %s", file)
                if table is not None:
                    table.rollback()
                self.lacking.add(file)
                whole = False
                continue
            redone += 1
            self._on_step(f"redone {redone}")
        return whole

    def _remember(self, token: Token) -> None:
        self.tokens[token.token] = token
        oldest = next(iter(self.tokens.values()))
        if oldest.expires < token.expires - TOKEN_SECONDS:
            del self.tokens[oldest.token]


def _with_token(table: Table, work: Callable[[], T], token: Token | None) -> T:
    result = work()
    if token is not None:
        table.put_token(token)
    return result


async def _begin(held: Sequence[Table]) -> None:
    for table in held:
        for _ in range(BUSY_RETRIES):
            try:
                table.begin()
                break
            except apsw.BusyError:
                await asyncio.sleep(BUSY_RETRY_SECONDS)
        else:
            raise internal_server_error()
