"""DynamoDB Streams through boto3: what a consumer sees, and that it can rebuild the table from it."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

SPECIFICATION = {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}
MISSING = "arn:aws:dynamodb:us-east-1:000000000000:table/Absent/stream/2026-11-24T12:00:00.000"

KEYS = st.tuples(st.sampled_from("pqrs"), st.sampled_from(["-1", "0", "2.5"]))
VALUES = st.dictionaries(
    st.sampled_from("xyz"),
    st.sampled_from([{"S": "a"}, {"S": "\x00é"}, {"N": "1"}, {"SS": ["b", "a"]}, {"L": [{"NULL": True}]}]),
)
WRITES = st.one_of(
    st.tuples(st.just("put"), KEYS, VALUES),
    st.tuples(st.just("update"), KEYS, VALUES),
    st.tuples(st.just("delete"), KEYS),
    st.tuples(st.just("batch"), st.dictionaries(KEYS, st.none() | VALUES, min_size=1)),
    st.tuples(st.just("transaction"), st.dictionaries(KEYS, st.none() | VALUES, min_size=1)),
)


@pytest.fixture(scope="session")
def streams(server: Any) -> Any:
    return server.client("dynamodbstreams")


@pytest.fixture
def table(dynamodb: Any) -> Iterator[str]:
    """A table with a stream."""
    name = f"streamed-{uuid.uuid4()}"
    create(dynamodb, name)
    yield name
    dynamodb.delete_table(TableName=name)


def create(dynamodb: Any, name: str, **members: Any) -> str:
    """The ARN of the new table's stream, if it has one."""
    description = dynamodb.create_table(
        TableName=name,
        AttributeDefinitions=[
            {"AttributeName": "pk", "AttributeType": "S"},
            {"AttributeName": "sk", "AttributeType": "N"},
        ],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        **{"BillingMode": "PAY_PER_REQUEST", "StreamSpecification": SPECIFICATION, **members},
    )["TableDescription"]
    arn: str = description.get("LatestStreamArn", "")
    return arn


def arn_of(dynamodb: Any, table: str) -> str:
    arn: str = dynamodb.describe_table(TableName=table)["Table"]["LatestStreamArn"]
    return arn


