"""How many tables are open at once, and which are closed to make room."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from alt.errors import ApiError
from alt.storage.model.keys import row_key
from alt.storage.sqlite.open_tables import NoRoomError
from alt.storage.sqlite.store import Store
from alt.storage.sqlite.table import Table
from tests.storage.conftest import FIRST, write_together

NAMES = "abcdefgh"
LIMIT = 4


def on_store(directory: Path, test: Callable[[Store], Awaitable[None]]) -> None:
    """Run a test on a store of tables a to h, of which four may be open."""

    async def run() -> None:
        store = Store(directory, "off", max_open_tables=LIMIT)
        for name in NAMES:
            assert store.create(replace(FIRST, name=name, id=name))
        await test(store)
        await store.close()

    asyncio.run(run())


def is_open(table: Table | None) -> bool:
    assert table is not None
    try:
        table.counts()
    except Exception:
        return False
    return True


async def open_in_turns(store: Store, names: str) -> list[Table | None]:
    found = []
    for name in names:
        found.append(await store.opened(name))
        await asyncio.sleep(0)
    return found


def test_the_table_found_least_recently_makes_room(tmp_path: Path) -> None:
    async def test(store: Store) -> None:
        a, b, c, d = await open_in_turns(store, "abcd")
        assert store.table("a") is a
        await asyncio.sleep(0)
        await open_in_turns(store, "ef")
        assert len(store.open_tables) == LIMIT
        assert [is_open(table) for table in (a, b, c, d)] == [True, False, False, True]
        assert store.table("a") is a
        assert store.table("b") is not b

    on_store(tmp_path, test)


def test_a_table_stays_open_for_the_turn_that_found_it(tmp_path: Path) -> None:
    async def test(store: Store) -> None:
        found = [store.table(name) for name in "abcd"]
        with pytest.raises(NoRoomError):
            store.table("e")
        assert all(map(is_open, found))
        await asyncio.sleep(0)
        assert is_open(store.table("e"))
        assert len(store.open_tables) == LIMIT

    on_store(tmp_path, test)


def test_a_table_with_writes_under_way_stays_open(tmp_path: Path) -> None:
    async def test(store: Store) -> None:
        a, b, *_ = await open_in_turns(store, "abcd")
        assert a is not None
        assert b is not None
        writing = a.submit(lambda: None)
        await b.hold()
        await open_in_turns(store, "efg")
        assert is_open(b)
        b.release()
        await writing
        await open_in_turns(store, "efgh")
        assert not is_open(a)
        assert not is_open(b)

    on_store(tmp_path, test)


def test_transactions_keep_their_tables_open_while_they_wait(tmp_path: Path) -> None:
    async def test(store: Store) -> None:
        a, b, *_ = await open_in_turns(store, "abcd")
        assert a is not None
        assert b is not None
        await a.hold()  # the transactions wait for it, and have not come to b
        written = write_together(store, [a, b], "x")
        b.contended.add(row_key("y"))  # as by a transaction that is being committed, for which a read waits
        read = store.get_together([(a, row_key("x")), (b, row_key("x"))])
        assert isinstance(read, asyncio.Future)
        await asyncio.sleep(0)
        await open_in_turns(store, "efgh")
        assert is_open(b)
        a.release()
        done, found = await asyncio.gather(written, read)
        assert done
        assert None not in found

    on_store(tmp_path, test)


def test_who_waits_longest_is_let_in_first(tmp_path: Path) -> None:
    async def test(store: Store) -> None:
        held = [table for table in await open_in_turns(store, "abcd") if table is not None]
        for table in held:
            await table.hold()
        order: list[str] = []

        def use(name: str) -> None:
            store.table(name)
            order.append(name)

        waiting = [store.open_tables.with_room(NoRoomError(), lambda name=name: use(name)) for name in "efgh"]
        await asyncio.sleep(0.02)
        assert not order
        for table in held:
            table.release()
        await asyncio.wait_for(asyncio.gather(*waiting), 60)
        assert order == list("efgh")

    on_store(tmp_path, test)


def test_a_request_for_more_tables_than_there_is_room_for_is_refused(tmp_path: Path) -> None:
    async def test(store: Store) -> None:
        with pytest.raises(ApiError) as refusal:
            await store.open_tables.with_room(NoRoomError(LIMIT + 1), lambda: None)
        assert refusal.value.status == 500

    on_store(tmp_path, test)


def test_a_command_uses_as_many_tables_as_it_likes_one_after_another(tmp_path: Path) -> None:
    async def create(_store: Store) -> None:
        return

    on_store(tmp_path, create)
    store = Store(tmp_path, "off", max_open_tables=LIMIT)
    for name in NAMES * 2:
        assert is_open(store.table(name))
    assert len(store.open_tables) == LIMIT
    asyncio.run(store.close())


def test_in_memory_no_table_is_ever_closed() -> None:
    async def run() -> None:
        store = Store(None, max_open_tables=LIMIT)
        for name in NAMES:
            store.create(replace(FIRST, name=name, id=name))
        found = [store.table(name) for name in NAMES]
        await asyncio.sleep(0)
        assert [store.table(name) for name in NAMES] == found
        await store.close()

    asyncio.run(run())
