"""Query: every key condition on every type of key, pages and their ends, Select, and what is refused."""

from __future__ import annotations

import base64
import random
import uuid
from collections.abc import Callable
from typing import Any

import pytest

Refusal = Callable[..., tuple[str, str]]
Query = Callable[..., dict[str, Any]]

OPENING = "1 validation error detected: "
INVALID = "One or more parameter values were invalid: "
INVALID_KEY_CONDITION = "Invalid KeyConditionExpression: "
INVALID_START = "The provided starting key is invalid"

# Sort keys of each type in DynamoDB's order: UTF-8 bytes, numbers' values, unsigned bytes.
SORTED: dict[str, list[Any]] = {
    "S": [
        "\x00",
        " ",
        "10",
        "9",
        "A",
        "a",
        "a\x00",
        "aa",
        "ab",
        "b",
        "z",
        "é",
        "\ud7ff",
        "\ue000",
        "\U0001f600",
    ],
    "N": [
        "-" + "9" * 38 + "0" * 88,
        "-100",
        "-99.5",
        "-99",
        "-1." + "0" * 36 + "1",
        "-1",
        "-0." + "0" * 129 + "1",
        "0",
        "0." + "0" * 129 + "1",
        "0.5",
        "1",
        "2",
        "3.1415926535897932384626433832795028841",
        "10",
        "9" * 38,
        "1" + "0" * 125,
    ],
    "B": [
        *(b"\x00", b"\x00\x00", b"\x01", b"a", b"a\xff", b"a\xff\xff", b"b"),
        *(b"\x7f", b"\x80", b"\xff", b"\xff\x00", b"\xff\xff"),
    ],
}


@pytest.fixture(scope="module", params=["S", "N", "B"])
def kind(request: pytest.FixtureRequest) -> str:
    """The type of a table's sort key."""
    kind: str = request.param
    return kind


@pytest.fixture(scope="module")
def partition(dynamodb: Any, table_of: Callable[..., str], kind: str) -> str:
    """The key of a partition with every sort key of `SORTED`, written in no order, between two others."""
    pk = uuid.uuid4().hex
    for other in (pk + "0", pk[:-1]):
        dynamodb.put_item(
            TableName=table_of("S", kind), Item={"pk": {"S": other}, "sk": {kind: SORTED[kind][3]}}
        )
    for value in random.Random(1).sample(SORTED[kind], len(SORTED[kind])):
        item = {"pk": {"S": pk}, "sk": {kind: value}, "n": {"N": str(SORTED[kind].index(value))}}
        dynamodb.put_item(TableName=table_of("S", kind), Item=item)
    return pk


def pages(call: Callable[..., dict[str, Any]], **parameters: Any) -> list[dict[str, Any]]:
    """All pages of a query or scan."""
    found = [call(**parameters)]
    while "LastEvaluatedKey" in found[-1]:
        assert len(found) < 1_000
        found.append(call(**parameters, ExclusiveStartKey=found[-1]["LastEvaluatedKey"]))
    return found


@pytest.fixture
def query(dynamodb: Any, table_of: Callable[..., str], kind: str, partition: str) -> Query:
    """Query the partition; `condition` may use `:a` and `:b`, sort key values of the table's type."""

    def run(condition: str = "", a: Any = None, b: Any = None, **parameters: Any) -> dict[str, Any]:
        values = {":p": {"S": partition}, **parameters.pop("ExpressionAttributeValues", {})}
        if a is not None:
            values[":a"] = {kind: a}
        if b is not None:
            values[":b"] = {kind: b}
        answer: dict[str, Any] = dynamodb.query(
            TableName=table_of("S", kind),
            KeyConditionExpression="pk = :p" + (condition and f" AND {condition}"),
            ExpressionAttributeValues=values,
            **parameters,
        )
        return answer

    return run


def sort_keys(answer: dict[str, Any]) -> list[Any]:
    return [next(iter(item["sk"].values())) for item in answer["Items"]]


# Key conditions


def test_a_partition_is_in_order(query: Query, kind: str) -> None:
    answer = query()
    assert sort_keys(answer) == SORTED[kind]
    assert (answer["Count"], answer["ScannedCount"]) == (len(SORTED[kind]),) * 2
    assert "LastEvaluatedKey" not in answer
    assert sort_keys(query(ScanIndexForward=True)) == SORTED[kind]
    assert sort_keys(query(ScanIndexForward=False)) == SORTED[kind][::-1]


@pytest.mark.parametrize(
    ("condition", "chosen"),
    [
        ("sk = :a", lambda i, at: i == at),
        (":a = sk", lambda i, at: i == at),
        ("sk < :a", lambda i, at: i < at),
        ("sk <= :a", lambda i, at: i <= at),
        ("sk > :a", lambda i, at: i > at),
        ("sk >= :a", lambda i, at: i >= at),
        (":a < sk", lambda i, at: i > at),
        (":a >= sk", lambda i, at: i <= at),
    ],
)
def test_comparisons(query: Query, kind: str, condition: str, chosen: Callable[[int, int], bool]) -> None:
    for at, value in enumerate(SORTED[kind]):
        expected = [each for i, each in enumerate(SORTED[kind]) if chosen(i, at)]
        assert sort_keys(query(condition, value)) == expected
        assert sort_keys(query(condition, value, ScanIndexForward=False)) == expected[::-1]


