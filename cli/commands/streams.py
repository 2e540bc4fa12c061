"""`alt streams`: list the streams of a data directory, and follow a table's changes as they are made."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import ujson

from ..asking.data_directory import data_dir_option, opened
from ..terminal import output

if TYPE_CHECKING:
    from alt.operations.streams.settings import Stream
    from alt.storage.model.definition import StreamDefinition, TableDefinition
    from alt.storage.sqlite.table import Table

    from ..asking.data_directory import Opened

LIST_HEADINGS = ("Table", "Records", "View", "Shards", "Status", "ARN")
POLL_SECONDS = 0.2
MAX_RECORDS_AT_ONCE = 1_000  # bounds how long one read keeps SQLite from truncating its log
EVENT_COLOURS = {"INSERT": "green", "MODIFY": "yellow", "REMOVE": "red"}


@click.group()
def streams() -> None:
    """List streams and follow changes, whether a server runs or not."""


@streams.command()
@data_dir_option
@output.json_option("DescribeStream")
def ls(data_dir: Path | None, as_json: bool) -> None:
    """List the streams that can be read.

    On a terminal as a table; in a pipe one line a stream, tab-separated: table, records,
    view type, shards, status, ARN.

    \b
    Example: alt streams ls
    """
    from alt.operations.arns import DEFAULT_PLACE
    from alt.operations.streams.streams import describe
    from alt.storage.model.changes import readable_streams
    from alt.storage.sqlite.data_directory import UnusableDataError

    described, counts, problems = [], [], []
    with opened(data_dir) as data:
        for definition in (*data.store.definitions(), *data.store.deleted()):
            for each in readable_streams(definition, data.context.clock()):
                try:
                    stream, records = _counted(data, definition, each)
                except UnusableDataError as error:
                    problems.append(str(error))
                    continue
                described.append(describe(stream, DEFAULT_PLACE))
                counts.append(records)
    if as_json:
        output.json(described)
    else:
        output.table(LIST_HEADINGS, map(_row, described, counts))
    if problems:
        raise click.ClickException("; ".join(problems))


@streams.command()
@click.argument("table")
@click.option(
    "--from",
    "start",
    default="latest",
    show_default=True,
    type=click.Choice(["trim", "latest"]),
    help="trim: begin with the oldest record there is. latest: only what happens from now on.",
)
@click.option(
    "--json", "as_json", is_flag=True, help="Print each record as one line of JSON, as GetRecords does."
)
@data_dir_option
def tail(table: str, start: str, as_json: bool, data_dir: Path | None) -> None:
    """Follow a table's stream until interrupted.

    A line a record: time, event, sequence number, keys, and what the stream shows of the
    item after and before; tab-separated in a pipe.

    \b
    Example: alt streams tail Music --from trim --json
    """
    with opened(data_dir) as data:
        try:
            for record in _follow(data, table, from_start=start == "trim"):
                click.echo(record if as_json else _line(ujson.loads(record)))
        except KeyboardInterrupt:
            return
    click.echo(f"The stream of {table} was disabled.", err=True)


def _follow(data: Opened, table: str, *, from_start: bool) -> Iterator[str]:
    """The records of all shards as JSON, in the order of the changes; ends with the stream."""
    from alt.operations.arns import DEFAULT_PLACE
    from alt.operations.streams import positions
    from alt.operations.streams.records import RecordWriter
    from alt.storage.model.changes import ChangesRead
    from alt.storage.model.ranges import SlotRange

    source, stream = _current(data, table)
    label = stream.label
    log = source.positions(*positions.moments(None, data.context.clock()))
    position = (positions.horizon if from_start else positions.end)(stream, log)
    while True:
        log = source.positions()
        end = positions.end(stream, log)
        if position < log.trimmed:
            click.echo("Some records were trimmed before they were read.", err=True)
            position = log.trimmed
        writer = RecordWriter(source.definition, stream, DEFAULT_PLACE.region)
        last = min(end, position + MAX_RECORDS_AT_ONCE)
        read = ChangesRead(
            position,
            SlotRange(),
            writer.shows_old,
            writer.shows_new,
            last,
            MAX_RECORDS_AT_ONCE,
            MAX_RECORDS_AT_ONCE,
        )
        found = source.changes(read)
        for change in found.changes:
            yield writer.record(change)[0]
        position = found.position
        if position < end:
            continue
        if stream.last is not None:
            return
        sys.stdout.flush()
        time.sleep(POLL_SECONDS)
        source, stream = _current(data, table, label)


def _counted(data: Opened, table: TableDefinition, definition: StreamDefinition) -> tuple[Stream, int]:
    """A stream and how many records can be read from it."""
    from alt.operations.streams import positions
    from alt.operations.streams.settings import Stream
    from alt.storage.sqlite.data_directory import UnusableDataError, using

    with using(f"table {table.name}"):
        found = data.table(table.name) if table.deleted is None else data.store.deleted_table(table)
        if found is None:
            raise UnusableDataError(f"table {table.name} was deleted, and what was kept of it is gone")
        log = found.positions(*positions.moments(None, data.context.clock()))
        return Stream(found, definition), positions.end(definition, log) - positions.horizon(definition, log)


def _current(data: Opened, table: str, label: str | None = None) -> tuple[Table, StreamDefinition]:
    """The table's stream that is on, or the one of this label."""
    from alt.storage.model.changes import readable_streams
    from alt.storage.sqlite.data_directory import using

    definition = data.store.definition(table)
    if definition is None:
        raise click.ClickException(f"no table {table}: `alt tables ls` lists those there are")
    found = [each for each in readable_streams(definition, data.context.clock()) if each.label == label]
    if label is None and definition.stream is not None:
        found = [definition.stream]
    if not found:
        raise click.ClickException(
            f"{table} has no stream that is on: UpdateTable with a StreamSpecification turns one on"
        )
    with using(f"table {table}"):
        return data.table(table), found[0]


def _row(description: dict[str, Any], records: int) -> list[output.Cell]:
    return [
        output.Cell(description["TableName"]),
        output.Cell(str(records), f"{records:,}"),
        output.Cell(description["StreamViewType"]),
        output.Cell(str(len(description["Shards"]))),
        output.Cell(description["StreamStatus"]),
        output.Cell(description["StreamArn"]),
    ]


def _line(record: dict[str, Any]) -> str:
    change = record["dynamodb"]
    when = output.time(change["ApproximateCreationDateTime"])
    shown = [_json(change[member]) for member in ("Keys", "NewImage", "OldImage") if member in change]
    event = record["eventName"]
    if not sys.stdout.isatty():
        return "\t".join([when.plain, event, change["SequenceNumber"], *shown])
    coloured = click.style(event, fg=EVENT_COLOURS[event])
    return "  ".join([when.pretty or when.plain, coloured, *shown])


def _json(value: Any) -> str:
    """JSON for a person to read, without what a terminal might take for a command."""
    text: str = ujson.dumps(value, ensure_ascii=False, escape_forward_slashes=False)
    return text if text.isprintable() else str(ujson.dumps(value, escape_forward_slashes=False))
