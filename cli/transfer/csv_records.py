"""Items as comma-separated values: a line of names, then one record an item.

A column has one type: a key attribute the table's, any other what is said of it, S if nothing is. S, N, B (base64) and BOOL
(true, false) stand in cells bare; JSON is plain JSON, and so takes every type. An empty cell is no attribute.
"""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import IO, TYPE_CHECKING

import click

from .item_json import read_value, write_value
from .records import Record, numbered

if TYPE_CHECKING:
    from alt.values.types import AttributeValue, Item

BARE = ("S", "N", "B", "BOOL")
ANY_TYPE = "JSON"
CELL_TYPES = (*BARE, ANY_TYPE)
MAX_CELL_BYTES = 16 * 1024 * 1024  # Python's own limit is below an item's
_FLAGS = {"true": True, "false": False}


class _Lines:
    """Lines as text, and those of the record being read. A byte that is no UTF-8 is kept, and seen later."""

    def __init__(self, lines: Iterable[tuple[int, bytes]]) -> None:
        self._lines = iter(lines)
        self._taken: deque[tuple[int, bytes]] = deque()

    def __iter__(self) -> Iterator[str]:
        for number, raw in self._lines:
            self._taken.append((number, raw))
            yield raw.decode(errors="surrogateescape")

    def record(self) -> tuple[int, bytes]:
        """The number of the first line taken since the last call, and all of them."""
        first = self._taken[0][0]
        raw = b"".join(line for _, line in self._taken)
        self._taken.clear()
        return first, raw


def csv_records(
    lines: IO[bytes], name: str, types: Mapping[str, str], keys: Sequence[str]
) -> Iterator[Record]:
    """The items below the names. `types` of columns that are no strings; `keys` have to be among the names."""
    csv.field_size_limit(MAX_CELL_BYTES)
    taken = _Lines(numbered(lines, name))
    rows = csv.reader(taken, strict=True)
    names = _names(rows, name, types, keys)
    taken.record()
    while True:
        problem, row = "", []
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error as fault:
            problem = f"no CSV: {fault}"
        number, raw = taken.record()
        if not row and not problem:
            continue  # a blank line
        try:
            if problem:
                raise ValueError(problem)
            yield Record(number, raw, _item(names, row, types))
        except ValueError as fault:
            yield Record(number, raw, None, str(fault))


def _names(rows: Iterator[list[str]], name: str, types: Mapping[str, str], keys: Sequence[str]) -> list[str]:
    try:
        names = next(rows, [])
    except csv.Error as fault:
        raise click.ClickException(f"{name}: its first line is no CSV: {fault}") from None
    if twice := {each for each in names if names.count(each) > 1}:
        raise click.ClickException(f"{name}: its first line names {sorted(twice)[0]} twice")
    if missing := [each for each in keys if each not in names]:
        raise click.ClickException(
            f"{name}: its first line names the attributes, and {missing[0]}, which is the table's key, is not there"
        )
    if unknown := [each for each in types if each not in names and each not in keys]:
        raise click.ClickException(f"{name} has no column {unknown[0]} for --types")
    return names


def _item(names: Sequence[str], row: Sequence[str], types: Mapping[str, str]) -> Item:
    if len(row) != len(names):
        raise ValueError(f"{len(row)} cells where the first line names {len(names)}")
    return {
        name: _value(types.get(name, "S"), name, cell) for name, cell in zip(names, row, strict=True) if cell
    }


def _value(kind: str, name: str, cell: str) -> AttributeValue:
    if not cell.isascii():
        try:
            cell.encode()
        except UnicodeEncodeError:
            raise ValueError("no UTF-8 text") from None
    if kind == ANY_TYPE:
        try:
            return read_value(cell)
        except ValueError as fault:
            raise ValueError(f"{name}: {fault}") from None
    if kind == "BOOL":
        if cell not in _FLAGS:
            raise ValueError(f"{name}: {cell} is neither true nor false")
        return {"BOOL": _FLAGS[cell]}
    return {kind: cell}


class Columns:
    """The names and types of the columns that items need."""

    def __init__(self, types: Mapping[str, str]) -> None:
        """`types` are those of the key attributes, which come first."""
        self._keys = frozenset(types)
        self.types = dict(types)

    def see(self, item: Item) -> None:
        for name, value in item.items():
            ((kind, content),) = value.items()
            if kind not in BARE or content == "":
                kind = ANY_TYPE
            if self.types.setdefault(name, kind) != kind:
                self.types[name] = ANY_TYPE

    def unsaid(self) -> str:
        """What `--types` has to say for the file to be read again; empty if nothing."""
        told = (
            f"{name}={kind}" for name, kind in self.types.items() if kind != "S" and name not in self._keys
        )
        return ",".join(told)


class CsvWriter:
    """Writes items under the names of their columns."""

    def __init__(self, file: IO[bytes], types: Mapping[str, str]) -> None:
        self._types = types
        self._file = file
        # With this end of a line a carriage return within a cell is quoted, too.
        self._rows = csv.writer(self, lineterminator="\r\n")
        self._rows.writerow(types)

    def write(self, line: str) -> None:
        """For the rows: a line ends as it does elsewhere."""
        self._file.write(line.removesuffix("\r\n").encode() + b"\n")

    def add(self, item: Item) -> None:
        self._rows.writerow([_cell(item.get(name), kind) for name, kind in self._types.items()])


def _cell(value: AttributeValue | None, kind: str) -> str:
    if value is None:
        return ""
    if kind == ANY_TYPE:
        return write_value(value)
    if kind == "BOOL":
        return "true" if value["BOOL"] else "false"
    text: str = value[kind]
    return text