def test_between_includes_its_bounds(query: Query, kind: str) -> None:
    keys = SORTED[kind]
    for low, high in [(0, len(keys) - 1), (2, 5), (3, 3), (len(keys) - 1, len(keys) - 1)]:
        expected = keys[low : high + 1]
        assert sort_keys(query("sk BETWEEN :a AND :b", keys[low], keys[high])) == expected
        descending = query("sk BETWEEN :a AND :b", keys[low], keys[high], ScanIndexForward=False)
        assert sort_keys(descending) == expected[::-1]


@pytest.mark.parametrize("kind", ["S", "B"], indirect=True)
def test_begins_with(query: Query, kind: str) -> None:
    for prefix in [*SORTED[kind], SORTED[kind][5] + SORTED[kind][0]]:
        expected = [key for key in SORTED[kind] if key.startswith(prefix)]
        assert sort_keys(query("begins_with(sk, :a)", prefix)) == expected
        assert sort_keys(query("begins_with(sk, :a)", prefix, ScanIndexForward=False)) == expected[::-1]


def test_bounds_between_the_keys(query: Query, kind: str) -> None:
    absent = {"S": "a\x01", "N": "0.75", "B": b"a\xfe"}[kind]
    middle = {"S": "aa", "N": "1", "B": b"a\xff"}[kind]
    at = SORTED[kind].index(middle)
    assert sort_keys(query("sk > :a", absent)) == SORTED[kind][at:]
    assert sort_keys(query("sk <= :a", absent)) == SORTED[kind][:at]
    assert sort_keys(query("sk = :a", absent)) == []


@pytest.mark.parametrize(
    "condition", ["sk = :a AND pk = :p", "(pk = :p) AND (sk = :a)", "(sk = :a AND :p = pk)"]
)
def test_clauses_in_any_order(
    dynamodb: Any, table_of: Callable[..., str], kind: str, partition: str, condition: str
) -> None:
    answer = dynamodb.query(
        TableName=table_of("S", kind),
        KeyConditionExpression=condition,
        ExpressionAttributeValues={":p": {"S": partition}, ":a": {kind: SORTED[kind][4]}},
    )
    assert sort_keys(answer) == [SORTED[kind][4]]


def test_an_absent_partition(dynamodb: Any, table_of: Callable[..., str], kind: str, pk: str) -> None:
    answer = dynamodb.query(
        TableName=table_of("S", kind),
        KeyConditionExpression="pk = :p",
        ExpressionAttributeValues={":p": {"S": pk}},
    )
    assert (answer["Items"], answer["Count"], answer["ScannedCount"]) == ([], 0, 0)
    assert "LastEvaluatedKey" not in answer


@pytest.mark.parametrize(("kind_of_key", "value"), [("S", "é\x00"), ("N", "-1.50"), ("B", b"\x00\xff")])
def test_a_table_without_sort_key(
    dynamodb: Any, table_of: Callable[..., str], kind_of_key: str, value: Any
) -> None:
    table = table_of(kind_of_key)
    dynamodb.put_item(TableName=table, Item={"pk": {kind_of_key: value}, "a": {"S": "x"}})

    def query(**parameters: Any) -> Any:
        return dynamodb.query(
            TableName=table,
            KeyConditionExpression="#k = :v",
            ExpressionAttributeNames={"#k": "pk"},
            ExpressionAttributeValues={":v": {kind_of_key: value}},
            **parameters,
        )

    found = query()
    assert [item["a"] for item in found["Items"]] == [{"S": "x"}]
    assert "LastEvaluatedKey" not in found
    limited = query(Limit=1)
    assert limited["Count"] == 1
    assert "LastEvaluatedKey" not in limited  # there can be no more, and to go on is refused


@pytest.mark.parametrize(
    "condition",
    [
        {"KeyConditionExpression": "pk = :x", "ExpressionAttributeValues": {":x": {"S": "x"}}},
        {"KeyConditions": {"pk": {"ComparisonOperator": "EQ", "AttributeValueList": [{"S": "x"}]}}},
    ],
)
def test_a_table_without_a_sort_key_has_nothing_to_go_on_with(
    dynamodb: Any, table: str, refusal: Refusal, condition: dict[str, Any]
) -> None:
    refused = refusal(dynamodb.query, TableName=table, ExclusiveStartKey={"pk": {"S": "x"}}, **condition)
    assert refused == (
        "ValidationException",
        "The provided exclusive start key is invalid: ExclusiveStartKey: {pk=AttributeValue: {S:x}}",
    )
    refused = refusal(dynamodb.query, TableName=table, ExclusiveStartKey={"pk": {"S": "other"}}, **condition)
    assert refused == ("ValidationException", OUTSIDE)


