"""Secondary indexes as clients see them: what is in them, how they are read, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

INVALID = "One or more parameter values were invalid: "
SCHEMA = "The provided key element does not match the schema"
STARTING_KEY = "The provided starting key is invalid"
SCALARS = "Key attributes must be scalars; list random access '[]' and map lookup '.' are not allowed:"

Rows = list[dict[str, Any]]


def keys(*names: str) -> list[dict[str, str]]:
    """A key schema: `"a"` is a HASH element, `"-a"` a RANGE element."""
    return [
        {"AttributeName": name.lstrip("-"), "KeyType": "RANGE" if name[0] == "-" else "HASH"}
        for name in names
    ]


def index(name: str, schema: list[str], *projection: str) -> dict[str, Any]:
    kind, *names = projection
    wanted: dict[str, Any] = {"ProjectionType": kind} | ({"NonKeyAttributes": names} if names else {})
    return {"IndexName": name, "KeySchema": keys(*schema), "Projection": wanted}


def create(client: Any, name: str, **members: Any) -> None:
    """A table of the keys pk and sk; the last letter of an attribute's name is its type."""
    indexes = [*members.get("GlobalSecondaryIndexes", []), *members.get("LocalSecondaryIndexes", [])]
    used = {key["AttributeName"] for each in indexes for key in each["KeySchema"]} | {"pkS", "skN"}
    client.create_table(
        TableName=name,
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": key[-1]} for key in sorted(used)],
        KeySchema=keys("pkS", "-skN"),
        BillingMode="PAY_PER_REQUEST",
        **members,
    )


def item(pk: str, sk: int, **attributes: Any) -> dict[str, Any]:
    """`aS="x"` is the attribute aS of type S; `x=...` is a string."""
    made = {"pkS": {"S": pk}, "skN": {"N": str(sk)}}
    return made | {name: {name[-1] if len(name) > 1 else "S": value} for name, value in attributes.items()}


@pytest.fixture(scope="module")
def indexed(dynamodb: Any) -> Callable[..., Any]:
    """A table of 60 items with an index of each kind, and how to query one of its indexes."""
    name = "indexed"
    create(
        dynamodb,
        name,
        GlobalSecondaryIndexes=[
            index("all", ["gS", "-rN"], "ALL"),
            index("keys", ["gS"], "KEYS_ONLY"),
            index("some", ["rN"], "INCLUDE", "x"),
            index("binary", ["bB", "-gS"], "KEYS_ONLY"),
        ],
        LocalSecondaryIndexes=[index("local", ["pkS", "-lN"], "INCLUDE", "x")],
    )
    for number in range(60):
        made = item(f"p{number % 3}", number, x=f"x{number}", y="y" * 10, lN=str(-number))
        if number % 4:
            made |= {"gS": {"S": f"g{number % 2}"}, "rN": {"N": str(number // 10)}}
        if number % 20 == 1:
            made["bB"] = {"B": bytes([number])}
        dynamodb.put_item(TableName=name, Item=made)

    def query(index_name: str, condition: str, values: dict[str, Any], **parameters: Any) -> Any:
        return dynamodb.query(
            TableName=name,
            IndexName=index_name,
            KeyConditionExpression=condition,
            ExpressionAttributeValues=values,
            **parameters,
        )

    return query


G1 = {":g": {"S": "g1"}}
IN_G1 = [number for number in range(60) if number % 4 and number % 2]


def numbers(rows: Rows) -> list[int]:
    return [int(row["skN"]["N"]) for row in rows]


def test_a_query_is_in_the_order_of_the_range_key(indexed: Any) -> None:
    found = indexed("all", "gS = :g", G1)["Items"]
    assert sorted(numbers(found)) == IN_G1
    ranges = [int(row["rN"]["N"]) for row in found]
    assert ranges == sorted(ranges)
    backwards = indexed("all", "gS = :g", G1, ScanIndexForward=False)["Items"]
    assert backwards == found[::-1]


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("rN = :a", {2}),
        ("rN < :a", {0, 1}),
        ("rN <= :a", {0, 1, 2}),
        ("rN > :b", {5}),
        ("rN >= :b", {4, 5}),
        ("rN BETWEEN :a AND :b", {2, 3, 4}),
    ],
)
def test_key_conditions(indexed: Any, condition: str, expected: set[int]) -> None:
    used = {name: {"N": value} for name, value in ((":a", "2"), (":b", "4")) if name in condition}
    found = indexed("all", f"gS = :g AND {condition}", G1 | used)["Items"]
    assert sorted(numbers(found)) == [number for number in IN_G1 if number // 10 in expected]


@pytest.mark.parametrize("limit", [1, 2, 7, 29, 30, 31, 60])
@pytest.mark.parametrize("forward", [True, False])
def test_pages_lose_and_repeat_nothing(indexed: Any, limit: int, forward: bool) -> None:
    """Up to five entries have one index key."""
    whole = indexed("all", "gS = :g", G1, ScanIndexForward=forward)["Items"]
    found: Rows = []
    parameters: dict[str, Any] = {"Limit": limit, "ScanIndexForward": forward}
    while True:
        page = indexed("all", "gS = :g", G1, **parameters)
        found += page["Items"]
        if "LastEvaluatedKey" not in page:
            break
        last = page["Items"][-1]
        assert page["LastEvaluatedKey"] == {name: last[name] for name in ("gS", "rN", "pkS", "skN")}
        parameters["ExclusiveStartKey"] = page["LastEvaluatedKey"]
    assert found == whole


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("all", {"pkS", "skN", "gS", "rN", "lN", "x", "y"}),
        ("keys", {"pkS", "skN", "gS"}),
        ("some", {"pkS", "skN", "rN", "x"}),
        ("local", {"pkS", "skN", "lN", "x"}),
    ],
)
def test_an_index_holds_what_it_projects(dynamodb: Any, indexed: Any, name: str, expected: set[str]) -> None:
    assert indexed
    found = dynamodb.scan(TableName="indexed", IndexName=name)["Items"]
    assert len(found) == (60 if name == "local" else 45)
    assert all(row.keys() - {"bB"} - ({"gS", "rN"} - expected) == expected for row in found)
    described = dynamodb.describe_table(TableName="indexed")["Table"]
    (found_index,) = (
        each
        for each in described["GlobalSecondaryIndexes"] + described["LocalSecondaryIndexes"]
        if each["IndexName"] == name
    )
    assert found_index["ItemCount"] == len(found)
    assert found_index["IndexSizeBytes"] == sum(map(size, found))


