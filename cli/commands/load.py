"""`alt load`: items from a file or a pipe into a table."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from ..asking.answering import asked_plainly
from ..asking.finding import place_option
from ..asking.listing import describe_table
from ..terminal import output
from ..terminal.progress import progress_bar
from ..transfer.aws_export import Export
from ..transfer.batch_writer import BatchWriter
from ..transfer.csv_records import ANY_TYPE, CELL_TYPES, csv_records
from ..transfer.files import PIPE, reading
from ..transfer.item_keys import key_types
from ..transfer.records import Record, json_records
from ..transfer.rejects import Rejects
from .items import plain_option

if TYPE_CHECKING:
    from ..asking.answering import Ask
    from ..asking.finding import Place
    from ..terminal.progress import Report

FORMATS = ("jsonl", "csv", "aws")
# Records between two looks at how far the file is read.
REPORT_EVERY = 1_000


class Source(NamedTuple):
    """What is loaded: its records, how many of its bytes have been read by now, and of how many."""

    records: Iterator[Record]
    position: Callable[[], int]
    size: int


format_option = click.option(
    "--format",
    "form",
    default="jsonl",
    show_default=True,
    type=click.Choice(FORMATS),
    help="jsonl: a line of JSON an item. csv: a line of names, then a record an item. aws: a folder as DynamoDB's exports "
    "to S3 have it.",
)


def _types(_context: click.Context, _option: click.Parameter, said: str | None) -> dict[str, str]:
    types = {}
    for pair in (said or "").split(",") if said else ():
        name, _, kind = pair.rpartition("=")
        if not name or kind not in CELL_TYPES:
            raise click.BadParameter(f"{pair} is no NAME=TYPE with a type of {', '.join(CELL_TYPES)}")
        types[name] = kind
    return types


@click.command()
@click.argument("table")
@click.argument("file")
@format_option
@plain_option
@click.option(
    "--types",
    metavar="NAME=TYPE,...",
    callback=_types,
    help=f"Types of CSV columns that are neither strings nor keys: N, B (base64), BOOL, or {ANY_TYPE} for plain JSON.",
)
@click.option(
    "--rejects",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where lines go that are not taken, with their numbers and reasons. [default: FILE.rejects, or TABLE.rejects]",
)
@place_option
@output.json_option()
def load(
    table: str,
    file: str,
    form: str,
    plain: bool,
    types: dict[str, str],
    rejects: Path | None,
    place: Place,
    as_json: bool,
) -> None:
    """Put the items of a file into a table that is there; of items with one key the last counts.

    FILE is decompressed if its name ends in .gz; - is standard input. A line that is not taken goes to the rejects,
    JSON lines with its number, its reason and its text, and makes the exit status 1.

    \b
    Example: alt load Music songs.jsonl.gz --plain --rejects bad.jsonl
    """
    if form == "aws" and (plain or file == PIPE):
        raise click.UsageError("--format aws takes a folder, in DynamoDB JSON or Ion.")
    if types and form != "csv":
        raise click.UsageError("--types is about --format csv.")
    rejected = _rejects(rejects, table, file)
    try:
        with asked_plainly(place) as ask, progress_bar() as report:
            keys = key_types(describe_table(ask, table))
            with _reading(file, form, types | keys, list(keys), plain=plain) as source:
                count = _write(ask, table, keys, source, rejected, report)
    finally:
        rejected.close()
    _conclude(table, count, rejected, as_json=as_json)


def _rejects(path: Path | None, table: str, file: str) -> Rejects:
    """Where they go. A file that is named begins empty; to one that nobody named is added, for nobody has seen it."""
    if path is None:
        return Rejects(Path(f"{table if file == PIPE else file.rstrip('/')}.rejects"))
    if file != PIPE and path.exists() and Path(file).exists() and path.samefile(file):
        raise click.UsageError("--rejects is the file that is loaded: name another.")
    rejected = Rejects(path)
    rejected.begin()
    return rejected


@contextmanager
def _reading(
    file: str, form: str, types: Mapping[str, str], keys: list[str], *, plain: bool
) -> Iterator[Source]:
    if form == "aws":
        export = Export(Path(file))
        yield Source(export.records(), export.position, export.bytes)
        return
    with reading(file) as opened:
        if form == "csv":
            records = csv_records(opened.lines, file, types, keys)
        else:
            records = json_records(opened.lines, file, plain=plain)
        yield Source(records, opened.position, opened.size)


def _write(
    ask: Ask, table: str, keys: Mapping[str, str], source: Source, rejected: Rejects, report: Report
) -> int:
    """How many records there were."""
    count = 0
    try:
        with BatchWriter(ask, table, keys, rejected) as writer:
            for count, record in zip(itertools.count(1), source.records, strict=False):
                writer.put(record)
                if count % REPORT_EVERY == 0:
                    report(f"Loading {table}: {count:,}", source.position(), source.size)
    except BaseException:
        click.echo(f"Stopped after {output.counted(count)}; to load them again does no harm.", err=True)
        raise
    return count


def _conclude(table: str, count: int, rejected: Rejects, *, as_json: bool) -> None:
    loaded = count - rejected.count
    if as_json:
        said: dict[str, Any] = {"loaded": loaded, "rejected": rejected.count}
        output.json({**said, "rejects": str(rejected.path) if rejected.count else None})
    else:
        click.echo(f"Loaded {loaded:,} of {output.counted(count)} into {table}.")
    if rejected.count:
        raise click.ClickException(
            f"{rejected.count:,} lines were not taken: {rejected.path} has them and why"
        )
