"""ListStreams, DescribeStream, GetShardIterator, GetRecords: a table's change log, read as DynamoDB Streams."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from alt.config import MAX_PAGE_BYTES
from alt.errors import validation
from alt.operations.arns import Place
from alt.operations.caller import Caller
from alt.operations.context import Context
from alt.operations.keys import key_schema
from alt.operations.reply import body, members
from alt.operations.streams import positions
from alt.operations.streams.records import RecordWriter
from alt.operations.streams.settings import (
    Stream,
    find_stream,
    parse_stream_arn,
    stream_arn,
)
from alt.storage.engine import Answer, then
from alt.storage.model.changes import ChangesFound, ChangesRead, Positions, readable_streams
from alt.storage.model.definition import StreamDefinition
from alt.values.json import dumps

if TYPE_CHECKING:
    from alt.validation.requests import (
        DescribeStreamInput,
        GetRecordsInput,
        GetShardIteratorInput,
        ListStreamsInput,
    )

MAX_STREAMS_A_PAGE = 100
MAX_SHARDS_A_PAGE = 100
MAX_RECORDS = 1_000
# How many changes, of all shards, one GetRecords looks at: about 5 ms.
MAX_CHANGES_SCANNED = 4_000


def list_streams(context: Context, request: ListStreamsInput, caller: Caller) -> bytes:
    """ListStreams (https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_streams_ListStreams.html).

    Ordered by table and age, after one that need not exist, with the last of a page that is not the last. Streams of
    deleted tables are among them, but for one that a loaded snapshot has brought back.
    """
    limit = _limit(request, MAX_STREAMS_A_PAGE)
    start = request.get("ExclusiveStartStreamArn")
    after = None if start is None else parse_stream_arn(start)
    wanted = request.get("TableName")
    now = context.clock()
    found = sorted(
        {
            (definition.name, stream.label)
            for definition in (*context.engine.definitions(), *context.engine.deleted())
            if wanted in (None, definition.name)
            for stream in readable_streams(definition, now)
            if after is None or (definition.name, stream.label) > after
        }
    )
    streams = [
        {"StreamArn": stream_arn(caller.place, name, label), "TableName": name, "StreamLabel": label}
        for name, label in found[:limit]
    ]
    answer: dict[str, Any] = {"Streams": streams}
    if len(found) > limit:
        answer["LastEvaluatedStreamArn"] = streams[-1]["StreamArn"]
    return body(answer)


def describe_stream(context: Context, request: DescribeStreamInput, caller: Caller) -> bytes:
    """DescribeStream (https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_streams_DescribeStream.html)."""
    limit = _limit(request, MAX_SHARDS_A_PAGE)
    description = describe(find_stream(context, request["StreamArn"]), caller.place)
    shards, start = description["Shards"], request.get("ExclusiveStartShardId")
    if request.get("ShardFilter") is not None:
        shards = []  # of children: there are none, since the shards a stream begins with stay until it ends
    if start is not None:
        shards = [shard for shard in shards if shard["ShardId"] > start]
    description["Shards"] = shards[:limit]
    if len(shards) > limit:
        description["LastEvaluatedShardId"] = shards[limit - 1]["ShardId"]
    return body({"StreamDescription": description})


def describe(stream: Stream, place: Place) -> dict[str, Any]:
    """The StreamDescription with all shards."""
    definition, table = stream.definition, stream.table.definition
    return {
        "StreamArn": stream_arn(place, table.name, definition.label),
        "StreamLabel": definition.label,
        "StreamStatus": "ENABLED" if definition.disabled is None else "DISABLED",
        "StreamViewType": definition.view_type,
        "CreationRequestDateTime": definition.created,
        "TableName": table.name,
        "KeySchema": key_schema(table.key_attributes[:1], table.key_attributes[1:]),
        "Shards": [_shard(definition, shard_id) for shard_id in positions.shard_ids(definition)],
    }


def get_shard_iterator(context: Context, request: GetShardIteratorInput, caller: Caller) -> Answer[bytes]:  # noqa: ARG001
    """GetShardIterator (https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_streams_GetShardIterator.html)."""
    stream = find_stream(context, request["StreamArn"])
    shard = positions.shard_number(stream.definition, request["ShardId"])
    now = context.clock()

    def answer(log: Positions) -> bytes:
        position = positions.start_position(stream.definition, request, now, log)
        iterator = positions.ShardIterator(request["StreamArn"], shard, position, now)
        return body({"ShardIterator": iterator.token()})

    return then(stream.table.positions(*positions.moments(request.get("Timestamp"), now)), answer)


def get_records(context: Context, request: GetRecordsInput, caller: Caller) -> Answer[bytes]:
    """GetRecords (https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_streams_GetRecords.html)."""
    limit = _limit(request, MAX_RECORDS)
    now = context.clock()
    iterator = positions.parse_iterator(request["ShardIterator"], now)
    stream = find_stream(context, iterator.arn)
    definition = stream.definition
    if iterator.shard >= definition.shards:
        raise positions.invalid_iterator()
    writer = RecordWriter(stream.table.definition, definition, caller.region)
    read = ChangesRead(
        iterator.position,
        positions.shard_slots(definition, iterator.shard),
        writer.shows_old,
        writer.shows_new,
        definition.last,
        limit,
        MAX_CHANGES_SCANNED,
    )

    def answer(found: ChangesFound) -> bytes:
        last = positions.end(definition, found)
        if iterator.position > last + 1:
            raise positions.invalid_iterator()
        if iterator.position < min(max(found.trimmed, definition.first), last):
            raise positions.trimmed()
        records, position = _records(writer, found)
        place = stream.table.definition.name, stream.table.definition.id, iterator.shard
        context.observed.stream_lags[place] = _lag(found, position, last, now)
        ended = definition.last is not None and position >= last
        following = None if ended else dumps(iterator._replace(position=position, issued=now).token())
        return members(Records=f"[{','.join(records)}]", NextShardIterator=following)

    return then(stream.table.changes(read), answer)


def _lag(found: ChangesFound, position: int, last: int, now: float) -> float:
    """How old the last change is that was read, in seconds, where others follow it."""
    if position >= last or not found.changes:
        return 0.0
    return max(0.0, now - found.changes[-1].at)


def _records(writer: RecordWriter, found: ChangesFound) -> tuple[list[str], int]:
    """A page of records, and the position after it."""
    records: list[str] = []
    size = 0
    for change in found.changes:
        record, record_size = writer.record(change)
        size += record_size
        if records and size > MAX_PAGE_BYTES:
            return records, change.seq - 1
        records.append(record)
    return records, found.position


def _shard(stream: StreamDefinition, shard_id: str) -> dict[str, Any]:
    numbers = {"StartingSequenceNumber": positions.sequence_number(stream.first + 1)}
    if stream.last is not None:
        # A shard without a record has a range all the same.
        numbers["EndingSequenceNumber"] = positions.sequence_number(max(stream.last, stream.first + 1))
    return {"ShardId": shard_id, "SequenceNumberRange": numbers}


def _limit(request: ListStreamsInput | DescribeStreamInput | GetRecordsInput, maximum: int) -> int:
    limit = request.get("Limit") or maximum
    if limit > maximum:
        raise validation(
            f"1 validation error detected: Value '{limit}' at 'limit' failed to satisfy constraint: "
            f"Member must have value less than or equal to {maximum}"
        )
    return limit
