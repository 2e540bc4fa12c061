"""Transactions over two tables while the disk fails: never half there, never written over, and no start needed to go on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import apsw
import pytest
import ujson

from alt.errors import ApiError
from alt.storage.model.items import Effect, Put, Stored, Write
from alt.storage.model.keys import row_key
from alt.storage.sqlite.data_directory import UnusableDataError
from alt.storage.sqlite.store import Store
from alt.storage.sqlite.table import Table
from alt.storage.sqlite.transactions import transactions
from alt.storage.sqlite.transactions.decided import RETRY_SECONDS
from alt.storage.sqlite.transactions.journal import Journal
from tests.storage.conftest import two_tables, write_together


def put(table: Table, value: str, key: str = "a") -> None:
    text = ujson.dumps({"pk": {"S": key}, "x": {"S": value}})
    table.put(row_key(key), ujson.loads(text), Stored(4, text), table.stored(row_key(key)))


def value(store: Store, name: str, key: str = "a") -> str | None:
    table = store.table(name)
    assert table is not None
    found = table.get(row_key(key))
    return None if found is None else str(ujson.loads(found[1])["x"]["S"])


def both(store: Store) -> list[str | None]:
    return [value(store, name) for name in ("First", "Second")]


def begin(store: Store, text: str, key: str = "a") -> asyncio.Future[bool]:
    tables = [table for name in ("First", "Second") if (table := store.table(name)) is not None]
    return write_together(store, tables, key, {"pk": {"S": key}, "x": {"S": text}})


class Disk:
    """Makes the COMMIT of one table's file fail so many times."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.faults = 0
        self.commits: list[str] = []
        commit = Table.commit

        def failing(table: Table) -> None:
            self.commits.append(table.definition.name)
            if table.definition.name == "Second" and self.faults:
                self.faults -= 1
                raise apsw.IOError("disk I/O error")
            commit(table)

        monkeypatch.setattr(Table, "commit", failing)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


def run(test: Callable[[Store], Coroutine[Any, Any, None]], directory: Path) -> None:
    async def with_store() -> None:
        store, _, _ = two_tables(directory)
        await test(store)
        await store.close()

    asyncio.run(asyncio.wait_for(with_store(), 60))


def reopened(directory: Path) -> Store:
    store = Store(directory, "off")
    store.recover()
    return store


def test_a_passing_fault_is_nobodys_business(disk: Disk, tmp_path: Path) -> None:
    async def test(store: Store) -> None:
        disk.faults = 1
        await begin(store, "1")
        assert both(store) == ["1", "1"]
        await begin(store, "2")
        assert both(store) == ["2", "2"]

    run(test, tmp_path)


def test_a_file_that_lacks_it_is_neither_read_nor_written_until_it_has_it(disk: Disk, tmp_path: Path) -> None:
    async def test(store: Store) -> None:
        second = store.table("Second")
        assert second is not None
        disk.faults = 4
        first = begin(store, "1")
        await asyncio.sleep(0)
        # Behind it wait a transaction for the same files, a write, and a holder.
        later = begin(store, "2", "b")
        write = second.submit(lambda: put(second, "3"))
        holder = second.hold()
        for refused in (first, later, write, holder):
            with pytest.raises(ApiError, match="unknown error"):
                await refused
        while disk.faults:
            with pytest.raises((UnusableDataError, apsw.Error)):
                store.table("Second")
            time.sleep(RETRY_SECONDS)
        assert both(store) == ["1", "1"]
        await begin(store, "4")
        assert both(store) == ["4", "4"]

    run(test, tmp_path)


def test_it_is_given_to_the_file_at_the_next_start_at_the_latest(disk: Disk, tmp_path: Path) -> None:
    async def test(store: Store) -> None:
        disk.faults = 1_000
        with pytest.raises(ApiError):
            await begin(store, "1")

    run(test, tmp_path)
    disk.faults = 0

    async def after() -> None:
        store = reopened(tmp_path)
        assert both(store) == ["1", "1"]
        await store.close()

    asyncio.run(after())


