"""After any sequence of writes and index changes, every index is what the items say it should be.

The expectation is computed here from the items alone, by DynamoDB's rules, and not by
the code under test. Work on indexes goes in steps of two rows, so that writes come
between them, and is cut off by restarts and lost groups.
"""

from __future__ import annotations

import asyncio
import logging
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import apsw
import pytest
import ujson
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alt.errors import ApiError
from alt.storage.model.definition import IndexDefinition, KeyAttribute, TableDefinition
from alt.storage.model.items import Stored
from alt.storage.model.keys import RowKey, row_key, slot_of
from alt.storage.sqlite import group_commit
from alt.storage.sqlite.maintenance import index_building
from alt.storage.sqlite.store import Store
from alt.storage.sqlite.table import Table
from alt.values.keys import encode, key_size
from alt.values.sizes import item_size
from alt.values.types import Item

PK, SK, A, B, C = (KeyAttribute(name, name[-1]) for name in ("pkS", "skN", "aS", "bN", "cB"))


def index(
    name: str, hashes: tuple[KeyAttribute, ...], ranges: tuple[KeyAttribute, ...], *projection: str
) -> Any:
    kind, *attributes = projection
    return IndexDefinition(name, name, hashes != (PK,), hashes, ranges, kind, tuple(attributes))


LOCAL = (index("local-all", (PK,), (A,), "ALL"), index("local-some", (PK,), (B,), "INCLUDE", "x"))
CREATED = index("with-table", (A,), (B,), "KEYS_ONLY")
ADDED = {
    each.name: each
    for each in (
        index("one", (A,), (), "ALL"),
        index("keys", (B,), (A,), "KEYS_ONLY"),
        index("turned", (SK,), (PK,), "INCLUDE", "x", "y"),
        index("many", (A, B), (C, SK), "INCLUDE", "y"),
    )
}
TABLE = TableDefinition("Music", "id", 0.0, PK, SK, (*LOCAL, CREATED))

# Values that are keys, and values that never are: of other types, empty, too long.
MAYBE_KEYS = st.sampled_from(
    [
        *({"S": text} for text in ("", "x", "y", "\x00", "é" * 512, "é" * 513, "z" * 2049)),
        *({"N": text} for text in ("0", "-1.5", "7")),
        *({"B": text} for text in ("", "AA==", "/w==")),
        {"NULL": True},
        {"L": [{"S": "x"}]},
    ]
)
KEYS = st.tuples(st.sampled_from("pq"), st.sampled_from(["-1", "0", "1", "2"]))
ATTRIBUTES = st.dictionaries(st.sampled_from(["aS", "bN", "cB", "x", "y", "z"]), MAYBE_KEYS)

OPERATIONS = st.one_of(
    st.tuples(st.just("put"), KEYS, ATTRIBUTES),
    st.tuples(st.just("put"), KEYS, ATTRIBUTES),
    st.tuples(st.just("update"), KEYS, st.sampled_from(["aS", "bN", "x"]), st.none() | MAYBE_KEYS),
    st.tuples(st.just("delete"), KEYS),
    st.tuples(st.just("refused"), KEYS, ATTRIBUTES),
    st.tuples(st.just("lost"), KEYS, ATTRIBUTES),
    st.tuples(st.just("create"), st.sampled_from(sorted(ADDED))),
    st.tuples(st.just("drop"), st.sampled_from([*sorted(ADDED), "with-table"])),
    st.tuples(st.just("let work"), st.integers(1, 12)),
    st.tuples(st.just("restart")),
)


