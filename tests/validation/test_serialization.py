"""JSON types: which text answers which value, in place of what, as recorded from the service."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from alt.errors import ApiError
from alt.validation import check

OBJECT = "Start of structure or map found where not expected"
FIELD = "Unexpected field type"
VALUE = "Unexpected value type in payload"
BYTES = "only base-64-encoded strings are convertible to bytes"
PACKAGE = "com.amazonaws.dynamodb.v20120810"
CAST = (
    "class sun.reflect.generics.reflectiveObjects.ParameterizedTypeImpl cannot be cast to class "
    "java.lang.Class (sun.reflect.generics.reflectiveObjects.ParameterizedTypeImpl and java.lang.Class "
    "are in module java.base of loader 'bootstrap')"
)


def collection(java_type: str) -> str:
    return f"Unrecognized collection type {java_type}"


def conversions(java_type: str, *accepted: type) -> list[tuple[Any, str]]:
    given = [
        ("23", "STRING_VALUE"),
        (True, "TRUE_VALUE"),
        (False, "FALSE_VALUE"),
        (23, "NUMBER_VALUE"),
        (-2147483648, "NUMBER_VALUE"),
        (2147483648, "NUMBER_VALUE"),
        (34.56, "DECIMAL_VALUE"),
    ]
    return [
        (value, f"{token} cannot be converted to {java_type}")
        for value, token in given
        if type(value) not in accepted
    ]


def scalars(text: str) -> list[tuple[Any, str]]:
    return [(value, text) for value in ("23", True, 23, -2147483648, 2147483648, 34.56)]


# What is expected, and the answer to everything else.
STRING = [*conversions("String", str), ([], collection("class java.lang.String")), ({}, OBJECT)]
INTEGER = [*conversions("Integer", int, float), ([], collection("class java.lang.Integer")), ({}, OBJECT)]
LONG = [*conversions("Long", int, float), ([], collection("class java.lang.Long")), ({}, OBJECT)]
DOUBLE = [*conversions("Double", int, float), ([], collection("class java.lang.Double")), ({}, OBJECT)]
DATE = [*conversions("Date", int, float), ([], collection("class java.util.Date")), ({}, OBJECT)]
BOOLEAN = [
    ("23", "Unexpected token received from parser"),
    *conversions("Boolean", str, bool),
    ([], collection("class java.lang.Boolean")),
    ({}, OBJECT),
]
BLOB = [
    *[(value, BYTES) for value in (True, 23, -2147483648, 2147483648, 34.56)],
    ([], collection("class java.nio.ByteBuffer")),
    ({}, OBJECT),
    ("23456", "Base64 encoded length is expected a multiple of 4 bytes but found: 5"),
    ("=+/=", "Invalid last non-pad Base64 character dectected"),
    ("+/+=", "Invalid last non-pad Base64 character dectected"),
    ("ab!=", "Invalid Base64 character: '!'"),
]
LIST = [*scalars(FIELD), ({}, OBJECT)]
LIST_IN_MAP = [*scalars(CAST), ({}, OBJECT)]


def map_of(java_type: str, text: str = FIELD) -> list[tuple[Any, str]]:
    return [*scalars(text), ([], collection(f"java.util.Map<java.lang.String, {java_type}>"))]


def structure(name: str, text: str = FIELD) -> list[tuple[Any, str]]:
    return [*scalars(text), ([], collection(f"class {PACKAGE}.{name}"))]


def attribute(path: str, text: str) -> list[tuple[str, list[tuple[Any, str]]]]:
    """An attribute value at `path`, and all that can be wrong within it."""
    return [
        (path, structure("AttributeValue", text)),
        *((f"{path}.{kind}", STRING) for kind in ("S", "N")),
        (f"{path}.B", BLOB),
        *((f"{path}.{kind}", BOOLEAN) for kind in ("BOOL", "NULL")),
        *((f"{path}.{kind}", LIST) for kind in ("SS", "NS", "BS", "L")),
        *((f"{path}.{kind}.0", STRING) for kind in ("SS", "NS")),
        *((f"{path}.{kind}", BLOB) for kind in ("BS.0", "L.0.BS.0", "M.a.BS.0")),
        *((f"{path}.{kind}", structure("AttributeValue", VALUE)) for kind in ("L.0", "M.a")),
        (f"{path}.M", map_of(f"{PACKAGE}.AttributeValue")),
        (f"{path}.L.0.BS", LIST),
    ]


PLACES = [
    ("PutItem", "TableName", STRING),
    ("PutItem", "Item", map_of(f"{PACKAGE}.AttributeValue")),
    *(("PutItem", *place) for place in attribute("Item.Attr", VALUE)),
    ("PutItem", "Expected", map_of(f"{PACKAGE}.ExpectedAttributeValue")),
    ("PutItem", "Expected.Attr", structure("ExpectedAttributeValue", VALUE)),
    ("PutItem", "Expected.Attr.Exists", BOOLEAN),
    *(("PutItem", *place) for place in attribute("Expected.Attr.Value", FIELD)),
    ("PutItem", "ExpressionAttributeNames", map_of("java.lang.String")),
    ("PutItem", "ExpressionAttributeNames.Attr", STRING),
    ("UpdateItem", "AttributeUpdates", map_of(f"{PACKAGE}.AttributeValueUpdate")),
    ("UpdateItem", "AttributeUpdates.Attr", structure("AttributeValueUpdate", VALUE)),
    ("UpdateItem", "AttributeUpdates.Attr.Action", STRING),
    ("Query", "AttributesToGet", LIST),
    ("Query", "AttributesToGet.0", STRING),
    ("Query", "ConsistentRead", BOOLEAN),
    ("Query", "Limit", INTEGER),
    ("Query", "QueryFilter", map_of(f"{PACKAGE}.Condition")),
    ("Query", "QueryFilter.Attr", structure("Condition", VALUE)),
    ("Query", "QueryFilter.Attr.AttributeValueList", LIST),
    *(("Query", *place) for place in attribute("QueryFilter.Attr.AttributeValueList.0", VALUE)),
    ("BatchGetItem", "RequestItems", map_of(f"{PACKAGE}.KeysAndAttributes")),
    ("BatchGetItem", "RequestItems.Attr", structure("KeysAndAttributes", VALUE)),
    ("BatchGetItem", "RequestItems.Attr.Keys", LIST),
    ("BatchGetItem", "RequestItems.Attr.Keys.0", map_of(f"{PACKAGE}.AttributeValue", CAST)),
    *(("BatchGetItem", *place) for place in attribute("RequestItems.Attr.Keys.0.Attr", VALUE)),
    ("BatchWriteItem", "RequestItems", map_of(f"java.util.List<{PACKAGE}.WriteRequest>")),
    ("BatchWriteItem", "RequestItems.Attr", LIST_IN_MAP),
    ("BatchWriteItem", "RequestItems.Attr.0", structure("WriteRequest", VALUE)),
    ("BatchWriteItem", "RequestItems.Attr.0.PutRequest", structure("PutRequest")),
    ("CreateTable", "KeySchema", LIST),
    ("CreateTable", "KeySchema.0", structure("KeySchemaElement", VALUE)),
    ("CreateTable", "KeySchema.0.KeyType", STRING),
    ("CreateTable", "ProvisionedThroughput", structure("ProvisionedThroughput")),
    ("CreateTable", "ProvisionedThroughput.WriteCapacityUnits", LONG),
    ("CreateTable", "LocalSecondaryIndexes.0.Projection.NonKeyAttributes.0", STRING),
    ("ListBackups", "TimeRangeLowerBound", DATE),
    (
        "UpdateTableReplicaAutoScaling",
        "ProvisionedWriteCapacityAutoScalingUpdate.ScalingPolicyUpdate."
        "TargetTrackingScalingPolicyConfiguration.TargetValue",
        DOUBLE,
    ),
]


def request_with(path: str, value: Any) -> Any:
    """The smallest request that has `value` at `path`; 0 in the path is a list's first element."""
    for piece in reversed(path.split(".")):
        value = [value] if piece == "0" else {piece: value}
    return value


