"""ReturnConsumedCapacity and ReturnItemCollectionMetrics, on a table with a local and three global indexes."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

KB = 1_024


@pytest.fixture(scope="module")
def indexed(dynamodb: Any) -> str:
    """A table `pk`, `sk` with the local index `local` (by `a`, keys only) and the global `all`, `keys`, `some`."""
    name = f"capacity-{uuid.uuid4()}"

    def index(
        index_name: str, projection: str, *keys: str, attributes: list[str] | None = None
    ) -> dict[str, Any]:
        projected: dict[str, Any] = {"ProjectionType": projection}
        if attributes:
            projected["NonKeyAttributes"] = attributes
        schema = [
            {"AttributeName": key, "KeyType": role}
            for key, role in zip(keys, ("HASH", "RANGE"), strict=False)
        ]
        return {"IndexName": index_name, "KeySchema": schema, "Projection": projected}

    dynamodb.create_table(
        TableName=name,
        AttributeDefinitions=[
            {"AttributeName": key, "AttributeType": "S"} for key in ("pk", "sk", "a", "b", "c")
        ],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        LocalSecondaryIndexes=[index("local", "KEYS_ONLY", "pk", "a")],
        GlobalSecondaryIndexes=[
            index("all", "ALL", "b"),
            index("keys", "KEYS_ONLY", "b", "a"),
            index("some", "INCLUDE", "c", attributes=["x"]),
        ],
        BillingMode="PAY_PER_REQUEST",
    )
    return name


def item(pk: str, **attributes: str) -> dict[str, Any]:
    return {"pk": {"S": pk}, "sk": {"S": "s"}, **{name: {"S": value} for name, value in attributes.items()}}


def units(capacity: dict[str, Any]) -> dict[str, float]:
    """Units by index, the table's own under `table`, and the total."""
    found = {"total": capacity["CapacityUnits"], "table": capacity["Table"]["CapacityUnits"]}
    for member in ("LocalSecondaryIndexes", "GlobalSecondaryIndexes"):
        found |= {name: each["CapacityUnits"] for name, each in capacity.get(member, {}).items()}
    return found


LONG = "y" * KB
WRITES: list[tuple[str, dict[str, str], dict[str, str] | None, dict[str, float]]] = [
    ("in no index", {}, None, {"table": 1}),
    ("enters two", {"b": "b"}, None, {"table": 1, "all": 1}),
    (
        "enters all four",
        {"a": "a", "b": "b", "c": "c"},
        None,
        {"table": 1, "local": 1, "all": 1, "keys": 1, "some": 1},
    ),
    (
        "a large one, of which two are small",
        {"b": "b", "c": "c", "y": LONG},
        None,
        {"table": 2, "all": 2, "some": 1},
    ),
    ("the same again", {"b": "b", "c": "c"}, {"b": "b", "c": "c"}, {"table": 1}),
    ("moves in two", {"a": "a", "b": "b"}, {"a": "a", "b": "B"}, {"table": 1, "all": 2, "keys": 2}),
    ("changes what one holds", {"b": "b", "c": "c"}, {"b": "b", "c": "c", "y": "y"}, {"table": 1, "all": 1}),
    (
        "changes what two hold",
        {"b": "b", "c": "c"},
        {"b": "b", "c": "c", "x": "x"},
        {"table": 1, "all": 1, "some": 1},
    ),
    ("shrinks", {"b": "b", "y": LONG}, {"b": "b"}, {"table": 2, "all": 2}),
    ("leaves one", {"b": "b", "c": "c"}, {"b": "b"}, {"table": 1, "all": 1, "some": 1}),
    ("leaves all", {"a": "a", "b": "b"}, {}, {"table": 1, "local": 1, "all": 1, "keys": 1}),
]


@pytest.mark.parametrize(
    ("before", "after", "expected"), [case[1:] for case in WRITES], ids=[case[0] for case in WRITES]
)
def test_an_index_costs_what_its_write_changes(
    dynamodb: Any,
    indexed: str,
    pk: str,
    before: dict[str, str],
    after: dict[str, str] | None,
    expected: dict[str, float],
) -> None:
    puts = [item(pk, **before)] if after is None else [item(pk, **before), item(pk, **after)]
    for put in puts:
        answer = dynamodb.put_item(TableName=indexed, Item=put, ReturnConsumedCapacity="INDEXES")
    assert units(answer["ConsumedCapacity"]) == {**expected, "total": sum(expected.values())}
    total = dynamodb.put_item(TableName=indexed, Item=puts[-1], ReturnConsumedCapacity="TOTAL")
    assert total["ConsumedCapacity"].keys() == {"TableName", "CapacityUnits"}