@pytest.mark.parametrize("lose", ["delete", "empty"])
def test_a_lost_journal_gives_no_number_again(
    lose: str, disk: Disk, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def before(store: Store) -> None:
        for number in range(5):
            await begin(store, str(number))

    run(before, tmp_path)
    journal = tmp_path / "journal.db"
    journal.unlink()
    if lose == "empty":
        journal.touch()

    async def after() -> None:
        store = reopened(tmp_path)
        assert "journal.db was gone" in caplog.text
        disk.faults = 1_000
        with pytest.raises(ApiError):
            await begin(store, "new")
        await store.close()
        disk.faults = 0
        store = reopened(tmp_path)
        assert both(store) == ["new", "new"]
        await store.close()

    asyncio.run(after())


def test_what_the_journal_failed_to_store_is_not_found_by_a_later_start(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A commit that fails may have reached the disk: the files are closed until it is certain that it has not."""
    is_failing = True

    def insert(journal: Journal, entry: Any) -> None:
        inserted(journal, entry)
        if is_failing:
            raise apsw.IOError("disk I/O error")

    def overwrite(journal: Journal) -> None:
        if is_failing:
            raise apsw.IOError("disk I/O error")
        overwritten(journal)

    inserted, overwritten = Journal._insert, Journal._overwrite
    monkeypatch.setattr(Journal, "_insert", insert)
    monkeypatch.setattr(Journal, "_overwrite", overwrite)

    async def test(store: Store) -> None:
        nonlocal is_failing
        with pytest.raises(ApiError):
            await begin(store, "1")
        with pytest.raises((UnusableDataError, apsw.Error)):
            store.table("First")
        is_failing = False
        await asyncio.sleep(RETRY_SECONDS)
        assert both(store) == [None, None]
        await begin(store, "2")
        assert both(store) == ["2", "2"]

    run(test, tmp_path)


def test_transactions_that_wait_together_are_decided_together(
    disk: Disk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transactions, "MAX_GROUP_SECONDS", 60.0)  # however busy the machine is

    async def test(store: Store) -> None:
        await asyncio.gather(*(begin(store, str(number), str(number)) for number in range(20)))
        assert disk.commits == ["First", "Second"]
        assert [value(store, "Second", str(number)) for number in range(20)] == [
            str(number) for number in range(20)
        ]

    run(test, tmp_path)


def test_one_that_fails_takes_no_other_along(tmp_path: Path) -> None:
    async def test(store: Store) -> None:
        first, second = store.table("First"), store.table("Second")
        assert first is not None
        assert second is not None

        half = Put({"pk": {"S": "a"}}, Stored(3, '{"pk":{"S":"a"}}'))

        def fail(_: Stored | None) -> Effect:
            raise ValueError

        failing = [(first, Write(row_key("a"), half)), (second, Write(row_key("a"), fail))]
        waiting: list[Any] = [
            begin(store, "1"),
            store.transact(failing, None, lambda _: True, len),
            begin(store, "2", "b"),
        ]
        found = await asyncio.gather(*waiting, return_exceptions=True)
        assert [type(each) for each in found] == [bool, ValueError, bool]
        assert both(store) == ["1", "1"]
        assert (value(store, "First", "b"), first.counts().items) == ("2", 2)

    run(test, tmp_path)


def test_writes_get_their_turn_among_transactions(tmp_path: Path) -> None:
    """Six clients do nothing but transactions; a write comes in between them, and not after."""

    async def test(store: Store) -> None:
        first = store.table("First")
        assert first is not None
        done = 0

        async def client(number: int) -> None:
            nonlocal done
            while done < 300:
                await begin(store, "x", str(number))
                done += 1

        clients = [asyncio.ensure_future(client(number)) for number in range(6)]
        waited = []
        for number in range(10):
            await asyncio.sleep(0.001)
            before = done
            await first.submit(lambda number=number: put(first, str(number), "own"))  # type: ignore[misc]
            waited.append(done - before)
        await asyncio.gather(*clients)
        # At most the group under way and the one after it.
        assert max(waited) <= 12

    run(test, tmp_path)


def test_entries_leave_the_journal_once_their_files_are_durable(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("alt.storage.sqlite.transactions.decided.SETTLE_SECONDS", 0.0)

    async def test(store: Store) -> None:
        await begin(store, "1")
        journal = Journal(tmp_path / "journal.db")
        assert len(list(journal.pending())) == 1
        left = 2
        for number in range(600):  # the files are made durable beside
            await asyncio.sleep(0.1)
            await begin(store, str(number))  # those before go with the next
            left = len(list(journal.pending()))
            if left == 1:
                break
        assert left == 1
        journal._connection.close()

    run(test, tmp_path)