def refusal(operation: str, request: Any) -> str | None:
    with pytest.raises(ApiError) as raised:
        check("dynamodb", operation, request)
    assert raised.value.type == "SerializationException"
    return raised.value.message


@pytest.mark.parametrize(("operation", "path", "answers"), PLACES, ids=[f"{p[0]} {p[1]}" for p in PLACES])
def test_values_of_the_wrong_type_are_answered_as_recorded(
    operation: str, path: str, answers: list[tuple[Any, str]]
) -> None:
    given = [(value, refusal(operation, request_with(path, value))) for value, _ in answers]
    assert given == answers


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ([], collection(f"class {PACKAGE}.PutItemInput")),
        ("text", VALUE),
        (23, VALUE),
        (None, VALUE),
        (True, VALUE),
    ],
)
def test_a_request_is_an_object(request_: Any, message: str) -> None:
    assert refusal("PutItem", request_) == message


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"Limit": "5", "IndexName": 5}, "STRING_VALUE cannot be converted to Integer"),
        ({"IndexName": 5, "Limit": "5"}, "NUMBER_VALUE cannot be converted to String"),
        ({"ExclusiveStartKey": {"a": {"L": [{"S": 1}, {"S": True}]}, "b": {"S": True}}}, "NUMBER_VALUE"),
        ({"ExclusiveStartKey": {"a": {"L": [{"L": [{"BOOL": 2}]}, {"S": True}]}}}, "NUMBER_VALUE"),
    ],
)
def test_the_first_wrong_value_of_the_body_is_answered(request_: Any, message: str) -> None:
    assert (refusal("Scan", request_) or "").startswith(message)


