"""Where records go that are not taken: each with its place, its reason and its text, so that none is lost."""

from __future__ import annotations

import base64
import threading
from pathlib import Path
from typing import IO, Any

import click

from alt.values.json import dumps

from .records import Record

# As many are said as a person reads.
SHOWN = 10


class Rejects:
    """A file of JSON lines, added to when there is something to write. Several threads may add."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.count = 0
        self._file: IO[Any] | None = None
        self._lock = threading.Lock()

    def begin(self) -> None:
        """Make the file, empty."""
        self._open("w")

    def add(self, record: Record, reason: str) -> None:
        said: dict[str, Any] = {"file": record.file} if record.file else {}
        said |= {"line": record.line, "reason": reason, **_text(record.raw.rstrip(b"\r\n"))}
        with self._lock:
            if self._file is None:
                self._open("a")
            assert self._file is not None
            try:
                self._file.write(dumps(said) + "\n")
                self._file.flush()
            except OSError as fault:
                raise click.ClickException(f"cannot write {self.path}: {fault.strerror}") from None
            self.count += 1
            if self.count <= SHOWN:
                click.echo(f"{place(record)}: {reason}", err=True)
            elif self.count == SHOWN + 1:
                click.echo(f"further lines are only in {self.path}", err=True)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()

    def _open(self, mode: str) -> None:
        try:
            self._file = self.path.open(mode, encoding="utf-8")
        except OSError as fault:
            raise click.ClickException(f"cannot write {self.path}: {fault.strerror}") from None


def place(record: Record) -> str:
    return f"{record.file} line {record.line}" if record.file else f"line {record.line}"


def _text(raw: bytes) -> dict[str, str]:
    try:
        return {"text": raw.decode()}
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(raw).decode()}
