"""A table's streams: how one begins and ends, and what to call it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import NamedTuple

from alt.errors import ApiError, resource_not_found, validation
from alt.operations.arns import Place, table_arn
from alt.operations.context import Context
from alt.storage.engine import Table
from alt.storage.model.changes import readable_streams
from alt.storage.model.definition import StreamDefinition, TableDefinition

Streams = tuple[StreamDefinition, ...]

# arn:aws:dynamodb:us-east-1:123456789012:table/Name/stream/2026-11-24T12:00:00.000
_STREAM_ARN = re.compile(
    r"arn:aws[a-z-]*:dynamodb:[a-z0-9-]*:[0-9]*:table/([a-zA-Z0-9_.-]{3,255})/stream/([0-9T:.-]{1,64})"
)
_MILLISECOND = 0.001


class Stream(NamedTuple):
    """A stream that can be read, and its table."""

    table: Table
    definition: StreamDefinition


def with_new_stream(streams: Streams, view_type: str, shards: int, now: float, last_change: int) -> Streams:
    """The table's streams and one more, which begins after this change."""
    created = free_moment(streams, now)
    return (*streams, StreamDefinition(_label(created), view_type, shards, created, last_change))


def free_moment(streams: Iterable[StreamDefinition], now: float) -> float:
    """When a stream may begin: now, but two streams of one millisecond must not have one label."""
    return max((now, *(round(stream.created + _MILLISECOND, 3) for stream in streams)))


def stream_arn(place: Place, table: str, label: str) -> str:
    return f"{table_arn(place, table)}/stream/{label}"


def parse_stream_arn(arn: str) -> tuple[str, str]:
    """The name of the table, and the stream's label."""
    match = _STREAM_ARN.fullmatch(arn)
    if match is None:
        raise validation("Invalid StreamArn")
    return match.group(1), match.group(2)


def find_stream(context: Context, arn: str) -> Stream:
    """The stream of an ARN of any region, of a table that there is or that was deleted.

    Raises ResourceNotFoundException, or for no ARN ValidationException.
    """
    name, label = parse_stream_arn(arn)
    for definition in _definitions(context, name):
        for stream in readable_streams(definition, context.clock()):
            if stream.label == label:
                return Stream(_table(context, definition), stream)
    raise _not_found(arn)


def _definitions(context: Context, name: str) -> Iterator[TableDefinition]:
    if (definition := context.engine.definition(name)) is not None:
        yield definition
    yield from deleted_tables(context, name)


def deleted_tables(context: Context, name: str) -> list[TableDefinition]:
    """Those that had this name."""
    return [definition for definition in context.engine.deleted() if definition.name == name]


def _table(context: Context, definition: TableDefinition) -> Table:
    if definition.deleted is None:
        return context.table(definition.name)
    table = context.engine.deleted_table(definition)
    if table is None:
        raise resource_not_found()
    return table


def _not_found(arn: str) -> ApiError:
    return resource_not_found(f"Requested resource not found: Stream: {arn} not found")


def _label(created: float) -> str:
    return datetime.fromtimestamp(created, UTC).replace(tzinfo=None).isoformat(timespec="milliseconds")
