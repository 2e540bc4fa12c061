"""The number of a file's last durable group of writes, kept outside its write-ahead log.

A write-ahead log that is deleted, cut or overwritten takes acknowledged writes with it, and
SQLite opens what is left without a word: to it, a log ends where its checksums end. So each
group is counted in the file, inside its own transaction, and once it is durable its number is
written here, into a small file beside it. A file that counts fewer groups than its mark says
has lost the difference.

The mark is written without a wait for the disk, after the group. It may be behind, which at
worst hides the loss of the last moment (NUMBER_SECONDS in table.py); it is never ahead under
`--sync full`. It is there while a server has the file open, and after that server was killed.
"""

from __future__ import annotations

import os
import zlib
from io import FileIO
from pathlib import Path

SUFFIX = "-mark"
_PWRITE = getattr(os, "pwrite", None)  # Windows has none
_NUMBER_BYTES = 8
_RECORD_BYTES = _NUMBER_BYTES + 4  # a CRC32 follows the number


class DurableMark:
    """The mark of the database file `path`, made if it is not there."""

    def __init__(self, path: Path) -> None:
        self._path = Path(f"{path}{SUFFIX}")
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
        descriptor = os.open(self._path, flags, 0o600)
        self._file = os.fdopen(descriptor, "r+b", buffering=0)

    @staticmethod
    def is_there(path: Path) -> bool:
        """Whether the database has a mark: a server has it open, or had when it died."""
        return Path(f"{path}{SUFFIX}").exists()

    def read(self) -> int:
        """The number; 0 where none was written or it cannot be read."""
        self._file.seek(0)
        record = self._file.read(_RECORD_BYTES) or b""
        number = record[:_NUMBER_BYTES]
        return int.from_bytes(number, "little") if record == _record(number) else 0

    def write(self, number: int) -> None:
        """Never raises: a mark that cannot be written stays behind."""
        try:
            _write_at_start(self._file, _record(number.to_bytes(_NUMBER_BYTES, "little")))
        except OSError:
            return

    def close(self, *, is_over: bool) -> None:
        """`is_over`: there is no write-ahead log any more that the mark could be of."""
        self._file.close()
        if is_over:
            self._path.unlink(missing_ok=True)


def _record(number: bytes) -> bytes:
    return number + zlib.crc32(number).to_bytes(4, "little")


def _write_at_start(file: FileIO, record: bytes) -> None:
    if _PWRITE is not None:
        _PWRITE(file.fileno(), record, 0)
    else:
        file.seek(0)
        file.write(record)
