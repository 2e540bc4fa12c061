"""The check finds what was done to a table's file, each in its place, and the repair makes it whole."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import apsw
import pytest
import ujson

from alt.storage.model.definition import IndexDefinition, KeyAttribute, TableDefinition
from alt.storage.model.items import Stored
from alt.storage.model.keys import layout_of, row_key
from alt.storage.sqlite.connections import PAGE_BYTES
from alt.storage.sqlite.data_directory import UnusableDataError
from alt.storage.sqlite.maintenance import repair as repairing
from alt.storage.sqlite.maintenance.check import Entries, Found, check
from alt.storage.sqlite.maintenance.repair import repair, rewrite
from alt.storage.sqlite.ranges import columns_of
from alt.storage.sqlite.store import Store
from alt.storage.sqlite.table import Table
from alt.values.keys import encode
from alt.values.sizes import item_size

PK, SK, A, B = (KeyAttribute(name, kind) for name, kind in (("pk", "S"), ("sk", "N"), ("a", "S"), ("b", "B")))
LOCAL = IndexDefinition("local", "l1", False, (PK,), (A,), "INCLUDE", ("x",))
WHOLE = IndexDefinition("whole", "g1", True, (A,), (SK,), "ALL")
SPARSE = IndexDefinition("sparse", "g2", True, (B,), (), "KEYS_ONLY")
TABLE = TableDefinition("Music", "id", 0.0, PK, SK, (LOCAL, WHOLE, SPARSE))

PARTITIONS, ITEMS_EACH = 20, 15
ITEMS = PARTITIONS * ITEMS_EACH
SPARSE_ITEMS = ITEMS // 3

local, whole, sparse = (columns_of(layout_of(index)).table for index in TABLE.indexes)


def item(partition: int, number: int) -> dict[str, Any]:
    made: dict[str, Any] = {"pk": {"S": f"p{partition}"}, "sk": {"N": str(number)}}
    made |= {"a": {"S": f"a{number % 7}"}, "x": {"S": "x" * 200}}
    return made | ({} if number % 3 else {"b": {"B": "AAEC"}})


def put(table: Table, made: dict[str, Any]) -> None:
    key = row_key(encode(made["pk"]), encode(made["sk"]))
    new = Stored(item_size(made), ujson.dumps(made, ensure_ascii=False))
    table.put(key, made, new, table.stored(key))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A table of 300 items, closed, with all it should hold."""
    made = Store(tmp_path, "off")
    assert made.create(TABLE)

    async def fill() -> None:
        table = made.table("Music")
        assert table is not None
        for partition in range(PARTITIONS):
            for number in range(ITEMS_EACH):
                await table.submit(partial(put, table, item(partition, number)))
        await made.close()

    asyncio.run(fill())
    opened = Store(tmp_path, "off")
    yield opened
    asyncio.run(opened.close())


def silent(_what: str, _done: int, _total: int) -> None:
    pass


def checked(store: Store) -> Found:
    found = check(store, "Music", silent)
    assert found is not None
    return found


def change(store: Store, *statements: str) -> None:
    with closing(apsw.Connection(str(store.file(TABLE)))) as connection:
        for statement in statements:
            connection.execute(statement)


def overwrite(store: Store, table: str) -> None:
    """Overwrite a page of an SQL table, not its root."""
    change(store, "PRAGMA wal_checkpoint(TRUNCATE)")
    with closing(apsw.Connection(str(store.file(TABLE)))) as connection:
        page = connection.execute(
            "SELECT max(pageno) FROM dbstat WHERE name = ? AND pagetype = 'leaf'", (table.strip('"'),)
        ).get
    with store.file(TABLE).open("r+b") as file:
        file.seek((page - 1) * PAGE_BYTES)
        file.write(b"\xa5" * PAGE_BYTES)


def test_a_whole_table_is_sound(store: Store) -> None:
    found = checked(store)
    assert found.is_sound
    assert found.items.rows == ITEMS
    assert {name: entries.rows for name, entries in found.indexes.items()} == {
        "local": ITEMS,
        "whole": ITEMS,
        "sparse": SPARSE_ITEMS,
    }
    assert check(store, "Absent", silent) is None


