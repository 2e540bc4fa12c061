"""Files that commands read and write: by name, compressed if the name ends in .gz, or - for a pipe."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, NamedTuple, cast

import click
from zlib_ng import gzip_ng

PIPE = "-"
COMPRESSION_LEVEL = 2  # of zlib-ng, as for answers (docs/design.md)
BUFFER_BYTES = 256 * 1024

# zlib-ng's types lack what it is derived from.
_gzip: Any = gzip_ng.GzipFile


class Reading(NamedTuple):
    """A file's lines, and how far into the file itself they have been read."""

    lines: IO[bytes]
    under: IO[bytes] | None
    size: int

    def position(self) -> int:
        """Bytes, at most `size`, which is 0 where nobody knows it."""
        return 0 if self.under is None else self.under.tell()


@contextmanager
def reading(name: str) -> Iterator[Reading]:
    """Open a file, or standard input."""
    if name == PIPE:
        yield Reading(sys.stdin.buffer, None, 0)
        return
    with _opened(name) as under:
        size = os.fstat(under.fileno()).st_size
        if name.endswith(".gz"):
            lines = cast(IO[bytes], io.BufferedReader(_gzip(fileobj=under, mode="rb"), BUFFER_BYTES))
            yield Reading(lines, under, size)
        else:
            yield Reading(under, under, size)


def _opened(name: str) -> IO[bytes]:
    try:
        return Path(name).open("rb", buffering=BUFFER_BYTES)
    except OSError as fault:
        raise click.ClickException(f"cannot read {name}: {fault.strerror}") from None


@contextmanager
def writing(name: str) -> Iterator[IO[bytes]]:
    """Make a file, whole or not at all, or write to standard output."""
    if name == PIPE:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    path = Path(name)
    part = path.with_name(path.name + ".part")
    try:
        with part.open("wb", buffering=BUFFER_BYTES) as under:
            if name.endswith(".gz"):
                with _gzip(filename="", fileobj=under, mode="wb", compresslevel=COMPRESSION_LEVEL) as packed:
                    yield packed
            else:
                yield under
        part.replace(path)
    except OSError as fault:
        raise click.ClickException(f"cannot write {name}: {fault.strerror or fault}") from None
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
