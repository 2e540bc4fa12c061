"""A table's streams: how one begins and ends, and what to call it."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import NamedTuple

from alt.errors import ApiError, resource_not_found, validation
from alt.operations.arns import table_arn
from alt.operations.context import Context
from alt.storage.engine import Table
from alt.storage.model.changes import stream_ended
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
    created = now
    if streams:  # two streams of one millisecond must not have one label
        created = max(now, round(streams[-1].created + _MILLISECOND, 3))
    return (*streams, StreamDefinition(_label(created), view_type, shards, created, last_change))


def with_stream_disabled(streams: Streams, now: float, last_change: int) -> Streams:
    """The table's streams, the last of them closed after this change."""
    return (*streams[:-1], replace(streams[-1], last=last_change, disabled=now))


def readable_streams(definition: TableDefinition, now: float) -> Streams:
    """The streams that are on, or were disabled less than a day ago."""
    return tuple(stream for stream in definition.streams if not stream_ended(stream.disabled, now))


def stream_arn(region: str, table: str, label: str) -> str:
    return f"{table_arn(region, table)}/stream/{label}"


def parse_stream_arn(arn: str) -> tuple[str, str]:
    """The name of the table, and the stream's label."""
    match = _STREAM_ARN.fullmatch(arn)
    if match is None:
        raise validation("Invalid StreamArn")
    return match.group(1), match.group(2)


def find_stream(context: Context, arn: str) -> Stream:
    """The stream of an ARN of any region. Raises ResourceNotFoundException, or for no ARN ValidationException."""
    name, label = parse_stream_arn(arn)
    definition = context.engine.definition(name)
    streams = () if definition is None else readable_streams(definition, context.clock())
    stream = next((stream for stream in streams if stream.label == label), None)
    if stream is None:
        raise _not_found(arn)
    return Stream(context.table(name), stream)


def _not_found(arn: str) -> ApiError:
    return resource_not_found(f"Requested resource not found: Stream: {arn} not found")


def _label(created: float) -> str:
    return datetime.fromtimestamp(created, UTC).replace(tzinfo=None).isoformat(timespec="milliseconds")