@pytest.mark.parametrize(
    ("conditions", "chosen"),
    [
        ({}, slice(None)),
        ({"ComparisonOperator": "EQ", "AttributeValueList": [4]}, slice(4, 5)),
        ({"ComparisonOperator": "LT", "AttributeValueList": [4]}, slice(0, 4)),
        ({"ComparisonOperator": "LE", "AttributeValueList": [4]}, slice(0, 5)),
        ({"ComparisonOperator": "GT", "AttributeValueList": [4]}, slice(5, None)),
        ({"ComparisonOperator": "GE", "AttributeValueList": [4]}, slice(4, None)),
        ({"ComparisonOperator": "BETWEEN", "AttributeValueList": [2, 4]}, slice(2, 5)),
    ],
)
def test_key_conditions(
    dynamodb: Any, table_of: Callable[..., str], kind: str, partition: str, conditions: Any, chosen: slice
) -> None:
    """The parameter that KeyConditionExpression replaced; values are given by their place in `SORTED`."""
    wanted: dict[str, Any] = {"pk": {"ComparisonOperator": "EQ", "AttributeValueList": [{"S": partition}]}}
    if conditions:
        values = [{kind: SORTED[kind][at]} for at in conditions["AttributeValueList"]]
        wanted["sk"] = {**conditions, "AttributeValueList": values}
    answer = dynamodb.query(TableName=table_of("S", kind), KeyConditions=wanted)
    assert sort_keys(answer) == SORTED[kind][chosen]


# Pages


@pytest.mark.parametrize("forward", [True, False])
@pytest.mark.parametrize("limit", [1, 2, 5, 11, 12, 100])
def test_pages_of_a_limit_make_up_the_whole(query: Query, kind: str, limit: int, forward: bool) -> None:
    expected = SORTED[kind] if forward else SORTED[kind][::-1]
    found = pages(query, Limit=limit, ScanIndexForward=forward)
    assert [key for page in found for key in sort_keys(page)] == expected
    # A page that its limit ended has a last key, whether anything follows or not.
    assert [page["Count"] for page in found[:-1]] == [limit] * (len(found) - 1)
    assert found[-1]["Count"] < limit
    for page in found[:-1]:
        last = page["Items"][-1]
        assert page["LastEvaluatedKey"] == {"pk": last["pk"], "sk": last["sk"]}


@pytest.mark.parametrize("forward", [True, False])
@pytest.mark.parametrize(
    ("condition", "low", "high"),
    [("sk > :a", 3, None), ("sk <= :a", None, 8), ("sk BETWEEN :a AND :b", 2, 8), ("sk >= :a", 0, None)],
)
def test_pages_of_a_range(
    query: Query, kind: str, condition: str, low: int | None, high: int | None, forward: bool
) -> None:
    keys = SORTED[kind]
    bounds = [keys[at] for at in (low, high) if at is not None]
    parameters = dict(zip("ab", bounds, strict=False))
    whole = sort_keys(query(condition, **parameters, ScanIndexForward=forward))
    found = pages(query, condition=condition, **parameters, Limit=2, ScanIndexForward=forward)
    assert [key for page in found for key in sort_keys(page)] == whole
    assert len(whole) > 4


def test_a_starting_key_need_not_exist(query: Query, kind: str, partition: str) -> None:
    absent = {"S": "a\x01", "N": "0.75", "B": b"a\xfe"}[kind]
    at = SORTED[kind].index({"S": "aa", "N": "1", "B": b"a\xff"}[kind])
    start = {"pk": {"S": partition}, "sk": {kind: absent}}
    assert sort_keys(query(ExclusiveStartKey=start)) == SORTED[kind][at:]
    backward = query(ExclusiveStartKey=start, ScanIndexForward=False)
    assert sort_keys(backward) == SORTED[kind][:at][::-1]


def test_after_the_only_row_comes_nothing(query: Query, kind: str, partition: str) -> None:
    key = SORTED[kind][4]
    found = query("sk = :a", key, Limit=1)
    assert found["LastEvaluatedKey"] == {"pk": {"S": partition}, "sk": {kind: key}}
    after = query("sk = :a", key, ExclusiveStartKey=found["LastEvaluatedKey"])
    assert (after["Count"], "LastEvaluatedKey" in after) == (0, False)


@pytest.mark.parametrize("kind", ["S"], indirect=True)
def test_a_limit_counts_before_the_filter(query: Query, kind: str) -> None:
    values = {":n": {"N": "3"}}
    found = pages(query, FilterExpression="n > :n", ExpressionAttributeValues=values, Limit=3)
    assert [key for page in found for key in sort_keys(page)] == SORTED[kind][4:]
    assert [page["Count"] for page in found[:3]] == [0, 2, 3]
    assert [page["ScannedCount"] for page in found[:3]] == [3, 3, 3]
    # The last key is of the last item read, passed or not.
    assert found[0]["LastEvaluatedKey"]["sk"] == {kind: SORTED[kind][2]}