def size(row: dict[str, Any]) -> int:
    """Of an item of strings, bytes and small integers."""
    total = 0
    for name, value in row.items():
        ((kind, content),) = value.items()
        total += len(name) + (len(content) if kind != "N" else number_size(content))
    return total


def number_size(text: str) -> int:
    """Of one or two digits."""
    return 1 if text == "0" else 2 + text.startswith("-")


def test_an_index_of_a_binary_key_is_sparse(indexed: Any) -> None:
    found = indexed("binary", "bB = :b AND begins_with(gS, :g)", {":b": {"B": b"\x29"}, ":g": {"S": "g"}})
    assert numbers(found["Items"]) == [41]


def test_segments_partition_an_index(dynamodb: Any, indexed: Any) -> None:
    assert indexed
    found = [
        dynamodb.scan(TableName="indexed", IndexName="some", Segment=segment, TotalSegments=7)["Items"]
        for segment in range(7)
    ]
    assert sorted(number for rows in found for number in numbers(rows)) == [n for n in range(60) if n % 4]
    assert sum(map(bool, found)) > 1


def test_a_local_index_fetches_what_it_lacks(indexed: Any) -> None:
    values = {":p": {"S": "p1"}, ":l": {"N": "-40"}}
    condition = "pkS = :p AND lN < :l"
    plain = indexed("local", condition, values)["Items"]
    assert numbers(plain) == [58, 55, 52, 49, 46, 43]
    assert all("y" not in row for row in plain)
    everything = indexed("local", condition, values, Select="ALL_ATTRIBUTES", ConsistentRead=True)["Items"]
    assert [row["y"] for row in everything] == [{"S": "y" * 10}] * 6
    asked = indexed("local", condition, values, ProjectionExpression="y, skN")["Items"]
    assert asked == [{"y": row["y"], "skN": row["skN"]} for row in everything]
    filtered = indexed(
        "local",
        condition,
        values | {":x": {"S": "x5"}},
        FilterExpression="begins_with(x, :x)",
        Select="ALL_ATTRIBUTES",
    )
    assert filtered["Items"] == everything[:3]


