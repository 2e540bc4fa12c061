"""A table that goes while something else is at it: a transaction that found it, another process, a snapshot."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import apsw
import pytest

from alt.errors import ApiError
from alt.storage.model.items import Stored
from alt.storage.model.keys import row_key
from alt.storage.sqlite import catalog as catalog_module
from alt.storage.sqlite import connections, database_files
from alt.storage.sqlite.catalog import Catalog
from alt.storage.sqlite.table import Table
from tests.storage.conftest import FIRST, SECOND, two_tables, write_together


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

    asyncio.run(asyncio.wait_for(run(), 60))


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

    asyncio.run(asyncio.wait_for(run(), 60))


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

    asyncio.run(asyncio.wait_for(run(), 60))


# A file that goes while others look at it


@contextmanager
def opened_before_each_unlink(path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As if another process opened the database, and read in it, in the midst of its removal."""
    unlink = Path.unlink
    opened: list[apsw.Connection] = []

    def opening(self: Path, **options: Any) -> None:
        with suppress(apsw.CantOpenError, apsw.IOError):
            opened.append(connections.connect(path))
            opened[-1].execute("SELECT * FROM sqlite_schema").fetchall()
        unlink(self, **options)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", opening)
        yield
    for connection in opened:
        connection.close()
    assert opened


def test_whoever_opens_a_file_while_it_is_removed_leaves_nothing_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "first.db"
    Table.create_file(path, FIRST)
    with opened_before_each_unlink(path, monkeypatch):
        assert database_files.remove(path)
    assert list(tmp_path.iterdir()) == []


@contextmanager
def replaced_by_a_snapshot(directory: Path, file: str) -> Iterator[Catalog]:
    """A server's catalog; meanwhile another process has given the first table another file."""
    with closing(Catalog(directory / "catalog.db")) as catalog:
        assert catalog.add(FIRST, lambda _: None)
        with closing(connections.connect(directory / "catalog.db")) as other:
            other.execute("UPDATE dynamo_table SET file = ?", (file,))
        yield catalog


def test_a_table_that_a_snapshot_replaces_as_it_is_deleted_is_the_snapshot_s(tmp_path: Path) -> None:
    with replaced_by_a_snapshot(tmp_path, "loaded.db") as catalog:
        catalog.remove(FIRST)
        assert not catalog.removed
        catalog.refresh()
        assert catalog.files == {FIRST.id: "loaded.db"}


def test_so_is_one_of_which_something_would_be_kept(tmp_path: Path) -> None:
    with replaced_by_a_snapshot(tmp_path, "loaded.db") as catalog:
        assert not catalog.keep(FIRST, None)
        catalog.refresh()
        assert (catalog.files, catalog.deleted) == ({FIRST.id: "loaded.db"}, {})


def test_what_a_command_leaves_beside_a_file_that_is_gone_is_swept(tmp_path: Path) -> None:
    """It had the file open, and is killed before it can take its index of the log away."""

    def delete(path: str) -> bool:
        return database_files.remove(tmp_path / Path(path).name)

    with closing(Catalog(tmp_path / "catalog.db")) as catalog:
        assert catalog.add(FIRST, lambda _: None)
        (file,) = catalog.files.values()
        left = tmp_path / f"{file}-shm"
        catalog.remove(FIRST)
        (path,) = catalog.removed
        assert delete(path)
        catalog.note_deleted(path)
        assert not catalog.removed
        left.write_bytes(b"")
    with closing(Catalog(tmp_path / "catalog.db")) as catalog:
        assert path in catalog.paths()
        catalog.sweep(delete)
        assert not left.exists()
        assert path not in catalog.paths()


def test_only_so_many_files_that_are_gone_are_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalog_module, "MAX_DELETED", 2)
    with closing(Catalog(tmp_path / "catalog.db")) as catalog:
        for number in range(5):
            table = replace(FIRST, id=str(number))
            assert catalog.add(table, lambda _: None)
            catalog.remove(table)
            (path,) = catalog.removed
            catalog.note_deleted(path)
        assert len(list(catalog.paths())) == 3  # one more until the next change
