"""A data directory: whether it is one, what keeps it from being used, its one server's lock, and where that listens."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import apsw

from alt.storage.sqlite.database_files import BACKUPS_FOLDER, TABLES_FOLDER, is_database

CATALOG_FILE = "catalog.db"
JOURNAL_FILE = "journal.db"
USAGE_FILE = "usage.db"
LOCK_FILE = "server.lock"
ADDRESS_FILE = "server.url"
SNAPSHOTS_FOLDER = "snapshots"

# Whatever else is in a directory that has no catalog, somebody else put there.
_FILES = (CATALOG_FILE, JOURNAL_FILE, USAGE_FILE, LOCK_FILE, ADDRESS_FILE)
_FOLDERS = (TABLES_FOLDER, BACKUPS_FOLDER, SNAPSHOTS_FOLDER)
# What a file system, or its browser, puts into every directory; hidden files are disregarded, too.
_EVERYWHERE = ("lost+found",)

# "ALT1": tells Alt's files from any other SQLite database.
APPLICATION_ID = 0x414C5431

PRIVATE_FOLDER = 0o700


class UnusableDataError(Exception):
    """The data cannot be used; the message says what and why in one line."""


class AlreadyServedError(UnusableDataError):
    """Another server holds the data directory."""


class NewerFormatError(UnusableDataError):
    """The data was written by a newer version of Alt."""


class LostCatalogError(UnusableDataError):
    """There are tables, and nothing that lists them."""


@contextmanager
def using(what: Path | str) -> Iterator[None]:
    """Say it in one line when SQLite cannot open or read `what`."""
    try:
        yield
    except apsw.Error as error:
        raise UnusableDataError(f"cannot use {what}: {error}") from None


def refuse_foreign(directory: Path) -> None:
    """Raise UnusableDataError unless the directory is Alt's, or empty and so may become that.

    Nothing is written. A directory with tables and no catalog is not a new one: LostCatalogError.
    """
    if not directory.is_dir():
        return
    catalog = directory / CATALOG_FILE
    if catalog.is_file() and catalog.stat().st_size:
        if not _is_alts(catalog):
            raise UnusableDataError(f"{catalog} is no file of Alt's")
        return
    if any(
        is_database(path)
        for folder in (TABLES_FOLDER, BACKUPS_FOLDER)
        for path in _entries(directory / folder)
    ):
        raise LostCatalogError(
            f"{directory} holds tables, but no {CATALOG_FILE} that lists them: `alt tables adopt` makes it anew from "
            "the tables' files"
        )
    foreign = [path for path in _entries(directory) if not _is_own(path)]
    foreign += [path for folder in (TABLES_FOLDER, BACKUPS_FOLDER) for path in _entries(directory / folder)]
    if foreign:
        raise UnusableDataError(
            f"{directory} holds {foreign[0].relative_to(directory)} and no data of Alt's: choose an empty or a new "
            "directory with --data-dir"
        )


def _is_alts(database: Path) -> bool:
    """Whether a database is Alt's, or one that Alt was about to make when it died."""
    with using(database):
        connection = apsw.Connection(str(database), flags=apsw.SQLITE_OPEN_READONLY)
        try:
            is_empty = connection.execute("SELECT count(*) = 0 FROM sqlite_schema").get
            return bool(is_empty) or bool(connection.pragma("application_id") == APPLICATION_ID)
        except apsw.NotADBError:
            raise UnusableDataError(
                f"cannot use {database}: file is not a database. `alt tables adopt` makes it anew from the tables' files"
            ) from None
        finally:
            connection.close()


def _entries(directory: Path) -> list[Path]:
    if not directory.is_dir():
        return []
    return sorted(
        path for path in directory.iterdir() if path.name not in _EVERYWHERE and path.name[0] != "."
    )


def _is_own(path: Path) -> bool:
    return path.name in _FOLDERS or any(path.name.startswith(name) for name in _FILES)


def make_private(directory: Path) -> None:
    """Make a data directory that only its user can look into."""
    if not directory.is_dir():
        directory.mkdir(mode=PRIVATE_FOLDER, parents=True)


def is_open_to_others(directory: Path) -> bool:
    """Whether other users of the machine can read what is in the directory."""
    return sys.platform != "win32" and bool(directory.stat().st_mode & 0o077)


class ServerLock:
    """Held while a server runs. SQLite's own file lock: it works on every platform and ends with the process."""

    def __init__(self, directory: Path) -> None:
        self._address = directory / ADDRESS_FILE
        with using(directory / LOCK_FILE):
            self._connection = apsw.Connection(str(directory / LOCK_FILE))
            try:
                self._connection.execute("BEGIN EXCLUSIVE")
            except apsw.BusyError:
                self._connection.close()
                raise AlreadyServedError(
                    f"{directory} is already being served by {self._published() or 'another process'}"
                ) from None

    def publish(self, address: str) -> None:
        """Say where the server listens, for those who find the directory taken. Raises OSError."""
        self._address.unlink(missing_ok=True)
        # Not what stands there already: a link would lead the writing elsewhere.
        descriptor = os.open(self._address, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(address + "\n")

    def release(self) -> None:
        with suppress(OSError):
            self._address.unlink(missing_ok=True)
        self._connection.close()

    def _published(self) -> str:
        try:
            return self._address.read_text(encoding="utf-8").strip()
        except (OSError, ValueError):
            return ""
