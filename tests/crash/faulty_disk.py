"""A disk that refuses calls: the control of a server started with disk.c before it.

A fault is on a kind of call, on the files whose path below the data directory matches a
pattern (of a rename, the new path). It begins at once or after some calls, goes on for
some calls or until it is lifted, and each call waits a moment before it fails, so that
others queue up behind it. A call that fails does nothing.
"""

from __future__ import annotations

import errno
import mmap
import struct
from pathlib import Path

# As in disk.c.
CALLS = {"open": 1, "write": 2, "sync": 4, "rename": 8, "unlink": 16, "truncate": 32}
# struct fault of disk.c: armed, calls, error, skip, times, hits, delay, pattern.
FAULT = struct.Struct("=IIIiiII256s")
_ARMED, _HITS = struct.Struct("=I"), struct.Struct("=I")
_HITS_AT = 20

ALL_CALLS = -1
DELAY_SECONDS = 0.03


class FaultyDisk:
    """`path` is the file to name in the server's environment; it is made here."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.write_bytes(bytes(mmap.PAGESIZE))
        with path.open("r+b") as file:
            self._control = mmap.mmap(file.fileno(), mmap.PAGESIZE)

    def fail(
        self,
        pattern: str,
        call: str,
        error: int = errno.EIO,
        *,
        skip: int = 0,
        times: int = ALL_CALLS,
        delay: float = DELAY_SECONDS,
    ) -> None:
        """From now on, after `skip` calls, so many fail."""
        delayed = int(delay * 1_000_000)
        self.lift()
        FAULT.pack_into(self._control, 0, 0, CALLS[call], error, skip, times, 0, delayed, pattern.encode())
        _ARMED.pack_into(self._control, 0, 1)

    def lift(self) -> None:
        """All is well again."""
        _ARMED.pack_into(self._control, 0, 0)

    @property
    def hits(self) -> int:
        """How many calls have failed of the last fault."""
        (hits,) = _HITS.unpack_from(self._control, _HITS_AT)
        return hits
