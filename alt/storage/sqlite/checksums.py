"""Checksums of what is at rest: a CRC32 beside each item and image, and one of each whole file that nobody changes any more.

An item's is compared wherever the item is looked at one by one: by GetItem, by the writes
that read it, by a check, and before a backup is called available; an image's wherever a
record or a restore reads it. Items that pass through a
Query or a Scan are joined inside SQLite, where no checksum can be computed without a call of Python for
each, which would cost more than the page (DESIGN.md).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NoReturn

import apsw
from zlib_ng import zlib_ng

_CHUNK_BYTES = 1024 * 1024


class DamagedItemError(Exception):
    """An item's text is not what was stored."""

    def __init__(self, where: str, what: str = "an item") -> None:
        super().__init__(f"{where}: {what} is not what was stored. `alt tables check` says how many are")


def checksum(text: str) -> int:
    """Of an item's JSON."""
    return zlib_ng.crc32(text.encode())


def is_sound(text: bytes | None, stored: int) -> bool:
    """Whether an item's JSON is what was stored. None is what no item has, and a damaged row may."""
    return text is not None and bool(zlib_ng.crc32(text) == stored)


def refuse_size(size: object) -> NoReturn:
    """Raise apsw.CorruptError: what stands where an item's size belongs is no number, as in another table's page."""
    raise apsw.CorruptError(f"{size!r:.40} stands where an item's size belongs")


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
