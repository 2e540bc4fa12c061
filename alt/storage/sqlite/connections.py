"""SQLite connections as Alt opens them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

import apsw
import ujson

from alt.config import Sync
from alt.storage.sqlite import encryption
from alt.storage.sqlite.data_directory import (
    APPLICATION_ID,
    BUSY_TIMEOUT_MS,
    UnusableDataError,
    refuse_link,
)

PAGE_BYTES = 8_192  # DESIGN.md, "Page size"
CACHE_KIB = 16_384  # a connection; SQLite takes it as it is needed
WAL_CHECKPOINT_PAGES = 2_000  # 16 MB of WAL
STATEMENT_CACHE = 256  # generated SQL (filters, key ranges) varies more than apsw's default of 100

MEMORY = ":memory:"


def connect(
    path: Path | str, sync: Sync = "full", *, read_only: bool = False, create: bool = False
) -> apsw.Connection:
    """Open one connection. A database file must exist already, unless told to `create` it.

    Raises apsw.CantOpenError where there is none.
    """
    flags = apsw.SQLITE_OPEN_READONLY if read_only else apsw.SQLITE_OPEN_READWRITE
    if create:
        flags |= apsw.SQLITE_OPEN_CREATE
    connection = _opened(path, str(path), flags)
    connection.set_busy_timeout(BUSY_TIMEOUT_MS)
    # Without it (and with SQLITE_ENABLE_STAT4, as apsw is built) a statement is parsed and planned again
    # whenever a value compared with a key changes: https://sqlite.org/c3ref/prepare.html
    connection.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)
    pragmas = [f"cache_size = -{CACHE_KIB}", "temp_store = MEMORY", "trusted_schema = OFF"]
    if str(path) != MEMORY:
        pragmas.append("mmap_size = 0")  # a mapped file that is cut would end the process (DESIGN.md)
        if not read_only:
            # fullfsync: on macOS a plain fsync does not reach the disk.
            full = int(sync == "full")
            pragmas += [f"synchronous = {sync}", f"fullfsync = {full}", f"checkpoint_fullfsync = {full}"]
    for pragma in pragmas:
        connection.execute(f"PRAGMA {pragma}")
    connection.wal_autocheckpoint(WAL_CHECKPOINT_PAGES)
    connection.create_scalar_function("holds", _holds, 2)
    return connection


def checkpoint(path: Path, sync: Sync) -> None:
    """Take what no reader needs any more of a write-ahead log into its file, durably, while others read and write."""
    with closing(connect(path, sync)) as connection:
        connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()


def finished(path: Path) -> apsw.Connection:
    """A connection to a complete copy, which nobody changes: it leaves no -wal and -shm beside it."""
    return _opened(
        path,
        f"{path.absolute().as_uri()}?immutable=1",
        apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI,
    )


def _opened(path: Path | str, name: str, flags: int) -> apsw.Connection:
    """A connection that has its key, if the file is encrypted."""
    key = None
    if path != MEMORY:
        refuse_link(Path(path))
        key = encryption.key_of(Path(path))
    connection = apsw.Connection(name, flags=flags, statementcachesize=STATEMENT_CACHE)
    if key is not None:
        try:
            encryption.give_key(connection, key)
        except BaseException:
            connection.close()
            raise
    return connection


@contextmanager
def transaction(connection: apsw.Connection) -> Iterator[None]:
    """All that is written in it, or nothing.

    apsw's own `with connection` keeps the interpreter to itself while its COMMIT waits for the disk: for 300 ms with
    40 MB, in which nothing else of the process runs.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException as fault:
        if connection.in_transaction:
            try:
                connection.execute("ROLLBACK")
            except apsw.Error as another:
                fault.add_note(f"nor could that be rolled back: {another}")
        raise


def _holds(*arguments: Any) -> bool:
    """SQL's `holds(test, item)`: for what SQL cannot decide, a test of the item, bound with apsw.pyobject."""
    test, item = arguments
    decided: bool = test(ujson.loads(item))
    return decided


def is_empty(connection: apsw.Connection) -> bool:
    """Whether nothing was ever created here (or a crash came before it was)."""
    return not connection.execute("SELECT count(*) FROM sqlite_schema").get and not connection.pragma(
        "application_id"
    )


def check_format(connection: apsw.Connection, version: int) -> None:
    """Raise UnusableDataError unless the file is Alt's and of this version's format."""
    if connection.pragma("application_id") != APPLICATION_ID:
        raise UnusableDataError(f"{connection.filename} is no file of Alt's")
    found = int(connection.pragma("user_version"))
    if found > version:
        raise UnusableDataError(
            f"{connection.filename} has format {found}, and this version of Alt reads format {version}: "
            "use the version that wrote it"
        )
    if found < version:
        raise UnusableDataError(
            f"{connection.filename} has format {found}, of Alt before its first release, and this version reads format "
            f"{version}: use the version that wrote it, or another data directory"
        )


def create(connection: apsw.Connection, script: str, version: int) -> None:
    """Make a new database from `sql/<script>.sql`, marked as Alt's and with its format's version."""
    connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
    if connection.filename:
        connection.execute("PRAGMA journal_mode = WAL")
    _run(connection, script, version)


def _run(connection: apsw.Connection, script: str, version: int) -> None:
    text = files("alt.sql").joinpath("sqlite", f"{script}.sql").read_text(encoding="utf-8")
    with transaction(connection):
        if connection.pragma("user_version") == version:
            return  # another process was faster
        connection.execute(text)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {version}")