class Harness:
    """A store with one table, and the items that it should hold."""

    def __init__(self, directory: Path | None) -> None:
        self.directory = directory
        self.items: dict[RowKey, Item] = {}
        self.ids = 0
        self.store = Store(directory, "off")
        assert self.store.create(TABLE)

    @property
    def table(self) -> Table:
        table = self.store.table("Music")
        assert table is not None
        return table

    @property
    def definition(self) -> TableDefinition:
        definition = self.store.definition("Music")
        assert definition is not None
        return definition

    async def run(self, operation: tuple[Any, ...]) -> None:
        name, *arguments = operation
        await getattr(self, name.replace(" ", "_"))(*arguments)
        self.check()

    async def put(self, key: tuple[str, str], attributes: Item) -> None:
        row, item = row_and_item(key, attributes)
        await self.table.submit(lambda: self._put(row, item))
        self.items[row] = item

    async def update(self, key: tuple[str, str], attribute: str, value: Any) -> None:
        row, item = row_and_item(key, {})
        changed = self.items.get(row, item) | {attribute: value}
        if value is None:
            del changed[attribute]
        await self.put(key, changed)

    async def delete(self, key: tuple[str, str]) -> None:
        row, _ = row_and_item(key, {})

        def delete() -> None:
            if (old := self.table.stored(row)) is not None:
                self.table.delete(row, old)

        await self.table.submit(delete)
        self.items.pop(row, None)

    async def refused(self, key: tuple[str, str], attributes: Item) -> None:
        """A write that fails after it has written is undone alone."""
        row, item = row_and_item(key, attributes)

        def put_and_fail() -> None:
            self._put(row, item)
            raise ApiError("ConditionalCheckFailedException")

        with pytest.raises(ApiError):
            await self.table.submit(put_and_fail)

    async def lost(self, key: tuple[str, str], attributes: Item) -> None:
        """A group that SQLite gives up, as on a full disk, is undone as a whole."""
        row, item = row_and_item(key, attributes)

        def give_up() -> None:
            self.table._write.execute("ROLLBACK")
            raise apsw.FullError("database or disk is full")

        # Behind others the two could be of two groups: of those that wait not all need be taken at once.
        while self.table.is_used:
            await asyncio.sleep(0)
        writes = [self.table.submit(lambda: self._put(row, item)), self.table.submit(give_up)]
        outcomes = await asyncio.gather(*writes, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [ApiError, ApiError]

    async def create(self, name: str) -> None:
        if any(each.name == name or each.status != "ACTIVE" for each in self.definition.indexes):
            return
        self.ids += 1
        added = replace(ADDED[name], status="CREATING", id=f"{self.ids}")
        self._redefine((*self.definition.indexes, added))

    async def drop(self, name: str) -> None:
        self._redefine(
            tuple(
                replace(each, status="DELETING", backfilling=False)
                if each.name == name and (each.status == "ACTIVE" or each.backfilling)
                else each
                for each in self.definition.indexes
            )
        )

    async def let_work(self, turns: int) -> None:
        for _ in range(turns):
            await asyncio.sleep(0)

    async def restart(self) -> None:
        if self.directory is not None:
            await self.store.close()
            self.store = Store(self.directory, "off")
            self.store.recover()

    async def finish(self) -> None:
        async with asyncio.timeout(60):
            while any(each.status != "ACTIVE" for each in self.definition.indexes):
                await asyncio.sleep(0.001)

    def _put(self, row: RowKey, item: Item) -> None:
        self.table.put(row, item, Stored(item_size(item), ujson.dumps(item)), self.table.stored(row))

    def _redefine(self, indexes: tuple[IndexDefinition, ...]) -> None:
        definition = replace(self.definition, indexes=indexes)
        self.store.redefine(definition)

    # What must hold at any time

    def check(self) -> None:
        """Of one state: a step of work may be committed meanwhile, which runs beside the event loop."""
        with self.table._reader:
            self._check()

    def _check(self) -> None:
        read = self.table._reader.execute
        expected = {
            RowKey(*row): ujson.loads(item) for *row, item in read("SELECT slot, pk, sk, item FROM item")
        }
        assert expected == self.items
        sources = {"item": "item"}
        for name, each in self.table.indexes.items():
            if each.definition.status == "ACTIVE":
                rows = read(f"SELECT * FROM {each.columns.table} ORDER BY {', '.join(each.columns.key)}")
                found = [(*key, size, ujson.loads(item)) for *key, size, item in rows]
                assert found == recomputed(each.definition, self.items), name
            sources[each.columns.table] = name
        self._check_counts(sources)

    def _check_counts(self, sources: dict[str, str]) -> None:
        read = self.table._reader.execute
        counted = {source: counts for source, *counts in read("SELECT source, items, bytes FROM statistics")}
        assert counted.keys() <= sources.keys()
        for source, counts in counted.items():
            recount = read(f"SELECT count(*), coalesce(sum(size), 0) FROM {source}").fetchall()
            assert [tuple(counts)] == recount, source
        sizes: dict[tuple[Any, ...], int] = {}
        for each in ("item", *(self.table.indexes[local.name].columns.table for local in LOCAL)):
            for slot, pk, size in read(f"SELECT slot, {'pk'}, size FROM {each}"):
                sizes[slot, pk] = sizes.get((slot, pk), 0) + size
        assert {(slot, pk): size for slot, pk, size in read("SELECT * FROM item_collection")} == sizes


def row_and_item(key: tuple[str, str], attributes: Item) -> tuple[RowKey, Item]:
    pk, sk = {"S": key[0]}, {"N": key[1]}
    return row_key(encode(pk), encode(sk)), {"pkS": pk, **attributes, "skN": sk}


def recomputed(definition: IndexDefinition, items: dict[RowKey, Item]) -> list[tuple[Any, ...]]:
    entries: list[Any] = []
    names = {key.name for key in (*definition.key_attributes, PK, SK)} | set(definition.non_key_attributes)
    for row, item in items.items():
        hashes = key_values(item, definition.hash_keys, 2048)
        ranges = key_values(item, definition.range_keys, 1024)
        if hashes is not None and ranges is not None:
            projected = item
            if definition.projection != "ALL":
                projected = {name: value for name, value in item.items() if name in names}
            key = (slot_of(tuple(hashes)), *hashes, *ranges, row.pk, row.sk)
            entries.append((*key, item_size(projected), projected))
    return sorted(entries, key=lambda entry: entry[:-2])


def key_values(item: Item, keys: tuple[KeyAttribute, ...], limit: int) -> list[Any] | None:
    values = [item.get(key.name, {}) for key in keys]
    if not all(value.get(key.type) for value, key in zip(values, keys, strict=True)):
        return None
    return None if sum(map(key_size, values)) > limit else [encode(value) for value in values]


async def run(directory: Path | None, operations: list[tuple[Any, ...]]) -> None:
    harness = Harness(directory)
    try:
        for operation in operations:
            await harness.run(operation)
        await harness.finish()
        harness.check()
    finally:
        await harness.store.close()


@pytest.fixture(autouse=True, scope="module")
def small_steps() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(index_building, "STEP_ROWS", 2)
        patch.setattr(index_building, "RETRY_SECONDS", 0.0)
        patch.setattr(group_commit, "MAX_GROUP_SECONDS", 60.0)  # what is lost together is one group
        patch.setattr(logging.getLogger("alt.storage"), "propagate", False)
        yield


def test_in_memory() -> None:
    @settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(OPERATIONS, max_size=40))
    def check(operations: list[tuple[Any, ...]]) -> None:
        asyncio.run(run(None, operations))

    check()


