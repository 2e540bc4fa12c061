"""Changing the key of a data directory that no server uses: encrypting it, decrypting it, or giving it another key.

Every database is written anew under `rekey/`, by VACUUM INTO: with another cipher a page has room for less. What a
database's file has of others (checksums of backups and snapshots) is computed anew. Then all of them
take their places at once, see key_change.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import apsw
import ujson

from alt.storage.engine import Progress, no_progress
from alt.storage.sqlite import connections, encryption
from alt.storage.sqlite.catalog import Catalog
from alt.storage.sqlite.checksums import file_checksum
from alt.storage.sqlite.copies.copying import sync_directory, sync_file, write_private
from alt.storage.sqlite.copies.snapshots import CHECKSUMS_FILE, Snapshots
from alt.storage.sqlite.data_directory import (
    CATALOG_FILE,
    JOURNAL_FILE,
    KEYS_FILE,
    PRIVATE_FOLDER,
    SNAPSHOTS_FOLDER,
    USAGE_FILE,
    ServerLock,
    UnusableDataError,
    nested_in,
    root_of,
    using,
)
from alt.storage.sqlite.database_files import (
    BACKUPS_FOLDER,
    PART,
    SUFFIX,
    is_database,
    is_plain,
    remove,
    unknown,
)
from alt.storage.sqlite.directory_key import Description, describe
from alt.storage.sqlite.key_change import begin_key_change, decide, finish_key_change

PROGRESS_STEPS = 100_000  # of SQLite's machine, between two looks at how far a copy is

# Of a database's header, which says so in the encrypted file, too: https://sqlite.org/fileformat.html
_WRITE_VERSION, _WAL = 18, 2


@dataclass(slots=True)
class Rekeyed:
    """The files that have the new key, and those that keep what they had, as nobody knows them: paths in the directory."""

    files: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)


class _Owned(NamedTuple):
    """The paths that the catalog knows, and the checksums of backups by theirs."""

    paths: set[str]
    checksums: dict[str, int]


def rekey(
    directory: Path,
    secret: str | None,
    progress: Progress = no_progress,
    on_step: Callable[[str], None] = lambda _step: None,
) -> Rekeyed:
    """Give all that is in a data directory, and in those within it, a new key; None decrypts it.

    For who holds the server's lock and has unlocked the directory. Raises UnusableDataError, apsw.Error
    or OSError where nothing was changed, or where the next use of the directory finishes it.
    """
    if root_of(directory) != directory.absolute():
        raise UnusableDataError(
            f"{directory} has the key of {root_of(directory)}, which it is in: change that one's"
        )
    described, key = (None, None) if secret is None else describe(secret)
    with _all_locked(nested_in(directory)) as nested:
        return _rekey(directory, nested, described, key, progress, on_step)


@contextmanager
def _all_locked(directories: Iterable[Path]) -> Iterator[list[Path]]:
    """Directories that no server uses, nor will."""
    with ExitStack() as locks:
        locked = []
        for directory in directories:
            locks.callback(ServerLock(directory).release)
            locked.append(directory)
        yield locked


def _rekey(
    directory: Path,
    nested: list[Path],
    described: Description | None,
    key: bytes | None,
    progress: Progress,
    on_step: Callable[[str], None],
) -> Rekeyed:
    owned = {each: _tidied(each) for each in (directory, *nested)}
    folder = begin_key_change(directory)
    encryption.know(folder, key)
    on_step("begun")
    try:
        changed = Rekeyed()
        for each, its in owned.items():
            within = each.relative_to(directory)
            made = _Copies(each, folder / within, its, key, progress, on_step).make()
            changed.files += [(within / file).as_posix() for file in made.files]
            changed.left += [(within / file).as_posix() for file in made.left]
        for each in (directory, folder, *filter(Path.is_dir, folder.rglob("*"))):
            sync_directory(each)
        on_step("copied")
        decide(directory, changed.files, None if described is None else described.to_json())
        on_step("decided")
    except BaseException:
        finish_key_change(directory)
        raise
    finally:
        encryption.forget(folder)
    encryption.know(directory, key)
    finish_key_change(directory, on_step)
    return changed


def _tidied(directory: Path) -> _Owned:
    """What is there, once what a crash left is gone."""
    Snapshots(directory).all()
    if any((directory / SNAPSHOTS_FOLDER).glob(f".*{PART}")):
        raise UnusableDataError("a snapshot is being saved: try again when that is done")
    with using(directory / CATALOG_FILE), closing(Catalog(directory / CATALOG_FILE)) as catalog:
        catalog.sweep(lambda path: remove(directory / path))
        checksums = {
            catalog.backup_path(each): each.checksum
            for each in catalog.backups.values()
            if each.checksum is not None
        }
        return _Owned(set(catalog.paths()), checksums)


class _Copies:
    """The copies of all databases of a directory under its new key."""

    def __init__(
        self,
        directory: Path,
        folder: Path,
        owned: _Owned,
        key: bytes | None,
        progress: Progress,
        on_step: Callable[[str], None],
    ) -> None:
        self._directory = directory
        self._folder = folder
        self._owned = owned
        self._key = key
        self._progress = progress
        self._on_step = on_step
        self._changed = Rekeyed()
        self._states: dict[str, tuple[int, ...]] = {}  # of the files when they were copied

    def make(self) -> Rekeyed:
        """All of them; their contents are durable then, and not yet their names."""
        files = list(self._databases())
        total = sum((self._directory / file).stat().st_size for file in files)
        done = 0
        for file in files:
            size = (self._directory / file).stat().st_size

            def advanced(written: int, done: int = done, size: int = size) -> None:
                self._progress(done + min(written, size), total)

            self._copy(file, advanced)
            done += size
            self._progress(done, total)
            self._on_step("one copied")
        for summary in sorted((self._directory / SNAPSHOTS_FOLDER).glob(f"*/{CHECKSUMS_FILE}")):
            self._sum_up(summary.parent)
        self._refuse_changes()
        return self._changed

    def _databases(self) -> Iterator[str]:
        """The catalog comes last: it has checksums of others."""
        yield from sorted(file for file in self._owned.paths if is_database(self._directory / file))
        for path in unknown(self._directory, self._owned.paths):
            if self._is_readable(path):
                yield self._name(path)
            else:
                self._changed.left.append(self._name(path))
        for path in sorted((self._directory / SNAPSHOTS_FOLDER).glob(f"*/*{SUFFIX}")):
            yield self._name(path)
        for file in (JOURNAL_FILE, USAGE_FILE, KEYS_FILE, CATALOG_FILE):
            if is_database(self._directory / file):
                yield file

    def _is_readable(self, path: Path) -> bool:
        """Whether a file that nobody owns may be one that `alt tables adopt` takes in."""
        if not is_database(path):
            return False
        try:
            with closing(connections.finished(path)) as connection:
                connection.execute("SELECT count(*) FROM sqlite_schema").fetchall()
        except (apsw.Error, UnusableDataError):
            return False
        return True

    def _copy(self, file: str, advanced: Callable[[int], None]) -> None:
        path, copy = self._directory / file, self._folder / file
        copy.parent.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
        self._refuse_damage(file)
        if not file.startswith((BACKUPS_FOLDER, SNAPSHOTS_FOLDER)):
            _settle(path)
        self._states[file] = _state(path)
        with using(path), closing(connections.finished(path)) as source:
            source.set_progress_handler(lambda: _report(copy, advanced), PROGRESS_STEPS)
            _write_anew(source, copy, self._key)
        if is_plain(copy) != (self._key is None):
            raise UnusableDataError(f"{path} could not be given its new key")
        with using(copy), closing(connections.connect(copy, "off")) as changed:
            if _is_in_wal_mode(path):
                changed.pragma("journal_mode", "WAL")
            if file == CATALOG_FILE:
                self._note_checksums(changed)
        sync_file(copy)
        self._changed.files.append(file)

    def _refuse_damage(self, file: str) -> None:
        """Else a damaged backup would get a checksum by which it is sound."""
        expected = self._owned.checksums.get(file)
        if file.startswith(SNAPSHOTS_FOLDER):
            folder, _, name = file.rpartition("/")
            expected = _checksums(self._directory / folder).get(name)
        if expected is not None and file_checksum(self._directory / file) != expected:
            raise UnusableDataError(
                f"{file} is damaged: it is not what was written. Remove that backup or snapshot first"
            )

    def _note_checksums(self, catalog: apsw.Connection) -> None:
        new = [
            (file_checksum(self._folder / file), file.rpartition("/")[2]) for file in self._owned.checksums
        ]
        with connections.transaction(catalog):
            catalog.executemany("UPDATE backup SET checksum = ? WHERE file = ?", new)

    def _sum_up(self, snapshot: Path) -> None:
        """The checksums of a snapshot's files as they are now."""
        copies = self._folder / self._name(snapshot)
        new = {path.name: file_checksum(path) for path in copies.glob(f"*{SUFFIX}")}
        write_private(copies / CHECKSUMS_FILE, ujson.dumps(_checksums(snapshot) | new))
        self._changed.files.append(self._name(snapshot / CHECKSUMS_FILE))

    def _refuse_changes(self) -> None:
        """Another command that was under way may have written after a file was copied."""
        for file, state in self._states.items():
            if _state(self._directory / file) != state:
                raise UnusableDataError(f"{file} was changed meanwhile, by another command: try again")

    def _name(self, path: Path) -> str:
        return path.relative_to(self._directory).as_posix()