@pytest.fixture(scope="module")
def large(dynamodb: Any, table_of: Callable[..., str]) -> str:
    """The key of a partition of 30 items of exactly 100 KB, every other one of which has `even`."""
    pk = uuid.uuid4().hex
    for number in range(30):
        item = {"pk": {"S": pk}, "sk": {"S": f"{number:02}"}, "filler": {"S": ""}}
        if number % 2 == 0:
            item["even"] = {"BOOL": True}
        size = len("pk" + pk + "sk" + "00" + "filler") + (len("even") + 1 if number % 2 == 0 else 0)
        item["filler"] = {"S": "x" * (102_400 - size)}
        dynamodb.put_item(TableName=table_of("S", "S"), Item=item)
    return pk


@pytest.mark.parametrize("forward", [True, False])
@pytest.mark.parametrize(
    ("parameters", "counts"),
    [
        ({}, [11, 11, 8]),
        ({"Select": "COUNT"}, [11, 11, 8]),
        ({"Limit": 12}, [11, 11, 8]),
        ({"Limit": 11}, [11, 11, 8]),
        ({"Limit": 10}, [10, 10, 10, 0]),
        ({"ProjectionExpression": "sk"}, [11, 11, 8]),
        ({"FilterExpression": "attribute_exists(absent)"}, [11, 11, 8]),
        ({"FilterExpression": "attribute_exists(absent)", "Select": "COUNT"}, [11, 11, 8]),
    ],
)
def test_a_page_ends_with_the_item_that_fills_a_megabyte(
    dynamodb: Any,
    table_of: Callable[..., str],
    large: str,
    parameters: dict[str, Any],
    counts: list[int],
    forward: bool,
) -> None:
    """Sizes count as stored, before filter and projection: 1,048,576 bytes are reached in the eleventh item."""
    found = pages(
        dynamodb.query,
        TableName=table_of("S", "S"),
        KeyConditionExpression="pk = :p",
        ExpressionAttributeValues={":p": {"S": large}},
        ScanIndexForward=forward,
        **parameters,
    )
    assert [page["ScannedCount"] for page in found] == counts
    passed = 0 if "FilterExpression" in parameters else 1
    assert [page["Count"] for page in found] == [count * passed for count in counts]


def test_a_filter_leaves_pages_as_they_are(dynamodb: Any, table_of: Callable[..., str], large: str) -> None:
    found = pages(
        dynamodb.query,
        TableName=table_of("S", "S"),
        KeyConditionExpression="pk = :p",
        FilterExpression="even = :e",
        ProjectionExpression="sk",
        ExpressionAttributeValues={":p": {"S": large}, ":e": {"BOOL": True}},
    )
    assert [page["Count"] for page in found] == [6, 5, 4]
    keys = [item["sk"]["S"] for page in found for item in page["Items"]]
    assert keys == [f"{number:02}" for number in range(0, 30, 2)]


# Filters, projections, Select


@pytest.mark.parametrize("kind", ["S"], indirect=True)
@pytest.mark.parametrize(
    ("filter_expression", "chosen"),
    [
        ("n < :n", range(3)),
        ("n BETWEEN :n AND :m", range(3, 6)),
        ("n IN (:n, :m)", [3, 5]),
        ("NOT n > :n", range(4)),
        ("attribute_exists(absent)", []),
        ("attribute_not_exists(absent)", range(len(SORTED["S"]))),
    ],
)
def test_a_filter(query: Query, filter_expression: str, chosen: Any) -> None:
    values = {name: {"N": n} for name, n in ((":n", "3"), (":m", "5")) if name in filter_expression}
    parameters = {"FilterExpression": filter_expression, "ExpressionAttributeValues": values}
    answer = query(**parameters)
    assert sort_keys(answer) == [SORTED["S"][i] for i in chosen]
    assert (answer["Count"], answer["ScannedCount"]) == (len(list(chosen)), len(SORTED["S"]))
    counted = query(**parameters, Select="COUNT")
    assert "Items" not in counted
    assert (counted["Count"], counted["ScannedCount"]) == (answer["Count"], answer["ScannedCount"])