def test_on_disk() -> None:
    @settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(OPERATIONS, max_size=40))
    def check(operations: list[tuple[Any, ...]]) -> None:
        with tempfile.TemporaryDirectory() as directory:
            asyncio.run(run(Path(directory), operations))

    check()


@pytest.mark.parametrize("directory", [None, "disk"])
def test_a_write_right_after_the_last_step_of_a_backfill(directory: str | None, tmp_path: Path) -> None:
    """It is in the same group as the step that found nothing left, beyond the last item taken in."""

    async def scenario() -> None:
        harness = Harness(None if directory is None else tmp_path)
        await harness.put(("p", "0"), {"aS": {"S": "x"}})
        await harness.create("one")
        step: Callable[..., bool] = Table.backfill
        late: list[asyncio.Future[Any]] = []

        def backfill(table: Table, name: str, limit: int) -> bool:
            more = step(table, name, limit)
            if not more:
                for pk in "qrstuvw":
                    row, item = row_and_item((pk, "1"), {"aS": {"S": "late"}})
                    late.append(table.submit(lambda row=row, item=item: harness._put(row, item)))
                    harness.items[row] = item
            return more

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Table, "backfill", backfill)
            await harness.finish()
        await asyncio.gather(*late)
        assert late
        harness.check()
        await harness.store.close()

    asyncio.run(scenario())
