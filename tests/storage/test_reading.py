"""What a turn of the event loop reads is one state of the file, and never less than what was acknowledged before."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import apsw
import pytest
import ujson

from alt.storage.model.items import Stored
from alt.storage.model.keys import row_key
from alt.storage.sqlite.checksums import checksum
from alt.storage.sqlite.store import Store
from alt.storage.sqlite.table import Table
from alt.values.sizes import item_size
from tests.storage.conftest import FIRST, two_tables, write_together


def item(value: str) -> dict[str, Any]:
    return {"pk": {"S": "a"}, "x": {"S": value}}


def put(table: Table, value: str) -> None:
    made = item(value)
    table.put(row_key("a"), made, Stored(item_size(made), ujson.dumps(made)), table.stored(row_key("a")))


def overwrite(elsewhere: apsw.Connection, value: str) -> None:
    """What another process does to the item."""
    text = ujson.dumps(item(value))
    elsewhere.execute("UPDATE item SET item = ?, checksum = ?", (text, checksum(text)))


def value(table: Table) -> str | None:
    _, item = table.get(row_key("a")) or (0, None)
    return None if item is None else str(ujson.loads(item)["x"]["S"])


def run(directory: Path | None, test: Callable[[Store, Table, Table], Coroutine[Any, Any, None]]) -> None:
    faults: list[Any] = []

    async def on_store() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context))
        store, first, second = two_tables(directory)
        await test(store, first, second)
        await store.close()

    asyncio.run(on_store())
    assert not faults


@pytest.mark.parametrize("in_memory", [False, True])
def test_a_write_is_seen_once_it_is_answered_however_often_the_turn_has_read(
    tmp_path: Path, in_memory: bool
) -> None:
    async def test(_store: Store, table: Table, _other: Table) -> None:
        seen: list[tuple[str, str | None]] = []
        for number in map(str, range(50)):
            written = table.submit(lambda number=number: put(table, number))
            written.add_done_callback(lambda _, number=number: seen.append((number, value(table))))
            while not written.done():
                value(table)  # the turn that the answer comes in may have read before
                await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert seen == [(number, number) for number in map(str, range(50))]

    run(None if in_memory else tmp_path, test)


@pytest.mark.parametrize("in_memory", [False, True])
def test_a_transaction_over_tables_is_seen_in_all_once_it_is_answered(
    tmp_path: Path, in_memory: bool
) -> None:
    async def test(store: Store, table: Table, other: Table) -> None:
        for number in map(str, range(20)):
            written = write_together(store, [table, other], item=item(number))
            while not written.done():
                value(table), value(other)
                await asyncio.sleep(0)
            assert value(table) == value(other) == number

    run(None if in_memory else tmp_path, test)


def test_what_another_process_commits_is_seen_in_the_next_turn(tmp_path: Path) -> None:
    async def test(_store: Store, table: Table, _other: Table) -> None:
        await table.submit(lambda: put(table, "1"))
        await asyncio.sleep(0)
        assert value(table) == "1"
        elsewhere = apsw.Connection(str(tmp_path / "tables" / table.file))
        overwrite(elsewhere, "2")
        elsewhere.close()
        assert value(table) == "1", "the same turn, the same state"
        await asyncio.sleep(0)
        assert value(table) == "2"

    run(tmp_path, test)


def test_without_an_event_loop_every_read_sees_what_is_committed(tmp_path: Path) -> None:
    async def test(_store: Store, table: Table, _other: Table) -> None:
        await table.submit(lambda: put(table, "1"))

    run(tmp_path, test)
    store = Store(tmp_path, "off")
    table = store.table(FIRST.name)
    assert table is not None
    assert value(table) == "1"
    elsewhere = apsw.Connection(str(tmp_path / "tables" / table.file))
    overwrite(elsewhere, "2")
    assert value(table) == "2"
    assert table.pages.snapshot(
        lambda: (value(table), elsewhere.execute("DELETE FROM item"), value(table))[::2]
    ) == (
        "2",
        "2",
    )
    assert value(table) is None
    elsewhere.close()
    asyncio.run(store.close())


def test_a_table_can_be_closed_in_the_turn_that_read_it(tmp_path: Path) -> None:
    async def test(_store: Store, table: Table, other: Table) -> None:
        value(table), value(other)
        table.close()
        other.close()
        await asyncio.sleep(0)

    run(tmp_path, test)