@pytest.mark.parametrize("kind", ["S"], indirect=True)
@pytest.mark.parametrize(
    ("conditions", "operator", "chosen"),
    [
        ({"n": {"ComparisonOperator": "LT", "AttributeValueList": [{"N": "3"}]}}, None, range(3)),
        (
            {
                "n": {"ComparisonOperator": "LT", "AttributeValueList": [{"N": "3"}]},
                "absent": {"ComparisonOperator": "NOT_NULL"},
            },
            None,
            [],
        ),
        (
            {
                "n": {"ComparisonOperator": "LT", "AttributeValueList": [{"N": "3"}]},
                "absent": {"ComparisonOperator": "NOT_NULL"},
            },
            "OR",
            range(3),
        ),
    ],
)
def test_a_query_filter(
    dynamodb: Any, table_of: Callable[..., str], partition: str, conditions: Any, operator: Any, chosen: Any
) -> None:
    answer = dynamodb.query(
        TableName=table_of("S", "S"),
        KeyConditions={"pk": {"ComparisonOperator": "EQ", "AttributeValueList": [{"S": partition}]}},
        QueryFilter=conditions,
        **({} if operator is None else {"ConditionalOperator": operator}),
    )
    assert sort_keys(answer) == [SORTED["S"][i] for i in chosen]
    assert answer["ScannedCount"] == len(SORTED["S"])


@pytest.mark.parametrize("kind", ["N"], indirect=True)
@pytest.mark.parametrize(
    ("parameters", "names"),
    [
        ({}, {"pk", "sk", "n"}),
        ({"Select": "ALL_ATTRIBUTES"}, {"pk", "sk", "n"}),
        ({"ProjectionExpression": "n, sk"}, {"n", "sk"}),
        ({"ProjectionExpression": "n", "Select": "SPECIFIC_ATTRIBUTES"}, {"n"}),
        ({"ProjectionExpression": "absent"}, set()),
        ({"Select": "COUNT"}, None),
    ],
)
def test_select(query: Query, kind: str, parameters: dict[str, Any], names: set[str] | None) -> None:
    answer = query(**parameters)
    assert answer["Count"] == len(SORTED[kind])
    if names is None:
        assert "Items" not in answer
    else:
        assert [set(item) for item in answer["Items"]] == [names] * len(SORTED[kind])


@pytest.mark.parametrize("kind", ["S"], indirect=True)
@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        (
            {"Select": "SPECIFIC_ATTRIBUTES"},
            "Must specify the AttributesToGet or ProjectionExpression when choosing to get SPECIFIC_ATTRIBUTES",
        ),
        (
            {"Select": "ALL_ATTRIBUTES", "ProjectionExpression": "n"},
            "Cannot specify the ProjectionExpression when choosing to get ALL_ATTRIBUTES",
        ),
        (
            {"Select": "COUNT", "ProjectionExpression": "n"},
            "Cannot specify the ProjectionExpression when choosing to get only the Count",
        ),
        (
            {"Select": "ALL_PROJECTED_ATTRIBUTES"},
            "ALL_PROJECTED_ATTRIBUTES can be used only when Querying using an IndexName",
        ),
        (
            {"Select": "ALL_PROJECTED_ATTRIBUTES", "ProjectionExpression": "n"},
            "Cannot specify the ProjectionExpression when choosing to get ALL_PROJECTED_ATTRIBUTES",
        ),
        (
            {"Select": "SOME"},
            "Value 'SOME' at 'select' failed to satisfy constraint: Member must satisfy enum value set: "
            "[SPECIFIC_ATTRIBUTES, COUNT, ALL_ATTRIBUTES, ALL_PROJECTED_ATTRIBUTES]",
        ),
    ],
)
def test_select_that_does_not_fit(
    query: Query, refusal: Refusal, parameters: dict[str, Any], message: str
) -> None:
    assert refusal(query, **parameters) == ("ValidationException", OPENING + message)


# Capacity


@pytest.mark.parametrize(
    ("parameters", "units"),
    [
        ({}, 137.5),  # 11 items of 25 units of 4 KB each, read eventually
        ({"ConsistentRead": True}, 275.0),
        ({"Limit": 1, "ConsistentRead": True}, 25.0),
        ({"Limit": 1}, 12.5),
        ({"Limit": 1, "Select": "COUNT"}, 12.5),
        ({"Limit": 1, "ProjectionExpression": "sk"}, 12.5),
        ({"Limit": 1, "FilterExpression": "attribute_exists(absent)"}, 12.5),
    ],
)
def test_units_are_of_all_that_was_read(
    dynamodb: Any, table_of: Callable[..., str], large: str, parameters: dict[str, Any], units: float
) -> None:
    table = table_of("S", "S")
    answer = dynamodb.query(
        TableName=table,
        KeyConditionExpression="pk = :p",
        ExpressionAttributeValues={":p": {"S": large}},
        ReturnConsumedCapacity="INDEXES",
        **parameters,
    )
    assert answer["ConsumedCapacity"] == {
        "TableName": table,
        "CapacityUnits": units,
        "Table": {"CapacityUnits": units},
    }


def test_sizes_are_summed_before_they_are_rounded(query: Query, kind: str) -> None:
    answer = query(ReturnConsumedCapacity="TOTAL", ConsistentRead=True)
    assert answer["ConsumedCapacity"]["CapacityUnits"] == 1
    nothing = query("sk = :a", {"S": "none", "N": "777", "B": b"none"}[kind], ReturnConsumedCapacity="TOTAL")
    assert nothing["ConsumedCapacity"]["CapacityUnits"] == 0.5


