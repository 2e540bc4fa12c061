"""TimeToLive on an context whose clock stands still: what is refused, and exactly what expires."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alt.storage.sqlite.expiry import MAX_AGE_SECONDS

ABSENT = "Requested resource not found: Table: Music not found"
OTHER = "TimeToLive is active on a different AttributeName: current AttributeName is expires"
TOO_SOON = "Time to live has been modified multiple times within a fixed interval"

INDEX = {
    "AttributeDefinitions": [
        {"AttributeName": "pk", "AttributeType": "S"},
        {"AttributeName": "kind", "AttributeType": "S"},
    ],
    "GlobalSecondaryIndexes": [
        {
            "IndexName": "by-kind",
            "KeySchema": [{"AttributeName": "kind", "KeyType": "HASH"}],
            "Projection": {"ProjectionType": "ALL"},
        }
    ],
}


def specification(attribute: str = "expires", enabled: bool = True) -> dict[str, Any]:
    return {
        "TableName": "Music",
        "TimeToLiveSpecification": {"AttributeName": attribute, "Enabled": enabled},
    }


def change(service: Any, attribute: str = "expires", enabled: bool = True) -> Any:
    return service("UpdateTimeToLive", **specification(attribute, enabled))


def refusal(service: Any, attribute: str = "expires", enabled: bool = True) -> str:
    kind, message = service.refusal("UpdateTimeToLive", **specification(attribute, enabled))
    assert kind == "ValidationException"
    return str(message)


def described(service: Any) -> Any:
    return service("DescribeTimeToLive", TableName="Music")["TimeToLiveDescription"]


def put(service: Any, pk: str, **attributes: Any) -> None:
    service("PutItem", TableName="Music", Item={"pk": {"S": pk}, **attributes})


def left(service: Any, **request: Any) -> set[str]:
    return {item["pk"]["S"] for item in service("Scan", TableName="Music", **request)["Items"]}


def test_it_is_turned_on_and_off(any_service: Any) -> None:
    any_service.create()
    assert described(any_service) == {"TimeToLiveStatus": "DISABLED"}
    assert change(any_service) == {"TimeToLiveSpecification": {"AttributeName": "expires", "Enabled": True}}
    assert described(any_service) == {"TimeToLiveStatus": "ENABLED", "AttributeName": "expires"}
    assert change(any_service, enabled=False) == {
        "TimeToLiveSpecification": {"AttributeName": "expires", "Enabled": False}
    }
    assert described(any_service) == {"TimeToLiveStatus": "DISABLED"}
    change(any_service, "other")
    assert described(any_service) == {"TimeToLiveStatus": "ENABLED", "AttributeName": "other"}
    assert "TimeToLiveDescription" not in any_service.describe()


def test_what_is_refused(any_service: Any) -> None:
    for operation, request in (
        ("UpdateTimeToLive", specification()),
        ("DescribeTimeToLive", {"TableName": "Music"}),
    ):
        assert any_service.refusal(operation, **request) == ("ResourceNotFoundException", ABSENT)
    any_service.create()
    assert refusal(any_service, enabled=False) == "TimeToLive is already disabled"
    change(any_service)
    assert refusal(any_service) == "TimeToLive is already enabled"
    assert refusal(any_service, "other") == OTHER
    assert refusal(any_service, "other", enabled=False) == OTHER
    change(any_service, enabled=False)
    assert refusal(any_service, enabled=False) == "TimeToLive is already disabled"
    assert refusal(any_service, "other", enabled=False) == "TimeToLive is already disabled"


def test_one_change_in_an_interval(service: Any) -> None:
    service.context.ttl_change_interval = 3_600.0
    service.create()
    change(service)
    service.now += 3_599
    # What is no change, or concerns another attribute, is said first.
    assert refusal(service) == "TimeToLive is already enabled"
    assert refusal(service, "other", enabled=False) == OTHER
    assert refusal(service, enabled=False) == TOO_SOON
    service.now += 1
    change(service, enabled=False)
    service.now += 3_599
    assert refusal(service, enabled=False) == "TimeToLive is already disabled"
    assert refusal(service, "other") == TOO_SOON
    service.now += 1
    change(service, "other")


@pytest.mark.inside_sqlite  # where a definition is changed at once
def test_no_change_while_one_is_under_way(service: Any) -> None:
    service.create()

    async def change_twice() -> str:
        both = [
            service.begin("UpdateTimeToLive", **specification(enabled=enabled)) for enabled in (True, False)
        ]
        first, second = await asyncio.gather(*both, return_exceptions=True)
        assert isinstance(first, bytes)
        return str(second)

    assert service.run(change_twice()) == TOO_SOON
    assert described(service) == {"TimeToLiveStatus": "ENABLED", "AttributeName": "expires"}


# What expires

# Seconds from now, and whether an item with that time is to go.
TIMES = [
    (-1, True),
    (-1e-3, True),
    (0, False),
    (1, False),
    (3_600, False),
    (1e20, False),
    (-86_400, True),
    (-MAX_AGE_SECONDS, True),
    (-MAX_AGE_SECONDS - 1, False),
    (-1e20, False),
]
# Attributes with which no item goes.
NOT_A_TIME: dict[str, Any] = {
    "text": {"expires": {"S": "1795521599"}},
    "set": {"expires": {"NS": ["1795521599"]}},
    "list": {"expires": {"L": [{"N": "1795521599"}]}},
    "map": {"expires": {"M": {"N": {"N": "1795521599"}}}},
    "null": {"expires": {"NULL": True}},
    "none": {},
    "nested": {"a": {"M": {"expires": {"N": "1795521599"}}}},
    "other": {"Expires": {"N": "1795521599"}, "expires2": {"N": "1795521599"}},
    "nul": {"expires\0": {"N": "1795521599"}},
}


@pytest.mark.inside_sqlite
def test_which_items_go(service: Any) -> None:
    service.create()
    put(service, "before", expires={"N": str(service.now - 1)})
    change(service)
    for seconds, _ in TIMES:
        put(service, str(seconds), expires={"N": repr(service.now + seconds)})
    for name, attributes in NOT_A_TIME.items():
        put(service, name, **attributes)
    # Until they are deleted they are there to read.
    assert len(left(service)) == 1 + len(TIMES) + len(NOT_A_TIME)
    service.expire()
    assert left(service) == {*NOT_A_TIME, *[str(seconds) for seconds, goes in TIMES if not goes]}


def test_time_goes_by(service: Any) -> None:
    service.create()
    change(service)
    put(service, "soon", expires={"N": str(service.now + 10)})
    put(service, "later", expires={"N": str(service.now + 20)})
    put(service, "prolonged", expires={"N": str(service.now + 10)})
    put(service, "freed", expires={"N": str(service.now + 10)})
    service.now += 11
    put(service, "prolonged", expires={"N": str(service.now + 100)})
    service("UpdateItem", TableName="Music", Key={"pk": {"S": "freed"}}, UpdateExpression="REMOVE expires")
    service.expire()
    assert left(service) == {"later", "prolonged", "freed"}
    service.now += 1_000
    service.expire()
    assert left(service) == {"freed"}


def test_index_entries_and_counts_go_with_the_items(service: Any) -> None:
    service.create(**INDEX)
    change(service)
    put(service, "goes", kind={"S": "k"}, expires={"N": str(service.now - 1)})
    put(service, "stays", kind={"S": "k"}, expires={"N": str(service.now + 1)})
    service.expire()
    assert left(service, IndexName="by-kind") == {"stays"}
    table = service.describe()
    assert table["ItemCount"] == table["GlobalSecondaryIndexes"][0]["ItemCount"] == 1


def test_a_stream_tells_who_deleted(service: Any) -> None:
    service.context.stream_shards = 1
    service.create(StreamSpecification={"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"})
    change(service)
    put(service, "goes", expires={"N": str(service.now - 1)})
    service.expire()
    arn = service.describe()["LatestStreamArn"]
    (shard,) = service("DescribeStream", StreamArn=arn)["StreamDescription"]["Shards"]
    iterator = service(
        "GetShardIterator", StreamArn=arn, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
    )
    inserted, removed = service("GetRecords", ShardIterator=iterator["ShardIterator"])["Records"]
    assert "userIdentity" not in inserted
    assert removed["eventName"] == "REMOVE"
    assert removed["dynamodb"]["Keys"] == {"pk": {"S": "goes"}}
    assert removed["userIdentity"] == {"PrincipalId": "dynamodb.amazonaws.com", "Type": "Service"}


def test_a_backup_tells_of_it_and_a_restored_table_does_not_have_it(service: Any) -> None:
    service.create()
    change(service)
    put(service, "stays", expires={"N": str(service.now - 1)})
    arn = service("CreateBackup", TableName="Music", BackupName="night")["BackupDetails"]["BackupArn"]
    features = service("DescribeBackup", BackupArn=arn)["BackupDescription"]["SourceTableFeatureDetails"]
    assert features["TimeToLiveDescription"] == described(service)
    service("DeleteTable", TableName="Music")
    service("RestoreTableFromBackup", TargetTableName="Music", BackupArn=arn)
    service.finish_restore("Music")
    assert described(service) == {"TimeToLiveStatus": "DISABLED"}
    service.expire()
    assert left(service) == {"stays"}
    change(service, "other")
    service.expire()
    assert left(service) == {"stays"}


def test_the_key_may_be_the_attribute(service: Any) -> None:
    service.create(
        AttributeDefinitions=[{"AttributeName": "at", "AttributeType": "N"}],
        KeySchema=[{"AttributeName": "at", "KeyType": "HASH"}],
    )
    change(service, "at")
    for seconds in (-1, 1):
        service("PutItem", TableName="Music", Item={"at": {"N": str(int(service.now) + seconds)}})
    service.expire()
    assert service("Scan", TableName="Music")["Items"] == [{"at": {"N": str(int(service.now) + 1)}}]


def test_nothing_goes_once_it_is_off(service: Any) -> None:
    service.create()
    change(service)
    put(service, "stays", expires={"N": str(service.now - 1)})
    change(service, enabled=False)
    service.expire()
    assert left(service) == {"stays"}
    change(service, "other")
    service.expire()
    assert left(service) == {"stays"}


def test_every_table_has_its_own(service: Any) -> None:
    service.create()
    service.create("Films")
    change(service)
    for table in ("Music", "Films"):
        service("PutItem", TableName=table, Item={"pk": {"S": "old"}, "expires": {"N": str(service.now - 1)}})
    service.expire()
    assert left(service) == set()
    assert service("Scan", TableName="Films", Select="COUNT")["Count"] == 1
    service("DeleteTable", TableName="Music")
    service.create()
    assert described(service) == {"TimeToLiveStatus": "DISABLED"}


ATTRIBUTES = st.sampled_from(["expires", "expires\0", "it's", 'a"', "\\", "\0", "a", "🔑"])
VALUES = st.one_of(
    st.sampled_from([seconds for seconds, _ in TIMES]).map(lambda seconds: ("N", seconds)),
    st.floats(-2 * MAX_AGE_SECONDS, 2 * MAX_AGE_SECONDS).map(lambda seconds: ("N", seconds)),
    st.just(("S", 0.0)),
)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    ATTRIBUTES,
    st.lists(st.dictionaries(ATTRIBUTES, VALUES, max_size=3), max_size=30),
    st.floats(0, MAX_AGE_SECONDS),
)
def test_exactly_the_items_that_the_rule_says_go(
    service: Any, attribute: str, items: list[dict[str, tuple[str, float]]], later: float
) -> None:
    service.create()
    try:
        change(service, attribute)
        expected = set()
        for number, attributes in enumerate(items):
            values = {
                name: {kind: f"{service.now + seconds:.6f}"} for name, (kind, seconds) in attributes.items()
            }
            put(service, str(number), **values)
            when = values.get(attribute, {}).get("N")
            now = service.now + later
            if when is None or not now - MAX_AGE_SECONDS <= float(when) < now:
                expected.add(str(number))
        service.now += later
        service.expire()
        assert left(service) == expected
    finally:
        service.now -= later
        service("DeleteTable", TableName="Music")
