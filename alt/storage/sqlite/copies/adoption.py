"""Taking files into the catalog that it does not list: after it was lost, or put back from an older copy.

Each table's file carries its table's definition, and each backup's file what it is a backup of
(alt/storage/sqlite/self_description.py). Nothing is overwritten: a file that cannot be taken in stays as it is.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import apsw

from alt.storage.sqlite import connections, self_description
from alt.storage.sqlite.catalog import Catalog
from alt.storage.sqlite.checksums import file_checksum
from alt.storage.sqlite.data_directory import CATALOG_FILE, UnusableDataError
from alt.storage.sqlite.database_files import BACKUPS_FOLDER, SUFFIX, set_aside, unknown
from alt.storage.sqlite.table import FORMAT


@dataclass(frozen=True, slots=True)
class Adopted:
    """A file, the table or backup that it was taken in as, and what kept it from that."""

    path: Path
    kind: str  # table or backup
    name: str | None = None
    problem: str | None = None


def open_catalog(directory: Path) -> tuple[Catalog, Path | None]:
    """The catalog, made anew where there is none that can be read; what was there is set aside, under that path."""
    path = directory / CATALOG_FILE
    try:
        return Catalog(path), None
    except (apsw.NotADBError, apsw.CorruptError):
        aside = set_aside(path, time.strftime("%Y%m%d-%H%M%S"))
        return Catalog(path), aside


def unlisted(directory: Path, catalog: Catalog) -> list[Path]:
    """The databases that could be taken in."""
    return [path for path in unknown(directory, catalog.paths()) if path.suffix == SUFFIX]


def adopt(
    catalog: Catalog, paths: Sequence[Path], new_name: str | None, new_id: Callable[[], str]
) -> Iterator[Adopted]:
    """Take in each of the files. `new_name`: what the one table is called now, in place of its own name.

    For one who holds the server's lock.
    """
    for path in paths:
        kind = "backup" if path.parent.name == BACKUPS_FOLDER else "table"
        take = _backup if kind == "backup" else _table
        try:
            name, problem = take(catalog, path, new_name, new_id)
        except (apsw.Error, UnusableDataError, OSError, ValueError) as fault:
            name, problem = None, str(fault)
        yield Adopted(path, kind, name, problem)


_SILENT = "what it says of itself is lost or damaged"


def _table(
    catalog: Catalog, path: Path, new_name: str | None, new_id: Callable[[], str]
) -> tuple[str | None, str | None]:
    with closing(connections.connect(path)) as connection:
        connections.check_format(connection, FORMAT)
        definition = self_description.described_table(connection)
        if definition is None:
            return None, _SILENT
        if definition.deleted is not None:
            return definition.name, "the table was deleted"
        if new_name is not None:
            definition = replace(definition, name=new_name)
        if any(each.id == definition.id for each in catalog.tables.values()):
            definition = replace(definition, id=new_id())  # a copy of a file that is a table's
        if definition.name in catalog.tables:
            return definition.name, "there is a table of that name: --as gives this one another"
        self_description.describe_table(connection, definition)
    is_listed = catalog.adopt(definition, path.name)
    return definition.name, None if is_listed else "there is a table of that name"


def _backup(
    catalog: Catalog, path: Path, _new_name: str | None, _new_id: Callable[[], str]
) -> tuple[str | None, str | None]:
    with closing(connections.finished(path)) as connection:
        backup = self_description.described_backup(connection)
    if backup is None:
        return None, _SILENT
    if backup.id in catalog.backups:
        return backup.name, "that backup is listed already"
    catalog.add_backup(replace(backup, checksum=file_checksum(path)), path.name)
    return backup.name, None
