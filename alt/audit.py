"""A log that is kept for others to read: lines written beside the event loop, and none of them lost in silence.

It knows nothing of what the lines say. docs/design.md says what happens to them on a slow or a full disk.
"""

from __future__ import annotations

import logging
import os
import stat
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Protocol

from alt.tally import Tally

STANDARD_OUTPUT = "-"
FLUSH_SECONDS = 0.1  # from a line to its writing, so that a busy server's are written together
RETRY_SECONDS = 1.0  # after a write that failed
CLOSE_SECONDS = 5.0  # that a slow disk gets at the end
MAX_WAITING_BYTES = 64 * 1024 * 1024  # of lines that are not written yet; further ones are lost, and counted
KEPT_FILES = 9  # that were rotated: FILE.1, the newest, to FILE.9

_log = logging.getLogger(__name__)


class UnusableAuditError(OSError):
    """The audit cannot be written there; the message says where and why in one line."""


class Line(Protocol):
    """`held_bytes` is about what it holds in memory; `text` is one line without its end, made beside the event loop."""

    @property
    def held_bytes(self) -> int: ...

    def text(self) -> bytes: ...


class AuditLog:
    """`path` is a file's, or STANDARD_OUTPUT. A file of `max_bytes` is rotated; None rotates none.

    `lost` makes the line that says how many are missing. Raises UnusableAuditError.
    """

    def __init__(self, path: str, max_bytes: int | None, lost: Callable[[int], bytes]) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._lost_line = lost
        self._queue: SimpleQueue[Line | None] = SimpleQueue()  # None: look at what else there is to do
        # Each of these is changed by one thread alone: who puts lines, and who writes them.
        self._put_bytes = self._lost = 0
        self._taken_bytes = self._told_lost = 0
        self._failed = Tally()  # writes
        self._losses = Tally()  # lines
        self._must_reopen = False
        self._closing = threading.Event()
        self._descriptor, self._size = self._open()
        self._thread = threading.Thread(target=self._run, name="alt-audit", daemon=True)
        self._thread.start()

    def put(self, line: Line) -> None:
        """Have a line written soon. It never waits."""
        if self._put_bytes - self._taken_bytes > MAX_WAITING_BYTES:
            self._lost += 1
            if self._lost - self._told_lost == 1:
                self._queue.put(None)  # so that it is told, though nothing else should come
            return
        self._put_bytes += line.held_bytes
        self._queue.put(line)

    def reopen(self) -> None:
        """Write to what has the file's name from now on: it was moved away."""
        self._must_reopen = True
        self._queue.put(None)

    def close(self) -> None:
        """Write what waits, as far as the disk takes it in CLOSE_SECONDS."""
        self._closing.set()
        self._queue.put(None)
        self._thread.join(CLOSE_SECONDS)
        if self._thread.is_alive():
            _log.error("the last lines of the audit were not written: %s takes nothing", self._path)

    # On the thread that writes

    def _run(self) -> None:
        while True:
            waiting = self._next()
            if self._must_reopen:
                self._must_reopen = False
                self._reopen()
            for text in self._texts(waiting):
                self._write(text)
            self._taken_bytes += sum([line.held_bytes for line in waiting])
            if self._closing.is_set() and self._queue.empty():
                break
        if self._path != STANDARD_OUTPUT:
            os.close(self._descriptor)

    def _next(self) -> list[Line]:
        """All lines that wait, once there is something to do."""
        found = [self._queue.get()]
        self._closing.wait(FLUSH_SECONDS)
        with suppress(Empty):
            while True:
                found.append(self._queue.get_nowait())
        return [line for line in found if line is not None]

    def _texts(self, lines: list[Line]) -> Iterator[bytes]:
        """The lines with their ends, as many together as go into a file."""
        room = self._max_bytes
        together: list[bytes] = []
        size = 0
        for text in self._each(lines):
            if room is not None and self._size + size + len(text) > room and self._size + size > 0:
                yield b"".join(together)
                self._retried(self._rotate)
                together, size = [], 0
            together.append(text)
            size += len(text)
        yield b"".join(together)

    def _each(self, lines: list[Line]) -> Iterator[bytes]:
        missing = 0
        for line in lines:
            try:
                text = line.text()
            except Exception as fault:
                missing += 1
                _log.error("a line of the audit could not be made", exc_info=fault)
            else:
                yield text + b"\n"
        lost = self._lost
        missing += lost - self._told_lost
        self._told_lost = lost
        if missing:
            yield self._lost_line(missing) + b"\n"
        self._say_missing(missing)

    def _write(self, text: bytes) -> None:
        """All of it, however often that takes: a file that is full in the midst of a line goes on with its rest."""
        rest = memoryview(text)

        def write() -> None:
            nonlocal rest
            while rest:
                written = os.write(self._descriptor, rest)
                self._size += written
                rest = rest[written:]

        self._retried(write)

    def _retried(self, step: Callable[[], None]) -> None:
        """Do it once it can be done. Meanwhile lines wait, and nothing else does."""
        while True:
            is_last = self._closing.is_set()
            try:
                step()
                return
            except OSError as fault:
                self._say(fault)
            if is_last:
                _log.error("the last lines of the audit are lost")
                return
            self._closing.wait(RETRY_SECONDS)

    def _say_missing(self, missing: int) -> None:
        """At the end at once."""
        self._losses.add(missing)
        if lost := self._losses.due(at_once=self._closing.is_set()):
            _log.error("lines of the audit that are lost: %d", lost)

    def _say(self, fault: OSError) -> None:
        self._failed.add()
        if self._failed.due():
            _log.error("cannot write the audit to %s, so lines wait: %s", self._path, fault.strerror or fault)

    def _open(self) -> tuple[int, int]:
        """The file's descriptor and its size."""
        if self._path == STANDARD_OUTPUT:
            return sys.stdout.fileno(), 0
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND | _NOT_WAITING, 0o600)
            try:
                return descriptor, _begin(descriptor)
            except BaseException:
                os.close(descriptor)
                raise
        except OSError as error:
            raise UnusableAuditError(
                f"cannot write the audit to {self._path}: {error.strerror or error}"
            ) from None

    def _reopen(self) -> None:
        try:
            self._take_up_new_file()
        except OSError as error:
            _log.error("the audit goes on in the file that it was in: %s", error)

    def _rotate(self) -> None:
        if os.path.exists(self._path):  # else somebody has moved it, or a try before this one
            for number in range(KEPT_FILES - 1, 0, -1):
                with suppress(FileNotFoundError):
                    os.replace(f"{self._path}.{number}", f"{self._path}.{number + 1}")
            os.replace(self._path, f"{self._path}.1")
        self._take_up_new_file()

    def _take_up_new_file(self) -> None:
        if self._path != STANDARD_OUTPUT:
            old = self._descriptor
            self._descriptor, self._size = self._open()
            os.close(old)


def _begin(descriptor: int) -> int:
    """Make an open file private and ready for a new line; its size."""
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode):
        raise OSError("it is no file (- is the standard output)")
    if sys.platform == "win32":
        return found.st_size
    os.fchmod(descriptor, 0o600)
    if found.st_size and os.pread(descriptor, 1, found.st_size - 1) != b"\n":
        return found.st_size + os.write(descriptor, b"\n")  # after a line that was cut by a crash
    return found.st_size


# Whoever names a pipe is told so, and not kept waiting for its reader.
_NOT_WAITING = 0 if sys.platform == "win32" else os.O_NONBLOCK