@pytest.mark.parametrize("name", ["keys", "local"])
def test_a_filter_sees_what_the_index_holds(dynamodb: Any, indexed: Any, refusal: Any, name: str) -> None:
    """A Query that filters by what is not there is refused; a Scan finds nothing."""
    values = {":y": {"S": "y"}}
    key = {"keys": ("gS = :g", G1), "local": ("pkS = :g", {":g": {"S": "p1"}})}[name]
    refused = refusal(
        indexed,
        index_name=name,
        condition=key[0],
        values=key[1] | values,
        FilterExpression="begins_with(y, :y)",
        Select="COUNT",
    )
    message = f"{INVALID}Secondary index {name} does not project one or more filter attributes: [y]"
    assert refused == ("ValidationException", message)
    found = dynamodb.scan(
        TableName="indexed",
        IndexName=name,
        FilterExpression="begins_with(y, :y)",
        ExpressionAttributeValues=values,
    )
    assert (found["Count"], found["ScannedCount"]) == (0, 60 if name == "local" else 45)


@pytest.mark.parametrize(
    ("name", "parameters", "message"),
    [
        ("all", {"ConsistentRead": True}, "Consistent reads are not supported on global secondary indexes"),
        (
            "keys",
            {"Select": "ALL_ATTRIBUTES"},
            f"{INVALID}Select type ALL_ATTRIBUTES is not supported for global secondary index keys "
            "because its projection type is not ALL",
        ),
        (
            "keys",
            {"ProjectionExpression": "x, pkS"},
            f"{INVALID}Global secondary index keys does not project [x]",
        ),
        ("absent", {}, "The table does not have the specified index: absent"),
    ],
)
def test_reads_that_are_refused(
    dynamodb: Any, indexed: Any, refusal: Any, name: str, parameters: dict[str, Any], message: str
) -> None:
    expected = ("ValidationException", message)
    assert refusal(indexed, index_name=name, condition="gS = :g", values=G1, **parameters) == expected
    assert refusal(dynamodb.scan, TableName="indexed", IndexName=name, **parameters) == expected


@pytest.mark.parametrize(
    ("start", "message"),
    [
        ({}, STARTING_KEY),
        ({"pkS": {"S": "p1"}, "skN": {"N": "1"}}, STARTING_KEY),
        ({"gS": {"S": "g1"}, "rN": {"N": "0"}}, STARTING_KEY),
        ({"gS": {"S": "g1"}, "rN": {"S": "0"}, "pkS": {"S": "p"}, "skN": {"N": "1"}}, STARTING_KEY),
        (
            {"gS": {"S": "g0"}, "rN": {"N": "0"}, "pkS": {"S": "p"}, "skN": {"N": "1"}},
            "The provided starting key is outside query boundaries based on provided conditions",
        ),
    ],
)
def test_starting_keys_that_are_refused(
    indexed: Any, refusal: Any, start: dict[str, Any], message: str
) -> None:
    refused = refusal(indexed, index_name="all", condition="gS = :g", values=G1, ExclusiveStartKey=start)
    assert refused == ("ValidationException", message)


def test_legacy_parameters(dynamodb: Any, indexed: Any) -> None:
    assert indexed
    found = dynamodb.query(
        TableName="indexed",
        IndexName="all",
        KeyConditions={
            "gS": {"ComparisonOperator": "EQ", "AttributeValueList": [{"S": "g1"}]},
            "rN": {"ComparisonOperator": "LT", "AttributeValueList": [{"N": "1"}]},
        },
        QueryFilter={"x": {"ComparisonOperator": "NE", "AttributeValueList": [{"S": "x1"}]}},
        AttributesToGet=["skN"],
    )["Items"]
    assert sorted(map(str, found)) == sorted(str({"skN": {"N": number}}) for number in "3579")


@pytest.fixture(scope="module")
def changing(dynamodb: Any) -> str:
    name = "changing"
    create(
        dynamodb,
        name,
        GlobalSecondaryIndexes=[index("global", ["gS"], "INCLUDE", "x")],
        LocalSecondaryIndexes=[index("local", ["pkS", "-lN"], "KEYS_ONLY")],
    )
    return name


def entries(client: Any, table: str, name: str, pk: str) -> Rows:
    pages = client.get_paginator("scan").paginate(TableName=table, IndexName=name)
    return [row for page in pages for row in page["Items"] if row["pkS"]["S"] == pk]


