"""The shim and what is told from its log, on files that a small program writes."""

from __future__ import annotations

import os
import subprocess
import sys
from errno import ENOSPC
from pathlib import Path
from random import Random

import pytest

from tests.crash import disk_log
from tests.crash.faulty_disk import FaultyDisk
from tests.crash.power_cut import WAYS, Disk, Fate

BEGINNING = """
import os, sqlite3, sys
from pathlib import Path
root = Path(sys.argv[1])
def sync(path):
    descriptor = os.open(path, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)
"""


def execute(program: str, root: Path, environment: dict[str, str]) -> str:
    command = [sys.executable, "-c", BEGINNING + program, str(root)]
    done = subprocess.run(command, env=environment, check=True, timeout=60, stdout=subprocess.PIPE, text=True)
    return done.stdout


def written(program: str, shim: Path, folder: Path) -> tuple[Path, Disk]:
    """Run a program on an empty directory; the directory, and what the log says of it."""
    root, log = folder / "root", folder / "log"
    root.mkdir()
    disk_log.begin(log, root)
    execute(program, root, disk_log.preloaded(shim, root, log=log))
    disk = Disk()
    disk.replay(disk_log.read(log))
    return root, disk


def left(disk: Disk, target: Path, way: str | None, seed: int = 0) -> dict[str, bytes]:
    """The files after a power cut, by their paths."""
    target.mkdir()
    disk.cut(target, Fate(Random(seed), way))
    files = [path for path in target.rglob("*") if path.is_file()]
    return {path.relative_to(target).as_posix(): path.read_bytes() for path in files}


@pytest.mark.parametrize(
    ("program", "lost"),
    [
        ("(root / 'a').write_bytes(b'1')", {}),
        ("(root / 'a').write_bytes(b'1'); sync(root)", {"a": b""}),  # a name, and nothing in it
        ("(root / 'a').write_bytes(b'1'); sync(root / 'a')", {"a": b"1"}),
        ("(root / 'a').write_bytes(b'1'); sync(root / 'a'); (root / 'a').write_bytes(b'22')", {"a": b"1"}),
        ("(root / 'a').write_bytes(b'1'); sync(root / 'a'); (root / 'a').unlink()", {"a": b"1"}),
        ("(root / 'a').write_bytes(b'1'); sync(root / 'a'); (root / 'a').unlink(); sync(root)", {}),
        ("(root / 'a').write_bytes(b'1'); sync(root / 'a'); (root / 'a').rename(root / 'b')", {"a": b"1"}),
        (
            "(root / 'a').write_bytes(b'1'); sync(root / 'a'); (root / 'a').rename(root / 'b'); sync(root)",
            {"b": b"1"},
        ),
        ("(root / 'f').mkdir(); (root / 'f/a').write_bytes(b'1'); sync(root / 'f/a')", {"f/a": b"1"}),
        ("os.truncate(os.open(root / 'a', os.O_CREAT | os.O_RDWR), 3); sync(root / 'a')", {"a": bytes(3)}),
    ],
)
def test_what_is_left_where_all_is_lost_that_can_be(
    program: str, lost: dict[str, bytes], shim: Path, tmp_path: Path
) -> None:
    root, disk = written(program, shim, tmp_path)
    assert left(disk, tmp_path / "lost", "lost") == lost
    kept = left(disk, tmp_path / "kept", "kept")
    assert kept == {
        path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()
    }


def test_what_is_not_synced_is_lost_in_any_order(shim: Path, tmp_path: Path) -> None:
    program = """
file = os.open(root / "a", os.O_CREAT | os.O_RDWR)
os.pwrite(file, bytes(2_048), 0)
os.fsync(file)
os.pwrite(file, b"1" * 1_024, 0)
os.pwrite(file, b"2" * 1_024, 1_024)
"""
    _, disk = written(program, shim, tmp_path)
    seen = {way: set() for way in WAYS}
    for way in WAYS:
        for seed in range(60):
            contents = left(disk, tmp_path / f"{way}{seed}", way, seed)["a"]
            seen[way].add(bytes(contents[::512]))
    old, new = bytes(4), b"1122"
    assert seen["lost"] == {old}
    assert seen["kept"] == {new}
    assert seen["reordered"] == {old, b"11\0\0", b"\0\x0022", new}
    assert seen["ended"] >= {old, b"11\0\0", b"1\0\0\0", new}
    assert seen["torn"] >= {old, b"1\x002\0", b"\0001\x002", new}


def test_sqlite_goes_through_the_shim(shim: Path, tmp_path: Path) -> None:
    """As apsw brings it along, with its WAL and its temporary files."""
    program = """
import apsw
database = apsw.Connection(str(root / "a.db"))
database.execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL").fetchall()
database.execute("CREATE TABLE t (x); INSERT INTO t VALUES (1)").fetchall()
os._exit(0)
"""
    root, disk = written(program, shim, tmp_path)
    files = left(disk, tmp_path / "kept", "kept")
    assert files.keys() == {"a.db", "a.db-wal"}
    assert all(files[name] == (root / name).read_bytes() for name in files)
    assert left(disk, tmp_path / "lost", "lost") == files


@pytest.mark.parametrize(
    ("call", "pattern", "action"),
    [
        ("open", "a", "os.open(root / 'a', os.O_RDONLY)"),
        ("write", "a", "os.write(file, b'2')"),
        ("sync", "?", "os.fsync(file)"),
        ("truncate", "a", "os.ftruncate(file, 0)"),
        ("rename", "b", "os.rename(root / 'a', root / 'b'); os.rename(root / 'b', root / 'a')"),
        ("unlink", "*", "os.close(os.open(root / 'b', os.O_CREAT)); os.unlink(root / 'b')"),
    ],
)
@pytest.mark.parametrize(("skip", "times"), [(0, -1), (1, 1), (2, 5)])
def test_calls_are_refused(
    call: str, pattern: str, action: str, skip: int, times: int, shim: Path, tmp_path: Path
) -> None:
    root, disk = tmp_path / "root", FaultyDisk(tmp_path / "fault")
    root.mkdir()
    (root / "a").write_bytes(b"1")
    program = f"""
file = os.open("a", os.O_RDWR | os.O_APPEND, dir_fd=os.open(root, os.O_RDONLY)) if {call != "open"} else None
for _ in range(4):
    try:
        {action}
        print("done")
    except OSError as error:
        print(error.strerror)
"""
    disk.fail(pattern, call, ENOSPC, skip=skip, times=times, delay=0)
    said = execute(program, root, disk_log.preloaded(shim, root, fault=disk.path)).splitlines()
    refused = range(skip, 4 if times < 0 else min(4, skip + times))
    assert said == [os.strerror(ENOSPC) if turn in refused else "done" for turn in range(4)]
    assert disk.hits == len(refused)
    if call == "write":
        assert (root / "a").read_bytes() == b"1" + b"2" * (4 - len(refused))