def _write_anew(source: apsw.Connection, copy: Path, key: bytes | None) -> None:
    uri = encryption.uri(copy, key)
    try:
        source.execute("VACUUM INTO ?", (uri,), can_cache=False)
    except apsw.Error as fault:
        # SQLite names the file as it was given, and that has the key in it.
        raise UnusableDataError(f"{copy} cannot be written: {str(fault).replace(uri, '')}") from None


def _settle(path: Path) -> None:
    """Bring what is in the write-ahead log into the file. Raises UnusableDataError where another process uses that."""
    with using(path), closing(connections.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    log = Path(f"{path}-wal")
    if log.exists() and log.stat().st_size:
        raise UnusableDataError(f"{path} is in use by another process: try again when that is done")


def _state(path: Path) -> tuple[int, ...]:
    log = Path(f"{path}-wal")
    found = path.stat()
    return found.st_ino, found.st_mtime_ns, found.st_size, log.stat().st_size if log.exists() else 0


def _report(copy: Path, advanced: Callable[[int], None]) -> bool:
    """SQLite goes on as long as this is False."""
    if copy.exists():
        advanced(copy.stat().st_size)
    return False


def _is_in_wal_mode(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(_WRITE_VERSION)
        return file.read(1) == bytes([_WAL])


def _checksums(snapshot: Path) -> dict[str, int]:
    path = snapshot / CHECKSUMS_FILE
    if not path.exists():
        return {}
    saved: dict[str, int] = ujson.loads(path.read_text(encoding="utf-8"))
    return saved
