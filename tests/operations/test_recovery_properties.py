"""A restore to a moment gives what a scan gave at that moment, whatever was written before and after."""

from __future__ import annotations

import asyncio
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

KEYS = st.tuples(st.sampled_from("pq"), st.sampled_from("12"))
VALUES = st.dictionaries(
    st.sampled_from(["owner", "x"]), st.sampled_from([{"S": "a"}, {"S": "b\x00"}]), max_size=2
)
CHANGES = st.dictionaries(KEYS, st.none() | VALUES, min_size=1, max_size=3)
STEPS = st.tuples(
    st.sampled_from(["each", "batch", "transaction"]), CHANGES, st.sampled_from([0.0, 0.001, 5.0])
)
INDEXES = {
    "GlobalSecondaryIndexes": [
        {
            "IndexName": "global",
            "KeySchema": [{"AttributeName": "owner", "KeyType": "HASH"}],
            "Projection": {"ProjectionType": "ALL"},
        }
    ],
    "LocalSecondaryIndexes": [
        {
            "IndexName": "local",
            "KeySchema": [
                {"AttributeName": "pk", "KeyType": "HASH"},
                {"AttributeName": "owner", "KeyType": "RANGE"},
            ],
            "Projection": {"ProjectionType": "KEYS_ONLY"},
        }
    ],
}


def key_of(key: tuple[str, str]) -> dict[str, Any]:
    return {"pk": {"S": key[0]}, "sk": {"S": key[1]}}


def write(service: Any, kind: str, changes: dict[tuple[str, str], Any]) -> None:
    puts = {key: key_of(key) | values for key, values in changes.items() if values is not None}
    deletes = [key_of(key) for key, values in changes.items() if values is None]
    if kind == "each":
        for item in puts.values():
            service("PutItem", TableName="Music", Item=item)
        for key in deletes:
            service("DeleteItem", TableName="Music", Key=key)
    elif kind == "batch":
        requests = [{"PutRequest": {"Item": item}} for item in puts.values()]
        requests += [{"DeleteRequest": {"Key": key}} for key in deletes]
        service("BatchWriteItem", RequestItems={"Music": requests})
    else:
        actions = [{"Put": {"TableName": "Music", "Item": item}} for item in puts.values()]
        actions += [{"Delete": {"TableName": "Music", "Key": key}} for key in deletes]
        service("TransactWriteItems", TransactItems=actions)


def contents(service: Any, table: str) -> dict[str, Any]:
    """The items of the table and of its indexes, and their counts and sizes."""
    described = service.describe(table)
    indexes = [*described["GlobalSecondaryIndexes"], *described["LocalSecondaryIndexes"]]
    return {
        "items": service("Scan", TableName=table)["Items"],
        "global": service("Scan", TableName=table, IndexName="global")["Items"],
        "local": service("Scan", TableName=table, IndexName="local")["Items"],
        "statistics": [described["ItemCount"], described["TableSizeBytes"]]
        + [(index["ItemCount"], index["IndexSizeBytes"]) for index in indexes],
    }


@given(steps=st.lists(STEPS, max_size=8), data=st.data())
@settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
def test_a_restore_to_a_moment_equals_a_scan_of_that_moment(service: Any, steps: Any, data: Any) -> None:
    fresh = type(service)()
    fresh.create(
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        AttributeDefinitions=[
            {"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk", "owner")
        ],
        **INDEXES,
    )
    fresh(
        "UpdateContinuousBackups",
        TableName="Music",
        PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True},
    )
    moments = {fresh.now: contents(fresh, "Music")}
    for kind, changes, seconds in steps:
        fresh.now += seconds
        write(fresh, kind, changes)
        moments[fresh.now] = contents(fresh, "Music")
    moment = data.draw(st.sampled_from(sorted(moments)))
    fresh(
        "RestoreTableToPointInTime", SourceTableName="Music", TargetTableName="Copy", RestoreDateTime=moment
    )
    fresh.finish_restore("Copy")
    assert contents(fresh, "Copy") == moments[moment]
    asyncio.run(fresh.store.close())
