"""A change of a data directory's key, from its beginning to its end, whatever comes between.

Every database is copied under the new key into `rekey/` (copies/rekeying.py), to the path that it has in the data
directory. Until all copies are durable nothing else is touched, and what a crash leaves there is dropped. Then
`rekey/change.json` says that it is decided, and from that moment on the directory has the new key: whoever uses
it next puts the copies in their places, for which no key is needed. So a directory has one key or the other,
whenever the power fails. A folder of that name without that file is none of Alt's.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ujson

from alt.storage.sqlite.copies.copying import place, sync_directory, write_private
from alt.storage.sqlite.data_directory import (
    CHANGE_FILE,
    ENCRYPTION_FILE,
    PRIVATE_FOLDER,
    REKEY_FOLDER,
    UnusableDataError,
)
from alt.storage.sqlite.database_files import PART

# What SQLite puts beside a database that is not the database's any more.
_BESIDE = ("-wal", "-shm", "-journal")

_log = logging.getLogger(__name__)


def begin_key_change(directory: Path) -> Path:
    """The folder for the copies, for who holds the server's lock."""
    folder = directory / REKEY_FOLDER
    folder.mkdir(mode=PRIVATE_FOLDER)
    _note(folder, {"decided": False})
    return folder


def decide(directory: Path, files: list[str], encryption: str | None) -> None:
    """Let the copies count. `files`: their paths in the directory; `encryption`: the text of `encryption.json`, or none.

    The copies are durable.
    """
    _note(directory / REKEY_FOLDER, {"decided": True, "files": files, "encryption": encryption})


def finish_key_change(directory: Path, on_step: Callable[[str], None] = lambda _step: None) -> None:
    """Do what was decided, or drop what was not, for who holds the server's lock. Raises OSError."""
    folder = directory / REKEY_FOLDER
    if not folder.is_dir():
        return
    change = _change(folder)
    if change["decided"]:
        _switch(directory, change, on_step)
    _remove(folder)
    on_step("forgotten")
    folder.rmdir()


def resume_key_change(directory: Path) -> None:
    """The same after a crash, which is said."""
    folder = directory / REKEY_FOLDER
    if folder.is_dir() and _change(folder)["decided"]:
        _log.warning(
            "the change of the key of %s was cut short, and is finished: it has the new key", directory
        )
    finish_key_change(directory)


def _note(folder: Path, change: dict[str, Any]) -> None:
    part = (folder / CHANGE_FILE).with_suffix(PART)
    write_private(part, ujson.dumps(change))
    place(part, folder / CHANGE_FILE)


def _change(folder: Path) -> dict[str, Any]:
    """What the folder says of itself; one that says nothing may be empty, or have what a crash left of saying it."""
    path = folder / CHANGE_FILE
    if path.exists():
        change: dict[str, Any] = ujson.loads(path.read_text(encoding="utf-8"))
        return change
    path.with_suffix(PART).unlink(missing_ok=True)
    if any(folder.iterdir()):
        raise UnusableDataError(f"{folder} was not made by Alt, which needs that name: move it elsewhere")
    return {"decided": False}


def _remove(folder: Path) -> None:
    """What is in the folder, and last what makes it Alt's."""
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name != CHANGE_FILE:
            path.unlink()
    (folder / CHANGE_FILE).unlink(missing_ok=True)
    sync_directory(folder)


def _switch(directory: Path, change: dict[str, Any], on_step: Callable[[str], None]) -> None:
    """However far it came before: a copy that is not there any more is in its place."""
    for file in change["files"]:
        copy, path = directory / REKEY_FOLDER / file, directory / file
        if copy.exists():
            for suffix in _BESIDE:
                Path(f"{path}{suffix}").unlink(missing_ok=True)
            copy.replace(path)
            on_step("one switched")
    for changed in {(directory / file).parent for file in change["files"]}:
        sync_directory(changed)
    on_step("all switched")
    path = directory / ENCRYPTION_FILE
    if change["encryption"] is None:
        path.unlink(missing_ok=True)
    else:
        part = directory / REKEY_FOLDER / ENCRYPTION_FILE
        write_private(part, change["encryption"])
        place(part, path)
    sync_directory(directory)
    on_step("described")