def test_entries_follow_their_items(dynamodb: Any, changing: str, pk: str) -> None:
    key = {"pkS": {"S": pk}, "skN": {"N": "1"}}

    def update(expression: str, **values: str) -> None:
        given = {f":{name}": {"S": value} for name, value in values.items()}
        more = {"ExpressionAttributeValues": given} if given else {}
        dynamodb.update_item(TableName=changing, Key=key, UpdateExpression=expression, **more)

    assert entries(dynamodb, changing, "global", pk) == []
    update("SET y = :y", y="1")
    assert entries(dynamodb, changing, "global", pk) == []
    update("SET gS = :g, x = :x", g="one", x="2")
    assert entries(dynamodb, changing, "global", pk) == [item(pk, 1, gS="one", x="2")]
    update("SET gS = :g REMOVE x", g="two")
    assert entries(dynamodb, changing, "global", pk) == [item(pk, 1, gS="two")]
    update("REMOVE gS")
    assert entries(dynamodb, changing, "global", pk) == []
    dynamodb.put_item(TableName=changing, Item=item(pk, 1, lN="5"))
    assert entries(dynamodb, changing, "local", pk) == [item(pk, 1, lN="5")]
    dynamodb.batch_write_item(
        RequestItems={changing: [{"PutRequest": {"Item": item(pk, 2, gS="b", lN="6")}}]}
    )
    dynamodb.transact_write_items(
        TransactItems=[
            {"Delete": {"TableName": changing, "Key": key}},
            {"Put": {"TableName": changing, "Item": item(pk, 3, gS="c")}},
        ]
    )
    assert entries(dynamodb, changing, "local", pk) == [item(pk, 2, lN="6")]
    assert sorted(numbers(entries(dynamodb, changing, "global", pk))) == [2, 3]
    dynamodb.delete_item(TableName=changing, Key={"pkS": {"S": pk}, "skN": {"N": "2"}})
    assert entries(dynamodb, changing, "local", pk) == []


# Values that no index key can have


@pytest.fixture(scope="module")
def crowded(dynamodb: Any) -> str:
    """A table in which `kS` is a key of several indexes, the last of which comes first by name."""
    name = "crowded"
    create(
        dynamodb,
        name,
        GlobalSecondaryIndexes=[
            index("zeta", ["kS"], "KEYS_ONLY"),
            index("gamma", ["nN", "-kS"], "KEYS_ONLY"),
            index("bytes", ["vB"], "KEYS_ONLY"),
        ],
        LocalSecondaryIndexes=[
            index("omega", ["pkS", "-kS"], "KEYS_ONLY"),
            index("alpha", ["pkS", "-kS"], "KEYS_ONLY"),
        ],
    )
    return name


Attributes = dict[str, Any]


def batch_put(client: Any, table: str, put: Attributes) -> Any:
    return client.batch_write_item(RequestItems={table: [{"PutRequest": {"Item": put}}]})


def transact(action: str) -> Callable[..., Any]:
    def write(client: Any, table: str, **members: Any) -> Any:
        return client.transact_write_items(TransactItems=[{action: {"TableName": table, **members}}])

    return write


PUTS: dict[str, Callable[[Any, str, Attributes], Any]] = {
    "PutItem": lambda client, table, put: client.put_item(TableName=table, Item=put),
    "BatchWriteItem": batch_put,
    "TransactWriteItems": lambda client, table, put: transact("Put")(client, table, Item=put),
}
UPDATES: dict[str, Callable[..., Any]] = {
    "UpdateItem": lambda client, table, **members: client.update_item(TableName=table, **members),
    "TransactWriteItems": transact("Update"),
}


def how_refused(client: Any, call: Callable[..., Any], *arguments: Any, **members: Any) -> tuple[str, str]:
    """The level, `request` or `action`, and the message of a refusal."""
    with pytest.raises(client.exceptions.ClientError) as caught:
        call(client, *arguments, **members)
    response = caught.value.response
    if "CancellationReasons" in response:
        ((code, message),) = [reason.values() for reason in response["CancellationReasons"]]
        assert code == "ValidationError"
        return "action", message
    assert response["Error"]["Code"] == "ValidationException"
    return "request", response["Error"]["Message"]