def test_a_delete_costs_every_index_that_had_the_item(dynamodb: Any, indexed: str, pk: str) -> None:
    dynamodb.put_item(TableName=indexed, Item=item(pk, b="b", y=LONG))
    key = {"pk": {"S": pk}, "sk": {"S": "s"}}
    answer = dynamodb.delete_item(TableName=indexed, Key=key, ReturnConsumedCapacity="INDEXES")
    assert units(answer["ConsumedCapacity"]) == {"total": 4, "table": 2, "all": 2}
    answer = dynamodb.delete_item(TableName=indexed, Key=key, ReturnConsumedCapacity="INDEXES")
    assert units(answer["ConsumedCapacity"]) == {"total": 1, "table": 1}


def test_an_update_costs_the_larger_item_and_the_changed_indexes(
    dynamodb: Any, indexed: str, pk: str
) -> None:
    dynamodb.put_item(TableName=indexed, Item=item(pk, b="b", c="c", y=LONG))
    answer = dynamodb.update_item(
        TableName=indexed,
        Key={"pk": {"S": pk}, "sk": {"S": "s"}},
        UpdateExpression="SET x = :x REMOVE y",
        ExpressionAttributeValues={":x": {"S": "x"}},
        ReturnConsumedCapacity="INDEXES",
    )
    assert units(answer["ConsumedCapacity"]) == {"total": 5, "table": 2, "all": 2, "some": 1}


def test_a_batch_sums_its_tables_and_indexes(dynamodb: Any, indexed: str, table: str, pk: str) -> None:
    puts = [{"PutRequest": {"Item": item(pk + str(n), b="b")}} for n in range(3)]
    answer = dynamodb.batch_write_item(
        RequestItems={indexed: puts, table: [{"PutRequest": {"Item": {"pk": {"S": pk}}}}]},
        ReturnConsumedCapacity="INDEXES",
    )
    found = {each["TableName"]: units(each) for each in answer["ConsumedCapacity"]}
    assert found == {indexed: {"total": 6, "table": 3, "all": 3}, table: {"total": 1, "table": 1}}


# Reads


@pytest.fixture(scope="module")
def collection(dynamodb: Any, indexed: str) -> str:
    """A partition key with 5 items of about 3 KB, all in the local index and in `all` under the same name."""
    pk = uuid.uuid4().hex
    for number in range(5):
        entry = item(pk, a=str(number), b=pk, y="y" * 3 * KB) | {"sk": {"S": str(number)}}
        dynamodb.put_item(TableName=indexed, Item=entry)
    return pk


READS: list[tuple[str, dict[str, Any], dict[str, float]]] = [
    ("the table", {}, {"table": 2}),
    ("the table, consistently", {"ConsistentRead": True}, {"table": 4}),
    ("a count", {"Select": "COUNT"}, {"table": 2}),
    ("what a filter leaves out", {"FilterExpression": "attribute_exists(absent)"}, {"table": 2}),
    ("a local index", {"IndexName": "local"}, {"table": 0, "local": 0.5}),
    ("a local index, consistently", {"IndexName": "local", "ConsistentRead": True}, {"table": 0, "local": 1}),
    ("what it must fetch", {"IndexName": "local", "Select": "ALL_ATTRIBUTES"}, {"table": 2.5, "local": 0.5}),
    (
        "what it must fetch, consistently",
        {"IndexName": "local", "ProjectionExpression": "y", "ConsistentRead": True},
        {"table": 5, "local": 1},
    ),
    ("a global index", {"IndexName": "all"}, {"table": 0, "all": 2}),
]


