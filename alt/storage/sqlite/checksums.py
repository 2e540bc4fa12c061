"""Checksums of what is at rest: a CRC32 beside each item, and one of each whole file that nobody changes any more.

An item's is compared wherever the item is looked at one by one: by GetItem, by the writes
that read it, by a check, and before a backup is called available. Items that pass through a
Query or a Scan are joined inside SQLite, where no checksum can be computed without a call of Python for
each, which would cost more than the page (DESIGN.md).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import apsw
from zlib_ng import zlib_ng

_CHUNK_BYTES = 1024 * 1024


class DamagedItemError(Exception):
    """An item's text is not what was stored."""

    def __init__(self, where: str) -> None:
        super().__init__(f"{where}: an item is not what was stored. `alt tables check` says how many are")


def checksum(text: str) -> int:
    """Of an item's JSON."""
    return zlib_ng.crc32(text.encode())


def is_sound(text: bytes, stored: int | None) -> bool:
    """Whether an item's JSON is what was stored. None: stored before there were checksums."""
    return stored is None or bool(zlib_ng.crc32(text) == stored)


def verify_items(connection: apsw.Connection) -> None:
    """Raise DamagedItemError unless all items of a table's file are what was stored."""
    # As bytes: what is damaged may not even be UTF-8.
    rows: Any = connection.execute("SELECT CAST(item AS BLOB), checksum FROM item")
    for text, stored in rows:
        if not is_sound(text, stored):
            raise DamagedItemError(connection.filename)


def file_checksum(path: Path) -> int:
    """Of a file's bytes."""
    value = 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            value = zlib_ng.crc32(chunk, value)
    return value
