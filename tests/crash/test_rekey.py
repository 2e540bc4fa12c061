"""kill -9 at every step of a change of a data directory's key: it has the old key or the new one, and all its data."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import alt.testing
from alt.storage.engine import no_progress
from alt.storage.sqlite.copies.rekeying import rekey
from alt.storage.sqlite.copies.snapshots import Snapshots
from alt.storage.sqlite.data_directory import REKEY_FOLDER, ServerLock, UnusableDataError
from alt.storage.sqlite.directory_key import unlock
from alt.storage.sqlite.maintenance.check import check
from alt.storage.sqlite.store import Store

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")

DYING = Path(__file__).with_name("dying_rekey.py")
OLD, NEW = "0f" * 32, "f0" * 32
BEFORE = ["begun", "one copied", "copied"]
AFTER = ["decided", "one switched", "all switched", "described", "forgotten"]
TABLES = ("Cars", "Bikes")
ITEMS = 30


@pytest.fixture(scope="module")
def directories(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One with two tables, a backup and a snapshot, by the key it is encrypted with."""
    return {key: filled(tmp_path_factory.mktemp("rekey") / "data", key) for key in (OLD, "")}


def filled(directory: Path, key: str) -> Path:
    with alt.testing.serve(data_dir=directory, encryption_key=key or None) as server:
        client = server.client()
        for table in TABLES:
            client.create_table(
                TableName=table,
                KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
                AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
                BillingMode="PAY_PER_REQUEST",
            )
            for number in range(ITEMS):
                client.put_item(TableName=table, Item={"pk": {"S": f"{table}{number}"}})
        client.create_backup(TableName=TABLES[0], BackupName="backup")
    Snapshots(directory).save("snapshot", 0.0, no_progress)
    return directory


def die(step: str, directory: Path, old: str, new: str) -> None:
    died = subprocess.run([sys.executable, str(DYING), step, str(directory), old, new], check=False)
    assert died.returncode == -9


def check_whole(directory: Path, key: str, other: str) -> None:
    """The directory opens with this key and not with the other, and tables, backup and snapshot are what they were."""
    with pytest.raises(UnusableDataError):
        unlock(directory, other or None)
    unlock(directory, key or None)
    assert not (directory / REKEY_FOLDER).exists()
    store = Store(directory)
    for table in TABLES:
        found = check(store, table, lambda *_: None)
        assert found is not None
        assert found.is_sound
        assert found.items.rows == ITEMS
    (backup,) = store.backups.all()
    store.backups.verify(backup)
    asyncio.run(store.close())
    Snapshots(directory).load("snapshot", 0.0, lambda: "another-identifier", no_progress)


@pytest.mark.parametrize("step", [*BEFORE, *AFTER])
@pytest.mark.parametrize(
    ("old", "new"),
    [
        (OLD, NEW),
        pytest.param("", NEW, marks=pytest.mark.nightly),
        pytest.param(OLD, "", marks=pytest.mark.nightly),
    ],
)
def test_a_change_that_is_cut_short(
    step: str, old: str, new: str, directories: dict[str, Path], tmp_path: Path
) -> None:
    directory = tmp_path / "data"
    shutil.copytree(directories[old], directory)
    die(step, directory, old, new)
    check_whole(directory, *((old, new) if step in BEFORE else (new, old)))


@pytest.mark.parametrize(("old", "new"), [(OLD, NEW), ("", NEW), (OLD, "")])
def test_a_change_that_is_not(old: str, new: str, directories: dict[str, Path], tmp_path: Path) -> None:
    directory = tmp_path / "data"
    shutil.copytree(directories[old], directory)
    steps: list[str] = []
    changed(directory, old, new, steps)
    assert list(dict.fromkeys(steps)) == [*BEFORE, *AFTER]
    check_whole(directory, new, old)


def changed(directory: Path, old: str, new: str, steps: list[str]) -> Any:
    unlock(directory, old or None)
    lock = ServerLock(directory)
    try:
        return rekey(directory, new or None, on_step=steps.append)
    finally:
        lock.release()


def test_a_change_that_is_cut_short_again_and_again(directories: dict[str, Path], tmp_path: Path) -> None:
    """Finishing may itself be cut short: here by a copy that cannot be put into its place."""
    directory = tmp_path / "data"
    shutil.copytree(directories[OLD], directory)
    die("decided", directory, OLD, NEW)
    blocked = directory / "catalog.db"
    blocked.unlink()
    (blocked / "in the way").mkdir(parents=True)
    with pytest.raises(OSError):
        unlock(directory, NEW)
    shutil.rmtree(blocked)
    check_whole(directory, NEW, OLD)
