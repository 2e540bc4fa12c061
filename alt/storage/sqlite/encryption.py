"""The keys of encrypted databases, and how a connection is given one.

A key counts for all databases in a folder and below, but for those of a folder inside that has its own. It is the
process's: whoever opens a database (connections.py) need not know whether it is encrypted.
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import apsw

from alt.storage.sqlite.data_directory import UnusableDataError

KEY_BYTES = 32
# AEGIS-256, of SQLite3 Multiple Ciphers (DESIGN.md, "Encryption"): each page has a nonce and a tag of its own.
CIPHER = "aegis"

_keys: dict[Path, bytes | None] = {}  # by folder; None: the databases there are not encrypted


def know(folder: Path, key: bytes | None) -> None:
    """What is in this folder is encrypted with this key; None: with none."""
    _keys[folder.absolute()] = key


def forget(folder: Path) -> None:
    """The folder is as the one it is in."""
    _keys.pop(folder.absolute(), None)


def key_of(path: Path) -> bytes | None:
    """The key that a database at this path has, or None."""
    if not _keys:
        return None
    folders = path.absolute().parents
    return next((_keys[folder] for folder in folders if folder in _keys), None)


def check_available() -> None:
    """Raise UnusableDataError where the module `apsw` is one that cannot encrypt."""
    if not hasattr(apsw, "mc_version"):
        raise UnusableDataError(
            "the SQLite that is installed cannot encrypt: `pip uninstall apsw`, then "
            "`pip install --force-reinstall apsw-sqlite3mc`"
        )


def give_key(connection: apsw.Connection, key: bytes) -> None:
    """Before anything else is done with the connection. A wrong key is noticed by the first read: apsw.NotADBError."""
    connection.execute(f"PRAGMA cipher = {CIPHER}")
    # A statement that is kept would keep the key in one more place.
    answer = connection.execute(f"PRAGMA key = 'raw:{key.hex()}'", can_cache=False).get
    if answer != "ok":
        raise UnusableDataError(f"{connection.filename} cannot be given its key")


def uri(path: Path, key: bytes | None) -> str:
    """A new database's name for VACUUM INTO, with its key or with none. For a statement's parameters only."""
    given = "key=" if key is None else f"cipher={CIPHER}&key=raw:{key.hex()}"
    return f"file:{quote(path.absolute().as_posix())}?{given}"
