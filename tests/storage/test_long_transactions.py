"""Transactions that take long: they are read, decided and written beside the event loop, and are whole all the same."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from alt.errors import validation
from alt.storage.model.items import Decide, Effect, Put, Refuse, Stored, Write, Written
from alt.storage.model.keys import row_key
from alt.storage.sqlite.store import Store
from alt.storage.sqlite.table import Table
from alt.storage.sqlite.transactions import transactions
from alt.values.json import dumps
from alt.values.sizes import item_size
from alt.values.types import Item
from tests.storage.conftest import two_tables, write_together

LONG: Item = {"pk": {"S": "a"}, "l": {"L": [{"N": "1"}] * 40_000}}


def grown(item: Item) -> Effect:
    new = {**item, "n": {"N": "1"}}
    return Put(new, Stored(item_size(new), dumps(new)))


def transact(
    store: Store, tables: Sequence[Table], decide: Callable[[Table], Decide]
) -> asyncio.Future[Sequence[Written]]:
    writes = [(table, Write(row_key("a"), decide(table))) for table in tables]
    answer = store.transact(writes, None, lambda done: done, lambda _: [])
    assert isinstance(answer, asyncio.Future)
    return answer


def run(directory: Path | None, decide: Callable[[Table], Decide], count: int) -> list[bool]:
    """Whether the long item of each of the `count` first tables was written by one transaction."""

    async def with_store() -> list[bool]:
        store, *both = two_tables(directory)
        tables = both[:count]
        for table in tables:
            await table.write(Write(row_key("a"), Put(LONG, Stored(item_size(LONG), dumps(LONG)))), id)
        done = await transact(store, tables, decide)
        found = [table.get(row_key("a")) for table in tables]
        written = [each is not None and b'"n"' in each[1] for each in found]
        assert written == [each.new_size > 0 for each in done]
        await store.close()
        return written

    return asyncio.run(asyncio.wait_for(with_store(), 60))


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("in_memory", [False, True])
def test_it_is_decided_on_another_thread_and_done(tmp_path: Path, count: int, in_memory: bool) -> None:
    threads = []

    def decide(_stored: Stored | None) -> Effect:
        threads.append(threading.current_thread())
        return grown(LONG)

    assert run(None if in_memory else tmp_path, lambda _: decide, count) == [True] * count
    assert len(threads) == count
    assert threading.main_thread() not in threads


def test_in_files_it_is_also_read_and_written_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    threads = []
    apply = Table.apply

    def watched(table: Table, *rest: object) -> Written:
        threads.append(threading.current_thread())
        return apply(table, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(Table, "apply", watched)
    assert run(tmp_path, lambda _: lambda _: grown(LONG), 2) == [True, True]
    assert len(threads) == 2
    assert threading.main_thread() not in threads


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("in_memory", [False, True])
def test_one_that_is_refused_leaves_nothing(tmp_path: Path, count: int, in_memory: bool) -> None:
    def decide(table: Table) -> Decide:
        if table.definition.name == ("First", "Second")[count - 1]:
            return lambda _: Refuse(validation("no"))
        return lambda _: grown(LONG)

    assert run(None if in_memory else tmp_path, decide, count) == [False] * count


def test_a_group_that_has_taken_its_time_leaves_the_rest_to_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transactions, "MAX_GROUP_SECONDS", 0.0)
    groups = []
    prepare = Table.prepare

    def counted(table: Table, number: int) -> None:
        groups.append(number)
        prepare(table, number)

    monkeypatch.setattr(Table, "prepare", counted)

    async def with_store() -> None:
        store, *both = two_tables(tmp_path)
        waiting = [write_together(store, both, str(number)) for number in range(5)]
        assert await asyncio.gather(*waiting) == [True] * 5
        await store.close()

    asyncio.run(asyncio.wait_for(with_store(), 60))
    assert len(groups) == 2 * 5
