"""Indexes added to and removed from a table that is in use: in the background, in bounded steps.

Each step is a write like any other, in the groups of its table, so it never sees half
a write nor holds the writers up for long. What has been done is in the table's file,
and what is left to do follows from the definitions: work cut short by the end of the
process is taken up at the next start.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import TypeVar

from alt.storage.model.definition import IndexDefinition, TableDefinition
from alt.storage.sqlite.background import RETRY_SECONDS, Tasks, survive
from alt.storage.sqlite.steps import STEP_ROWS
from alt.storage.sqlite.table import Table
from alt.storage.sqlite.tables import Tables

T = TypeVar("T")


class IndexWork:
    """The work on all tables, one task for each table that has some."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self.tasks = Tasks()  # by table id
        self.stop = self.tasks.stop

    def start(self, definition: TableDefinition) -> None:
        """Begin what a table's definition asks for, unless that is under way."""
        if next(_pending(definition), None) is not None:
            self.tasks.begin(definition.id, lambda: self._work(definition))

    def restart(self, definition: TableDefinition) -> None:
        """The table's file is another one: what was under way on the old file ends, and what the new one lacks begins."""
        self.tasks.cancel(definition.id)
        self.start(definition)

    async def _work(self, definition: TableDefinition) -> None:
        """Work until nothing is left, or the table is gone. What fails is tried again."""
        while (current := self._current(definition)) is not None:
            index = next(_pending(current), None)
            if index is None:
                return
            step = self._build if index.status == "CREATING" else self._drop
            if not await survive(
                f"the work on the indexes of {definition.name}", partial(step, current, index)
            ):
                await asyncio.sleep(RETRY_SECONDS)

    def _current(self, definition: TableDefinition) -> TableDefinition | None:
        current = self._tables.definition(definition.name)
        return current if current is not None and current.id == definition.id else None

    async def _build(self, definition: TableDefinition, index: IndexDefinition) -> None:
        if not index.backfilling:
            await self._step(definition, lambda table: table.create_index(index.name))
            self._redefine(definition, index, lambda index: replace(index, backfilling=True))
            return
        while await self._step(definition, lambda table: table.backfill(index.name, STEP_ROWS)):
            if self._as_it_is(definition, index) is None:
                return  # being deleted meanwhile
        self._redefine(definition, index, lambda index: replace(index, status="ACTIVE", backfilling=False))

    async def _drop(self, definition: TableDefinition, index: IndexDefinition) -> None:
        while await self._step(definition, lambda table: table.empty_index(index.name, STEP_ROWS)):
            pass
        self._redefine(definition, index, lambda _: None)

    async def _step(self, definition: TableDefinition, step: Callable[[Table], T]) -> T | None:
        table = await self._tables.opened(definition.name)
        if table is None or table.definition.id != definition.id:
            return None
        done: T = await table.submit(lambda: step(table))
        return done

    def _redefine(
        self,
        definition: TableDefinition,
        index: IndexDefinition,
        change: Callable[[IndexDefinition], IndexDefinition | None],
    ) -> None:
        """Change the index as it is now, in the table as it is now; None takes it away."""
        current, found = self._current(definition), self._as_it_is(definition, index)
        if current is None or found is None:
            return
        indexes = [change(each) if each is found else each for each in current.indexes]
        self._tables.redefine(replace(current, indexes=tuple(each for each in indexes if each is not None)))

    def _as_it_is(self, definition: TableDefinition, index: IndexDefinition) -> IndexDefinition | None:
        """The index with whatever settings it has got meanwhile; None once its status is another."""
        current = self._current(definition)
        indexes = () if current is None else current.indexes
        return next((each for each in indexes if each.id == index.id and each.status == index.status), None)


def _pending(definition: TableDefinition) -> Iterator[IndexDefinition]:
    """None while the table is being restored: it has no file yet, and its restore says what that will lack."""
    if definition.restore is None:
        yield from (index for index in definition.indexes if index.status in ("CREATING", "DELETING"))
