"""Where a reader of a stream stands: shards, sequence numbers and iterators.

A shard is a range of slots, the same for the stream's whole life, so that the changes
of one partition key are in one shard, in order. A position is the number of the last
change in the table's log that the reader is done with; a sequence number is a change's
number in DynamoDB's dress.
"""

from __future__ import annotations

import math
import re
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import TYPE_CHECKING, NamedTuple

from alt.errors import ApiError, invalid_parameters, resource_not_found, validation
from alt.storage.model.changes import ITERATOR_SECONDS, STREAM_SECONDS, ChangesFound, Positions
from alt.storage.model.definition import StreamDefinition
from alt.storage.model.keys import ITEMS
from alt.storage.model.ranges import SlotRange

if TYPE_CHECKING:
    from alt.validation.requests import GetShardIteratorInput

# SDKs want 21 digits at least.
_SEQUENCE_BASE = 10**20
_SEQUENCE_NUMBER = re.compile(r"[0-9]{21,40}")
_SHARD_ID = "shardId-{milliseconds:020d}-{number:08x}"
# Of an iterator: the shard's number, the position, and when it was issued in epoch milliseconds.
_ITERATOR = struct.Struct(">IQQ")
_ITERATOR_VERSION = "1"


class ShardIterator(NamedTuple):
    """A shard iterator: the ARN of its stream, the shard's number, a position, and its time (epoch seconds)."""

    arn: str
    shard: int
    position: int
    issued: float

    def token(self) -> str:
        packed = _ITERATOR.pack(self.shard, self.position, round(self.issued * 1000))
        return f"{self.arn}|{_ITERATOR_VERSION}|{urlsafe_b64encode(packed).decode()}"


def parse_iterator(token: str, now: float) -> ShardIterator:
    """Raises ValidationException for what is no iterator, ExpiredIteratorException for one too old."""
    arn, _, rest = token.partition("|")
    version, _, packed = rest.partition("|")
    try:
        shard, position, issued = _ITERATOR.unpack(urlsafe_b64decode(packed))
    except (ValueError, struct.error):
        raise invalid_iterator() from None
    if version != _ITERATOR_VERSION:
        raise invalid_iterator()
    iterator = ShardIterator(arn, shard, position, issued / 1000)
    if now - iterator.issued > ITERATOR_SECONDS:
        raise ApiError("ExpiredIteratorException", "The provided iterator exceeds the maximum age allowed.")
    return iterator


def invalid_iterator() -> ApiError:
    return validation("Invalid ShardIterator")


def trimmed() -> ApiError:
    return ApiError("TrimmedDataAccessException", "The data you are trying to access has been trimmed")


def sequence_number(change: int) -> str:
    return str(_SEQUENCE_BASE + change)


def shard_ids(stream: StreamDefinition) -> list[str]:
    """In their order as texts, too."""
    milliseconds = round(stream.created * 1000)
    return [_SHARD_ID.format(milliseconds=milliseconds, number=number) for number in range(stream.shards)]


def shard_number(stream: StreamDefinition, shard_id: str) -> int:
    ids = shard_ids(stream)
    if shard_id not in ids:
        raise resource_not_found("Requested resource not found: Shard does not exist")
    return ids.index(shard_id)


def shard_slots(stream: StreamDefinition, shard: int) -> SlotRange:
    return SlotRange.segment(ITEMS, shard, stream.shards)


def end(stream: StreamDefinition, log: Positions | ChangesFound) -> int:
    """The position after the last record there is."""
    return log.last if stream.last is None else stream.last


def moments(timestamp: float | None, now: float) -> list[float]:
    """What has to be known of the log to begin at a time or, for None, elsewhere: the last changes up to these moments."""
    before = [] if timestamp is None else [math.nextafter(timestamp, -math.inf)]
    return [now - STREAM_SECONDS, *before]


def horizon(stream: StreamDefinition, log: Positions) -> int:
    """The position before the oldest record that is younger than a day: the log was asked for that moment first."""
    return min(max(stream.first, log.until[0]), end(stream, log))


def start_position(
    stream: StreamDefinition, request: GetShardIteratorInput, now: float, log: Positions
) -> int:
    """Where a GetShardIterator wants to begin."""
    kind, number = request["ShardIteratorType"], request.get("SequenceNumber")
    if kind in ("AT_SEQUENCE_NUMBER", "AFTER_SEQUENCE_NUMBER"):
        return _at_sequence_number(stream, kind, number, log)
    if number is not None:
        raise invalid_parameters(f"SequenceNumber must not be specified for ShardIteratorType {kind}")
    if kind == "LATEST":
        return end(stream, log)
    if kind == "TRIM_HORIZON":
        return horizon(stream, log)
    timestamp = request.get("Timestamp")
    if timestamp is None:
        raise invalid_parameters(f"Timestamp must be specified for ShardIteratorType {kind}")
    if timestamp > now:
        raise invalid_parameters("Timestamp must not be in the future")
    return min(max(log.until[1], horizon(stream, log)), end(stream, log))


def _at_sequence_number(stream: StreamDefinition, kind: str, number: str | None, log: Positions) -> int:
    if number is None:
        raise invalid_parameters(f"SequenceNumber must be specified for ShardIteratorType {kind}")
    change = int(number) - _SEQUENCE_BASE if _SEQUENCE_NUMBER.fullmatch(number) else -1
    # A shard's first sequence number is known before there is a change of that number.
    if not 0 <= change <= log.last + 1:
        raise validation("Invalid SequenceNumber")
    position = change if kind == "AFTER_SEQUENCE_NUMBER" else change - 1
    if position < horizon(stream, log):
        raise trimmed()
    return position
