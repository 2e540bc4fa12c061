"""The log that disk.c keeps of what processes do to a directory, and the environment that makes them keep it.

A position in the log is its length in bytes. Whatever was done before a moment is in
front of the position of that moment; so a test that notes the position when a request
is answered knows that a cut there or later comes after the answer.
"""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import sys
from collections.abc import Iterator
from enum import IntEnum
from pathlib import Path
from typing import NamedTuple

import pytest

SOURCE = Path(__file__).with_name("disk.c")
# struct record of disk.c: inode, offset, kind, length of the data that follows.
HEADER = struct.Struct("=QQII")


class Kind(IntEnum):
    """As in disk.c, which says what the other members of a record are for each."""

    CREATE = 1
    WRITE = 2
    TRUNCATE = 3
    SYNC_BEGIN = 4
    SYNC_END = 5
    RENAME = 6
    UNLINK = 7
    MAKE_FOLDER = 8
    REMOVE_FOLDER = 9


class Record(NamedTuple):
    """`end` is the position after it."""

    kind: Kind
    inode: int
    offset: int
    data: bytes
    end: int

    @property
    def paths(self) -> list[str]:
        """Below the directory, of a record that is about names."""
        return [os.fsdecode(path) for path in self.data.split(b"\0")[:-1]]


def build_shim(folder: Path) -> Path:
    """Compile disk.c. Skips the test where that cannot be."""
    if sys.platform != "linux":
        pytest.skip("disk.c is preloaded as Linux does it")
    compiler = shutil.which(os.environ.get("CC", "cc"))
    if compiler is None:
        pytest.skip("no C compiler for disk.c")
    shim = folder / "disk.so"
    options = ["-O2", "-shared", "-fPIC", "-Wall", "-Werror", "-pthread"]
    subprocess.run([compiler, *options, "-o", str(shim), str(SOURCE), "-ldl"], check=True, timeout=120)
    return shim


def preloaded(
    shim: Path, root: Path, *, log: Path | None = None, fault: Path | None = None
) -> dict[str, str]:
    """The environment of a process whose files under `root` go through the shim."""
    files = {"DISK_LOG": log, "DISK_FAULT": fault}
    return {
        **os.environ,
        "LD_PRELOAD": str(shim),
        "DISK_ROOT": os.path.realpath(root),
        **{name: str(path) for name, path in files.items() if path is not None},
    }


def begin(log: Path, root: Path) -> None:
    """Make a log of the empty directory `root`; its first record is the directory itself."""
    log.write_bytes(HEADER.pack(root.stat().st_ino, 0, Kind.MAKE_FOLDER, 1) + b"\0")


def read(log: Path) -> Iterator[Record]:
    """All whole records: that of a process killed in the midst of one is left out."""
    contents = log.read_bytes()
    position = 0
    while position + HEADER.size <= len(contents):
        inode, offset, kind, length = HEADER.unpack_from(contents, position)
        begin, position = position + HEADER.size, position + HEADER.size + length
        if position <= len(contents):
            yield Record(Kind(kind), inode, offset, contents[begin:position], position)