NOT_VALID = "One or more parameter values are not valid. "
EMPTY = "The AttributeValue for a key attribute cannot contain an empty {} value."
PUT_EMPTY = f"{NOT_VALID}A value specified for a secondary index key is not supported. {EMPTY}"
UPDATED_EMPTY = (
    f"{NOT_VALID}The update expression attempted to update a secondary index key "
    f"to a value that is not supported. {EMPTY}"
)
TOO_LONG = "The update expression attempted to update the secondary index key beyond allowed size limits"
NO_KEY_TYPE = "The update expression attempted to update the secondary index key to unsupported type"


def mismatch(actual: str) -> str:
    return f"{INVALID}Type mismatch for Index Key kS Expected: S Actual: {actual} IndexName: alpha"


@pytest.mark.parametrize(
    ("name", "value", "message", "level"),
    [
        ("kS", {"N": "1"}, mismatch("N"), "action"),
        ("kS", {"M": {}}, mismatch("M"), "action"),
        ("kS", {"NULL": True}, mismatch("NULL"), "action"),
        ("kS", {"S": ""}, f"{PUT_EMPTY.format('string')} IndexName: alpha, IndexKey: kS", "request"),
        ("vB", {"B": b""}, f"{PUT_EMPTY.format('binary')} IndexName: bytes, IndexKey: vB", "request"),
        (
            "kS",
            {"S": "x" * 2049},
            f"{INVALID}Size of hashkey has exceeded the maximum size limit of2048 bytes",
            "action",
        ),
        (
            "kS",
            {"S": "x" * 1025},
            f"{INVALID}Aggregated size of all range keys has exceeded the size limit of 1024 bytes",
            "action",
        ),
    ],
)
@pytest.mark.parametrize("operation", PUTS)
def test_items_that_no_index_can_hold(
    dynamodb: Any, crowded: str, pk: str, operation: str, name: str, value: Any, message: str, level: str
) -> None:
    """`level` is that of a transaction."""
    expected = level if operation == "TransactWriteItems" else "request", message
    wrong = item(pk, 1) | {name: value}
    assert how_refused(dynamodb, PUTS[operation], crowded, wrong) == expected
    assert "Item" not in dynamodb.get_item(TableName=crowded, Key=item(pk, 1))


STRING = {"S": "x"}