@pytest.mark.parametrize(
    ("statement", "index", "expected"),
    [
        (f"DELETE FROM {whole} WHERE h0 = 'a3' AND pk = 'p1'", "whole", Entries(missing=2)),
        (f"DELETE FROM {sparse}", "sparse", Entries(missing=SPARSE_ITEMS)),
        (
            f"INSERT INTO {local} SELECT slot, h0, 'other', pk, sk, size, item FROM {local} WHERE h0 = 'p1'",
            "local",
            Entries(extra=ITEMS_EACH),
        ),
        (
            f"INSERT INTO {sparse} VALUES (1, x'01', 'gone', x'80', 9, '{{}}')",
            "sparse",
            Entries(extra=1),
        ),
        (
            f"UPDATE {whole} SET h0 = 'other' WHERE h0 = 'a3' AND pk = 'p1'",
            "whole",
            Entries(missing=2, extra=2),
        ),
        (f"UPDATE {local} SET item = '{{}}' WHERE h0 = 'p1'", "local", Entries(different=ITEMS_EACH)),
        (f"UPDATE {whole} SET size = size + 1 WHERE h0 = 'a3'", "whole", Entries(different=2 * PARTITIONS)),
        (f"UPDATE {whole} SET item = 'no JSON' WHERE h0 = 'a3'", "whole", Entries(different=2 * PARTITIONS)),
        (f"DROP TABLE {sparse}", "sparse", Entries(lost=True)),
    ],
)
def test_entries_that_differ_are_found_and_made_again(
    store: Store, statement: str, index: str, expected: Entries
) -> None:
    change(store, statement)
    found = checked(store)
    differing = {name: entries for name, entries in found.indexes.items() if entries.differ}
    assert differing.keys() == {index}
    seen = differing[index]
    seen.rows = seen.bytes = 0
    assert seen == expected
    assert not found.damage
    after = repair(store, found, silent)
    assert after is not None
    assert after.is_sound


@pytest.mark.parametrize(
    ("statement", "counts"),
    [
        (
            "UPDATE statistics SET items = items + 3, bytes = bytes - 10 WHERE source = 'item'",
            {"item": (-3, 10)},
        ),
        (f"UPDATE statistics SET items = 0 WHERE source = '{whole}'", {whole: (ITEMS, 0)}),
    ],
)
def test_wrong_counts(store: Store, statement: str, counts: dict[str, Any]) -> None:
    change(store, statement)
    found = checked(store)
    assert found.counts == counts
    after = repair(store, found, silent)
    assert after is not None
    assert after.is_sound


def test_counts_that_are_gone(store: Store) -> None:
    change(store, "DELETE FROM statistics")
    found = checked(store)
    assert found.counts.keys() == {"item", local, whole, sparse}
    after = repair(store, found, silent)
    assert after is not None
    assert after.is_sound


@pytest.mark.parametrize(
    ("statement", "wrong"),
    [
        ("UPDATE item_collection SET bytes = bytes + 7 WHERE pk IN ('p1', 'p2')", 2),
        ("DELETE FROM item_collection", PARTITIONS),
        ("INSERT INTO item_collection VALUES (1, 'gone', 5)", 1),
    ],
)
def test_wrong_item_collections(store: Store, statement: str, wrong: int) -> None:
    change(store, statement)
    found = checked(store)
    assert len(found.collections) == wrong
    after = repair(store, found, silent)
    assert after is not None
    assert after.is_sound


def test_wrong_sizes_of_items(store: Store) -> None:
    """The counts agree with the sizes as they are stored: all follow when these are mended."""
    change(
        store,
        "UPDATE item SET size = size + 5 WHERE pk = 'p3'",
        f"UPDATE {whole} SET size = size + 5 WHERE pk = 'p3'",
        f"UPDATE statistics SET bytes = bytes + {5 * ITEMS_EACH} WHERE source IN ('item', '{whole}')",
    )
    found = checked(store)
    assert found.items.missized == ITEMS_EACH
    after = repair(store, found, silent)
    assert after is not None
    assert after.is_sound
    assert after.items.bytes == found.items.bytes - 5 * ITEMS_EACH