@pytest.mark.parametrize(
    ("parameters", "expected"), [case[1:] for case in READS], ids=[case[0] for case in READS]
)
def test_a_query_costs_what_it_reads(
    dynamodb: Any, indexed: str, collection: str, parameters: dict[str, Any], expected: dict[str, float]
) -> None:
    key = "b" if parameters.get("IndexName") == "all" else "pk"
    answer = dynamodb.query(
        TableName=indexed,
        KeyConditionExpression=f"{key} = :p",
        ExpressionAttributeValues={":p": {"S": collection}},
        ReturnConsumedCapacity="INDEXES",
        **parameters,
    )
    assert units(answer["ConsumedCapacity"]) == {**expected, "total": sum(expected.values())}


def test_the_table_is_named_as_the_request_named_it(dynamodb: Any, indexed: str, collection: str) -> None:
    arn = dynamodb.describe_table(TableName=indexed)["Table"]["TableArn"]
    key = {"pk": {"S": collection}, "sk": {"S": "0"}}
    answer = dynamodb.get_item(TableName=arn, Key=key, ReturnConsumedCapacity="TOTAL")
    assert answer["ConsumedCapacity"] == {"TableName": arn, "CapacityUnits": 0.5}


# Transactions


def test_a_transaction_costs_twice_but_for_its_entries_and_says_which_units(
    dynamodb: Any, indexed: str, table: str, pk: str
) -> None:
    answer = dynamodb.transact_write_items(
        TransactItems=[
            {"Put": {"TableName": indexed, "Item": item(pk, b="b")}},
            {
                "ConditionCheck": {
                    "TableName": table,
                    "Key": {"pk": {"S": pk}},
                    "ConditionExpression": "attribute_not_exists(pk)",
                }
            },
        ],
        ReturnConsumedCapacity="INDEXES",
    )
    one, two, three = ({"CapacityUnits": n, "WriteCapacityUnits": n} for n in (1.0, 2.0, 3.0))
    assert answer["ConsumedCapacity"] == [
        {"TableName": indexed, **three, "Table": two, "GlobalSecondaryIndexes": {"all": one}},
        {"TableName": table, **two, "Table": two},
    ]


ENTRIES: list[tuple[dict[str, str], dict[str, str] | None, dict[str, float]]] = [
    ({"a": "a", "b": "b", "y": LONG}, None, {"table": 4, "local": 1, "all": 2, "keys": 1}),
    ({"b": "b"}, {"b": "B"}, {"table": 2, "all": 2}),
    ({"a": "a", "b": "b"}, {}, {"table": 2, "local": 1, "all": 1, "keys": 1}),
]


@pytest.mark.parametrize(("before", "after", "expected"), ENTRIES)
def test_entries_count_once_in_a_transaction(
    dynamodb: Any,
    indexed: str,
    pk: str,
    before: dict[str, str],
    after: dict[str, str] | None,
    expected: dict[str, float],
) -> None:
    for attributes in (before,) if after is None else (before, after):
        answer = dynamodb.transact_write_items(
            TransactItems=[{"Put": {"TableName": indexed, "Item": item(pk, **attributes)}}],
            ReturnConsumedCapacity="INDEXES",
        )
    (capacity,) = answer["ConsumedCapacity"]
    assert units(capacity) == {**expected, "total": sum(expected.values())}


@pytest.mark.parametrize("tables", [1, 2])
def test_a_replayed_token_costs_the_reads_of_what_was_charged(
    dynamodb: Any, indexed: str, table: str, pk: str, tables: int
) -> None:
    """The larger of the items before and after, whatever has become of them since."""
    key = {"pk": {"S": pk}}
    stored = {name: {**key, "a": {"S": "x" * 9 * KB}} for name in ("deleted", "shrunk", "grows")}
    for name in ("deleted", "shrunk"):
        stored[name]["pk"] = {"S": pk + name}
        dynamodb.put_item(TableName=table, Item=stored[name])
    actions = [
        {"Delete": {"TableName": table, "Key": {"pk": {"S": pk + "deleted"}}}},
        {"Put": {"TableName": table, "Item": {"pk": {"S": pk + "shrunk"}}}},
        {"Put": {"TableName": table, "Item": stored["grows"]}},
        {"Put": {"TableName": indexed, "Item": item(pk, b="b", y="y" * 5 * KB)}},
    ]
    request = {
        "TransactItems": actions[: 2 + tables],
        "ClientRequestToken": pk,
        "ReturnConsumedCapacity": "INDEXES",
    }
    written = dynamodb.transact_write_items(**request)["ConsumedCapacity"]
    assert [units(each)["table"] for each in written] == [60.0, 12.0][:tables]
    dynamodb.delete_item(TableName=table, Key=key)
    replayed = dynamodb.transact_write_items(**request)["ConsumedCapacity"]
    read = [{"CapacityUnits": n, "ReadCapacityUnits": n} for n in (18.0, 4.0)]
    assert replayed == [
        {"TableName": name, **each, "Table": each}
        for name, each in list(zip((table, indexed), read, strict=True))[:tables]
    ]


