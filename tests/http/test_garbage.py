"""Nothing of a request is left to the garbage collector: what it would have to free is memory, and time, for each one."""

from __future__ import annotations

import gc
import gzip
import json
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from alt import testing
from alt.http.request import Request

TABLE = {
    "TableName": "kept",
    "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
    "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
    "BillingMode": "PAY_PER_REQUEST",
}
ITEM = {"pk": {"S": "a"}, "text": {"S": "x" * 2_000}}
KEY = {"pk": ITEM["pk"]}
PUT = {"TableName": "kept", "Item": ITEM}
LONG = {"pk": {"S": "long"}, "text": {"S": "x" * 390_000}}
UNMET = {"ConditionExpression": "attribute_exists(missing)"}
UPDATE = {"TableName": "kept", "Key": KEY, "UpdateExpression": "SET n = :n"}
TIMES = 5

REQUESTS: dict[str, tuple[str, dict[str, Any]]] = {
    "get": ("GetItem", {"TableName": "kept", "Key": KEY}),
    "put": ("PutItem", PUT),
    "put under a condition that fails": ("PutItem", PUT | UNMET),
    "put of a long item": ("PutItem", {"TableName": "kept", "Item": LONG}),
    "put of a long item under a condition that fails": (
        "PutItem",
        {"TableName": "kept", "Item": LONG} | UNMET,
    ),
    "put without its key": ("PutItem", {"TableName": "kept", "Item": {}}),
    "put into a table that is not there": ("PutItem", PUT | {"TableName": "missing"}),
    "update": ("UpdateItem", UPDATE | {"ExpressionAttributeValues": {":n": {"N": "1"}}}),
    "update that fails": ("UpdateItem", UPDATE | {"UpdateExpression": "SET n = missing"}),
    "delete": ("DeleteItem", {"TableName": "kept", "Key": KEY}),
    "batch of writes": ("BatchWriteItem", {"RequestItems": {"kept": [{"PutRequest": {"Item": ITEM}}]}}),
    "batch of reads": ("BatchGetItem", {"RequestItems": {"kept": {"Keys": [KEY]}}}),
    "transaction": ("TransactWriteItems", {"TransactItems": [{"Put": PUT}]}),
    "transaction that fails": ("TransactWriteItems", {"TransactItems": [{"Put": PUT | UNMET}]}),
    "transaction of reads": (
        "TransactGetItems",
        {"TransactItems": [{"Get": {"TableName": "kept", "Key": KEY}}]},
    ),
    "scan": ("Scan", {"TableName": "kept"}),
    "scan under a filter": (
        "Scan",
        {"TableName": "kept", "FilterExpression": "n = :n", "ExpressionAttributeValues": {":n": {"N": "1"}}},
    ),
    "statement": ("ExecuteStatement", {"Statement": "SELECT * FROM kept WHERE pk = 'a'"}),
    "statement that cannot be read": ("ExecuteStatement", {"Statement": "SELECT"}),
    "statement that changes": ("ExecuteStatement", {"Statement": "UPDATE kept SET n = 1 WHERE pk = 'a'"}),
    "table made twice": ("CreateTable", TABLE),
    "list of tables": ("ListTables", {}),
    "unknown operation": ("Nothing", {}),
}


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with testing.serve() as server:
        send(server.url, "CreateTable", json.dumps(TABLE).encode())
        send(server.url, "PutItem", json.dumps(PUT).encode())
        yield server.url


@pytest.fixture(scope="module", autouse=True)
def _no_older_objects() -> Iterator[None]:
    """The collector looks only at what is made from here on, which is little beside what there is of other tests."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture
def uncollected() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def send(url: str, operation: str, body: bytes, **headers: str) -> None:
    """Whatever is answered."""
    headers |= {
        "Content-Type": "application/x-amz-json-1.0",
        "X-Amz-Target": f"DynamoDB_20120810.{operation}",
    }
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body, headers)) as answer:
            answer.read()
    except urllib.error.HTTPError as refusal:
        refusal.read()


def requests_kept() -> int:
    """One may still be on its way out of the server's thread."""
    for _ in range(2_000):
        kept = sum(type(each) is Request for each in gc.get_objects())
        if not kept:
            return 0
        threading.Event().wait(0.01)
    return kept


@pytest.mark.usefixtures("uncollected")
@pytest.mark.parametrize("coding", ["", "gzip"])
@pytest.mark.parametrize("name", REQUESTS)
def test_nothing_is_kept_of_it(url: str, name: str, coding: str) -> None:
    operation, parameters = REQUESTS[name]
    body = json.dumps(parameters).encode()
    headers = {}
    if coding:
        body = gzip.compress(body)
        headers = {"Content-Encoding": coding, "Accept-Encoding": coding}
    for _ in range(TIMES):
        send(url, operation, body, **headers)
    assert requests_kept() == 0
