"""What a file holds of items: record by record, each with its place and the text that stands there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import click
from zlib_ng import zlib_ng

from .item_json import read_item

if TYPE_CHECKING:
    from typing import IO

    from alt.values.types import Item

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
# What a file raises that is no gzip, breaks off, or is damaged.
BROKEN: tuple[type[Exception], ...] = (EOFError, OSError, cast(Any, zlib_ng.error))


class Record(NamedTuple):
    """An item, or None and what is wrong with the text. `line` counts from 1; `file` is of an export's."""

    line: int
    raw: bytes
    item: Item | None
    problem: str = ""
    file: str = ""


def numbered(lines: IO[bytes], name: str) -> Iterator[tuple[int, bytes]]:
    """Lines with their numbers. A file that breaks off ends the command."""
    number = 0
    try:
        for raw in lines:
            number += 1
            if number == 1:
                raw = raw.removeprefix(_BYTE_ORDER_MARK)
            yield number, raw
    except BROKEN as fault:
        raise click.ClickException(f"cannot read {name} beyond line {number}: {fault}") from None


def json_records(lines: IO[bytes], name: str, *, plain: bool) -> Iterator[Record]:
    """One item a line; blank lines are none."""
    for number, raw in numbered(lines, name):
        if raw.isspace():
            continue
        try:
            yield Record(number, raw, read_item(raw, plain=plain))
        except ValueError as fault:
            yield Record(number, raw, None, str(fault))
