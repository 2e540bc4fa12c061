"""The index that finds expired items: any attribute's name, and always there when it is needed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import apsw
import pytest
import ujson
from hypothesis import given, settings
from hypothesis import strategies as st

from alt.storage.model.definition import KeyAttribute, StreamDefinition, TableDefinition, TimeToLive
from alt.storage.model.items import Stored
from alt.storage.model.keys import row_key
from alt.storage.model.ranges import SlotRange
from alt.storage.sqlite import expiry
from alt.storage.sqlite.store import Store
from alt.storage.sqlite.table import Table
from alt.values.sizes import item_size

NOW = 1_795_521_600.0
TABLE = TableDefinition("Music", "id", 0.0, KeyAttribute("pk", "S"), None)

# What a name is easily mistaken for, in SQL, in JSON, in a JSON path, and in the index's own escapes.
HOSTILE = [
    "",
    "a",
    "a'b",
    "'",
    'a"b',
    "a\\b",
    '\\"',
    "a.b",
    "a[0]",
    "$",
    "#-1",
    "a\nb",
    "\n",
    "n",
    "\x01",
    "a\x7fb",
    "\u2028",
    "ключ",
    "🔑",
    "\ud7ff",
    "\0",
    "a\0b",
    "a\0",
    "\0\0",
    "\\\0",
    "\n\0",
    "n\0",
    "\\u0000",
    "\\\\u0000",
    "a\\u0000b",
    "\\ud800",
    "n\\ud800",
]


def stored(item: dict[str, Any]) -> str:
    """As operations store items."""
    return ujson.dumps(item, ensure_ascii=False, escape_forward_slashes=False)


@pytest.fixture(scope="module")
def items() -> apsw.Connection:
    """Every hostile name alone, and every two of them in one item, with the first in `a` and the second in `b`."""
    connection = apsw.Connection(":memory:")
    connection.execute("CREATE TABLE item (a, b, item)")
    rows = [(a, b, stored({a: {"N": "1"}, b: {"N": "2"}})) for a in HOSTILE for b in HOSTILE if a != b]
    rows += [(a, None, stored({a: {"N": "1"}, "other": {"S": "x"}})) for a in HOSTILE]
    connection.executemany("INSERT INTO item VALUES (?, ?, ?)", rows)
    return connection


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_leads_to_its_own_attribute(items: apsw.Connection, name: str) -> None:
    number = expiry.number_sql(name)
    found = {(a, b): value for a, b, value in items.execute(f"SELECT a, b, {number} FROM item")}
    assert found == {(a, b): "1" if a == name else "2" if b == name else None for a, b in found}
    assert sum(value is not None for value in found.values()) == 2 * len(HOSTILE) - 1


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=8), st.text(max_size=8))
def test_any_two_names_are_told_apart(name: str, other: str) -> None:
    connection = apsw.Connection(":memory:")
    item = stored({other: {"N": "1"}, "\0": {"S": "x\0"}} | {name: {"N": "2"}})
    assert connection.execute(f"SELECT {expiry.number_sql(name)} FROM (SELECT ? AS item)", (item,)).get == "2"
    if other != name:
        item = stored({other: {"N": "1"}})
        assert (
            connection.execute(f"SELECT {expiry.number_sql(name)} FROM (SELECT ? AS item)", (item,)).get
            is None
        )


# With a store


def in_store(directory: Path | None, work: Callable[[Store], Awaitable[None]]) -> None:
    """Run `work` on a store at NOW that has done nothing in the background yet."""

    async def run() -> None:
        store = Store(directory, "off", clock=lambda: NOW)
        try:
            await work(store)
        finally:
            await store.close()

    asyncio.run(run())


async def fill(store: Store, names: list[str], **attributes: Any) -> None:
    table = open_table(store)

    def write() -> None:
        for name in names:
            item = {"pk": {"S": name}, **attributes}
            table.put(row_key(name), item, Stored(item_size(item), stored(item)), table.stored(row_key(name)))

    await table.submit(write)


def open_table(store: Store) -> Table:
    table = store.table("Music")
    assert table is not None
    return table


def time_to_live(store: Store) -> TimeToLive | None:
    definition = store.definition("Music")
    assert definition is not None
    return definition.time_to_live


def has_index(table: Table) -> bool:
    return "expiry" in [name for (name,) in table._read.execute("SELECT name FROM sqlite_schema")]


@pytest.mark.parametrize("name", HOSTILE)
def test_the_index_is_made_once_whatever_the_name(tmp_path: Path, name: str) -> None:
    async def work(store: Store) -> None:
        asked = TimeToLive("ENABLING", name, NOW)
        store.create(replace(TABLE, time_to_live=asked))
        await fill(store, ["gone"], **{name: {"N": str(NOW - 1)}})
        await fill(store, ["stays"], **{name: {"N": str(NOW + 1)}})
        table = open_table(store)
        await asyncio.gather(*store.expiry_work.start_all())
        assert time_to_live(store) == replace(asked, status="ENABLED")
        # SQLite keeps the statement as it was given: otherwise the index would be made again and again.
        assert table.expiry.is_built()
        assert table.counts().items == 2
        await asyncio.gather(*store.expiry_work.start_all())
        assert table.get(row_key("gone")) is None
        assert table.get(row_key("stays")) is not None

    in_store(tmp_path, work)


@pytest.mark.parametrize("in_memory", [True, False])
def test_turning_it_off_drops_the_index(tmp_path: Path, in_memory: bool) -> None:
    async def work(store: Store) -> None:
        store.create(replace(TABLE, time_to_live=TimeToLive("ENABLING", "expires", NOW)))
        await asyncio.gather(*store.expiry_work.start_all())
        table = open_table(store)
        assert has_index(table)
        asked = TimeToLive("DISABLING", "expires", NOW)
        store.redefine(replace(table.definition, time_to_live=asked))
        await fill(store, ["stays"], expires={"N": str(NOW - 1)})
        await asyncio.gather(*store.expiry_work.start_all())
        assert time_to_live(store) == replace(asked, status="DISABLED")
        assert not has_index(table)
        assert not store.expiry_work.start_all()
        assert table.get(row_key("stays")) is not None

    in_store(None if in_memory else tmp_path, work)


@pytest.mark.parametrize(("asked", "settled"), [("ENABLING", "ENABLED"), ("DISABLING", "DISABLED")])
def test_the_next_start_takes_up_a_change_cut_short(tmp_path: Path, asked: str, settled: str) -> None:
    async def die_before(store: Store) -> None:
        store.create(replace(TABLE, time_to_live=TimeToLive("ENABLING", "expires", NOW)))
        if asked == "DISABLING":
            await asyncio.gather(*store.expiry_work.start_all())
            definition = open_table(store).definition
            store.redefine(replace(definition, time_to_live=TimeToLive(asked, "expires", NOW)))

    async def start(store: Store) -> None:
        store.recover()
        for _ in range(6_000):
            current = time_to_live(store)
            assert current is not None
            if current.status == settled:
                break
            await asyncio.sleep(0.01)
        assert has_index(open_table(store)) == (settled == "ENABLED")
        assert time_to_live(store) == TimeToLive(settled, "expires", NOW)

    in_store(tmp_path, die_before)
    in_store(tmp_path, start)


def test_a_file_that_was_put_back_without_its_index_gets_it_again(tmp_path: Path) -> None:
    async def work(store: Store) -> None:
        store.create(replace(TABLE, time_to_live=TimeToLive("ENABLED", "expires", NOW)))
        await fill(store, ["gone"], expires={"N": str(NOW - 1)})
        table = open_table(store)
        assert not has_index(table)
        await asyncio.gather(*store.expiry_work.start_all())
        assert table.counts()[:2] == (0, 0)

    in_store(tmp_path, work)


def test_writes_wait_for_the_index_and_are_in_it(tmp_path: Path) -> None:
    async def work(store: Store) -> None:
        store.create(replace(TABLE, time_to_live=TimeToLive("ENABLING", "expires", NOW)))
        await fill(store, ["before"], expires={"N": str(NOW - 1)})
        building = store.expiry_work.start_all()
        writes = [fill(store, [f"meanwhile {number}"], expires={"N": str(NOW - 1)}) for number in range(20)]
        await asyncio.gather(*building, *writes)
        table = open_table(store)
        assert len(table.expiry.expired(NOW)) == 21

    in_store(tmp_path, work)


def test_shutdown_in_the_middle_of_making_the_index_undoes_it(tmp_path: Path) -> None:
    async def work(store: Store) -> None:
        store.create(replace(TABLE, time_to_live=TimeToLive("ENABLING", "expires", NOW)))
        table = open_table(store)
        await fill(store, ["stays"], expires={"N": str(NOW + 1)})
        endless = "WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"

        def build() -> None:
            table._write.execute("DELETE FROM item")
            table._write.execute(endless).fetchall()

        running = asyncio.ensure_future(table.alone(build))
        while not table.is_used:
            await asyncio.sleep(0)
        await asyncio.sleep(0.05)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert table.get(row_key("stays")) is not None
        await fill(store, ["after"])
        assert table.counts().items == 2

    in_store(tmp_path, work)


def test_a_step_is_bounded() -> None:
    async def work(store: Store) -> None:
        store.create(replace(TABLE, time_to_live=TimeToLive("ENABLED", "expires", NOW)))
        table = open_table(store)
        await table.alone(table.expiry.build)
        await fill(store, [f"small {number}" for number in range(450)], expires={"N": str(NOW - 1)})
        await fill(
            store,
            [f"large {number}" for number in range(5)],
            expires={"N": str(NOW - 2)},
            pad={"S": "x" * 100_000},
        )
        steps = []
        while expired := await table.submit(lambda: delete_step(table)):
            steps.append(expired)
        assert steps == [3, 200, 200, 52]

    def delete_step(table: Table) -> int:
        before = table.expiry.expired(NOW)
        for key, old in before:
            table.delete(key, old, by_ttl=True)
        return len(before)

    in_store(None, work)


def test_the_log_says_that_time_was_the_reason(tmp_path: Path) -> None:
    async def work(store: Store) -> None:
        stream = StreamDefinition("label", "KEYS_ONLY", 1, NOW, 0)
        store.create(replace(TABLE, time_to_live=TimeToLive("ENABLED", "expires", NOW), streams=(stream,)))
        await fill(store, ["expired", "deleted"], expires={"N": str(NOW - 1)})
        table = open_table(store)
        key = row_key("deleted")

        def delete() -> None:
            old = table.stored(key)
            assert old is not None
            table.delete(key, old)

        await table.submit(delete)
        await asyncio.gather(*store.expiry_work.start_all())
        changes = table.log.changes(0, table.log.last(), SlotRange())
        assert [(change.key.pk, change.by_ttl) for change in changes if change.new is None] == [
            ("deleted", False),
            ("expired", True),
        ]

    in_store(tmp_path, work)
