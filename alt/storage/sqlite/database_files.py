"""The database files of a data directory: their names, what stands beside them, and how they are removed.

Nothing is deleted but what the catalog names as doomed: what was removed, and what was in the
making when the process died (alt/storage/sqlite/catalog.py). A file that is merely unknown is left alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from alt.storage.sqlite import durable_mark

TABLES_FOLDER = "tables"
BACKUPS_FOLDER = "backups"

NAME_PREFIX_LENGTH = 40
SUFFIX = ".db"
# The suffix of a copy that is being written, in place of the other.
PART = ".part"

_PLAIN_HEADER = b"SQLite format 3\0"

# What SQLite and Alt put beside a database, whose name it begins with.
BESIDE = ("-wal", "-shm", "-journal", durable_mark.SUFFIX)


def file_name(table: str, unique: str) -> str:
    """A readable prefix, if there is one, and an id: unique even where a file system ignores case."""
    prefix = re.sub(r"[^A-Za-z0-9_-]", "_", table)[:NAME_PREFIX_LENGTH]
    return f"{prefix}-{unique}{SUFFIX}" if prefix else f"{unique}{SUFFIX}"


def part_of(path: Path) -> Path:
    """Where a file is put together before it gets its name."""
    return path.with_suffix(PART)


def remove(path: Path) -> bool:
    """Delete a database, what stands beside it, and its part; False where something is still in use.

    The file itself goes first: who opened one that is still there, its log gone, would make a log beside it that nobody
    owns. What a crash leaves is doomed still. Windows keeps a file that a process has open.
    """
    is_gone = True
    for each in (path, part_of(path)):
        try:
            for suffix in ("", *BESIDE):
                Path(f"{each}{suffix}").unlink(missing_ok=True)
        except PermissionError:
            is_gone = False
    return is_gone


def set_aside(path: Path, when: str) -> Path:
    """Give a damaged database another name, with what stands beside it, so that a new one can be made."""
    aside = path.with_name(f"{path.name}.damaged-{when}")
    for suffix in ("", *BESIDE):
        if (each := Path(f"{path}{suffix}")).exists():
            each.rename(f"{aside}{suffix}")
    return aside


def unknown(directory: Path, known: Iterable[str]) -> Iterator[Path]:
    """The files under `tables/` and `backups/` that belong to none of the `known` databases, given by their paths.

    Hidden files are a file browser's, and disregarded.
    """
    owned = {each for path in known for each in (path, str(part_of(Path(path)).as_posix()))}
    for folder in (TABLES_FOLDER, BACKUPS_FOLDER):
        if (directory / folder).is_dir():
            for path in sorted((directory / folder).iterdir()):
                if path.name[0] != "." and f"{folder}/{_database(path.name)}" not in owned:
                    yield path


def is_database(path: Path) -> bool:
    """Whether a file is a database with something in it."""
    return path.suffix == SUFFIX and path.is_file() and path.stat().st_size > 0


def is_plain(path: Path) -> bool:
    """Whether a file is a database that is not encrypted. For who holds no lock on it: closing it would drop that."""
    with path.open("rb") as file:
        return file.read(len(_PLAIN_HEADER)) == _PLAIN_HEADER


def _database(name: str) -> str:
    """The name of the database that a file of this name belongs to."""
    return next((name.removesuffix(suffix) for suffix in BESIDE if name.endswith(suffix)), name)