def test_types_come_before_constraints() -> None:
    assert refusal("PutItem", {"TableName": "", "Item": 5}) == FIELD


def test_unknown_members_are_ignored() -> None:
    check("dynamodb", "Scan", {"TableName": "abc", "Unknown": [{"deep": None}], "unknown": 5})
    check("dynamodb", "PutItem", {"TableName": "abc", "Item": {"a": {"S": "x", "Z": 1}, "b": {"Z": 1}}})


@pytest.mark.parametrize(
    ("operation", "given", "read"),
    [
        ("Scan", {"IndexName": None, "Limit": None}, {}),
        ("Scan", {"Limit": 5.9}, {"Limit": 5}),
        ("Scan", {"Limit": 99999999999}, {"Limit": 99999999999}),
        ("Scan", {"Limit": 10**4000}, {"Limit": 2**63 - 1}),
        ("Scan", {"Limit": 1e300}, {"Limit": 2**63 - 1}),
        ("ListBackups", {"TimeRangeLowerBound": -(10**400)}, {"TimeRangeLowerBound": -(2**63)}),
        ("Scan", {"ConsistentRead": "TRUE"}, {"ConsistentRead": True}),
        ("Scan", {"ConsistentRead": "no"}, {"ConsistentRead": False}),
        ("ListBackups", {"TimeRangeLowerBound": 1577836800.5}, {"TimeRangeLowerBound": 1577836800.5}),
        ("PutItem", {"Item": {"a": {"S": "x", "N": None}}}, {"Item": {"a": {"S": "x"}}}),
        ("PutItem", {"Item": {"a": None, "b": {"L": [None]}}}, {"Item": {"a": {}, "b": {"L": [{}]}}}),
        ("PutItem", {"Item": {"a": {"M": {"b": None}}}}, {"Item": {"a": {"M": {"b": {}}}}}),
        ("PutItem", {"Item": {"a": {"BOOL": "true"}}}, {"Item": {"a": {"BOOL": True}}}),
        ("PutItem", {"Item": {"a": {"SS": ["x", None]}}}, {"Item": {"a": {"SS": ["x", None]}}}),
        ("Query", {"KeyConditions": {"a": {"ComparisonOperator": "EQ", "AttributeValueList": None}}}, None),
    ],
)
def test_what_is_only_unusual_is_ironed_out(operation: str, given: Any, read: Any) -> None:
    if read is None:
        read = {"KeyConditions": {"a": {"ComparisonOperator": "EQ"}}}
    request = {"TableName": "abc", **given}
    check("dynamodb", operation, request)
    assert request == {"TableName": "abc", **read}


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("operation", ["Scan", "ListBackups"])
def test_numbers_that_are_none_are_refused(operation: str, number: float) -> None:
    member = "Limit" if operation == "Scan" else "TimeRangeLowerBound"
    expected = "Integer" if operation == "Scan" else "Date"
    answer = refusal(operation, {"TableName": "abc", member: number})
    assert answer == f"DECIMAL_VALUE cannot be converted to {expected}"


