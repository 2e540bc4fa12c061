"""Taking a table back in time: cut short at any step by the end of the process, and finished at the next start."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import ujson

from alt.storage.engine import Progress, no_progress
from alt.storage.model.changes import Past
from alt.storage.model.definition import (
    IndexDefinition,
    KeyAttribute,
    RecoveryDefinition,
    Restore,
    TableDefinition,
)
from alt.storage.model.items import Stored
from alt.storage.model.keys import row_key
from alt.storage.sqlite.copies import copying, recovery
from alt.storage.sqlite.store import Store
from alt.storage.sqlite.table import Table
from alt.values.sizes import item_size

SOURCE = TableDefinition(
    "Music", "source", 0.0, KeyAttribute("pk", "S"), None, recovery=RecoveryDefinition(0.0, 35)
)
CHANGES = 60


def put(table: Table, key: str, value: str) -> None:
    item: dict[str, Any] = {"pk": {"S": key}, "x": {"S": value}}
    table.put(row_key(key), item, Stored(item_size(item), ujson.dumps(item)), table.stored(row_key(key)))


def value(table: Table, key: str) -> str | None:
    _, item = table.get(row_key(key)) or (0, None)
    return None if item is None else str(ujson.loads(item)["x"]["S"])


def opened(directory: Path) -> Store:
    return Store(directory, "off", clock=lambda: 1_000_000.0)


async def begin(
    store: Store, progress: Progress = no_progress, index: IndexDefinition | None = None
) -> TableDefinition:
    """A table with many changes, and the definition of a copy of it as it was after the first two."""
    assert store.create(SOURCE)
    table = store.table("Music")
    assert table is not None
    for number in range(2 + CHANGES):
        await table.submit(lambda number=number: put(table, "ab"[number % 2], str(number)))  # type: ignore[misc]
    await table.submit(lambda: put(table, "c", "later"))
    past = Past("Music", "source", 1_000_000.0, 2)
    indexes = () if index is None else (index,)
    restore = Restore(past.origin(), {})
    copy = replace(SOURCE, name="Copy", id="copy", indexes=indexes, recovery=None, restore=restore)
    assert store.create(copy, progress)
    return copy


async def finished(store: Store, copy: TableDefinition) -> list[str | None]:
    store.restores.start(copy)
    await store.restores.finish(copy)
    table = store.table("Copy")
    assert table is not None
    return [value(table, key) for key in "abc"]


@pytest.mark.parametrize("steps", [0, 1, 3, CHANGES - 1])
def test_cut_short_after_some_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, steps: int
) -> None:
    monkeypatch.setattr(recovery, "STEP_CHANGES", 1)

    async def run() -> list[str | None]:
        store = opened(tmp_path)
        reached = asyncio.Event()
        done = 0

        def count(_done: int, total: int) -> None:
            nonlocal done
            if total == CHANGES + 1:  # changes to undo, and not pages to copy
                done += 1
                if done > steps:
                    reached.set()

        copy = await begin(store, count)
        await reached.wait()
        await store.close()
        store = opened(tmp_path)
        assert store.table("Copy") is None
        store.recover()
        found = await finished(store, copy)
        await store.close()
        return found

    assert asyncio.run(run()) == ["0", "1", None]
    assert caplog.text == ""


def test_closed_while_it_copies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(copying, "STEP_PAGES", 1)

    async def run() -> list[str | None]:
        store = opened(tmp_path)
        loop, copies = asyncio.get_running_loop(), asyncio.Event()

        def slow(_done: int, _total: int) -> None:
            loop.call_soon_threadsafe(copies.set)
            time.sleep(0.01)

        copy = await begin(store, slow)
        await copies.wait()
        await store.close()
        store = opened(tmp_path)
        store.recover()
        found = await finished(store, copy)
        await store.close()
        return found

    assert asyncio.run(run()) == ["0", "1", None]
    assert caplog.text == ""


def test_nobody_builds_indexes_of_a_table_that_is_being_restored(tmp_path: Path) -> None:
    index = IndexDefinition("by-x", "1", True, (KeyAttribute("x", "S"),), (), "ALL", status="CREATING")

    async def run() -> list[TableDefinition | None]:
        store = opened(tmp_path)
        copy = await begin(store, index=index)
        store.on_changed()  # as another process has changed something
        found = [store.definition("Copy")]
        for _ in range(5):
            await asyncio.sleep(0)
        found.append(store.definition("Copy"))
        await store.restores.finish(copy)
        while (copied := store.definition("Copy")) is None or copied.indexes[0].status != "ACTIVE":
            await asyncio.sleep(0)
        table = store.table("Copy")
        assert table is not None
        assert table.counts().indexes == {"by-x": (2, table.counts().size)}
        await store.close()
        return found

    before, after = asyncio.run(run())
    assert before == after
