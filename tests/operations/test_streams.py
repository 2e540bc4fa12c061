"""ListStreams, DescribeStream, GetShardIterator and GetRecords, while the clock stands still."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import pytest

from alt.config import MAX_STREAM_SHARDS
from alt.operations.streams import streams
from alt.storage.model.ranges import SlotRange
from alt.storage.sqlite.maintenance.log_trimming import LogTrim

NOON = 1_795_521_600.0  # the clock's standstill: Tuesday 24 November 2026, 12:00:00 UTC
DAY = 86_400.0
ARN = "arn:aws:dynamodb:us-east-1:000000000000:table/Music/stream/2026-11-24T12:00:00.000"
SHARD = "shardId-00000001795521600000-00000000"
SEQUENCE = 10**20


@pytest.fixture
def streamed(service: Any) -> Any:
    """With one table whose stream of one shard shows both images."""
    service.context.stream_shards = 1
    service.create(StreamSpecification=enabled())
    return service


def enabled(view_type: str = "NEW_AND_OLD_IMAGES") -> dict[str, Any]:
    return {"StreamEnabled": True, "StreamViewType": view_type}


def put(service: Any, pk: str, **attributes: str) -> dict[str, Any]:
    item = {"pk": {"S": pk}, **{name: {"S": text} for name, text in attributes.items()}}
    service("PutItem", TableName="Music", Item=item)
    return item


def delete(service: Any, pk: str) -> None:
    service("DeleteItem", TableName="Music", Key={"pk": {"S": pk}})


def iterator(service: Any, kind: str = "TRIM_HORIZON", **request: Any) -> str:
    found: str = service(
        "GetShardIterator", **{"StreamArn": ARN, "ShardId": SHARD, "ShardIteratorType": kind, **request}
    )["ShardIterator"]
    return found


def records(service: Any, kind: str = "TRIM_HORIZON", **request: Any) -> list[Any]:
    found: list[Any] = service("GetRecords", ShardIterator=iterator(service, kind, **request))["Records"]
    return found


def keys(found: list[Any]) -> list[str]:
    return [record["dynamodb"]["Keys"]["pk"]["S"] for record in found]


def test_a_record(streamed: Any) -> None:
    old = put(streamed, "a", x="1")
    streamed.now += 1.9
    new = put(streamed, "a", x="22")
    record = records(streamed)[1]
    event_id = record.pop("eventID")
    assert len(event_id) == 32
    assert int(event_id, 16)
    assert record == {
        "eventName": "MODIFY",
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": "us-east-1",
        "dynamodb": {
            "ApproximateCreationDateTime": NOON + 1,
            "Keys": {"pk": {"S": "a"}},
            "NewImage": new,
            "OldImage": old,
            "SequenceNumber": str(SEQUENCE + 2),
            "SizeBytes": 3 + 6 + 5,
            "StreamViewType": "NEW_AND_OLD_IMAGES",
        },
    }


@pytest.mark.parametrize(
    ("view_type", "insert", "modify", "remove"),
    [
        ("KEYS_ONLY", (3, None, None), (3, None, None), (3, None, None)),
        ("NEW_IMAGE", (8, "1", None), (9, "22", None), (3, None, None)),
        ("OLD_IMAGE", (3, None, None), (8, None, "1"), (9, None, "22")),
        ("NEW_AND_OLD_IMAGES", (8, "1", None), (14, "22", "1"), (9, None, "22")),
    ],
)
def test_view_types(
    any_service: Any,
    view_type: str,
    insert: tuple[Any, ...],
    modify: tuple[Any, ...],
    remove: tuple[Any, ...],
) -> None:
    """SizeBytes, and the attribute `x` of the new and the old image."""
    any_service.create(StreamSpecification=enabled(view_type))
    put(any_service, "a", x="1")
    put(any_service, "a", x="22")
    delete(any_service, "a")
    shards = any_service("DescribeStream", StreamArn=ARN)["StreamDescription"]["Shards"]
    found = [record for shard in shards for record in records(any_service, ShardId=shard["ShardId"])]

    def image(record: Any, name: str) -> str | None:
        shown = record["dynamodb"].get(name)
        return None if shown is None else shown["x"]["S"]

    assert [record["eventName"] for record in found] == ["INSERT", "MODIFY", "REMOVE"]
    assert [
        (record["dynamodb"]["SizeBytes"], image(record, "NewImage"), image(record, "OldImage"))
        for record in found
    ] == [insert, modify, remove]


def test_the_size_of_the_published_example(any_service: Any) -> None:
    """As in the developer guide's example of a record: 26 bytes, and 59 for its change."""
    any_service(
        "CreateTable",
        TableName="Music",
        AttributeDefinitions=[{"AttributeName": "Id", "AttributeType": "N"}],
        KeySchema=[{"AttributeName": "Id", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification=enabled(),
    )
    for message in ("New item!", "This item has changed"):
        item = {"Id": {"N": "101"}, "Message": {"S": message}}
        any_service("PutItem", TableName="Music", Item=item)
    shards = any_service("DescribeStream", StreamArn=ARN)["StreamDescription"]["Shards"]
    found = [record for shard in shards for record in records(any_service, ShardId=shard["ShardId"])]
    assert [record["dynamodb"]["SizeBytes"] for record in found] == [26, 59]
    assert found[0]["dynamodb"]["Keys"] == {"Id": {"N": "101"}}


def test_what_changes_nothing_leaves_no_record(streamed: Any) -> None:
    put(streamed, "a", x="1", y="2")
    put(streamed, "a", y="2", x="1")
    streamed(
        "UpdateItem",
        TableName="Music",
        Key={"pk": {"S": "a"}},
        UpdateExpression="SET x = :x",
        ExpressionAttributeValues={":x": {"S": "1"}},
    )
    delete(streamed, "b")
    assert streamed.refusal(
        "PutItem",
        TableName="Music",
        Item={"pk": {"S": "a"}},
        ConditionExpression="attribute_not_exists(pk)",
    )
    assert keys(records(streamed)) == ["a"]


@pytest.mark.inside_sqlite
def test_deletions_by_ttl_bear_the_services_identity(streamed: Any) -> None:
    put(streamed, "a")
    table = streamed.context.table("Music")

    def expire() -> None:
        ((key, stored),) = [(change.key, table.stored(change.key)) for change in streamed_changes(streamed)]
        assert stored is not None
        table.delete(key, stored, by_ttl=True)

    async def run() -> None:
        await table.submit(expire)

    asyncio.run(run())
    inserted, removed = records(streamed)
    assert "userIdentity" not in inserted
    assert removed["eventName"] == "REMOVE"
    assert removed["userIdentity"] == {"PrincipalId": "dynamodb.amazonaws.com", "Type": "Service"}


def streamed_changes(service: Any) -> list[Any]:
    log = service.context.table("Music").log
    return list(log.changes(0, log.last(), SlotRange()))


def test_a_transaction_leaves_its_records_together(streamed: Any) -> None:
    streamed.create("Other", StreamSpecification=enabled())
    actions = [
        {"Put": {"TableName": table, "Item": {"pk": {"S": pk}}}}
        for table, pk in (("Music", "a"), ("Other", "b"), ("Music", "c"))
    ]
    streamed("TransactWriteItems", TransactItems=actions)
    assert keys(records(streamed)) == ["a", "c"]
    other = ARN.replace("Music", "Other")
    assert keys(records(streamed, StreamArn=other)) == ["b"]


def test_iterator_types(streamed: Any) -> None:
    put(streamed, "a")
    streamed.now += 10
    put(streamed, "b")
    latest = iterator(streamed, "LATEST")
    put(streamed, "c")
    second = str(SEQUENCE + 2)
    assert keys(records(streamed)) == ["a", "b", "c"]
    assert keys(records(streamed, "AT_SEQUENCE_NUMBER", SequenceNumber=second)) == ["b", "c"]
    assert keys(records(streamed, "AFTER_SEQUENCE_NUMBER", SequenceNumber=second)) == ["c"]
    assert keys(streamed("GetRecords", ShardIterator=latest)["Records"]) == ["c"]
    for timestamp, found in ((0, "abc"), (NOON, "abc"), (NOON + 0.5, "bc"), (NOON + 10, "bc")):
        assert keys(records(streamed, "AT_TIMESTAMP", Timestamp=timestamp)) == list(found)
    streamed.now += 1
    assert records(streamed, "AT_TIMESTAMP", Timestamp=NOON + 11) == []


def test_before_the_first_record(streamed: Any) -> None:
    """The first sequence number of a shard is known, and may be asked for, before there is a record."""
    shard = streamed("DescribeStream", StreamArn=ARN)["StreamDescription"]["Shards"][0]
    first = shard["SequenceNumberRange"]["StartingSequenceNumber"]
    at, after = (
        iterator(streamed, kind, SequenceNumber=first)
        for kind in ("AT_SEQUENCE_NUMBER", "AFTER_SEQUENCE_NUMBER")
    )
    assert streamed("GetRecords", ShardIterator=after)["Records"] == []
    put(streamed, "a")
    assert keys(streamed("GetRecords", ShardIterator=at)["Records"]) == ["a"]
    assert keys(streamed("GetRecords", ShardIterator=after)["Records"]) == []


def test_pages_are_of_a_thousand_records_and_of_limit(streamed: Any) -> None:
    for batch in range(41):
        items = [{"pk": {"S": f"{batch:02}-{number:02}"}} for number in range(25)]
        streamed("BatchWriteItem", RequestItems={"Music": [{"PutRequest": {"Item": item}} for item in items]})
    first = streamed("GetRecords", ShardIterator=iterator(streamed))
    assert len(first["Records"]) == 1_000
    second = streamed("GetRecords", ShardIterator=first["NextShardIterator"], Limit=20)
    assert len(second["Records"]) == 20
    third = streamed("GetRecords", ShardIterator=second["NextShardIterator"])
    assert len(third["Records"]) == 5
    found = keys(first["Records"] + second["Records"] + third["Records"])
    assert found == sorted(found)
    assert len(set(found)) == 1_025


def test_pages_are_of_a_megabyte(streamed: Any) -> None:
    for pk in "abcdef":
        put(streamed, pk, x="x" * 300_000)
    following, pages = iterator(streamed), []
    for _ in range(3):
        answer = streamed("GetRecords", ShardIterator=following)
        following = answer["NextShardIterator"]
        pages.append(keys(answer["Records"]))
    assert pages == [["a", "b", "c"], ["d", "e", "f"], []]


def test_a_call_looks_at_so_many_changes_only(streamed: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "MAX_CHANGES_SCANNED", 2)
    for pk in "abc":
        put(streamed, pk)
    first = streamed("GetRecords", ShardIterator=iterator(streamed))
    assert keys(first["Records"]) == ["a", "b"]
    assert keys(streamed("GetRecords", ShardIterator=first["NextShardIterator"])["Records"]) == ["c"]


def test_each_key_has_its_shard(any_service: Any) -> None:
    any_service.create(StreamSpecification=enabled())
    for round_ in range(3):
        for number in range(40):
            put(any_service, f"{number}", x=f"{round_}")
    shards = any_service("DescribeStream", StreamArn=ARN)["StreamDescription"]["Shards"]
    assert len(shards) == 4
    by_shard = [records(any_service, ShardId=shard["ShardId"]) for shard in shards]
    assert all(by_shard)
    assert sum(map(len, by_shard)) == 120
    for number in range(40):
        having = [
            [record["dynamodb"]["NewImage"]["x"]["S"] for record in found if keys([record]) == [f"{number}"]]
            for found in by_shard
        ]
        assert sorted(having) == [[], [], [], ["0", "1", "2"]]
    event_ids = {record["eventID"] for found in by_shard for record in found}
    assert len(event_ids) == 120


def test_describe_stream(streamed: Any) -> None:
    described = streamed("DescribeStream", "eu-west-1", StreamArn=ARN)["StreamDescription"]
    assert described == {
        "StreamArn": ARN.replace("us-east-1", "eu-west-1"),
        "StreamLabel": "2026-11-24T12:00:00.000",
        "StreamStatus": "ENABLED",
        "StreamViewType": "NEW_AND_OLD_IMAGES",
        "CreationRequestDateTime": NOON,
        "TableName": "Music",
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
        "Shards": [{"ShardId": SHARD, "SequenceNumberRange": {"StartingSequenceNumber": str(SEQUENCE + 1)}}],
    }


def test_shards_are_paged(service: Any) -> None:
    service.context.stream_shards = MAX_STREAM_SHARDS
    service.create(StreamSpecification=enabled())
    found: list[str] = []
    request: dict[str, Any] = {}
    pages = []
    while True:
        page = service("DescribeStream", StreamArn=ARN, **request)["StreamDescription"]
        pages.append(len(page["Shards"]))
        found += [shard["ShardId"] for shard in page["Shards"]]
        if "LastEvaluatedShardId" not in page:
            break
        assert page["LastEvaluatedShardId"] == found[-1]
        request["ExclusiveStartShardId"] = found[-1]
    assert pages == [100, 100, 56]
    assert found == sorted(set(found))
    assert all(28 <= len(shard) <= 65 for shard in found)
    after_all = service("DescribeStream", StreamArn=ARN, ExclusiveStartShardId="z" * 30, Limit=1)
    assert after_all["StreamDescription"]["Shards"] == []
    children = service(
        "DescribeStream", StreamArn=ARN, ShardFilter={"Type": "CHILD_SHARDS", "ShardId": found[0]}
    )
    assert children["StreamDescription"]["Shards"] == []


def test_list_streams(any_service: Any) -> None:
    for name in ("Two", "One", "None"):
        any_service.create(name, **({} if name == "None" else {"StreamSpecification": enabled()}))
    any_service.update("Two", StreamSpecification={"StreamEnabled": False})
    any_service.update("Two", StreamSpecification=enabled("KEYS_ONLY"))
    listed = any_service("ListStreams")
    assert [(each["TableName"], each["StreamLabel"][-4:]) for each in listed["Streams"]] == [
        ("One", ".000"),
        ("Two", ".000"),
        ("Two", ".001"),
    ]
    assert "LastEvaluatedStreamArn" not in listed
    assert [each["StreamArn"] for each in any_service("ListStreams", TableName="One")["Streams"]] == [
        ARN.replace("Music", "One")
    ]
    assert any_service("ListStreams", TableName="None") == {"Streams": []}
    paged: list[Any] = []
    request: dict[str, Any] = {"Limit": 1}
    while True:
        page = any_service("ListStreams", **request)
        paged += page["Streams"]
        if "LastEvaluatedStreamArn" not in page:
            break
        request["ExclusiveStartStreamArn"] = page["LastEvaluatedStreamArn"]
    assert paged == listed["Streams"]


def test_a_disabled_stream_is_readable_for_a_day(streamed: Any) -> None:
    put(streamed, "a")
    reading = iterator(streamed)
    streamed.update(StreamSpecification={"StreamEnabled": False})
    put(streamed, "b")
    described = streamed("DescribeStream", StreamArn=ARN)["StreamDescription"]
    assert described["StreamStatus"] == "DISABLED"
    assert described["Shards"][0]["SequenceNumberRange"] == {
        "StartingSequenceNumber": str(SEQUENCE + 1),
        "EndingSequenceNumber": str(SEQUENCE + 1),
    }
    answer = streamed("GetRecords", ShardIterator=reading)
    assert keys(answer["Records"]) == ["a"]
    assert "NextShardIterator" not in answer
    assert streamed("GetRecords", ShardIterator=iterator(streamed, "LATEST")) == {"Records": []}
    table = streamed.describe()
    assert table["LatestStreamArn"] == ARN
    assert "StreamSpecification" not in table
    streamed.now += DAY
    gone = ("ResourceNotFoundException", f"Requested resource not found: Stream: {ARN} not found")
    assert streamed.refusal("DescribeStream", StreamArn=ARN) == gone
    assert streamed("ListStreams") == {"Streams": []}


def test_a_new_stream_has_its_own_arn_and_records(streamed: Any) -> None:
    put(streamed, "a")
    streamed.update(StreamSpecification={"StreamEnabled": False})
    put(streamed, "b")
    streamed.now += 3
    latest = streamed.update(StreamSpecification=enabled("KEYS_ONLY"))["LatestStreamArn"]
    put(streamed, "c")
    assert latest == ARN.replace("00.000", "03.000")
    shard = streamed("DescribeStream", StreamArn=latest)["StreamDescription"]["Shards"][0]["ShardId"]
    assert shard != SHARD
    assert keys(records(streamed, StreamArn=latest, ShardId=shard)) == ["c"]
    assert keys(records(streamed)) == ["a"]


@pytest.mark.inside_sqlite
def test_records_are_trimmed_after_a_day(streamed: Any) -> None:
    put(streamed, "a")
    reading = iterator(streamed)
    streamed.now += DAY / 2
    put(streamed, "b")
    streamed.now += DAY / 2
    trimmed = ("TrimmedDataAccessException", "The data you are trying to access has been trimmed")
    first = str(SEQUENCE + 1)
    request = {"StreamArn": ARN, "ShardId": SHARD, "SequenceNumber": first}
    assert keys(records(streamed)) == ["b"]
    assert streamed.refusal("GetShardIterator", ShardIteratorType="AT_SEQUENCE_NUMBER", **request) == trimmed
    # Nothing after it is missing, so who has read it may go on.
    assert keys(records(streamed, "AFTER_SEQUENCE_NUMBER", SequenceNumber=first)) == ["b"]
    assert keys(records(streamed, "AT_TIMESTAMP", Timestamp=NOON)) == ["b"]
    streamed.now += 901
    asyncio.run(LogTrim(streamed.store, streamed.context.clock).trim_all())
    assert len(streamed_changes(streamed)) == 1
    assert keys(records(streamed)) == ["b"]
    assert streamed.refusal("GetRecords", ShardIterator=renewed(reading, streamed.now)) == trimmed
    streamed.now += DAY
    asyncio.run(LogTrim(streamed.store, streamed.context.clock).trim_all())
    assert streamed_changes(streamed) == []
    assert records(streamed) == []
    put(streamed, "c")
    assert keys(records(streamed)) == ["c"]
    assert records(streamed)[0]["dynamodb"]["SequenceNumber"] == str(SEQUENCE + 3)


def renewed(token: str, now: float) -> str:
    """The same iterator, issued now."""
    arn, version, packed = token.split("|")
    raw = base64.urlsafe_b64decode(packed)[:-8] + round(now * 1000).to_bytes(8, "big")
    return f"{arn}|{version}|{base64.urlsafe_b64encode(raw).decode()}"


def test_iterators_expire(streamed: Any) -> None:
    token = iterator(streamed)
    streamed.now += 900
    assert streamed("GetRecords", ShardIterator=token)["Records"] == []
    streamed.now += 1
    assert streamed.refusal("GetRecords", ShardIterator=token) == (
        "ExpiredIteratorException",
        "The provided iterator exceeds the maximum age allowed.",
    )


def test_iterators_that_are_none(streamed: Any) -> None:
    arn, version, packed = iterator(streamed).split("|")
    raw = base64.urlsafe_b64decode(packed)
    far, other_shard = raw[:4] + b"\xff" * 8 + raw[12:], b"\0\0\0\1" + raw[4:]
    tokens = ["x", f"{arn}|2|{packed}", f"{arn}|{version}|{packed[:-4]}", f"{arn}|{version}|é"]
    tokens += [f"{arn}|{version}|{base64.urlsafe_b64encode(each).decode()}" for each in (far, other_shard)]
    for token in tokens:
        assert streamed.refusal("GetRecords", ShardIterator=token) == (
            "ValidationException",
            "Invalid ShardIterator",
        ), token
    assert streamed.refusal("GetRecords", ShardIterator=f"x|{version}|{packed}") == (
        "ValidationException",
        "Invalid StreamArn",
    )


@pytest.mark.parametrize(
    ("operation", "request_", "error"),
    [
        ("DescribeStream", {"StreamArn": "x" * 37}, "Invalid StreamArn"),
        ("ListStreams", {"ExclusiveStartStreamArn": "x" * 37}, "Invalid StreamArn"),
        ("GetShardIterator", {"StreamArn": "x" * 37, "ShardId": SHARD}, "Invalid StreamArn"),
        *(
            (
                operation,
                {"Limit": maximum + 1, "StreamArn": ARN, "ShardIterator": "x"},
                f"1 validation error detected: Value '{maximum + 1}' at 'limit' failed to satisfy "
                f"constraint: Member must have value less than or equal to {maximum}",
            )
            for operation, maximum in (("ListStreams", 100), ("DescribeStream", 100), ("GetRecords", 1_000))
        ),
    ],
)
def test_refused_requests(streamed: Any, operation: str, request_: Any, error: str) -> None:
    assert streamed.refusal(operation, **request_) == ("ValidationException", error)


@pytest.mark.parametrize(
    ("kind", "members"),
    [
        ("AT_SEQUENCE_NUMBER", {}),
        ("AFTER_SEQUENCE_NUMBER", {}),
        ("LATEST", {"SequenceNumber": str(SEQUENCE + 1)}),
        ("TRIM_HORIZON", {"SequenceNumber": str(SEQUENCE + 1)}),
        ("AT_SEQUENCE_NUMBER", {"SequenceNumber": "x" * 30}),
        ("AT_SEQUENCE_NUMBER", {"SequenceNumber": "9" * 40}),
        ("AT_SEQUENCE_NUMBER", {"SequenceNumber": "0" * 21}),
        ("AT_TIMESTAMP", {}),
        ("AT_TIMESTAMP", {"Timestamp": NOON + 1}),
    ],
)
def test_refused_iterators(streamed: Any, kind: str, members: Any) -> None:
    request = {"StreamArn": ARN, "ShardId": SHARD, "ShardIteratorType": kind, **members}
    assert streamed.refusal("GetShardIterator", **request)[0] == "ValidationException"


def test_what_is_not_there(streamed: Any) -> None:
    for arn in (ARN.replace("Music", "Absent"), ARN.replace("12:00", "13:00")):
        for operation, members in (
            ("DescribeStream", {}),
            ("GetShardIterator", {"ShardId": SHARD, "ShardIteratorType": "LATEST"}),
        ):
            assert streamed.refusal(operation, StreamArn=arn, **members) == (
                "ResourceNotFoundException",
                f"Requested resource not found: Stream: {arn} not found",
            )
    assert streamed.refusal(
        "GetShardIterator", StreamArn=ARN, ShardId=SHARD[:-1] + "1", ShardIteratorType="LATEST"
    ) == ("ResourceNotFoundException", "Requested resource not found: Shard does not exist")


@pytest.mark.parametrize("error", [-30 * DAY, 30 * DAY])
def test_records_made_while_the_clock_was_wrong_are_read_in_order(streamed: Any, error: float) -> None:
    """Nor does what was there before it was set go away."""
    seen: list[list[str]] = []
    for pk, streamed.clock_error in (("a", 0.0), ("b", error), ("c", 0.0)):
        put(streamed, pk)
        streamed.now += 60
        if streamed.clock_error <= 0:  # a clock that is set ahead makes old; see alt/clock.py
            asyncio.run(LogTrim(streamed.store, streamed.clock).trim_all())
            seen.append(keys(records(streamed)))
    assert seen[-1] == ["a", "b", "c"]
    assert keys(records(streamed, "AFTER_SEQUENCE_NUMBER", SequenceNumber=str(SEQUENCE + 1))) == ["b", "c"]
    assert all(earlier == seen[-1][: len(earlier)] for earlier in seen)


def test_an_iterator_is_good_while_the_clock_is_set_back(streamed: Any) -> None:
    put(streamed, "a")
    held = iterator(streamed)
    streamed.clock_error = -30 * DAY
    page = streamed("GetRecords", ShardIterator=held)
    assert keys(page["Records"]) == ["a"]
    streamed.clock_error = 0.0
    put(streamed, "b")
    following = iterator(streamed, "AFTER_SEQUENCE_NUMBER", SequenceNumber=str(SEQUENCE + 1))
    assert keys(streamed("GetRecords", ShardIterator=following)["Records"]) == ["b"]
