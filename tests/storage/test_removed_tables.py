"""A table that goes while a transaction that found it waits for another table."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from alt.errors import ApiError
from alt.storage.model.items import Stored
from alt.storage.model.keys import row_key
from alt.storage.sqlite.table import Table
from tests.storage.conftest import SECOND, two_tables, write_together


def put(table: Table) -> None:
    table.put(row_key("a"), {"pk": {"S": "a"}}, Stored(3, '{"pk":{"S":"a"}}'), table.stored(row_key("a")))


@pytest.mark.parametrize("in_memory", [False, True])
def test_the_transaction_fails_and_the_other_table_goes_on(tmp_path: Path, in_memory: bool) -> None:
    async def run() -> None:
        store, first, second = two_tables(None if in_memory else tmp_path)
        await first.hold()
        waiting = write_together(store, [first, second])
        await asyncio.sleep(0)
        await store.remove(SECOND)
        first.release()
        with pytest.raises(ApiError, match="Requested resource not found"):
            await waiting
        await first.submit(lambda: put(first))
        assert first.counts().items == 1
        await store.close()

    asyncio.run(asyncio.wait_for(run(), 10))


def test_a_write_that_comes_too_late_is_told_so(tmp_path: Path) -> None:
    async def run() -> None:
        store, _, second = two_tables(tmp_path)
        await store.remove(SECOND)
        for late in (second.submit(lambda: put(second)), second.hold()):
            with pytest.raises(ApiError, match="Requested resource not found"):
                await late
        with pytest.raises(ApiError, match="Requested resource not found"):
            await second.alone(lambda: None)
        await store.close()

    asyncio.run(asyncio.wait_for(run(), 10))


def test_a_transaction_cancelled_as_it_is_granted_a_table_does_not_keep_it(tmp_path: Path) -> None:
    async def run() -> None:
        store, first, second = two_tables(tmp_path)
        await first.hold()
        waiting = write_together(store, [first, second])
        await asyncio.sleep(0)
        first.release()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await first.submit(lambda: put(first))
        assert (first.counts().items, second.counts().items) == (1, 0)
        await store.close()

    asyncio.run(asyncio.wait_for(run(), 10))
