"""Keys of any length that DynamoDB allows are stored, found, indexed, logged and expire: an index's row has less room."""

from __future__ import annotations

import random
from base64 import b64encode
from typing import Any

import pytest

from tests.operations.conftest import Service

KINDS = [("pk", 2_048), ("sk", 1_024), ("gk", 2_048), ("gs", 1_024)]


def value(name: str, length: int, number: int, *, of_zeros: bool) -> dict[str, str]:
    """Bytes that cannot be compressed, or zeros, which are written as two bytes each."""
    source = random.Random(f"{name} {number}")
    raw = bytes(length - 1) + bytes([number]) if of_zeros else source.randbytes(length)
    return {"B": b64encode(raw).decode()}


@pytest.mark.parametrize("of_zeros", [True, False])
def test_the_longest_keys(empty_database: str, of_zeros: bool) -> None:
    service = Service(database=empty_database)
    service.create(
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "B"} for name, _ in KINDS],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "by-gk",
                "KeySchema": [
                    {"AttributeName": "gk", "KeyType": "HASH"},
                    {"AttributeName": "gs", "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"},
    )
    items: list[dict[str, Any]] = [
        {name: value(name, length, number, of_zeros=of_zeros) for name, length in KINDS}
        | {"expires": {"N": str(service.now - 1)}}
        for number in range(3)
    ]
    for item in items:
        service("PutItem", TableName="Music", Item=item)
    for item in items:
        key = {name: item[name] for name in ("pk", "sk")}
        assert service("GetItem", TableName="Music", Key=key)["Item"] == item
        found = service(
            "Query",
            TableName="Music",
            IndexName="by-gk",
            KeyConditionExpression="gk = :gk AND gs >= :gs",
            ExpressionAttributeValues={":gk": item["gk"], ":gs": item["gs"]},
        )
        assert found["Items"] == [item]
    arn = service.describe()["LatestStreamArn"]
    keys = []
    for shard in service("DescribeStream", StreamArn=arn)["StreamDescription"]["Shards"]:
        where = {"StreamArn": arn, "ShardId": shard["ShardId"], "ShardIteratorType": "TRIM_HORIZON"}
        iterator = service("GetShardIterator", **where)["ShardIterator"]
        keys += [
            each["dynamodb"]["Keys"] for each in service("GetRecords", ShardIterator=iterator)["Records"]
        ]
    assert sorted(key["pk"]["B"] for key in keys) == sorted(item["pk"]["B"] for item in items)
    specification = {"AttributeName": "expires", "Enabled": True}
    service("UpdateTimeToLive", TableName="Music", TimeToLiveSpecification=specification)
    service.expire()
    assert service("Scan", TableName="Music")["Count"] == 0
    service.close()
