"""`alt dump`: all items of a table to a file or a pipe."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

from alt.values.json import dumps

from ..asking.answering import asked_plainly
from ..asking.finding import place_option
from ..asking.listing import describe_table
from ..terminal import output
from ..terminal.progress import progress_bar
from ..transfer.aws_export import ExportWriter
from ..transfer.csv_records import Columns, CsvWriter
from ..transfer.files import PIPE, writing
from ..transfer.item_json import read_item, write_item
from ..transfer.item_keys import key_types
from ..transfer.scanning import all_items
from .items import plain_option
from .load import REPORT_EVERY, format_option

if TYPE_CHECKING:
    from alt.values.types import Item

    from ..asking.finding import Place
    from ..terminal.output import Description
    from ..terminal.progress import Report


@click.command()
@click.argument("table")
@click.argument("file")
@format_option
@plain_option
@place_option
@output.json_option()
def dump(table: str, file: str, form: str, plain: bool, place: Place, as_json: bool) -> None:
    """Write all items of a table to a file, which `alt load` reads.

    FILE is compressed if its name ends in .gz; - is standard output. With --format aws it is a folder that is made.
    What is written meanwhile may be in it or not.

    \b
    Example: alt dump Music songs.jsonl.gz --plain
    """
    if form == "aws" and (plain or file == PIPE):
        raise click.UsageError("--format aws makes a folder, in DynamoDB JSON.")
    types = ""
    with asked_plainly(place) as ask, progress_bar() as report:
        description = describe_table(ask, table)
        found = _Counted(all_items(ask, table), table, description.get("ItemCount", 0), report)
        if form == "aws":
            ExportWriter(Path(file), description).write(iter(found))
        else:
            with writing(file) as opened:
                if form == "csv":
                    types = _csv(opened, found, description)
                else:
                    for item in found:
                        opened.write(write_item(item, plain=plain).encode() + b"\n")
    _conclude(table, file, found.count, types, as_json=as_json)


class _Counted:
    """Items that pass by, counted."""

    def __init__(self, items: Iterator[Item], table: str, total: int, report: Report) -> None:
        self.count = 0
        self._items = items
        self._table = table
        self._total = total
        self._report = report

    def __iter__(self) -> Iterator[Item]:
        for item in self._items:
            self.count += 1
            if self.count % REPORT_EVERY == 0:
                self._report(f"Dumping {self._table}", self.count, max(self.count, self._total))
            yield item


def _csv(file: IO[bytes], items: _Counted, description: Description) -> str:
    """Answers what `--types` has to say. Which columns there are is known once all items have been seen."""
    columns = Columns(key_types(description))
    with tempfile.TemporaryFile() as seen:
        for item in items:
            columns.see(item)
            seen.write(dumps(item).encode() + b"\n")
        seen.seek(0)
        writer = CsvWriter(file, columns.types)
        for line in seen:
            writer.add(read_item(line, plain=False))
    return columns.unsaid()


def _conclude(table: str, file: str, count: int, types: str, *, as_json: bool) -> None:
    """On standard error where the items are on standard output."""
    if as_json and file != PIPE:
        output.json({"dumped": count, "types": types})
        return
    click.echo(f"Dumped {output.counted(count)} of {table}.", err=file == PIPE)
    if types:
        click.echo(f"To load them: --format csv --types '{types}'", err=file == PIPE)
