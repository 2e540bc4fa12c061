"""A data directory: whether it is one, what keeps it from being used, its one server's lock, and where that listens."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import apsw

from alt.config import TLS_FOLDER
from alt.storage.sqlite.database_files import BACKUPS_FOLDER, TABLES_FOLDER, is_database, is_plain

CATALOG_FILE = "catalog.db"
JOURNAL_FILE = "journal.db"
USAGE_FILE = "usage.db"
KEYS_FILE = "keys.db"
MASTER_KEY_FILE = "keys.secret"
LOCK_FILE = "server.lock"
ADDRESS_FILE = "server.url"
ENCRYPTION_FILE = "encryption.json"
SNAPSHOTS_FOLDER = "snapshots"
# Of data directories within this one (alt/realms.py).
TENANTS_FOLDER, ACCOUNTS_FOLDER, REGIONS_FOLDER = "tenants", "accounts", "regions"
_NESTS = (TENANTS_FOLDER, ACCOUNTS_FOLDER, REGIONS_FOLDER)
REKEY_FOLDER, CHANGE_FILE = (
    "rekey",
    "change.json",
)  # while the key of the directory is changed (key_change.py)

# Whatever else is in a directory that has no catalog, somebody else put there.
_FILES = (
    CATALOG_FILE,
    JOURNAL_FILE,
    USAGE_FILE,
    KEYS_FILE,
    MASTER_KEY_FILE,
    LOCK_FILE,
    ADDRESS_FILE,
    ENCRYPTION_FILE,
)
_FOLDERS = (
    TABLES_FOLDER,
    BACKUPS_FOLDER,
    SNAPSHOTS_FOLDER,
    TLS_FOLDER,
    TENANTS_FOLDER,
    ACCOUNTS_FOLDER,
    REGIONS_FOLDER,
)
# What a file system, or its browser, puts into every directory; hidden files are disregarded, too.
_EVERYWHERE = ("lost+found",)

# "ALT1": tells Alt's files from any other SQLite database.
APPLICATION_ID = 0x414C5431

BUSY_TIMEOUT_MS = 5_000  # another process (the CLI, or a server at its start) holds a lock for moments only

PRIVATE_FOLDER = 0o700


class UnusableDataError(Exception):
    """The data cannot be used; the message says what and why in one line."""


class Published(NamedTuple):
    """What a server says of itself beside its lock. `begun` is in epoch seconds."""

    address: str
    pid: int
    version: str
    begun: float


class AlreadyServedError(UnusableDataError):
    """Another process holds the data directory: a server, or a command, which has no address."""

    def __init__(self, directory: Path, address: str) -> None:
        super().__init__(f"{directory} is already being served by {address or 'another process'}")
        self.address = address


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
    refuse_links(directory)
    catalog = directory / CATALOG_FILE
    if catalog.is_file() and catalog.stat().st_size:
        if not is_encrypted(directory) and not _is_alts(catalog):
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


def refuse_links(directory: Path) -> None:
    """Raise UnusableDataError where what Alt keeps in a data directory is elsewhere.

    Certificates may be, and a link in place of the server's address is replaced and not followed.
    """
    for name in (*_FILES, *_FOLDERS, REKEY_FOLDER):
        if name not in (TLS_FOLDER, ADDRESS_FILE):
            refuse_link(directory / name)


def refuse_link(path: Path) -> None:
    """Raise UnusableDataError where a link leads out of the folder that it stands in."""
    if path.is_symlink() and not (target := path.resolve()).is_relative_to(path.parent.resolve()):
        raise UnusableDataError(f"{path} is a link to {target}: Alt follows none out of a data directory")


def is_encrypted(directory: Path) -> bool:
    """Whether it is, or may be, where a change of its key was cut short."""
    return (directory / ENCRYPTION_FILE).exists() or (directory / REKEY_FOLDER / CHANGE_FILE).exists()


def _is_alts(database: Path) -> bool:
    """Whether a database is Alt's, or one that Alt was about to make when it died."""
    with using(database):
        connection = apsw.Connection(str(database), flags=apsw.SQLITE_OPEN_READONLY)
        connection.set_busy_timeout(BUSY_TIMEOUT_MS)
        try:
            is_empty = connection.execute("SELECT count(*) = 0 FROM sqlite_schema").get
            return bool(is_empty) or bool(connection.pragma("application_id") == APPLICATION_ID)
        except apsw.NotADBError:
            refuse_lost_key(database.parent)
            raise UnusableDataError(
                f"cannot use {database}: file is not a database. `alt tables adopt` makes it anew from the tables' files"
            ) from None
        finally:
            connection.close()


def refuse_lost_key(directory: Path) -> None:
    """Raise UnusableDataError where a catalog seems damaged, and no table's file can be read, either.

    For who holds no lock on them (`is_plain`).
    """
    tables = [path for path in _entries(directory / TABLES_FOLDER) if is_database(path)]
    if tables and not any(is_plain(path) for path in tables):
        raise UnusableDataError(
            f"{directory} seems to be encrypted, and its {ENCRYPTION_FILE} is gone: put back a copy of it"
        )


def _entries(directory: Path) -> list[Path]:
    if not directory.is_dir():
        return []
    return sorted(
        path for path in directory.iterdir() if path.name not in _EVERYWHERE and path.name[0] != "."
    )


def _is_own(path: Path) -> bool:
    return path.name in _FOLDERS or any(path.name.startswith(name) for name in _FILES)


def root_of(directory: Path) -> Path:
    """The outermost data directory that this one is in, as a tenant's, an account's or a region's; itself, if in none."""
    root = outer = directory.absolute()
    while outer.parent.name in _NESTS:
        outer = outer.parent.parent
        if (outer / CATALOG_FILE).exists():
            root = outer
    return root


def nested_in(directory: Path) -> Iterator[Path]:
    """The data directories within one."""
    for nest in _NESTS:
        for path in _entries(directory / nest):
            if (path / CATALOG_FILE).exists():
                yield path
            yield from nested_in(path)


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
                said = published(directory)
                raise AlreadyServedError(directory, said.address if said else "") from None
        self._forget()  # where a server listened that was killed

    def publish(self, published: Published) -> None:
        """Say who serves and where, for those who find the directory taken. Raises OSError."""
        self._address.unlink(missing_ok=True)
        # Not what stands there already: a link would lead the writing elsewhere.
        descriptor = os.open(self._address, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write("".join(f"{line}\n" for line in published))

    def release(self) -> None:
        self._forget()
        self._connection.close()

    def _forget(self) -> None:
        with suppress(OSError):
            self._address.unlink(missing_ok=True)


def is_held(directory: Path) -> bool:
    """Whether a server or a command holds the directory. The look itself keeps nobody out for longer than it takes."""
    path = directory / LOCK_FILE
    if not path.exists():
        return False
    with using(path), closing(apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)) as connection:
        try:
            connection.execute("SELECT count(*) FROM sqlite_schema").fetchall()
        except apsw.BusyError:
            return True
    return False


def published(directory: Path) -> Published | None:
    """What the directory's server says of itself; only of use while `is_held`."""
    try:
        address, pid, version, begun = (directory / ADDRESS_FILE).read_text(encoding="utf-8").splitlines()
        return Published(address, int(pid), version, float(begun))
    except (OSError, ValueError):
        return None