# Key conditions that are refused

S, N, B = {"S": "x"}, {"N": "1"}, {"B": b"x"}
BOOL = {"BOOL": True}
WRONG_TYPE = f"{INVALID}Condition parameter type does not match schema type"
OPERAND = f"{INVALID_KEY_CONDITION}Incorrect operand type for operator or function; operator or function: {{}}, operand type: {{}}"


@pytest.mark.parametrize(
    ("condition", "values", "message"),
    [
        ("sk = :n", {":n": N}, "Query condition missed key schema element: pk"),
        ("a = :s", {":s": S}, "Query condition missed key schema element: pk"),
        ("pk = :s AND a = :n", {":s": S, ":n": N}, "Query condition missed key schema element: sk"),
        ("pk > :s", {":s": S}, "Query key condition not supported"),
        ("begins_with(pk, :s)", {":s": S}, "Query key condition not supported"),
        ("pk BETWEEN :s AND :s AND sk = :n", {":s": S, ":n": N}, "Query key condition not supported"),
        (
            "pk = :s AND sk > :n AND sk < :n",
            {":s": S, ":n": N},
            f"{INVALID_KEY_CONDITION}KeyConditionExpressions must only contain one condition per key",
        ),
        (
            "pk = :s AND sk > :n AND a = :n",
            {":s": S, ":n": N},
            "The number of query conditions (3) exceeds the number of key attributes defined in the schema (2)",
        ),
        ("pk = :n", {":n": N}, WRONG_TYPE),
        ("pk = :s AND sk = :s", {":s": S}, WRONG_TYPE),
        ("pk = :s AND begins_with(sk, :s)", {":s": S}, WRONG_TYPE),
        ("pk = :s AND sk = :b", {":s": S, ":b": BOOL}, WRONG_TYPE),
        ("pk = :s AND begins_with(sk, :n)", {":s": S, ":n": N}, OPERAND.format("begins_with", "N")),
        ("pk = :s AND sk < :b", {":s": S, ":b": BOOL}, OPERAND.format("<", "BOOL")),
        ("pk = :s AND :b >= sk", {":s": S, ":b": BOOL}, OPERAND.format(">=", "BOOL")),
        ("pk = :s AND sk BETWEEN :b AND :b", {":s": S, ":b": BOOL}, OPERAND.format("BETWEEN", "BOOL")),
        (
            "pk = :s AND sk.x = :n",
            {":s": S, ":n": N},
            f"{INVALID_KEY_CONDITION}KeyConditionExpressions cannot have conditions on nested attributes",
        ),
        (
            "pk = :s AND size(sk) = :n",
            {":s": S, ":n": N},
            f"{INVALID_KEY_CONDITION}KeyConditionExpressions cannot contain nested operations",
        ),
        (
            "pk = :s OR sk = :n",
            {":s": S, ":n": N},
            f"{INVALID_KEY_CONDITION}Invalid operator used in KeyConditionExpression: OR",
        ),
        (
            "pk = :s AND sk <> :n",
            {":s": S, ":n": N},
            f"{INVALID_KEY_CONDITION}Invalid operator used in KeyConditionExpression: <>",
        ),
        (
            "pk = :s AND sk IN (:n)",
            {":s": S, ":n": N},
            f"{INVALID_KEY_CONDITION}Invalid operator used in KeyConditionExpression: IN",
        ),
        (
            "pk = sk",
            None,
            f"{INVALID_KEY_CONDITION}Invalid condition in KeyConditionExpression: "
            "Multiple attribute names used in one condition",
        ),
        (
            ":s = :s",
            {":s": S},
            f"{INVALID_KEY_CONDITION}Invalid condition in KeyConditionExpression: No key attribute specified",
        ),
        (
            "pk = :s AND sk BETWEEN :m AND :n",
            {":s": S, ":m": {"N": "2"}, ":n": N},
            f"{INVALID_KEY_CONDITION}The BETWEEN operator requires upper bound to be greater than or equal to "
            "lower bound; lower bound operand: AttributeValue: {N:2}, "
            "upper bound operand: AttributeValue: {N:1}",
        ),
        ("", {":s": S}, f"{INVALID_KEY_CONDITION}The expression can not be empty;"),
        (
            "pk = :missing",
            None,
            f"{INVALID_KEY_CONDITION}An expression attribute value used in expression is not defined; "
            "attribute value: :missing",
        ),
        (
            "pk = :s",
            {":s": {"S": ""}},
            "One or more parameter values are not valid. The AttributeValue for a key attribute "
            "cannot contain an empty string value. Key: pk",
        ),
        (
            "pk = :s",
            {":s": {"S": "x" * 2_049}},
            f"{INVALID}Size of hashkey has exceeded the maximum size limit of2048 bytes",
        ),
    ],
)
def test_key_conditions_that_are_refused(
    dynamodb: Any,
    table_of: Callable[..., str],
    refusal: Refusal,
    condition: str,
    values: dict[str, Any] | None,
    message: str,
) -> None:
    refused = refusal(
        dynamodb.query,
        TableName=table_of("S", "N"),
        KeyConditionExpression=condition,
        **({} if values is None else {"ExpressionAttributeValues": values}),
    )
    assert refused == ("ValidationException", message)


