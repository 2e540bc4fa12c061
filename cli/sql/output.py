"""How `alt sql` prints what statements answer, and what is wrong with them."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from enum import Enum
from typing import TYPE_CHECKING

import click

from alt.values.json import dumps
from alt.values.types import AttributeValue, Item

from ..terminal import output

if TYPE_CHECKING:
    from rich.console import Console

# Where DynamoDB says that something is wrong: line, column and length.
_position = re.compile(r"\bat ([0-9]{1,9}):([0-9]{1,9}):([0-9]{1,9})")
_CONTEXT_CHARACTERS = 60  # of a long line, on each side of what is marked
_MESSAGE_CHARACTERS = 300  # of a long message, at both ends: it may quote a whole statement
_LINES_BESIDE = 6  # of the screen, for what stands around a table's rows


class Form(Enum):
    """How items are printed."""

    TABLE = "table"
    JSON = "JSON"
    WIRE = "DynamoDB JSON"
    CSV = "CSV"


def plain(value: AttributeValue) -> str:
    """A value as a person reads it: a text bare, anything else as a statement writes it."""
    from alt.expressions.partiql import literal_of

    text: str | None = value.get("S")
    return literal_of(value) if text is None else text


def plain_json(value: AttributeValue) -> str:
    """A value in JSON's own types. Numbers keep all their digits; sets are arrays, binaries base64."""
    ((kind, content),) = value.items()
    if kind == "N":
        number: str = content
        return number
    if kind == "NULL":
        return "null"
    if kind == "M":
        return _object(content)
    if kind == "L":
        return f"[{', '.join(map(plain_json, content))}]"
    if kind in ("SS", "NS", "BS"):
        return f"[{', '.join(plain_json({kind[0]: member}) for member in content)}]"
    return dumps(content)


def _object(item: Item) -> str:
    return "{" + ", ".join(f"{dumps(name)}: {plain_json(value)}" for name, value in item.items()) + "}"


def items(found: Iterable[Item], form: Form, keys: Sequence[str], *, is_paged: bool) -> int:
    """Print items, and answer how many they were. `keys` are the attributes to begin with.

    JSON is printed as it comes; columns are known once all is there. `is_paged`: what is longer than the
    screen goes through a pager.
    """
    if form in (Form.JSON, Form.WIRE):
        number = 0
        for item in found:
            number += 1
            output.json_text(_object(item) if form is Form.JSON else dumps(item))
        return number
    all_items = list(found)
    names = dict.fromkeys(name for item in all_items for name in item)
    columns = list(dict.fromkeys([*(key for key in keys if key in names), *names]))
    if form is Form.CSV:
        _csv(columns, all_items)
    elif columns:
        _table(columns, all_items, is_paged=is_paged)
    return len(all_items)


def _csv(columns: Sequence[str], found: Sequence[Item]) -> None:
    if not columns:
        return
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_text(item, name) for name in columns] for item in found)
    lines = text.getvalue()
    click.echo("\n".join(map(_shown, lines.split("\n"))) if output.is_terminal() else lines, nl=False)


def _table(columns: Sequence[str], found: Sequence[Item], *, is_paged: bool) -> None:
    rows = [[output.Cell(_text(item, name)) for name in columns] for item in found]
    if not output.is_terminal():
        output.tabbed([[output.Cell(name) for name in columns], *rows])
        return
    from rich.console import Console

    console = Console()
    numbers = {name for name in columns if all("N" in item.get(name, {"N": ""}) for item in found)}
    shown = output.drawn(columns, rows, numbers)
    if is_paged and len(rows) > console.height - _LINES_BESIDE:
        _page(console, shown)
    else:
        console.print(shown)


def _page(console: Console, shown: object) -> None:
    with console.pager():
        console.print(shown)


def _text(item: Item, name: str) -> str:
    value = item.get(name)
    return "" if value is None else plain(value)


def problem(message: str, statement: str, line: int | None = None) -> None:
    """What is wrong in one line, and under it the place if the message names one. `line`: that of the script."""
    place = "" if line is None else f"line {line}: "
    said = " ".join(message.split())
    if len(said) > 2 * _MESSAGE_CHARACTERS:
        said = f"{said[:_MESSAGE_CHARACTERS]} ... {said[-_MESSAGE_CHARACTERS:]}"
    click.echo(f"Error: {place}{said}", err=True)
    for shown in marked(message, statement):
        click.echo(f"  {shown}", err=True)


def marked(message: str, statement: str) -> list[str]:
    """The line that a message speaks of, and carets under the place; nothing where it speaks of none."""
    found = _position.search(message)
    lines = statement.split("\n")
    if found is None or not 0 < int(found[1]) <= len(lines):
        return []
    from rich.cells import cell_len

    line, start, length = lines[int(found[1]) - 1], int(found[2]) - 1, int(found[3])
    begin = max(0, start - _CONTEXT_CHARACTERS)
    before, what = _shown(line[begin:start]), _shown(line[start : start + length])
    after = _shown(line[start + length :][:_CONTEXT_CHARACTERS])
    return [before + what + after, " " * cell_len(before) + "^" * max(1, cell_len(what))]


def _shown(text: str) -> str:
    """The same without what a terminal obeys: a tab is a blank."""
    return "".join(character if character.isprintable() else " " for character in text)
