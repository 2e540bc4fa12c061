"""A table on the database, for whoever found it in the catalog."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from alt.storage.model.changes import ChangesFound, ChangesRead, Positions
from alt.storage.model.definition import TableDefinition
from alt.storage.model.items import Write, Written
from alt.storage.model.keys import RowKey
from alt.storage.model.pages import PageFound, PageRead
from alt.storage.model.reads import Counts, Sized
from alt.storage.postgres import change_log, keys
from alt.storage.postgres import statements as sql
from alt.storage.postgres.catalog import Catalog
from alt.storage.postgres.database import Database
from alt.storage.postgres.group import Unit
from alt.storage.postgres.pages import Pages
from alt.storage.postgres.reads import Reads
from alt.storage.postgres.replica import Replica
from alt.storage.postgres.shapes import Index, Shape
from alt.storage.postgres.writer import Writer

U = TypeVar("U")


class Access:
    """What all tables share. `replica`: the connections to a standby, if there is one."""

    def __init__(
        self, database: Database, catalog: Catalog, writer: Writer, replica: Database | None = None
    ) -> None:
        self.database = database
        self.catalog = catalog
        self.writer = writer
        self.reads = Reads(database)
        self.pages = Pages(database, self.reads)
        self.replica = None if replica is None else Replica(replica, catalog, self.reads, self.pages)

    def reads_for(self, *, is_consistent: bool) -> Reads:
        """A standby's, for who takes what is old, where it is there."""
        replica = self.replica
        return self.reads if is_consistent or replica is None or not replica.is_current else replica.reads

    def pages_for(self, *, is_consistent: bool) -> Pages:
        replica = self.replica
        return self.pages if is_consistent or replica is None or not replica.is_current else replica.pages


class Table:
    """See alt/storage/engine.py. It goes by the definition as the catalog has it, whenever it is asked."""

    def __init__(self, shape: Shape, access: Access) -> None:
        self._shape = shape
        self._access = access
        self._id = shape.definition.id

    @property
    def shape(self) -> Shape:
        return self._access.catalog.shapes.get(self._id, self._shape)

    def shape_now(self) -> Shape | None:
        """None once the table is gone, or deleted."""
        shape = self._access.catalog.shapes.get(self._id)
        return None if shape is None or shape.definition.deleted is not None else shape

    @property
    def definition(self) -> TableDefinition:
        return self.shape.definition

    @property
    def write_isolation(self) -> str | None:
        return self.shape.write_isolation

    def place(self, key: RowKey) -> keys.Place:
        return keys.place(self._shape.source, key)

    # Reads

    def get(self, key: RowKey, *, is_consistent: bool) -> asyncio.Future[Sized | None]:
        return self._access.reads_for(is_consistent=is_consistent).get(self.place(key))

    def page(self, read: PageRead) -> asyncio.Future[PageFound]:
        pages = self._access.pages_for(is_consistent=read.is_consistent)
        return asyncio.ensure_future(pages.page(self.definition, read))

    def counts(self) -> asyncio.Future[Counts]:
        return asyncio.ensure_future(self._counts())

    async def _counts(self) -> Counts:
        shape = self.shape
        rows = await self._access.database.fetch(sql.COUNTS, shape.sources)
        found = {source: (items, size) for source, items, size in rows}
        indexes = {
            index.definition.name: found.get(index.source, (0, 0))
            for index in shape.indexes
            if isinstance(index, Index)
        }
        return Counts(*found.get(shape.source, (0, 0)), indexes)

    def changes(self, read: ChangesRead) -> asyncio.Future[ChangesFound]:
        return asyncio.ensure_future(change_log.page(self._access.database, self.shape, read))

    def positions(self, *moments: float) -> asyncio.Future[Positions]:
        return asyncio.ensure_future(change_log.positions(self._access.database, self._shape.source, moments))

    # Writes

    def write(self, write: Write, finish: Callable[[Written], U]) -> asyncio.Future[U]:
        return self._access.writer.submit(Unit([(self.shape_now, write)]), lambda written: finish(written[0]))

    def write_all(
        self, writes: Sequence[Write], finish: Callable[[Sequence[Written]], U]
    ) -> asyncio.Future[U]:
        return self._access.writer.submit(Unit([(self.shape_now, write) for write in writes]), finish)

    def written(self) -> asyncio.Future[None]:
        """At once: whoever changes a definition waits for all writes before (catalog.py)."""
        done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done
