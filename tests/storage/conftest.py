"""Two tables in one store, each with the items' partition key `pk` and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from alt.storage.model.definition import KeyAttribute, TableDefinition
from alt.storage.model.items import Put, Stored, Write
from alt.storage.model.keys import row_key
from alt.storage.sqlite.store import Store
from alt.storage.sqlite.table import Table
from alt.values.json import dumps
from alt.values.sizes import item_size
from alt.values.types import Item

FIRST = TableDefinition("First", "1", 0.0, KeyAttribute("pk", "S"), None)
SECOND = TableDefinition("Second", "2", 0.0, KeyAttribute("pk", "S"), None)


def write_together(
    store: Store, tables: Sequence[Table], key: str = "a", item: Item | None = None
) -> asyncio.Future[bool]:
    """One transaction that puts an item of this key into each table; whether it was done."""
    made = {"pk": {"S": key}} if item is None else item
    put = Put(made, Stored(item_size(made), dumps(made)))
    writes = [(table, Write(row_key(key), put)) for table in tables]
    answer = store.transact(writes, None, lambda done: not any(each.refused for each in done), len)
    assert isinstance(answer, asyncio.Future)
    return answer


def two_tables(directory: Path | None) -> tuple[Store, Table, Table]:
    store = Store(directory, "off")
    tables = []
    for definition in (FIRST, SECOND):
        assert store.create(definition)
        table = store.table(definition.name)
        assert table is not None
        tables.append(table)
    return store, tables[0], tables[1]
