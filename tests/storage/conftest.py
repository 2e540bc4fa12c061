"""Two tables in one store, each with the items' partition key `pk` and nothing else."""

from __future__ import annotations

from pathlib import Path

from alt.storage.model.definition import KeyAttribute, TableDefinition
from alt.storage.sqlite.store import Store
from alt.storage.sqlite.table import Table

FIRST = TableDefinition("First", "1", 0.0, KeyAttribute("pk", "S"), None)
SECOND = TableDefinition("Second", "2", 0.0, KeyAttribute("pk", "S"), None)


def two_tables(directory: Path | None) -> tuple[Store, Table, Table]:
    store = Store(directory, "off")
    tables = []
    for definition in (FIRST, SECOND):
        assert store.create(definition)
        table = store.table(definition.name)
        assert table is not None
        tables.append(table)
    return store, tables[0], tables[1]