def test_transactional_reads_cost_twice(dynamodb: Any, indexed: str, collection: str) -> None:
    gets = [
        {"Get": {"TableName": indexed, "Key": {"pk": {"S": collection}, "sk": {"S": sk}}}}
        for sk in ("0", "absent")
    ]
    answer = dynamodb.transact_get_items(TransactItems=gets, ReturnConsumedCapacity="TOTAL")
    assert answer["ConsumedCapacity"] == [
        {"TableName": indexed, "CapacityUnits": 4.0, "ReadCapacityUnits": 4.0}
    ]


# Item collections


def test_collection_metrics_of_each_write(dynamodb: Any, indexed: str, pk: str) -> None:
    expected = {"ItemCollectionKey": {"pk": {"S": pk}}, "SizeEstimateRangeGB": [0.0, 1.0]}
    asked = {"TableName": indexed, "ReturnItemCollectionMetrics": "SIZE"}
    key = {"pk": {"S": pk}, "sk": {"S": "s"}}
    answers = [
        dynamodb.put_item(Item=item(pk, a="a"), **asked),
        dynamodb.update_item(Key=key, UpdateExpression="REMOVE a", **asked),
        dynamodb.delete_item(Key=key, **asked),
    ]
    assert [answer["ItemCollectionMetrics"] for answer in answers] == [expected] * 3
    assert "ItemCollectionMetrics" not in dynamodb.put_item(TableName=indexed, Item=item(pk))


def test_collection_metrics_of_batches_and_transactions(
    dynamodb: Any, indexed: str, table: str, pk: str
) -> None:
    two = [item(pk, a="a"), item(pk, a="b") | {"sk": {"S": "t"}}]
    expected = {indexed: [{"ItemCollectionKey": {"pk": {"S": pk}}, "SizeEstimateRangeGB": [0.0, 1.0]}]}
    plain = {"pk": {"S": pk}}
    batch = dynamodb.batch_write_item(
        RequestItems={
            indexed: [{"PutRequest": {"Item": each}} for each in two],
            table: [{"PutRequest": {"Item": plain}}],
        },
        ReturnItemCollectionMetrics="SIZE",
    )
    assert batch["ItemCollectionMetrics"] == expected
    transaction = dynamodb.transact_write_items(
        TransactItems=[{"Put": {"TableName": indexed, "Item": each}} for each in two]
        + [{"Put": {"TableName": table, "Item": plain}}],
        ReturnItemCollectionMetrics="SIZE",
    )
    assert transaction["ItemCollectionMetrics"] == expected


def test_a_collection_over_its_limit_cancels_a_transaction(start_server: Any) -> None:
    client = start_server("--memory", "--item-collection-limit", "200").client()
    client.create_table(
        TableName="Limited",
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in ("pk", "sk", "a")],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        LocalSecondaryIndexes=[
            {
                "IndexName": "local",
                "KeySchema": [
                    {"AttributeName": "pk", "KeyType": "HASH"},
                    {"AttributeName": "a", "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
        BillingMode="PAY_PER_REQUEST",
    )
    with pytest.raises(client.exceptions.TransactionCanceledException) as cancelled:
        client.transact_write_items(
            TransactItems=[
                {"Put": {"TableName": "Limited", "Item": item("other")}},
                {"Put": {"TableName": "Limited", "Item": item("large", a="x" * 150)}},
            ]
        )
    assert cancelled.value.response["CancellationReasons"] == [
        {"Code": "None"},
        {"Code": "ItemCollectionSizeLimitExceeded", "Message": "Collection size exceeded."},
    ]
    assert client.scan(TableName="Limited")["Count"] == 0
