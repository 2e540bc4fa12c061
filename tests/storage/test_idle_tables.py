"""What tables give up that nobody uses: their write-ahead logs, and then their files."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from alt import memory
from alt.config import Sync
from alt.storage.model.items import Put, Stored, Write
from alt.storage.model.keys import row_key
from alt.storage.sqlite.durable_mark import DurableMark
from alt.storage.sqlite.maintenance import idle_tables
from alt.storage.sqlite.maintenance.idle_tables import IdleWork
from alt.storage.sqlite.store import Store
from alt.storage.sqlite.table import Table
from alt.values.json import dumps
from alt.values.sizes import item_size
from tests.storage.conftest import FIRST

Test = Callable[[Store, Table, IdleWork], Awaitable[None]]


def put(table: Table, key: str) -> asyncio.Future[bool]:
    item = {"pk": {"S": key}}
    write = Write(row_key(key), Put(item, Stored(item_size(item), dumps(item))))
    return table.write(write, lambda written: not written.refused)


def log_bytes(store: Store) -> int:
    log = Path(f"{store.file(FIRST)}-wal")
    return log.stat().st_size if log.exists() else 0


def on_table(directory: Path | None, test: Test, sync: Sync = "full") -> None:
    """Run a test on a served table with one item, and on work that goes only when it is told to."""

    async def run() -> None:
        store = Store(directory, sync)
        store.recover()
        assert store.create(FIRST)
        table = store.table(FIRST.name)
        assert table is not None
        await put(table, "a")
        await test(store, table, IdleWork(store))
        await store.close()

    asyncio.run(run())


async def no_longer_written(work: IdleWork) -> None:
    await work.empty_logs()
    await work.empty_logs()


@pytest.mark.parametrize("sync", ["full", "normal", "off"])
def test_the_log_of_an_idle_table_is_emptied(tmp_path: Path, sync: Sync) -> None:
    async def test(store: Store, table: Table, work: IdleWork) -> None:
        assert log_bytes(store) > 0
        await no_longer_written(work)
        assert log_bytes(store) == 0
        assert table.get(row_key("a"))
        await put(table, "b")
        assert log_bytes(store) > 0

    on_table(tmp_path, test, sync)


def test_a_table_that_is_written_keeps_its_log(tmp_path: Path) -> None:
    async def test(store: Store, table: Table, work: IdleWork) -> None:
        for key in "bcd":
            await work.empty_logs()
            await put(table, key)
        await work.empty_logs()
        assert log_bytes(store) > 0

    on_table(tmp_path, test)


def test_a_reader_of_an_older_state_is_not_disturbed(tmp_path: Path) -> None:
    async def test(store: Store, table: Table, work: IdleWork) -> None:
        with closing(table.pinned()) as reader:
            await put(table, "b")
            await no_longer_written(work)
            assert log_bytes(store) > 0
            assert reader.execute("SELECT count(*) FROM item").get == 1
            await asyncio.wait_for(put(table, "c"), 60)  # nor are writes
        await no_longer_written(work)
        assert log_bytes(store) == 0
        assert table.counts().items == 3

    on_table(tmp_path, test)


def test_writes_meanwhile_are_kept(tmp_path: Path) -> None:
    async def test(_store: Store, table: Table, work: IdleWork) -> None:
        await work.empty_logs()
        emptying = asyncio.gather(*(table.empty_log() for _ in range(20)))
        for number in range(200):
            assert await put(table, str(number))
        await emptying
        assert table.counts().items == 201

    on_table(tmp_path, test)


def test_a_table_that_nobody_finds_is_closed(tmp_path: Path) -> None:
    async def test(store: Store, table: Table, work: IdleWork) -> None:
        for _ in range(3):
            assert store.table(FIRST.name) is table
            await work.close_unfound()
            assert not table.is_closed
        await work.close_unfound()
        assert table.is_closed
        assert len(store.open_tables) == 0
        assert not DurableMark.is_there(store.file(FIRST))
        again = store.table(FIRST.name)
        assert again is not None
        assert again.get(row_key("a"))

    on_table(tmp_path, test)


def test_a_table_in_use_is_not_closed(tmp_path: Path) -> None:
    async def test(_store: Store, table: Table, work: IdleWork) -> None:
        table.users += 1
        for _ in range(3):
            await work.close_unfound()
        assert not table.is_closed
        table.users -= 1

    on_table(tmp_path, test)


def test_a_table_is_deleted_while_its_log_is_emptied(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def test(store: Store, _table: Table, work: IdleWork) -> None:
        await work.empty_logs()
        emptying = asyncio.create_task(work.empty_logs())
        await asyncio.sleep(0)
        file = store.file(FIRST)
        await store.remove(FIRST)
        await emptying
        assert not file.exists()

    on_table(tmp_path, test)
    assert caplog.text == ""


DYING = """
import asyncio, os, signal, sys
from dataclasses import replace
from pathlib import Path
from alt.storage.sqlite.store import Store
from tests.storage.test_idle_tables import FIRST, put

async def main():
    store = Store(Path(sys.argv[1]))
    store.recover()
    names = sys.argv[2].split()
    for name in names:
        assert store.create(replace(FIRST, name=name, id=name))
    tables = [store.table(name) for name in names]
    emptying = asyncio.gather(*(table.empty_log() for table in tables for _ in range(50)))
    for number in range(100):
        await asyncio.gather(*(put(table, str(number)) for table in tables))
        print(number, flush=True)
        if number == int(sys.argv[3]):
            os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
@pytest.mark.parametrize("last", [3, 17])
def test_what_was_acknowledged_survives_a_kill_meanwhile(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, last: int
) -> None:
    names = ["First", "Second", "Third"]
    command = [sys.executable, "-c", DYING, str(tmp_path), " ".join(names), str(last)]
    root = Path(__file__).parent.parent.parent
    died = subprocess.run(command, cwd=root, stdout=subprocess.PIPE, text=True, check=False)
    assert died.returncode == -signal.SIGKILL
    assert died.stdout.split()[-1] == str(last)

    async def look() -> None:
        store = Store(tmp_path)
        assert all(store.was_in_use(each) for each in store.definitions())
        store.recover()
        while any(store.was_in_use(each) for each in store.definitions()):
            await asyncio.sleep(0.01)  # they are looked at, and closed again
        assert len(store.open_tables) == 0
        for name in names:
            table = store.table(name)
            assert table is not None
            assert table.counts().items == last + 1
        await store.close()

    asyncio.run(look())
    assert caplog.text == ""


def test_a_table_in_memory_is_never_closed() -> None:
    """It would be gone."""

    async def test(store: Store, table: Table, work: IdleWork) -> None:
        for _ in range(3):
            await no_longer_written(work)
            await work.close_unfound()
            await asyncio.sleep(0)
        assert store.table(FIRST.name) is table
        assert table.get(row_key("a"))

    on_table(None, test)


def test_the_memory_of_closed_tables_is_given_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left: list[int] = []  # open, each time that memory was given back

    async def test(store: Store, _table: Table, work: IdleWork) -> None:
        monkeypatch.setattr(memory, "give_back", lambda: left.append(len(store.open_tables)))
        for name in "bcdef":
            assert store.create(replace(FIRST, name=name, id=name))
            assert store.table(name) is not None
        await work.close_unfound()
        left.clear()
        assert all(store.table(name) is not None for name in (FIRST.name, *"bcdef"))
        await work.close_unfound()
        await work.close_unfound()
        assert left == [2, 0]

    monkeypatch.setattr(idle_tables, "MEMORY_TABLES", 4)
    on_table(tmp_path, test)