@pytest.mark.parametrize(
    ("expression", "value", "message", "level"),
    [
        ("SET kS = :v", {"N": "1"}, mismatch("N"), "action"),
        ("SET kS = :v", {"NULL": True}, mismatch("NULL"), "action"),
        ("SET kS = if_not_exists(kS, :v)", {"BOOL": True}, mismatch("BOOL"), "action"),
        ("SET kS = n + :v", {"N": "1"}, mismatch("N"), "action"),
        ("SET kS = list_append(:v, :v)", {"L": []}, mismatch("L"), "action"),
        ("ADD kS :v", {"N": "1"}, mismatch("N"), "action"),
        ("DELETE kS :v", {"SS": ["x"]}, mismatch("SS"), "action"),
        ("SET kS = :v, b = kS.a", {"N": "1"}, mismatch("N"), "action"),
        ("SET kS = :v", {"S": ""}, UPDATED_EMPTY.format("string"), "request"),
        ("SET vB = :v", {"B": b""}, UPDATED_EMPTY.format("binary"), "request"),
        ("SET kS = :v", {"S": "x" * 2049}, TOO_LONG, "action"),
        ("SET kS = :v", {"S": "x" * 1025}, TOO_LONG, "action"),
        ("SET kS = n", None, NO_KEY_TYPE, "action"),
        ("SET kS = m.n", None, NO_KEY_TYPE, "action"),
        ("SET kS = if_not_exists(n, :v)", STRING, NO_KEY_TYPE, "action"),
        ("SET kS = e", None, UPDATED_EMPTY.format("string"), "action"),
        ("SET kS = l", None, TOO_LONG, "action"),
        ("SET kS.a = :v", STRING, f"{SCALARS} IndexKey: kS", "action"),
        ("SET b = kS[0]", None, f"{SCALARS} IndexKey: kS", "action"),
        ("REMOVE kS.a", None, f"{SCALARS} IndexKey: kS", "action"),
        ("SET pkS = :v, kS = :v", {"N": "1"}, f"{INVALID}Cannot update attribute pkS. This attribute is part of the key", "action"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("operation", UPDATES)
def test_updates_to_what_no_index_can_hold(
    dynamodb: Any,
    crowded: str,
    pk: str,
    operation: str,
    expression: str,
    value: Any,
    message: str,
    level: str,
) -> None:
    """What the request alone tells, it is refused for, before any condition; the rest is seen in the item."""
    before = item(pk, 1, e="", l="x" * 2049) | {"n": {"N": "1"}, "m": {"M": {"n": {"N": "1"}}}}
    dynamodb.put_item(TableName=crowded, Item=before)
    values = {} if value is None else {"ExpressionAttributeValues": {":v": value}}
    is_foreseen = message not in (NO_KEY_TYPE, TOO_LONG) and expression != "SET kS = e"
    condition = {"ConditionExpression": "attribute_not_exists(pkS)"} if is_foreseen else {}
    refused = how_refused(
        dynamodb,
        UPDATES[operation],
        crowded,
        Key=item(pk, 1),
        UpdateExpression=expression,
        **values,
        **condition,
    )
    assert refused == (level if operation == "TransactWriteItems" else "request", message)
    assert dynamodb.get_item(TableName=crowded, Key=item(pk, 1))["Item"] == before


@pytest.mark.parametrize(
    ("update", "message"),
    [
        ({"Value": {"N": "1"}}, mismatch("N")),
        ({"Value": {"NULL": True}, "Action": "PUT"}, mismatch("NULL")),
        ({"Value": {"N": "1"}, "Action": "ADD"}, mismatch("N")),
        ({"Value": {"L": []}, "Action": "ADD"}, mismatch("L")),
        ({"Value": {"SS": ["x"]}, "Action": "DELETE"}, mismatch("SS")),
        ({"Value": {"S": ""}}, UPDATED_EMPTY.format("string")),
        ({"Value": {"S": "x" * 2049}}, TOO_LONG),
    ],
)
def test_attribute_updates_to_what_no_index_can_hold(
    dynamodb: Any, crowded: str, refusal: Any, pk: str, update: Attributes, message: str
) -> None:
    refused = refusal(
        dynamodb.update_item, TableName=crowded, Key=item(pk, 1), AttributeUpdates={"kS": update}
    )
    assert refused == ("ValidationException", message)
    assert "Item" not in dynamodb.get_item(TableName=crowded, Key=item(pk, 1))


def test_updates_that_leave_an_index_key_alone(dynamodb: Any, crowded: str, pk: str) -> None:
    dynamodb.put_item(TableName=crowded, Item=item(pk, 1, kS="a", nN="1"))
    for operation in UPDATES.values():
        operation(dynamodb, crowded, Key=item(pk, 1), UpdateExpression="REMOVE kS")
        operation(
            dynamodb,
            crowded,
            Key=item(pk, 1),
            UpdateExpression="SET kS = if_not_exists(kS, :k) ADD nN :n",
            ExpressionAttributeValues={":k": STRING, ":n": {"N": "1"}},
        )
    assert dynamodb.get_item(TableName=crowded, Key=item(pk, 1))["Item"] == item(pk, 1, kS="x", nN="3")


@pytest.fixture(scope="module")
def many(dynamodb: Any) -> Callable[..., list[int]]:
    """A table with an index of two hash and three range attributes; how to query it."""
    schema = ["kS", "bN", "-cS", "-dN", "-eB"]
    create(dynamodb, "many", GlobalSecondaryIndexes=[index("many", schema, "ALL")])
    for number in range(81):
        made = item("p", number, kS="a" if number % 2 else "b", bN=str(number % 3 // 2))
        made |= {"cS": {"S": "xyz"[number // 27]}, "dN": {"N": str(number // 9 % 3)}}
        made["eB"] = {"B": bytes([number // 3 % 3])}
        if number % 10 == 7:
            del made["dN"]
        dynamodb.put_item(TableName="many", Item=made)

    def query(condition: str) -> list[int]:
        values = {
            ":a": {"S": "a"},
            ":n0": {"N": "0"},
            ":n1": {"N": "1"},
            ":n2": {"N": "2"},
            ":x": {"S": "x"},
            ":y": {"S": "y"},
            ":e": {"B": b"\x01"},
        }
        used = {name: value for name, value in values.items() if name in condition}
        found = dynamodb.query(
            TableName="many",
            IndexName="many",
            KeyConditionExpression=condition,
            ExpressionAttributeValues=used,
        )
        return numbers(found["Items"])

    return query


HASH = "kS = :a AND bN = :n0"
IN_HASH = [n for n in range(81) if n % 2 and n % 3 < 2 and n % 10 != 7]


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ("", lambda _: True),
        (" AND cS = :x", lambda n: n < 27),
        (" AND cS > :x", lambda n: n >= 27),
        (" AND begins_with(cS, :y)", lambda n: 27 <= n < 54),
        (" AND cS BETWEEN :x AND :y", lambda n: n < 54),
        (" AND cS = :y AND dN = :n2", lambda n: 45 <= n < 54),
        (" AND dN < :n2 AND cS = :y", lambda n: 27 <= n < 45),
        (" AND cS = :x AND dN = :n1 AND eB >= :e", lambda n: 12 <= n < 18),
    ],
)
def test_keys_of_several_attributes(many: Any, condition: str, holds: Any) -> None:
    assert sorted(many(HASH + condition)) == [number for number in IN_HASH if holds(number)]


def test_keys_of_several_attributes_are_in_the_order_of_all(many: Any) -> None:
    found = many(HASH)
    assert found == sorted(found, key=lambda n: (n // 27, n // 9 % 3, n // 3 % 3, n))


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ("kS = :a", "HASH key attributes bN must have equality conditions specified in the query"),
        ("bN = :n0", "HASH key attributes kS must have equality conditions specified in the query"),
        ("cS = :x", "HASH key attributes kS, bN must have equality conditions specified in the query"),
        (
            "kS = :a AND bN > :n0",
            "HASH key attributes bN must have equality conditions specified in the query",
        ),
        (
            f"{HASH} AND dN = :n1",
            "RANGE key attributes cS must have equality conditions specified in the query "
            "because a condition is present on key attribute dN",
        ),
        (
            f"{HASH} AND cS > :x AND dN = :n1",
            "RANGE key attributes cS must have equality conditions specified in the query "
            "because a condition is present on key attribute dN",
        ),
        (
            f"{HASH} AND cS = :x AND eB = :e",
            "RANGE key attributes dN must have equality conditions specified in the query "
            "because a condition is present on key attribute eB",
        ),
    ],
)
def test_conditions_that_leave_gaps_are_refused(
    many: Any, refusal: Any, condition: str, message: str
) -> None:
    assert refusal(many, condition=condition) == ("ValidationException", message)


def test_legacy_conditions_that_leave_gaps_are_refused(dynamodb: Any, many: Any, refusal: Any) -> None:
    assert many
    equal = {"ComparisonOperator": "EQ", "AttributeValueList": [{"S": "a"}]}
    assert refusal(dynamodb.query, TableName="many", IndexName="many", KeyConditions={"kS": equal}) == (
        "ValidationException",
        "HASH key attributes bN must have equality conditions specified in the query",
    )


def test_an_item_and_its_entries_in_local_indexes_are_400_kb_at_most(
    dynamodb: Any, refusal: Any, name: str
) -> None:
    create(dynamodb, name, LocalSecondaryIndexes=[index("local", ["pkS", "-lN"], "ALL")])
    outside, inside = item("p", 1, x="x" * 204_900), item("p", 1, lN="1", x="x" * 204_900)
    dynamodb.put_item(TableName=name, Item=outside)
    expected = ("ValidationException", "Item size has exceeded the maximum allowed size")
    assert refusal(dynamodb.put_item, TableName=name, Item=inside) == expected
    put = {"Item": inside}
    assert refusal(dynamodb.batch_write_item, RequestItems={name: [{"PutRequest": put}]}) == expected
    transaction = [{"Put": {"TableName": name, **put}}]
    assert refusal(dynamodb.transact_write_items, TransactItems=transaction) == expected
    refused = refusal(
        dynamodb.update_item,
        TableName=name,
        Key={key: inside[key] for key in ("pkS", "skN")},
        UpdateExpression="SET lN = :one",
        ExpressionAttributeValues={":one": {"N": "1"}},
    )
    assert refused == ("ValidationException", "Item size to update has exceeded the maximum allowed size")
    inside["x"]["S"] = "x" * 204_700
    dynamodb.put_item(TableName=name, Item=inside)
    dynamodb.delete_table(TableName=name)