@pytest.mark.parametrize("kind", ["S", "B"], indirect=True)
@pytest.mark.parametrize("condition", ["sk = :a", "sk > :a", "begins_with(sk, :a)", "sk BETWEEN :a AND :a"])
def test_an_empty_sort_key(query: Query, refusal: Refusal, kind: str, condition: str) -> None:
    word = {"S": "string", "B": "binary"}[kind]
    assert refusal(query, condition=condition, a=SORTED[kind][0][:0]) == (
        "ValidationException",
        "One or more parameter values are not valid. The AttributeValue for a key attribute "
        f"cannot contain an empty {word} value. Key: sk",
    )


def test_no_key_condition(dynamodb: Any, table: str, refusal: Refusal) -> None:
    assert refusal(dynamodb.query, TableName=table) == (
        "ValidationException",
        "Either the KeyConditions or KeyConditionExpression parameter must be specified in the request.",
    )


def test_a_sort_key_condition_where_there_is_no_sort_key(dynamodb: Any, table: str, refusal: Refusal) -> None:
    refused = refusal(
        dynamodb.query,
        TableName=table,
        KeyConditionExpression="pk = :s AND sk = :s",
        ExpressionAttributeValues={":s": S},
    )
    assert refused == (
        "ValidationException",
        "The number of query conditions (2) exceeds the number of key attributes defined in the schema (1)",
    )


# Starting keys that are refused

OUTSIDE = "The provided starting key is outside query boundaries based on provided conditions"
NOT_IN_RANGE = "The provided starting key does not match the range key predicate"
AT_MOST_ONE = "The query can return at most one row and cannot be restarted"


@pytest.mark.parametrize(
    ("condition", "start", "message"),
    [
        ("", {}, INVALID_START),
        ("", {"pk": {"S": "p"}}, INVALID_START),
        ("", {"pk": {"S": "p"}, "a": {"S": "x"}}, INVALID_START),
        ("", {"pk": {"S": "p"}, "sk": {"S": "m"}, "a": {"S": "x"}}, INVALID_START),
        ("", {"pk": {"S": "p"}, "sk": {"N": "1"}}, INVALID_START),
        ("", {"pk": {"N": "1"}, "sk": {"S": "m"}}, INVALID_START),
        ("", {"pk": {"S": "other"}, "sk": {"S": "m"}}, OUTSIDE),
        ("sk > :m", {"pk": {"S": "p"}, "sk": {"S": "m"}}, NOT_IN_RANGE),
        ("sk < :m", {"pk": {"S": "p"}, "sk": {"S": "m"}}, NOT_IN_RANGE),
        ("sk = :m", {"pk": {"S": "p"}, "sk": {"S": "x"}}, NOT_IN_RANGE),
        ("begins_with(sk, :m)", {"pk": {"S": "p"}, "sk": {"S": "l"}}, NOT_IN_RANGE),
        ("sk BETWEEN :m AND :m", {"pk": {"S": "p"}, "sk": {"S": "n"}}, NOT_IN_RANGE),
        ("sk > :m", {"pk": {"S": "other"}, "sk": {"S": "a"}}, NOT_IN_RANGE),
        ("sk >= :m", {"pk": {"S": "other"}, "sk": {"S": "m"}}, AT_MOST_ONE),
        ("sk = :m", {"pk": {"S": "other"}, "sk": {"S": "m"}}, AT_MOST_ONE),
    ],
)
@pytest.mark.parametrize("forward", [True, False])
def test_starting_keys_that_are_refused(
    dynamodb: Any,
    table_of: Callable[..., str],
    refusal: Refusal,
    condition: str,
    start: dict[str, Any],
    message: str,
    forward: bool,
) -> None:
    refused = refusal(
        dynamodb.query,
        TableName=table_of("S", "S"),
        KeyConditionExpression="pk = :p" + (condition and f" AND {condition}"),
        ExpressionAttributeValues={":p": {"S": "p"}, **({":m": {"S": "m"}} if condition else {})},
        ExclusiveStartKey=start,
        ScanIndexForward=forward,
    )
    assert refused == ("ValidationException", message)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (
            {},
            f"{INVALID_START}: Supplied AttributeValue is empty, must contain exactly one of the supported datatypes",
        ),
        (
            {"S": "a", "N": "1"},
            f"{INVALID_START}: Supplied AttributeValue has more than one datatypes set, "
            "must contain exactly one of the supported datatypes",
        ),
        (
            {"NULL": False},
            f"{INVALID_START}: {INVALID}Null attribute value types must have the value of true",
        ),
        ({"SS": []}, f"{INVALID_START}: {INVALID}An string set  may not be empty"),
        ({"BS": []}, f"{INVALID_START}: {INVALID}Binary sets should not be empty"),
        ({"NS": []}, f"{INVALID}An number set  may not be empty"),
        ({"SS": ["b", "a", "b"]}, f'{INVALID}Input collection ["a", "b", "b"] contains duplicates.'),
        ({"N": "abc"}, "The parameter cannot be converted to a numeric value: abc"),
        (
            {"N": "1e126"},
            "Number overflow. Attempting to store a number with magnitude larger than supported range",
        ),
    ],
)
def test_starting_keys_of_values_that_are_none(
    dynamodb: Any, table: str, refusal: Refusal, value: dict[str, Any], message: str
) -> None:
    refused = refusal(
        dynamodb.query,
        TableName=table,
        KeyConditionExpression="pk = :s",
        ExpressionAttributeValues={":s": S},
        ExclusiveStartKey={"pk": value},
    )
    assert refused == ("ValidationException", message)


