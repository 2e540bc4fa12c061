"""Scan: all items once, in pages and in segments, filtered and projected, and what is refused."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest

Refusal = Callable[..., tuple[str, str]]
Scan = Callable[..., dict[str, Any]]

INVALID = "One or more parameter values were invalid: "
INVALID_START = "The provided starting key is invalid: "
MISMATCH = "The provided key element does not match the schema"

PARTITIONS = 20
ROWS = 4  # in each partition
KEYS = [(f"p{p}", s) for p in range(PARTITIONS) for s in range(ROWS)]


def batch_put(dynamodb: Any, table: str, items: list[dict[str, Any]]) -> None:
    for at in range(0, len(items), 25):
        puts = [{"PutRequest": {"Item": item}} for item in items[at : at + 25]]
        dynamodb.batch_write_item(RequestItems={table: puts})


def create(dynamodb: Any, *types: str) -> str:
    """A table of a module's own: a scan reads all there is."""
    keys = list(zip(("pk", "sk"), types, ("HASH", "RANGE"), strict=False))
    table = f"scan-{uuid.uuid4()}"
    dynamodb.create_table(
        TableName=table,
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": kind} for key, kind, _ in keys],
        KeySchema=[{"AttributeName": key, "KeyType": role} for key, _, role in keys],
        BillingMode="PAY_PER_REQUEST",
    )
    return table


@pytest.fixture(scope="module")
def filled(dynamodb: Any) -> str:
    """A table of the items of `KEYS`."""
    table = create(dynamodb, "S", "N")
    items = [
        {
            "pk": {"S": pk},
            "sk": {"N": str(sk)},
            "n": {"N": str(at)},
            "m": {"M": {"even": {"BOOL": at % 2 == 0}}},
        }
        for at, (pk, sk) in enumerate(KEYS)
    ]
    batch_put(dynamodb, table, items)
    return table


@pytest.fixture
def scan(dynamodb: Any, filled: str) -> Scan:
    def run(**parameters: Any) -> dict[str, Any]:
        answer: dict[str, Any] = dynamodb.scan(TableName=filled, **parameters)
        return answer

    return run


def keys(*answers: dict[str, Any]) -> list[tuple[str, int]]:
    return [(item["pk"]["S"], int(item["sk"]["N"])) for answer in answers for item in answer["Items"]]


def pages(call: Scan, **parameters: Any) -> list[dict[str, Any]]:
    found = [call(**parameters)]
    while "LastEvaluatedKey" in found[-1]:
        assert len(found) < 1_000
        found.append(call(**parameters, ExclusiveStartKey=found[-1]["LastEvaluatedKey"]))
    return found


# All items


@pytest.mark.parametrize("consistent", [False, True])
def test_every_item_is_found_once(scan: Scan, consistent: bool) -> None:
    answer = scan(ConsistentRead=consistent)
    assert sorted(keys(answer)) == sorted(KEYS)
    assert (answer["Count"], answer["ScannedCount"]) == (len(KEYS), len(KEYS))
    assert "LastEvaluatedKey" not in answer


def test_partitions_stand_together_in_order(scan: Scan) -> None:
    found = keys(scan())
    partitions = [found[at : at + ROWS] for at in range(0, len(found), ROWS)]
    assert all(partition == [(partition[0][0], sk) for sk in range(ROWS)] for partition in partitions)
    assert [partition[0][0] for partition in partitions] != [f"p{p}" for p in range(PARTITIONS)]  # hashed


def test_an_empty_table(dynamodb: Any) -> None:
    table = create(dynamodb, "S")
    answer = dynamodb.scan(TableName=table)
    assert (answer["Items"], answer["Count"], answer["ScannedCount"]) == ([], 0, 0)
    assert "LastEvaluatedKey" not in answer


# Pages