@pytest.mark.parametrize(
    ("statement", "field"),
    [
        ("UPDATE item SET item = 'no JSON' WHERE pk = 'p3' AND sk = x'80'", "unreadable"),
        ("UPDATE item SET item = '[1]' WHERE pk = 'p3' AND sk = x'80'", "unreadable"),
        ("UPDATE item SET item = json_remove(item, '$.pk') WHERE pk = 'p3' AND sk = x'80'", "unreadable"),
        ("UPDATE item SET slot = slot + 1 WHERE pk = 'p3' AND sk = x'80'", "misplaced"),
    ],
)
def test_an_item_that_is_lost_stays_as_it_is(store: Store, statement: str, field: str) -> None:
    """Nobody knows what it was, so a repair leaves it and what was made of it."""
    change(store, statement)
    found = checked(store)
    assert getattr(found.items, field) == 1
    after = repair(store, found, silent)
    assert after is not None
    assert not after.is_sound
    assert getattr(after.items, field) == 1


def test_damaged_pages_of_an_index(store: Store) -> None:
    overwrite(store, whole)
    found = checked(store)
    assert found.damage
    assert found.unreadable == {whole}
    assert found.indexes["whole"].lost
    assert not found.indexes["local"].differ
    rewrite(store, found)
    emptied = checked(store)
    assert not emptied.damage
    assert emptied.indexes["whole"].missing == ITEMS
    after = repair(store, emptied, silent)
    assert after is not None
    assert after.is_sound


def test_damaged_pages_of_the_items(store: Store) -> None:
    overwrite(store, "item")
    found = checked(store)
    assert "item" in found.unreadable
    assert not found.only_indexes_are_unreadable


def test_a_file_that_is_none_of_sqlite(store: Store) -> None:
    change(store, "PRAGMA wal_checkpoint(TRUNCATE)")
    with store.file(TABLE).open("r+b") as file:
        file.write(b"\xa5" * PAGE_BYTES)
    with pytest.raises(UnusableDataError, match=r"cannot use table Music \(.*\.db\): .*not a database"):
        check(store, "Music", silent)


def test_a_file_that_is_gone(store: Store) -> None:
    store.file(TABLE).unlink()
    with pytest.raises(UnusableDataError, match=r"cannot use table Music: its file .* is gone"):
        check(store, "Music", silent)
    assert not store.file(TABLE).exists()


def test_the_repair_goes_on_while_others_write(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between its steps, items come, change and go in another connection, as in a server."""
    monkeypatch.setattr(repairing, "STEP_ROWS", 10)
    change(
        store,
        f"DELETE FROM {whole} WHERE h0 > 'a3'",
        f"UPDATE {local} SET r0 = 'other' WHERE r0 = 'a2'",
        "UPDATE statistics SET items = items + 1",
        "UPDATE item_collection SET bytes = bytes + 7 WHERE pk > 'p5'",
    )
    table = store.table("Music")
    assert table is not None
    steps = write_between_steps(table)
    after = repair(store, checked(store), steps)
    assert after is not None
    assert after.is_sound
    assert after.items.rows != ITEMS


def write_between_steps(table: Table) -> Callable[[str, int, int], None]:
    written = 0

    def step(what: str, _done: int, _total: int) -> None:
        nonlocal written
        if not what.startswith("Mending"):
            return
        written += 1
        partition, number = written * 7 % (PARTITIONS + 5), written * 5 % (ITEMS_EACH + 5)
        changed = item(partition, number) | {"a": {"S": f"new{written}"}, "x": {"S": "y" * written}}
        key = row_key(encode(changed["pk"]), encode(changed["sk"]))

        def write() -> None:
            old = table.stored(key)
            if old is not None and written % 4 == 0:
                table.delete(key, old)
            else:
                put(table, changed)

        async def submit() -> None:
            await table.submit(write)

        asyncio.run(submit())

    return step


@pytest.mark.parametrize("taken_in", [0, 40, ITEMS])
def test_an_index_that_is_being_built(store: Store, taken_in: int) -> None:
    """It should have the items up to where it has come, and no others."""
    building = IndexDefinition("new", "g3", True, (A,), (), "ALL", status="CREATING", backfilling=True)
    definition = TableDefinition("Music", "id", 0.0, PK, SK, (*TABLE.indexes, building))
    store.redefine(definition)
    table = store.table("Music")
    assert table is not None
    opened = table

    async def build() -> None:
        await opened.submit(lambda: opened.create_index("new"))
        if taken_in:
            await opened.submit(lambda: opened.backfill("new", taken_in))

    asyncio.run(build())
    found = checked(store)
    assert found.is_sound
    assert found.indexes["new"].rows == taken_in