def test_depth_is_no_limit_of_this_walk() -> None:
    value: dict[str, Any] = {"S": "leaf"}
    for _ in range(100_000):
        value = {"L": [value]}
    request = {"TableName": "abc", "Item": {"a": value}}
    check("dynamodb", "PutItem", request)
    while "L" in value:  # taken apart by hand: Python's own deallocation of it would recurse
        value = value.pop("L").pop()
    assert value == {"S": "leaf"}


def test_a_wrong_type_is_found_at_any_depth() -> None:
    value: dict[str, Any] = {"S": 5}
    for _ in range(500):
        value = {"M": {"a": value}}
    assert refusal("PutItem", {"TableName": "abc", "Item": {"a": value}}) == (
        "NUMBER_VALUE cannot be converted to String"
    )


VALID = {"TableName": "abc", "IndexName": "abc", "SearchVector": [{"N": "1"}], "TopK": 1}


@pytest.mark.parametrize(
    ("member", "value", "message"),
    [
        ("TableName", None, "invalid type: null, expected a string at line 1 column 17"),
        ("IndexName", None, "invalid type: null, expected a string at line 1 column 35"),
        ("SearchVector", None, "invalid type: null, expected a sequence at line 1 column 56"),
        ("TopK", None, "invalid type: null, expected i32 at line 1 column 75"),
        ("TopK", "5", 'invalid type: string "5", expected i32 at line 1 column 74'),
        ("TopK", True, "invalid type: boolean `true`, expected i32 at line 1 column 75"),
        ("TopK", 1.5, "invalid type: floating point `1.5`, expected i32 at line 1 column 74"),
        ("TableName", {}, "invalid type: map, expected a string at line 1 column 14"),
        ("TableName", [], "invalid type: sequence, expected a string at line 1 column 14"),
        ("SearchVector", 5, "invalid type: integer `5`, expected a sequence at line 1 column 53"),
    ],
)
def test_search_vectors_reads_its_body_strictly(member: str, value: Any, message: str) -> None:
    assert refusal("SearchVectors", {**VALID, member: value}) == message


@pytest.mark.parametrize(("absent", "column"), [("TableName", 54), ("TopK", 63)])
def test_search_vectors_names_a_missing_field(absent: str, column: int) -> None:
    request = {name: value for name, value in {**VALID, "IndexName": "ab"}.items() if name != absent}
    with pytest.raises(ApiError) as raised:
        check("dynamodb", "SearchVectors", request)
    assert raised.value.type == "ValidationException"
    assert raised.value.message == f"missing field `{absent}` at line 1 column {column}"


def test_search_vectors_takes_null_for_an_optional_member() -> None:
    request = copy.deepcopy({**VALID, "ProjectionExpression": None})
    check("dynamodb", "SearchVectors", request)
    assert request == VALID


def test_search_vectors_counts_columns_in_a_large_body() -> None:
    request = {"SearchVector": [{"N": "0.5"}] * 10_000, "TopK": None}
    assert refusal("SearchVectors", request) == ("invalid type: null, expected i32 at line 1 column 120029")
