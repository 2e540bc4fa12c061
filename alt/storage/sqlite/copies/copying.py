"""Copies of databases, each of one moment, taken in steps while writes go on.

A copy is read inside a transaction of its own, which in WAL mode neither sees nor
holds up the writes that follow. It goes page by page, so that it needs no more memory
for a large database than for a small one.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from pathlib import Path

import apsw

if sys.platform == "darwin":
    import fcntl

from alt.storage.engine import Progress, no_progress
from alt.storage.sqlite import connections, database_files

STEP_PAGES = 256  # 2 MB: about 1 ms
CACHE_KIB = 2_048  # each page is read and written once
PRIVATE_FILE = 0o600


def pinned(path: Path) -> apsw.Connection:
    """A connection that reads the database as it is now, whatever is committed later."""
    connection = connections.connect(path, read_only=True)
    try:
        connection.pragma("cache_size", -CACHE_KIB)
        connection.execute("BEGIN; SELECT 1 FROM sqlite_schema").fetchall()
    except apsw.Error:
        connection.close()
        raise
    return connection


def blank(path: Path | None) -> apsw.Connection:
    """An empty database to copy into; None for one in memory. What stood at `path` is gone.

    That goes for its write-ahead log, too, which SQLite would take for the new one's.

    A file is made durable by `sync_file` once it is closed, and not before.
    """
    if path is not None:
        database_files.remove(path)
    connection = connections.connect(connections.MEMORY if path is None else path, "off", create=True)
    connection.pragma("page_size", connections.PAGE_BYTES)
    if path is not None:
        connection.pragma("journal_mode", "OFF")  # a copy that fails is deleted
        connection.pragma("cache_size", -CACHE_KIB)
    return connection


def copy(source: apsw.Connection, target: apsw.Connection, progress: Progress = no_progress) -> None:
    """Copy all of `source`, which is pinned, into `target`, which is blank."""
    with target.backup("main", source, "main") as pages:
        while not pages.done:
            pages.step(STEP_PAGES)
            progress(pages.page_count - pages.remaining, pages.page_count)


async def copy_in_steps(source: apsw.Connection, target: apsw.Connection) -> None:
    """The same between two databases in memory, in short steps on the event loop.

    `source` has no other connection: who calls sees to it that nobody writes there meanwhile.
    """
    with target.backup("main", source, "main") as pages:
        while not pages.done:
            pages.step(STEP_PAGES)
            await asyncio.sleep(0)


def write_file(
    source: apsw.Connection,
    path: Path,
    progress: Progress = no_progress,
    change: Callable[[apsw.Connection], None] = lambda _copy: None,
) -> None:
    """Copy a pinned database into a new file, durably; `change` may change the copy before that."""
    try:
        target = blank(path)
        try:
            copy(source, target, progress)
            change(target)
        finally:
            target.close()
        sync_file(path)
    except BaseException:
        database_files.remove(path)
        raise


def write_private(path: Path, text: str) -> None:
    """Write a new file for its user alone, durably. What stood there is gone."""
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_FILE)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    sync_file(path)


def place(part: Path, path: Path) -> None:
    """Give a complete file its name, durably."""
    part.replace(path)
    sync_directory(path.parent)


def sync_file(path: Path) -> None:
    """Make a file's content durable."""
    with path.open("r+b") as file:
        if sys.platform == "darwin":
            fcntl.fcntl(file.fileno(), fcntl.F_FULLFSYNC)  # a plain fsync does not reach the disk
        else:
            os.fsync(file.fileno())


def sync_directory(path: Path) -> None:
    """Make the names in a directory durable, where a platform can."""
    if sys.platform == "win32":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
