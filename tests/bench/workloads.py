"""What is measured: each workload is a list of requests against a loaded table.

The table holds 10,000 items of 400 bytes in 100 partitions of 100; another holds the
same items and has a global index with everything projected, by `group` and `sk`.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from load import call, request_bytes

TABLE = "bench"
INDEXED = "bench-indexed"
INDEX = "by-group"
GROUPS = 50
PARTITIONS = 100
PARTITION_ITEMS = 100
REQUESTS = 2_000  # of each workload, sent over and over
CONTENDED = 200  # items that transactions write


def item(partition: int, position: int) -> dict[str, Any]:
    """About 400 bytes by DynamoDB's count, a nested map among its attributes."""
    return {
        "pk": {"S": f"partition-{partition:04d}"},
        "sk": {"S": f"item-{position:06d}"},
        "number": {"N": str(position)},
        "counter": {"N": "0"},
        "flag": {"BOOL": position % 2 == 0},
        "profile": {"M": {"city": {"S": f"city-{position % 50}"}, "level": {"N": str(position % 7)}}},
        "tags": {"SS": ["alpha", "beta", "gamma"]},
        "group": {"S": f"group-{(partition + position) % GROUPS:02d}"},
        "text": {"S": "x" * 230},
    }


def key(partition: int, position: int) -> dict[str, Any]:
    whole = item(partition, position)
    return {"pk": whole["pk"], "sk": whole["sk"]}


def load(url: str, partitions: int = PARTITIONS) -> None:
    """Create the tables and fill them."""
    types = {"pk": "S", "sk": "S"}
    index = {
        "IndexName": INDEX,
        "KeySchema": _key_schema("group", "sk"),
        "Projection": {"ProjectionType": "ALL"},
    }
    _load(url, TABLE, types, {}, partitions)
    _load(url, INDEXED, {**types, "group": "S"}, {"GlobalSecondaryIndexes": [index]}, partitions)


def _key_schema(hash_key: str, range_key: str) -> list[dict[str, str]]:
    return [
        {"AttributeName": hash_key, "KeyType": "HASH"},
        {"AttributeName": range_key, "KeyType": "RANGE"},
    ]


def _load(url: str, table: str, types: dict[str, str], more: dict[str, Any], partitions: int) -> None:
    definitions = [{"AttributeName": name, "AttributeType": kind} for name, kind in types.items()]
    keys = {"KeySchema": _key_schema("pk", "sk"), "AttributeDefinitions": definitions}
    call(url, "CreateTable", {"TableName": table, "BillingMode": "PAY_PER_REQUEST", **keys, **more})
    for partition in range(partitions):
        for first in range(0, PARTITION_ITEMS, 25):
            writes = [{"PutRequest": {"Item": item(partition, first + step)}} for step in range(25)]
            call(url, "BatchWriteItem", {"RequestItems": {table: writes}})


def _get(chance: random.Random) -> tuple[str, dict[str, Any]]:
    return "GetItem", {
        "TableName": TABLE,
        "Key": key(chance.randrange(PARTITIONS), chance.randrange(PARTITION_ITEMS)),
    }


def _put(chance: random.Random) -> tuple[str, dict[str, Any]]:
    whole = item(chance.randrange(PARTITIONS), chance.randrange(PARTITION_ITEMS))
    return "PutItem", {"TableName": TABLE, "Item": whole}


def _update(chance: random.Random) -> tuple[str, dict[str, Any]]:
    return "UpdateItem", {
        "TableName": TABLE,
        "Key": key(chance.randrange(PARTITIONS), chance.randrange(PARTITION_ITEMS)),
        "UpdateExpression": "SET #c = #c + :one",
        "ConditionExpression": "#c >= :zero",
        "ExpressionAttributeNames": {"#c": "counter"},
        "ExpressionAttributeValues": {":one": {"N": "1"}, ":zero": {"N": "0"}},
    }


def _query(chance: random.Random) -> tuple[str, dict[str, Any]]:
    return "Query", {
        "TableName": TABLE,
        "KeyConditionExpression": "pk = :p",
        "ExpressionAttributeValues": {":p": {"S": f"partition-{chance.randrange(PARTITIONS):04d}"}},
    }


def _query_filter(chance: random.Random) -> tuple[str, dict[str, Any]]:
    operation, parameters = _query(chance)
    parameters["FilterExpression"] = "profile.city = :c AND #n > :n"
    parameters["ExpressionAttributeNames"] = {"#n": "number"}
    parameters["ExpressionAttributeValues"] |= {":c": {"S": "city-7"}, ":n": {"N": "50"}}
    return operation, parameters


def _scan_filter(chance: random.Random) -> tuple[str, dict[str, Any]]:
    return "Scan", {
        "TableName": TABLE,
        "FilterExpression": "sk = :s",
        "ExpressionAttributeValues": {":s": {"S": f"item-{chance.randrange(PARTITION_ITEMS):06d}"}},
    }


def _batch_get(chance: random.Random) -> tuple[str, dict[str, Any]]:
    chosen = chance.sample(range(PARTITIONS * PARTITION_ITEMS), 100)
    keys = [key(number // PARTITION_ITEMS, number % PARTITION_ITEMS) for number in chosen]
    return "BatchGetItem", {"RequestItems": {TABLE: {"Keys": keys}}}


def _batch_write(chance: random.Random) -> tuple[str, dict[str, Any]]:
    chosen = chance.sample(range(PARTITIONS * PARTITION_ITEMS), 25)
    writes = [
        {"PutRequest": {"Item": item(number // PARTITION_ITEMS, number % PARTITION_ITEMS)}}
        for number in chosen
    ]
    return "BatchWriteItem", {"RequestItems": {TABLE: writes}}


def _put_indexed(chance: random.Random) -> tuple[str, dict[str, Any]]:
    operation, parameters = _put(chance)
    return operation, {**parameters, "TableName": INDEXED}


def _query_index(chance: random.Random) -> tuple[str, dict[str, Any]]:
    return "Query", {
        "TableName": INDEXED,
        "IndexName": INDEX,
        "KeyConditionExpression": "#g = :g",
        "ExpressionAttributeNames": {"#g": "group"},
        "ExpressionAttributeValues": {":g": {"S": f"group-{chance.randrange(GROUPS):02d}"}},
        "Limit": 20,
    }


def _transact_write(chance: random.Random) -> tuple[str, dict[str, Any]]:
    chosen = chance.sample(range(CONTENDED), 4)
    items = [item(number // PARTITION_ITEMS, number % PARTITION_ITEMS) for number in chosen]
    for each in items:  # so that no request finds what it writes
        each["number"] = {"N": str(chance.randrange(1_000_000))}
    return "TransactWriteItems", {
        "TransactItems": [{"Put": {"TableName": TABLE, "Item": each}} for each in items]
    }


WORKLOADS: dict[str, Callable[[random.Random], tuple[str, dict[str, Any]]]] = {
    "get": _get,
    "put": _put,
    "update": _update,
    "query": _query,
    "query-filter": _query_filter,
    "scan-filter": _scan_filter,
    "put-indexed": _put_indexed,
    "query-index": _query_index,
    "transact-write": _transact_write,
    "batch-get": _batch_get,
    "batch-write": _batch_write,
}


def requests(url: str, workload: str) -> list[bytes]:
    """The workload's requests, the same for every server."""
    chance = random.Random(workload)
    count = REQUESTS if workload in ("get", "put", "update", "query") else REQUESTS // 10
    return [request_bytes(url, *WORKLOADS[workload](chance)) for _ in range(count)]