@pytest.mark.parametrize("limit", [1, 3, 8, 79, 80, 81])
def test_pages_of_a_limit_make_up_the_whole(scan: Scan, limit: int) -> None:
    found = pages(scan, Limit=limit)
    assert keys(*found) == keys(scan())
    # A page that its limit ended has a last key, whether anything follows or not.
    assert [page["Count"] for page in found] == [limit] * (len(KEYS) // limit) + [len(KEYS) % limit]
    for page in found[:-1]:
        last = page["Items"][-1]
        assert page["LastEvaluatedKey"] == {"pk": last["pk"], "sk": last["sk"]}


def test_a_limit_counts_before_the_filter(scan: Scan) -> None:
    found = pages(scan, FilterExpression="n < :n", ExpressionAttributeValues={":n": {"N": "5"}}, Limit=7)
    assert sorted(keys(*found)) == sorted(KEYS[:5])
    assert [page["ScannedCount"] for page in found] == [7] * 11 + [3]
    assert sum(page["Count"] for page in found) == 5


def test_a_starting_key_need_not_exist(scan: Scan) -> None:
    whole = keys(scan())
    pk = whole[8][0]
    start = {"pk": {"S": pk}, "sk": {"N": "1.5"}}
    assert keys(scan(ExclusiveStartKey=start)) == whole[whole.index((pk, 2)) :]


@pytest.mark.parametrize("types", [("S",), ("N",), ("B",), ("B", "S")])
def test_pages_whatever_the_type_of_key(dynamodb: Any, types: tuple[str, ...]) -> None:
    def value(kind: str, at: int) -> dict[str, Any]:
        return {kind: {"S": f"é{at}", "N": str(at - 4.5), "B": bytes([at * 30, 255])}[kind]}

    table = create(dynamodb, *types)
    items = [dict(zip(("pk", "sk"), [value(kind, at) for kind in types], strict=False)) for at in range(9)]
    batch_put(dynamodb, table, items)
    found = pages(lambda **parameters: dynamodb.scan(TableName=table, Limit=2, **parameters))
    assert [page["Count"] for page in found] == [2, 2, 2, 2, 1]
    assert sorted((item for page in found for item in page["Items"]), key=str) == sorted(items, key=str)


@pytest.fixture(scope="module")
def large(dynamodb: Any) -> str:
    """A table of 25 items of exactly 100 KB."""
    table = create(dynamodb, "S")
    for number in range(25):
        size = len("pk" + "00" + "filler")
        item = {"pk": {"S": f"{number:02}"}, "filler": {"S": "x" * (102_400 - size)}}
        dynamodb.put_item(TableName=table, Item=item)
    return table


@pytest.mark.parametrize(
    ("parameters", "counts"),
    [
        ({}, [11, 11, 3]),
        ({"Select": "COUNT"}, [11, 11, 3]),
        ({"Limit": 10}, [10, 10, 5]),
        ({"ProjectionExpression": "pk"}, [11, 11, 3]),
        ({"FilterExpression": "attribute_exists(absent)"}, [11, 11, 3]),
    ],
)
def test_a_page_ends_with_the_item_that_fills_a_megabyte(
    dynamodb: Any, large: str, parameters: dict[str, Any], counts: list[int]
) -> None:
    found = pages(lambda **more: dynamodb.scan(TableName=large, **parameters, **more))
    assert [page["ScannedCount"] for page in found] == counts
    passed = 0 if "FilterExpression" in parameters else 1
    assert [page["Count"] for page in found] == [count * passed for count in counts]


# Segments


@pytest.mark.parametrize("total", [1, 2, 3, 7, 250])
def test_segments_partition_the_table(scan: Scan, total: int) -> None:
    found = [keys(scan(TotalSegments=total, Segment=segment)) for segment in range(total)]
    assert sorted(key for segment in found for key in segment) == sorted(KEYS)
    # A partition is in one segment, and the segments follow each other as a whole scan does.
    assert [key for segment in found for key in segment] == keys(scan())


STRINGS = ["2", "8", "9", "1", "6", "hello", "0", "5", "4", "äáöü", "aardman", "7", "3", "zapf"]
NUMBERS = ["7", "999.9", "8", "3", "2", "-999.9", "9", "4", "-0.09", "6", "1", "0", "0.012345", "5"]


@pytest.mark.parametrize(("kind", "recorded"), [("S", STRINGS), ("N", NUMBERS)])
@pytest.mark.parametrize("by_index", [False, True])
def test_partitions_come_in_the_order_recorded_from_the_service(
    dynamodb: Any, kind: str, recorded: list[str], by_index: bool
) -> None:
    """In an index by its own partition key: the table's says nothing."""
    table = f"scan-{uuid.uuid4()}"
    types = {"pk": kind, "other": "S"} if by_index else {"pk": kind}
    index = {
        "IndexName": "by-pk",
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
        "Projection": {"ProjectionType": "ALL"},
    }
    dynamodb.create_table(
        TableName=table,
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": each} for name, each in types.items()],
        KeySchema=[{"AttributeName": "other" if by_index else "pk", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
        **({"GlobalSecondaryIndexes": [index]} if by_index else {}),
    )
    batch_put(dynamodb, table, [{"pk": {kind: key}, "other": {"S": key}} for key in sorted(recorded)])
    found = dynamodb.scan(TableName=table, **({"IndexName": "by-pk"} if by_index else {}))
    assert [item["pk"][kind] for item in found["Items"]] == recorded


@pytest.mark.parametrize(
    ("kind", "key", "segment"),
    [
        ("S", "3635", 0),
        ("S", "228", 0),
        ("S", "1668", 1),
        ("S", "3435", 4),
        ("N", "251", 1),
        ("N", "2388", 4095),
    ],
)
def test_segments_hold_what_the_service_was_recorded_to_have_in_them(
    dynamodb: Any, kind: str, key: str, segment: int
) -> None:
    table = create(dynamodb, kind)
    dynamodb.put_item(TableName=table, Item={"pk": {kind: key}})
    around = [each for each in (segment - 1, segment, segment + 1) if 0 <= each < 4096]
    found = [dynamodb.scan(TableName=table, TotalSegments=4096, Segment=each)["Count"] for each in around]
    assert found == [int(each == segment) for each in around]


def test_a_million_segments(scan: Scan) -> None:
    """Each of ten times as many segments is a tenth of one: followed down to a millionth of the table."""
    partition = [("p7", sk) for sk in range(ROWS)]
    segment, total = 0, 1
    while total < 1_000_000:
        total *= 10
        holding = [
            part
            for part in range(segment * 10, segment * 10 + 10)
            if ("p7", 0) in keys(scan(TotalSegments=total, Segment=part))
        ]
        assert len(holding) == 1
        segment = holding[0]
    assert keys(scan(TotalSegments=total, Segment=segment)) == partition


def test_pages_of_a_segment(scan: Scan) -> None:
    whole = keys(scan(TotalSegments=3, Segment=1))
    found = pages(scan, TotalSegments=3, Segment=1, Limit=5)
    assert keys(*found) == whole
    assert len(whole) > 5


# Filters, projections, Select


@pytest.mark.parametrize(
    ("expression", "values", "chosen"),
    [
        ("n >= :n", {":n": {"N": "70"}}, range(70, 80)),
        ("pk = :p", {":p": {"S": "p3"}}, range(12, 16)),  # unlike a Query's, it may name the key
        ("sk = :z AND n < :n", {":z": {"N": "0"}, ":n": {"N": "9"}}, [0, 4, 8]),
        ("m.even = :t", {":t": {"BOOL": True}}, range(0, 80, 2)),
        ("NOT m.even = :t", {":t": {"BOOL": True}}, range(1, 80, 2)),
        ("m.#e = :t AND n IN (:a, :b)", {":t": {"BOOL": True}, ":a": {"N": "2"}, ":b": {"N": "3"}}, [2]),
        ("begins_with(pk, :p)", {":p": {"S": "p1"}}, [*range(4, 8), *range(40, 80)]),
        ("size(m) = :one", {":one": {"N": "1"}}, range(80)),
        ("attribute_exists(absent)", None, []),
        ("attribute_type(m, :t)", {":t": {"S": "M"}}, range(80)),
    ],
)
def test_a_filter(scan: Scan, expression: str, values: dict[str, Any] | None, chosen: Any) -> None:
    parameters: dict[str, Any] = {"FilterExpression": expression}
    if values is not None:
        parameters["ExpressionAttributeValues"] = values
    if "#e" in expression:
        parameters["ExpressionAttributeNames"] = {"#e": "even"}
    answer = scan(**parameters)
    assert sorted(keys(answer)) == sorted(KEYS[at] for at in chosen)
    assert (answer["Count"], answer["ScannedCount"]) == (len(list(chosen)), len(KEYS))
    counted = scan(**parameters, Select="COUNT")
    assert "Items" not in counted
    assert (counted["Count"], counted["ScannedCount"]) == (answer["Count"], len(KEYS))


@pytest.mark.parametrize(
    ("conditions", "operator", "chosen"),
    [
        ({"n": ("GE", ["70"])}, None, range(70, 80)),
        ({"n": ("GE", ["70"]), "sk": ("EQ", ["0"])}, None, [72, 76]),
        ({"n": ("GE", ["76"]), "sk": ("EQ", ["0"])}, "OR", [*range(0, 80, 4), 77, 78, 79]),
        ({"absent": ("NOT_NULL", None)}, None, []),
    ],
)
def test_a_scan_filter(scan: Scan, conditions: Any, operator: str | None, chosen: Any) -> None:
    wanted = {
        name: {
            "ComparisonOperator": comparison,
            **({} if numbers is None else {"AttributeValueList": [{"N": number} for number in numbers]}),
        }
        for name, (comparison, numbers) in conditions.items()
    }
    extra = {} if operator is None else {"ConditionalOperator": operator}
    assert sorted(keys(scan(ScanFilter=wanted, **extra))) == sorted(KEYS[at] for at in chosen)


@pytest.mark.parametrize(
    ("parameters", "names"),
    [
        ({"Select": "ALL_ATTRIBUTES"}, {"pk", "sk", "n", "m"}),
        ({"ProjectionExpression": "n, pk"}, {"n", "pk"}),
        ({"ProjectionExpression": "n", "Select": "SPECIFIC_ATTRIBUTES"}, {"n"}),
        ({"ProjectionExpression": "absent"}, set()),
        ({"AttributesToGet": ["sk", "absent"]}, {"sk"}),
        ({"AttributesToGet": ["sk"], "Select": "SPECIFIC_ATTRIBUTES"}, {"sk"}),
        ({"Select": "COUNT"}, None),
    ],
)
def test_select(scan: Scan, parameters: dict[str, Any], names: set[str] | None) -> None:
    answer = scan(**parameters)
    assert (answer["Count"], answer["ScannedCount"]) == (len(KEYS), len(KEYS))
    if names is None:
        assert "Items" not in answer
    else:
        assert [set(item) for item in answer["Items"]] == [names] * len(KEYS)


# Capacity


@pytest.mark.parametrize(
    ("parameters", "units"),
    [
        ({}, 137.5),
        ({"ConsistentRead": True}, 275.0),
        ({"Limit": 1}, 12.5),
        ({"Limit": 2, "Select": "COUNT", "ConsistentRead": True}, 50.0),
        ({"Limit": 1, "ProjectionExpression": "pk"}, 12.5),
        ({"Limit": 1, "FilterExpression": "attribute_exists(absent)"}, 12.5),
    ],
)
def test_units_are_of_all_that_was_read(
    dynamodb: Any, large: str, parameters: dict[str, Any], units: float
) -> None:
    total = dynamodb.scan(TableName=large, ReturnConsumedCapacity="TOTAL", **parameters)
    assert total["ConsumedCapacity"] == {"TableName": large, "CapacityUnits": units}
    indexes = dynamodb.scan(TableName=large, ReturnConsumedCapacity="INDEXES", **parameters)
    assert indexes["ConsumedCapacity"]["Table"] == {"CapacityUnits": units}


# Refusals


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        (
            {"Segment": 0},
            "The TotalSegments parameter is required but was not present in the request "
            "when Segment parameter is present",
        ),
        (
            {"TotalSegments": 4},
            "The Segment parameter is required but was not present in the request "
            "when parameter TotalSegments is present",
        ),
        (
            {"Segment": 5, "TotalSegments": 5},
            "The Segment parameter is zero-based and must be less than parameter TotalSegments: "
            "Segment: 5 is not less than TotalSegments: 5",
        ),
        (
            {"Segment": -1, "TotalSegments": 4},
            "1 validation error detected: Value '-1' at 'segment' failed to satisfy constraint: "
            "Member must have value greater than or equal to 0",
        ),
        (
            {"Segment": 0, "TotalSegments": 0},
            "1 validation error detected: Value '0' at 'totalSegments' failed to satisfy constraint: "
            "Member must have value greater than or equal to 1",
        ),
        (
            {"Segment": 0, "TotalSegments": 1_000_001},
            "1 validation error detected: Value '1000001' at 'totalSegments' failed to satisfy constraint: "
            "Member must have value less than or equal to 1000000",
        ),
        (
            {"Limit": 0},
            "1 validation error detected: Value '0' at 'limit' failed to satisfy constraint: "
            "Member must have value greater than or equal to 1",
        ),
        (
            {"Select": "SPECIFIC_ATTRIBUTES"},
            "Must specify the AttributesToGet or ProjectionExpression when choosing to get SPECIFIC_ATTRIBUTES",
        ),
        (
            {"Select": "ALL_ATTRIBUTES", "ProjectionExpression": "n"},
            "Cannot specify the ProjectionExpression when choosing to get ALL_ATTRIBUTES",
        ),
        (
            {"Select": "COUNT", "AttributesToGet": ["n"]},
            "Cannot specify the AttributesToGet when choosing to get only the Count",
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
            "1 validation error detected: Value 'SOME' at 'select' failed to satisfy constraint: "
            "Member must satisfy enum value set: "
            "[SPECIFIC_ATTRIBUTES, COUNT, ALL_ATTRIBUTES, ALL_PROJECTED_ATTRIBUTES]",
        ),
        ({"IndexName": "absent"}, "The table does not have the specified index: absent"),
        (
            {"FilterExpression": "attribute_exists(pk.a)"},
            "Key attributes must be scalars; list random access '[]' and map lookup '.' are not allowed: "
            "Key: pk",
        ),
        ({"FilterExpression": ""}, "Invalid FilterExpression: The expression can not be empty;"),
        (
            {"FilterExpression": "a = b", "ScanFilter": {"a": {"ComparisonOperator": "NULL"}}},
            "Can not use both expression and non-expression parameters in the same request: "
            "Non-expression parameters: {ScanFilter} Expression parameters: {FilterExpression}",
        ),
        (
            {"ExpressionAttributeValues": {":v": {"S": "x"}}},
            "ExpressionAttributeValues can only be specified when using expressions",
        ),
        (
            {"FilterExpression": "a = :v", "ExpressionAttributeValues": {":v": {"N": "x"}}},
            "ExpressionAttributeValues contains invalid value: "
            "The parameter cannot be converted to a numeric value: x for key :v",
        ),
        (
            {"FilterExpression": "a = b", "ExpressionAttributeNames": {"#u": "u"}},
            "Value provided in ExpressionAttributeNames unused in expressions: keys: {#u}",
        ),
        ({"AttributesToGet": ["a", "a"]}, f"{INVALID}Duplicate value in attribute name: a"),
    ],
)
def test_parameters_that_are_refused(
    scan: Scan, refusal: Refusal, parameters: dict[str, Any], message: str
) -> None:
    assert refusal(scan, **parameters) == ("ValidationException", message)


@pytest.mark.parametrize(
    ("start", "message"),
    [
        ({}, MISMATCH),
        ({"pk": {"S": "p"}}, MISMATCH),
        ({"pk": {"S": "p"}, "a": {"N": "1"}}, MISMATCH),
        ({"pk": {"S": "p"}, "sk": {"S": "1"}}, MISMATCH),
        ({"pk": {"N": "1"}, "sk": {"N": "1"}}, MISMATCH),
        ({"pk": {"S": "p"}, "sk": {"N": "1"}, "a": {"N": "1"}}, MISMATCH),
        ({"pk": {}}, "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes"),
        (
            {"pk": {"S": "p", "N": "1"}},
            "Supplied AttributeValue has more than one datatypes set, "
            "must contain exactly one of the supported datatypes",
        ),
        ({"pk": {"SS": []}}, f"{INVALID}An string set  may not be empty"),
        ({"pk": {"NS": []}}, f"{INVALID}An number set  may not be empty"),
        ({"pk": {"NULL": False}}, f"{INVALID}Null attribute value types must have the value of true"),
        ({"pk": {"SS": ["b", "a", "b"]}}, f"{INVALID}Input collection [b, a, b] contains duplicates."),
        ({"pk": {"NS": ["1", "1"]}}, "Input collection contains duplicates"),
        ({"pk": {"N": "abc"}}, "The parameter cannot be converted to a numeric value: abc"),
        ({"pk": {"N": ""}}, "The parameter cannot be converted to a numeric value"),
    ],
)
def test_starting_keys_that_are_refused(
    scan: Scan, refusal: Refusal, start: dict[str, Any], message: str
) -> None:
    assert refusal(scan, ExclusiveStartKey=start) == ("ValidationException", INVALID_START + message)


def test_a_starting_key_of_another_segment(scan: Scan, refusal: Refusal) -> None:
    for segment in (0, 1):
        pk, sk = keys(scan(TotalSegments=2, Segment=1 - segment))[0]
        start = {"pk": {"S": pk}, "sk": {"N": str(sk)}}
        refused = refusal(scan, TotalSegments=2, Segment=segment, ExclusiveStartKey=start)
        assert refused == (
            "ValidationException",
            f"{INVALID_START}Invalid ExclusiveStartKey. Please use ExclusiveStartKey with correct Segment. "
            f"TotalSegments: 2 Segment: {segment}",
        )