# Other parameters that are refused

SCALARS = (
    "Key attributes must be scalars; list random access '[]' and map lookup '.' are not allowed: Key: pk"
)
NOT_IN_FILTERS = "{} can only contain non-primary key attributes: Primary key attribute: {}"
MIXED = (
    "Can not use both expression and non-expression parameters in the same request: "
    "Non-expression parameters: {{{}}} Expression parameters: {{{}}}"
)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"FilterExpression": "pk <> :s"}, NOT_IN_FILTERS.format("Filter Expression", "pk")),
        ({"FilterExpression": "attribute_exists(sk)"}, NOT_IN_FILTERS.format("Filter Expression", "sk")),
        ({"FilterExpression": "a = :s AND pk.x = :s"}, NOT_IN_FILTERS.format("Filter Expression", "pk")),
        ({"ProjectionExpression": "pk.x"}, SCALARS),
        ({"FilterExpression": ""}, "Invalid FilterExpression: The expression can not be empty;"),
        (
            {"FilterExpression": "#missing = :s"},
            "Invalid FilterExpression: An expression attribute name used in the document path is not defined; "
            "attribute name: #missing",
        ),
        (
            {"ProjectionExpression": "a, a"},
            "Invalid ProjectionExpression: Two document paths overlap with each other; "
            "must remove or rewrite one of these paths; path one: [a], path two: [a]",
        ),
        (
            {"ExpressionAttributeNames": {"#unused": "u"}},
            "Value provided in ExpressionAttributeNames unused in expressions: keys: {#unused}",
        ),
        ({"AttributesToGet": ["a"]}, MIXED.format("AttributesToGet", "KeyConditionExpression")),
        (
            {"QueryFilter": {"a": {"ComparisonOperator": "NULL"}}, "ProjectionExpression": "a"},
            MIXED.format("QueryFilter", "ProjectionExpression, KeyConditionExpression"),
        ),
        (
            {"Limit": 0},
            f"{OPENING}Value at 'Limit' failed to satisfy constraint: "
            "Member must have value greater than or equal to 1",
        ),
        ({"IndexName": "absent"}, "The table does not have the specified index: absent"),
    ],
)
def test_parameters_that_are_refused(
    dynamodb: Any, table_of: Callable[..., str], refusal: Refusal, parameters: dict[str, Any], message: str
) -> None:
    refused = refusal(
        dynamodb.query,
        TableName=table_of("S", "S"),
        KeyConditionExpression="pk = :s",
        ExpressionAttributeValues={":s": S},
        **parameters,
    )
    assert refused == ("ValidationException", message)


def test_key_attributes_in_a_query_filter(
    dynamodb: Any, table_of: Callable[..., str], refusal: Refusal
) -> None:
    equal = {"ComparisonOperator": "EQ", "AttributeValueList": [S]}
    refused = refusal(
        dynamodb.query,
        TableName=table_of("S", "S"),
        KeyConditions={"pk": equal},
        QueryFilter={"sk": equal},
    )
    assert refused == ("ValidationException", NOT_IN_FILTERS.format("QueryFilter", "sk"))


# Keys on the wire


def test_a_last_key_is_base64_on_the_wire_and_goes_back_as_it_came(
    dynamodb: Any, table_of: Callable[..., str], pk: str
) -> None:
    table = table_of("S", "B")
    for byte in range(5):
        dynamodb.put_item(TableName=table, Item={"pk": {"S": pk}, "sk": {"B": bytes([255, byte])}})
    found = pages(
        dynamodb.query,
        TableName=table,
        KeyConditionExpression="pk = :p",
        ExpressionAttributeValues={":p": {"S": pk}},
        Limit=2,
    )
    assert [page["Count"] for page in found] == [2, 2, 1]
    assert found[0]["LastEvaluatedKey"]["sk"]["B"] == base64.b64decode("/wE=")
