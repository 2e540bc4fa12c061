"""How waiting writes are grouped, seen by which of them are durable together."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import apsw
import pytest

from alt.errors import ApiError
from alt.storage.model.items import Stored
from alt.storage.model.keys import row_key
from alt.storage.sqlite import group_commit
from alt.storage.sqlite.group_commit import MAX_GROUP_WRITES
from alt.storage.sqlite.statistics import Statistics
from alt.storage.sqlite.table import Table
from tests.storage.conftest import two_tables


def sizes_of_groups(path: Path | None, bursts: Callable[[Callable[[int], None]], None]) -> list[int]:
    """What `bursts` submits through the function it is given, by the groups it was stored in."""

    async def run() -> list[int]:
        store, table, _ = two_tables(path)
        groups: list[list[int]] = []
        submitted = []

        def write(number: int) -> None:
            put(table, number)
            # The counts are stored once a group, so all writes of a group see the same.
            seen = table.counts().items
            if not groups or groups[-1][0] != seen:
                groups.append([seen])
            groups[-1].append(number)

        def submit(count: int) -> None:
            for _ in range(count):
                submitted.append(table.submit(partial(write, len(submitted))))

        bursts(submit)
        for future in submitted:
            await future
        assert table.counts().items == len(submitted)
        await store.close()
        assert [number for _, *group in groups for number in group] == list(range(len(submitted)))
        return [len(group) - 1 for group in groups]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(group_commit, "MAX_GROUP_SECONDS", 60.0)  # however busy the machine is
        return asyncio.run(asyncio.wait_for(run(), 60))


def put(table: Table, number: int) -> None:
    text = f'{{"pk":{{"S":"{number}"}}}}'
    table.put(
        row_key(str(number)), {"pk": {"S": str(number)}}, Stored(3, text), table.stored(row_key(str(number)))
    )


@pytest.mark.parametrize("in_memory", [False, True])
def test_what_arrives_together_is_one_group(tmp_path: Path, in_memory: bool) -> None:
    assert sizes_of_groups(None if in_memory else tmp_path, lambda submit: submit(15)) == [15]


def test_no_group_is_larger_than_the_limit(tmp_path: Path) -> None:
    sizes = sizes_of_groups(tmp_path, lambda submit: submit(MAX_GROUP_WRITES + 3))
    assert sizes == [MAX_GROUP_WRITES, 3]


@pytest.mark.parametrize("in_memory", [False, True])
def test_slow_writes_let_others_in_between(tmp_path: Path, in_memory: bool) -> None:
    async def run() -> None:
        store, table, _ = two_tables(None if in_memory else tmp_path)
        order: list[str] = []

        def write(number: int) -> None:
            put(table, number)
            time.sleep(group_commit.MAX_GROUP_SECONDS)
            order.append("write")

        writes = [table.submit(partial(write, number)) for number in range(5)]
        while not all(write.done() for write in writes):
            order.append("other")
            await asyncio.sleep(0)
        assert "write write" not in " ".join(order)
        assert table.counts().items == len(writes)
        await store.close()

    asyncio.run(asyncio.wait_for(run(), 60))


def test_many_writes_after_a_small_group_are_shared_out(tmp_path: Path) -> None:
    def bursts(submit: Callable[[int], None]) -> None:
        submit(1)
        loop = asyncio.get_running_loop()
        loop.call_soon(submit, 15)  # once the first has begun

    sizes = sizes_of_groups(tmp_path, bursts)
    assert sizes == [1, 8, 7]


def test_a_group_whose_waiter_is_gone_is_refused_all_the_same(tmp_path: Path) -> None:
    """Refusing what waits, a future that was cancelled meanwhile is passed over."""

    async def run() -> None:
        store, table, _ = two_tables(tmp_path)
        gone, waits = (table.submit(partial(put, table, number)) for number in range(2))
        gone.cancel()
        table.refuse()
        with pytest.raises(ApiError, match="unknown error"):
            await waits
        await table.drain()
        await store.close()

    asyncio.run(asyncio.wait_for(run(), 60))


@pytest.mark.parametrize("fault", [ValueError("a bug"), apsw.IOError("disk I/O error"), MemoryError()])
def test_whatever_is_raised_at_a_groups_end_the_next_begins(
    fault: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run() -> None:
        store, table, _ = two_tables(tmp_path)
        stored = Statistics.store

        def failing(_statistics: Statistics, *, is_numbered: bool) -> int | None:  # noqa: ARG001
            monkeypatch.setattr(Statistics, "store", stored)
            raise fault

        monkeypatch.setattr(Statistics, "store", failing)
        with pytest.raises(ApiError, match="unknown error"):
            await table.submit(partial(put, table, 1))
        await table.submit(partial(put, table, 2))
        assert table.counts().items == 1
        await store.close()

    asyncio.run(asyncio.wait_for(run(), 60))


def test_a_full_disk_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def run() -> None:
        store, table, _ = two_tables(tmp_path)

        def full(_statistics: Statistics, *, is_numbered: bool) -> int | None:  # noqa: ARG001
            raise apsw.FullError("database or disk is full")

        monkeypatch.setattr(Statistics, "store", full)
        with pytest.raises(ApiError, match="The disk that holds the table is full"):
            await table.submit(partial(put, table, 1))
        monkeypatch.undo()
        await store.close()

    asyncio.run(asyncio.wait_for(run(), 60))
    (path,) = (tmp_path / "tables").glob("First-*.db")
    assert f"table First ({path}): 1 writes were not stored: the disk is full" in caplog.text