def read_shards(streams: Any, arn: str) -> list[list[dict[str, Any]]]:
    """All records, by shard."""
    found = []
    for shard in streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]:
        token = streams.get_shard_iterator(
            StreamArn=arn, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        records: list[dict[str, Any]] = []
        while token and (page := (answer := streams.get_records(ShardIterator=token, Limit=7))["Records"]):
            records += page
            token = answer.get("NextShardIterator")  # none at the end of a shard that is closed
        found.append(records)
    return found


def scan(dynamodb: Any, table: str) -> dict[tuple[str, str], Any]:
    items = dynamodb.scan(TableName=table)["Items"]
    return {(item["pk"]["S"], item["sk"]["N"]): item for item in items}


def replay(shards: list[list[dict[str, Any]]]) -> dict[tuple[str, str], Any]:
    """The table that records leave behind; what a record says was there must have been there."""
    items: dict[tuple[str, str], Any] = {}
    for record in (record for records in shards for record in records):
        change = record["dynamodb"]
        key = (change["Keys"]["pk"]["S"], change["Keys"]["sk"]["N"])
        before = items.pop(key, None)
        assert change.get("OldImage") == before
        after = change.get("NewImage")
        assert after != before
        event = "INSERT" if before is None else "REMOVE" if after is None else "MODIFY"
        assert record["eventName"] == event
        if after is not None:
            items[key] = after
    return items


def write(dynamodb: Any, table: str, operation: tuple[Any, ...]) -> None:
    kind, *arguments = operation
    if kind == "put":
        key, values = arguments
        dynamodb.put_item(TableName=table, Item=key_of(key) | values)
    elif kind == "delete":
        dynamodb.delete_item(TableName=table, Key=key_of(arguments[0]))
    elif kind == "update":
        key, values = arguments
        updates = {name: {"Value": value, "Action": "PUT"} for name, value in values.items()}
        dynamodb.update_item(TableName=table, Key=key_of(key), AttributeUpdates=updates)
    elif kind == "batch":
        requests = [
            {"DeleteRequest": {"Key": key_of(key)}}
            if values is None
            else {"PutRequest": {"Item": key_of(key) | values}}
            for key, values in arguments[0].items()
        ]
        dynamodb.batch_write_item(RequestItems={table: requests})
    else:
        actions = [
            {"Delete": {"TableName": table, "Key": key_of(key)}}
            if values is None
            else {"Put": {"TableName": table, "Item": key_of(key) | values}}
            for key, values in arguments[0].items()
        ]
        dynamodb.transact_write_items(TransactItems=actions)


def key_of(key: tuple[str, str]) -> dict[str, Any]:
    return {"pk": {"S": key[0]}, "sk": {"N": key[1]}}


@given(writes=st.lists(WRITES, max_size=12))
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
def test_replaying_a_stream_gives_the_table(dynamodb: Any, streams: Any, writes: list[Any]) -> None:
    name = f"replayed-{uuid.uuid4()}"
    arn = create(dynamodb, name)
    for operation in writes:
        write(dynamodb, name, operation)
    assert replay(read_shards(streams, arn)) == scan(dynamodb, name)
    dynamodb.delete_table(TableName=name)


def test_sequence_numbers_and_event_ids(dynamodb: Any, streams: Any, table: str) -> None:
    for number in range(30):
        write(dynamodb, table, ("put", ("p" + str(number % 6), "1"), {"x": {"N": str(number)}}))
    shards = read_shards(streams, arn_of(dynamodb, table))
    for records in shards:
        numbers = [int(record["dynamodb"]["SequenceNumber"]) for record in records]
        assert numbers == sorted(numbers)
    everything = [record for records in shards for record in records]
    assert len({record["dynamodb"]["SequenceNumber"] for record in everything}) == 30
    assert len({record["eventID"] for record in everything}) == 30


def test_number_and_binary_keys(dynamodb: Any, streams: Any) -> None:
    name = f"keys-{uuid.uuid4()}"
    arn = dynamodb.create_table(
        TableName=name,
        AttributeDefinitions=[
            {"AttributeName": "n", "AttributeType": "N"},
            {"AttributeName": "b", "AttributeType": "B"},
        ],
        KeySchema=[{"AttributeName": "n", "KeyType": "HASH"}, {"AttributeName": "b", "KeyType": "RANGE"}],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"},
    )["TableDescription"]["LatestStreamArn"]
    key = {"n": {"N": "-12.5"}, "b": {"B": b"\x00\xff"}}
    dynamodb.put_item(TableName=name, Item=key)
    (record,) = [record for records in read_shards(streams, arn) for record in records]
    assert record["dynamodb"]["Keys"] == key
    dynamodb.delete_table(TableName=name)


def test_a_listed_stream_is_described(streams: Any, table: str) -> None:
    (listed,) = streams.list_streams(TableName=table)["Streams"]
    described = streams.describe_stream(StreamArn=listed["StreamArn"])["StreamDescription"]
    assert described["StreamLabel"] == listed["StreamLabel"]
    assert described["CreationRequestDateTime"].timestamp() > 0
    assert len(described["Shards"]) == 4


def test_errors_reach_the_client(streams: Any) -> None:
    with pytest.raises(streams.exceptions.ResourceNotFoundException) as refused:
        streams.describe_stream(StreamArn=MISSING)
    assert refused.value.response["Error"]["Message"] == (
        f"Requested resource not found: Stream: {MISSING} not found"
    )
    with pytest.raises(ClientError, match=r"ValidationException.*Invalid ShardIterator"):
        streams.get_records(ShardIterator="x")


def test_the_number_of_shards_is_a_setting(start_server: Any) -> None:
    server = start_server("--memory", "--stream-shards", "7")
    arn = create(server.client(), "Music")
    described = server.client("dynamodbstreams").describe_stream(StreamArn=arn)["StreamDescription"]
    assert len(described["Shards"]) == 7


@pytest.mark.parametrize(
    ("read_units", "write_units", "shards"),
    [(5, 5, 1), (3_000, 1_000, 1), (3_001, 1, 2), (1, 2_500, 3), (40_000, 40_000, 4)],
)
def test_a_provisioned_table_has_a_shard_for_each_partition(
    dynamodb: Any, streams: Any, read_units: int, write_units: int, shards: int
) -> None:
    name = f"provisioned-{uuid.uuid4()}"
    units = {"ReadCapacityUnits": read_units, "WriteCapacityUnits": write_units}
    arn = create(dynamodb, name, BillingMode="PROVISIONED", ProvisionedThroughput=units)
    assert shard_count(streams, arn) == shards
    for enabled in (False, True):
        specification = SPECIFICATION if enabled else {"StreamEnabled": False}
        dynamodb.update_table(TableName=name, StreamSpecification=specification)
    assert shard_count(streams, arn_of(dynamodb, name)) == shards
    # By the billing mode that there is once the request is done.
    dynamodb.update_table(TableName=name, StreamSpecification={"StreamEnabled": False})
    dynamodb.update_table(TableName=name, BillingMode="PAY_PER_REQUEST", StreamSpecification=SPECIFICATION)
    assert shard_count(streams, arn_of(dynamodb, name)) == 4
    dynamodb.delete_table(TableName=name)


def shard_count(streams: Any, arn: str) -> int:
    return len(streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"])


@pytest.mark.parametrize(
    ("shard_filter", "missing"),
    [
        ({"Type": "CHILD_SHARDS"}, ["shardId"]),
        ({"ShardId": "shardId-00000001795521600000-00000000"}, ["type"]),
        ({}, ["shardId", "type"]),
    ],
)
def test_half_a_filter_of_shards_is_refused(
    streams: Any, table: str, dynamodb: Any, shard_filter: dict[str, str], missing: list[str]
) -> None:
    with pytest.raises(ClientError) as refused:
        streams.describe_stream(StreamArn=arn_of(dynamodb, table), ShardFilter=shard_filter)
    error = refused.value.response["Error"]
    assert error["Code"] == "ValidationException"
    breaches = [
        f"Value null at 'shardFilter.{member}' failed to satisfy constraint: Member must not be null"
        for member in missing
    ]
    errors = "error" if len(missing) == 1 else "errors"
    assert error["Message"] == f"{len(missing)} validation {errors} detected: {'; '.join(breaches)}"


def test_an_expired_item_leaves_a_record_of_the_service(start_server: Any) -> None:
    server = start_server("--memory", "--ttl-interval", "1")
    client, streams = server.client(), server.client("dynamodbstreams")
    arn = create(client, "Music")
    client.update_time_to_live(
        TableName="Music", TimeToLiveSpecification={"Enabled": True, "AttributeName": "expires"}
    )
    item = {**key_of(("p", "1")), "expires": {"N": str(int(time.time()) - 10)}}
    client.put_item(TableName="Music", Item=item)
    end = time.monotonic() + 60
    while len(records := [each for shard in read_shards(streams, arn) for each in shard]) < 2:
        assert time.monotonic() < end
        time.sleep(0.1)
    inserted, removed = records
    assert "userIdentity" not in inserted
    assert removed["eventName"] == "REMOVE"
    assert removed["dynamodb"]["OldImage"] == item
    assert removed["userIdentity"] == {"PrincipalId": "dynamodb.amazonaws.com", "Type": "Service"}
