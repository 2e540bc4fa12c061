"""The same requests get the same answers from SQLite and from an engine that answers a turn later."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alt.errors import ApiError
from alt.storage.sqlite import row_writes
from alt.storage.sqlite.transactions import together
from tests.operations.conftest import Service
from tests.postgres import Cluster

KEYS = st.builds(
    lambda pk, sk: {"pk": {"S": pk}, "sk": {"N": str(sk)}}, st.sampled_from("ab"), st.integers(0, 3)
)
ATTRIBUTES = st.fixed_dictionaries(
    {},
    optional={
        "gk": st.sampled_from([{"S": "x"}, {"S": "y"}, {"N": "1"}]),
        "lk": st.sampled_from([{"N": "1"}, {"N": "2"}]),
        "n": st.sampled_from([{"N": "1"}, {"N": "-7.5"}, {"S": "no number"}]),
        "t": st.sampled_from([{"S": "é" * 600}, {"L": [{"N": "1"}, {"S": "two"}]}]),
    },
)
ITEMS = st.builds(lambda key, more: {**key, **more}, KEYS, ATTRIBUTES)
TABLES = st.sampled_from(["One", "Two"])
CONDITIONS = st.sampled_from(
    [
        {},
        {"ConditionExpression": "attribute_not_exists(pk)"},
        {"ConditionExpression": "attribute_exists(gk) AND NOT contains(t, n)"},
        {
            "ConditionExpression": "n < :zero OR size(t) > :zero",
            "ExpressionAttributeValues": {":zero": {"N": "0"}},
        },
    ]
)
UPDATES = st.sampled_from(
    [
        {
            "UpdateExpression": "SET n = if_not_exists(n, :one) + :one",
            "ExpressionAttributeValues": {":one": {"N": "1"}},
        },
        {"UpdateExpression": "REMOVE gk, t[0]"},
        {"UpdateExpression": "SET gk = :x, t = lk", "ExpressionAttributeValues": {":x": {"S": "x"}}},
        {
            "UpdateExpression": "ADD n :one DELETE s :set",
            "ExpressionAttributeValues": {":one": {"N": "1"}, ":set": {"SS": ["a"]}},
        },
    ]
)
SHOWN = {"ReturnConsumedCapacity": "INDEXES"}
REPORTS = st.sampled_from([{}, SHOWN, SHOWN | {"ReturnItemCollectionMetrics": "SIZE"}])
RETURNS = st.sampled_from(["NONE", "ALL_OLD", "UPDATED_OLD", "ALL_NEW", "UPDATED_NEW"])
FAILURES = st.sampled_from([{}, {"ReturnValuesOnConditionCheckFailure": "ALL_OLD"}])


def merged(operation: str, *parts: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    request: dict[str, Any] = {}
    for part in parts:
        request |= part
    return operation, request


def on(table: str) -> dict[str, Any]:
    return {"TableName": table}


PUT = st.builds(
    lambda table, item, condition, old, *more: merged(
        "PutItem", on(table), {"Item": item}, condition, {"ReturnValues": "ALL_OLD"} if old else {}, *more
    ),
    TABLES, ITEMS, CONDITIONS, st.booleans(), REPORTS, FAILURES,
)  # fmt: skip
DELETE = st.builds(
    lambda table, key, *more: merged("DeleteItem", on(table), {"Key": key, "ReturnValues": "ALL_OLD"}, *more),
    TABLES, KEYS, CONDITIONS, REPORTS, FAILURES,
)  # fmt: skip
UPDATE = st.builds(
    lambda table, key, update, returns, *more: merged(
        "UpdateItem", on(table), {"Key": key, "ReturnValues": returns}, update, *more
    ),
    TABLES, KEYS, UPDATES, RETURNS, REPORTS,
)  # fmt: skip
GET = st.builds(
    lambda table, key, more: merged("GetItem", on(table), {"Key": key}, more),
    TABLES, KEYS, st.sampled_from([{}, SHOWN, {"ProjectionExpression": "t[1], n"}]),
)  # fmt: skip
QUERY = st.builds(
    lambda pk, more, descending: merged(
        "Query",
        on("One"),
        {"KeyConditionExpression": "pk = :pk", "ExpressionAttributeValues": {":pk": {"S": pk}}},
        {"ScanIndexForward": not descending},
        SHOWN,
        more,
    ),
    st.sampled_from("ab"),
    st.sampled_from(
        [
            {},
            {"Limit": 2},
            {"IndexName": "by-lk"},
            {"IndexName": "by-lk", "Select": "ALL_ATTRIBUTES"},
            {"Select": "COUNT"},
            {"ExclusiveStartKey": {"pk": {"S": "a"}, "sk": {"N": "1"}}},
        ]
    ),
    st.booleans(),
)  # fmt: skip
SCAN = st.builds(
    lambda more: merged("Scan", SHOWN, more),
    st.sampled_from(
        [
            {"TableName": "One", "FilterExpression": "attribute_exists(n)"},
            {"TableName": "One", "IndexName": "by-gk", "Limit": 3},
            {"TableName": "Two", "Segment": 1, "TotalSegments": 3},
        ]
    ),
)
BATCH = st.builds(
    lambda table, items, more: merged(
        "BatchWriteItem", {"RequestItems": {table: [{"PutRequest": {"Item": item}} for item in items]}}, more
    ),
    TABLES, st.lists(ITEMS, min_size=1, max_size=3), REPORTS,
)  # fmt: skip
BATCH_GET = st.builds(
    lambda first, second: merged(
        "BatchGetItem", SHOWN, {"RequestItems": {"One": {"Keys": [first]}, "Two": {"Keys": [second]}}}
    ),
    KEYS, KEYS,
)  # fmt: skip
ACTIONS = st.one_of(
    st.builds(
        lambda table, item, more: {"Put": {**on(table), "Item": item, **more}}, TABLES, ITEMS, CONDITIONS
    ),
    st.builds(lambda table, key, more: {"Update": {**on(table), "Key": key, **more}}, TABLES, KEYS, UPDATES),
    st.builds(lambda table, key: {"Delete": {**on(table), "Key": key}}, TABLES, KEYS),
)
TRANSACT = st.builds(
    lambda actions, token, more: merged(
        "TransactWriteItems",
        {"TransactItems": actions},
        {} if token is None else {"ClientRequestToken": token},
        more,
    ),
    st.lists(ACTIONS, min_size=1, max_size=4), st.sampled_from([None, "once", "twice"]), REPORTS,
)  # fmt: skip
TRANSACT_GET = st.builds(
    lambda one, two: merged(
        "TransactGetItems",
        SHOWN,
        {"TransactItems": [{"Get": {**on("One"), "Key": one}}, {"Get": {**on("Two"), "Key": two}}]},
    ),
    KEYS, KEYS,
)  # fmt: skip
KEYED = [
    "pk = '{pk}' AND sk = {sk}",
    "pk = '{pk}' AND sk = {sk} AND attribute_exists(gk)",
    "pk = '{pk}' AND sk = {sk} AND NOT n = 'no number' AND contains(t, 'two')",
]
WHERES = [
    *KEYED,
    "pk = '{pk}' AND sk >= {sk}",
    "pk IN ['a', 'b'] AND sk <> {sk}",
    "(pk = 'a' AND sk < {sk}) OR (pk = 'b' AND (sk = {sk} OR sk > 2)) ORDER BY pk DESC",
    "pk = '{pk}' OR n < 0",
    "size(t) > {sk} AND lk IS NOT MISSING",
]
READS = [
    *(f"SELECT * FROM One WHERE {where}" for where in WHERES),
    "SELECT n, t[1] FROM Two WHERE pk = '{pk}' AND sk = {sk}",
    "SELECT t FROM One.\"by-lk\" WHERE pk = '{pk}' AND lk > {sk}",
    "SELECT n FROM One.\"by-gk\" WHERE gk IN ['x', 'y'] AND n <> {sk}",
]
WRITES = [
    "INSERT INTO {table} VALUE {{'pk': '{pk}', 'sk': {sk}, 'gk': 'x', 'lk': 2, 's': <<'a', 'b'>>}}",
    "INSERT INTO {table} VALUE {{'pk': '{pk}', 'sk': {sk}, 'n': -7.5, 't': [1, 'two']}}",
    *(f"UPDATE {{table}} SET n = n + 1, t = [{{sk}}] REMOVE lk WHERE {where}" for where in KEYED),
    *(f"FROM {{table}} WHERE {where} SET gk = 'y' SET s = set_add(s, <<'c'>>)" for where in KEYED),
    *(f"UPDATE {{table}} SET t[0] = {{sk}} WHERE {where} RETURNING MODIFIED NEW *" for where in KEYED),
    *(f"DELETE FROM {{table}} WHERE {where}" for where in KEYED),
    *(f"DELETE FROM {{table}} WHERE {where} RETURNING ALL OLD *" for where in KEYED),
    "SELEC * FROM {table}",
    "DELETE FROM absent WHERE pk = '{pk}'",
]


def stated(statement: str, table: str, key: dict[str, Any], *more: dict[str, Any]) -> dict[str, Any]:
    text = statement.format(table=table, pk=key["pk"]["S"], sk=key["sk"]["N"])
    return merged("", {"Statement": text}, *more)[1]


READING = st.builds(stated, st.sampled_from(READS), TABLES, KEYS)
WRITING = st.builds(stated, st.sampled_from(WRITES), TABLES, KEYS, FAILURES)
CHECKING = st.builds(
    stated,
    st.sampled_from([f"EXISTS(SELECT * FROM {{table}} WHERE {where})" for where in KEYED]),
    TABLES,
    KEYS,
    FAILURES,
)
STATEMENT = st.builds(
    lambda request, limit, more: merged("ExecuteStatement", request, limit, more),
    READING | WRITING, st.sampled_from([{}, {}, {"Limit": 2}]), st.sampled_from([{}, SHOWN]),
)  # fmt: skip
STATEMENTS = st.builds(
    lambda each, more: merged("BatchExecuteStatement", {"Statements": each}, more),
    st.lists(READING, min_size=1, max_size=4) | st.lists(WRITING, min_size=1, max_size=4),
    st.sampled_from([{}, SHOWN]),
)  # fmt: skip
TOGETHER = st.builds(
    lambda each, token, more: merged(
        "ExecuteTransaction",
        {"TransactStatements": each},
        {} if token is None else {"ClientRequestToken": token},
        more,
    ),
    st.lists(READING, min_size=1, max_size=3) | st.lists(WRITING | CHECKING, min_size=1, max_size=3),
    st.sampled_from([None, "once", "twice"]),
    st.sampled_from([{}, SHOWN]),
)  # fmt: skip
DESCRIBE = st.builds(lambda table: merged("DescribeTable", on(table)), TABLES)
REQUESTS = st.one_of(
    PUT,
    PUT,
    DELETE,
    UPDATE,
    UPDATE,
    GET,
    QUERY,
    SCAN,
    BATCH,
    BATCH_GET,
    TRANSACT,
    TRANSACT_GET,
    DESCRIBE,
    STATEMENT,
    STATEMENT,
    STATEMENTS,
    TOGETHER,
)


def prepare(service: Service) -> None:
    keys = [("pk", "HASH"), ("sk", "RANGE")]
    schema = [{"AttributeName": name, "KeyType": kind} for name, kind in keys]
    by_lk = [keys[0], ("lk", "RANGE")]
    service.create(
        "One",
        AttributeDefinitions=[
            {"AttributeName": name, "AttributeType": kind}
            for name, kind in (("pk", "S"), ("sk", "N"), ("gk", "S"), ("lk", "N"))
        ],
        KeySchema=schema,
        LocalSecondaryIndexes=[
            {
                "IndexName": "by-lk",
                "KeySchema": [{"AttributeName": name, "KeyType": kind} for name, kind in by_lk],
                "Projection": {"ProjectionType": "KEYS_ONLY"},
            }
        ],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "by-gk",
                "KeySchema": [{"AttributeName": "gk", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["n"]},
            }
        ],
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    )
    service.create(
        "Two",
        AttributeDefinitions=[
            {"AttributeName": name, "AttributeType": kind} for name, kind in (("pk", "S"), ("sk", "N"))
        ],
        KeySchema=schema,
    )


def answer(service: Service, operation: str, request: dict[str, Any]) -> Any:
    try:
        return service(operation, **copy.deepcopy(request))
    except ApiError as error:
        return error.type, error.message, error.members


def records(service: Service) -> Any:
    (stream,) = service("ListStreams")["Streams"]
    arn = stream["StreamArn"]
    found = []
    for shard in service("DescribeStream", StreamArn=arn)["StreamDescription"]["Shards"]:
        where = {"StreamArn": arn, "ShardId": shard["ShardId"], "ShardIteratorType": "TRIM_HORIZON"}
        iterator = service("GetShardIterator", **where)["ShardIterator"]
        found += service("GetRecords", ShardIterator=iterator)["Records"]
    return [record["dynamodb"] for record in found]


def check(services: list[Service], requests: list[tuple[str, dict[str, Any]]]) -> None:
    for service in services:
        prepare(service)
    try:
        for operation, request in requests:
            first, *others = (answer(service, operation, request) for service in services)
            assert all(other == first for other in others), operation
        assert all(records(service) == records(services[0]) for service in services)
    finally:
        for service in services:
            service.close()


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(requests=st.lists(REQUESTS, min_size=1, max_size=12))
def test_answers_are_the_same(requests: list[tuple[str, dict[str, Any]]]) -> None:
    check([Service(), Service(in_dictionary=True)], requests)


@pytest.fixture(scope="session")
def empty(postgres: Cluster, shared_database: str) -> Callable[[], str]:
    """Empties a database, and says where it is reached."""

    def emptied() -> str:
        postgres.empty(shared_database)
        return shared_database

    return emptied


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(requests=st.lists(REQUESTS, min_size=1, max_size=12))
def test_answers_are_the_same_from_a_database(
    empty: Callable[[], str], requests: list[tuple[str, dict[str, Any]]]
) -> None:
    check([Service(), Service(database=empty())], requests)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(requests=st.lists(REQUESTS, min_size=1, max_size=12))
def test_answers_are_the_same_where_all_is_decided_beside_the_event_loop(
    requests: list[tuple[str, dict[str, Any]]],
) -> None:
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as directory:
        for module in (row_writes, together):
            patch.setattr(module, "LARGE_ITEM_BYTES", 0)
            patch.setattr(module, "MAX_DECISION_COST", -1)
        check([Service(), Service(directory=Path(directory)), Service(in_dictionary=True)], requests)
