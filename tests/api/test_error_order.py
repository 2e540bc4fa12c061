"""Which of several problems of one request is answered.

For each operation there is a list of problems in the order that DynamoDB looks for
them. A request that has one of them and all that come after it is answered with that
one: constraints on members first, then rules of parameters, values and expressions
(all of them even where the table does not exist), then the table, the key, and last
the condition.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

Refusal = Callable[..., tuple[str, str]]
Request = dict[str, Any]

OPENING = "1 validation error detected: "
INVALID = "One or more parameter values were invalid: "
MISMATCH = "The provided key element does not match the schema"
SYNTAX = 'Syntax error; token: "=", near: "= = b"'
NOT_NUMERIC = "The parameter cannot be converted to a numeric value: abc"
UNUSED = "Value provided in ExpressionAttributeValues unused in expressions: keys: {:unused}"
IDLE = "ExpressionAttributeNames can only be specified when using expressions"
SCALARS = (
    "Key attributes must be scalars; list random access '[]' and map lookup '.' are not allowed: Key: pk"
)
NOT_FOUND = "Requested resource not found"
FAILED = "The conditional request failed"

EMPTY_NAME = (
    "Value at 'TableName' failed to satisfy constraint: Member must have length greater than or equal to 1"
)
NOT_A_UNIT = (
    "Value 'SOME' at 'returnConsumedCapacity' failed to satisfy constraint: "
    "Member must satisfy enum value set: [INDEXES, TOTAL, NONE]"
)
NO_RETURN_VALUE = (
    "Failed to satisfy constraint: Member must satisfy enum value set: "
    "[ALL_OLD, UPDATED_OLD, ALL_NEW, UPDATE_NEW, NONE]"
)
MIXED = (
    "Can not use both expression and non-expression parameters in the same request: "
    "Non-expression parameters: {{{}}} Expression parameters: {{{}}}"
)


class Problem(NamedTuple):
    """What makes it of a good request, and its message."""

    cause: Callable[[Request], object]
    message: str


def setting(**members: Any) -> Callable[[Request], object]:
    """A cause that sets members of the request."""
    return lambda request: request.update(copy.deepcopy(members))


def beside(**members: Any) -> Callable[[Request], object]:
    """A cause that leaves alone what is there already."""

    def cause(request: Request) -> None:
        for name, value in members.items():
            request.setdefault(name, copy.deepcopy(value))

    return cause


EMPTY_TABLE_NAME = Problem(setting(TableName=""), EMPTY_NAME)
BAD_UNIT = Problem(setting(ReturnConsumedCapacity="SOME"), NOT_A_UNIT)
ABSENT_TABLE = Problem(setting(TableName="no-such-table"), NOT_FOUND)
UNUSED_VALUE = Problem(
    lambda r: r.setdefault("ExpressionAttributeValues", {}).update({":unused": {"S": "x"}}), UNUSED
)

BAD_CONDITION = Problem(setting(ConditionExpression="a = = b"), f"Invalid ConditionExpression: {SYNTAX}")
BAD_VALUE = Problem(
    lambda r: r.setdefault("ExpressionAttributeValues", {}).update({":bad": {"N": "abc"}}), NOT_NUMERIC
)
BAD_CONDITION_VALUE = Problem(
    lambda r: (beside(ConditionExpression="a = :bad")(r), BAD_VALUE.cause(r)), NOT_NUMERIC
)
FALSE_CONDITION = Problem(beside(ConditionExpression="attribute_not_exists(pk)"), FAILED)
NESTED_KEY = Problem(setting(ConditionExpression="attribute_exists(pk.a)"), SCALARS)
OLD_AND_NEW = Problem(
    setting(ConditionExpression="a = b", Expected={"a": {"Exists": False}}),
    MIXED.format("Expected", "ConditionExpression"),
)
WRONG_RETURN_VALUE = Problem(setting(ReturnValues="ALL_NEW"), "ReturnValues can only be ALL_OLD or NONE")

PUT_ITEM = [
    EMPTY_TABLE_NAME,
    BAD_UNIT,
    OLD_AND_NEW,
    Problem(lambda r: r["Item"].update({"": {"S": "x"}}), "Empty attribute name"),
    Problem(lambda r: r["Item"].update(n={"N": "abc"}), NOT_NUMERIC),
    WRONG_RETURN_VALUE,
    BAD_CONDITION_VALUE,
    BAD_CONDITION,
    UNUSED_VALUE,
    ABSENT_TABLE,
    Problem(lambda r: r["Item"].pop("pk"), f"{INVALID}Missing the key pk in the item"),
    Problem(
        lambda r: r["Item"].update(large={"S": "x" * 409_600}),
        "Item size has exceeded the maximum allowed size",
    ),
    NESTED_KEY,
    FALSE_CONDITION,
]
DELETE_ITEM = [
    EMPTY_TABLE_NAME,
    BAD_UNIT,
    OLD_AND_NEW,
    Problem(lambda r: r["Key"].update(n={"N": "abc"}), NOT_NUMERIC),
    WRONG_RETURN_VALUE,
    BAD_CONDITION_VALUE,
    BAD_CONDITION,
    UNUSED_VALUE,
    ABSENT_TABLE,
    Problem(lambda r: r["Key"].pop("pk"), MISMATCH),
    NESTED_KEY,
    FALSE_CONDITION,
]
UPDATE_ITEM = [
    EMPTY_TABLE_NAME,
    Problem(setting(ReturnValues="SOME", ReturnConsumedCapacity="SOME"), NO_RETURN_VALUE),
    BAD_UNIT,
    Problem(
        setting(AttributeUpdates={"a": {"Action": "DELETE"}}),
        MIXED.format("AttributeUpdates", "UpdateExpression, ConditionExpression"),
    ),
    Problem(lambda r: r["Key"].update(n={"N": "abc"}), NOT_NUMERIC),
    BAD_VALUE,
    Problem(setting(UpdateExpression="SET a = = b"), f"Invalid UpdateExpression: {SYNTAX}"),
    BAD_CONDITION,
    UNUSED_VALUE,
    ABSENT_TABLE,
    Problem(lambda r: r["Key"].pop("pk"), MISMATCH),
    Problem(
        # Beside what a later problem sets: its value stays in use.
        lambda r: r.update(UpdateExpression=r["UpdateExpression"].replace("REMOVE a", "") + " REMOVE pk"),
        f"{INVALID}Cannot update attribute pk. This attribute is part of the key",
    ),
    NESTED_KEY,
    Problem(
        lambda r: r.update(
            UpdateExpression="SET a = :large", ExpressionAttributeValues={":large": {"S": "x" * 409_600}}
        ),
        "Item size to update has exceeded the maximum allowed size",
    ),
    FALSE_CONDITION,
    Problem(
        setting(UpdateExpression="SET a = absent"),
        "The provided expression refers to an attribute that does not exist in the item",
    ),
]
GET_ITEM = [
    EMPTY_TABLE_NAME,
    BAD_UNIT,
    Problem(
        setting(ProjectionExpression="a", AttributesToGet=["a", "a"]),
        MIXED.format("AttributesToGet", "ProjectionExpression"),
    ),
    Problem(lambda r: r["Key"].update(n={"N": "abc"}), NOT_NUMERIC),
    Problem(
        setting(ProjectionExpression="a = = b"),
        'Invalid ProjectionExpression: Syntax error; token: "=", near: "a = ="',
    ),
    Problem(
        beside(ProjectionExpression="a", ExpressionAttributeNames={"#u": "u"}),
        "Value provided in ExpressionAttributeNames unused in expressions: keys: {#u}",
    ),
    ABSENT_TABLE,
    Problem(lambda r: r["Key"].pop("pk"), MISMATCH),
    Problem(beside(ProjectionExpression="pk.a"), SCALARS),
]
QUERY = [
    EMPTY_TABLE_NAME,
    Problem(
        setting(IndexName="x"),
        "Value at 'IndexName' failed to satisfy constraint: Member must have length greater than or equal to 3",
    ),
    Problem(
        setting(Limit=0),
        "Value at 'Limit' failed to satisfy constraint: Member must have value greater than or equal to 1",
    ),
    BAD_UNIT,
    Problem(
        setting(AttributesToGet=["a"]),
        MIXED.format("AttributesToGet", "FilterExpression, KeyConditionExpression"),
    ),
    Problem(setting(ExclusiveStartKey={"pk": {"N": "abc"}}), NOT_NUMERIC),
    BAD_VALUE,
    Problem(setting(KeyConditionExpression="a = = b"), f"Invalid KeyConditionExpression: {SYNTAX}"),
    Problem(setting(FilterExpression="a = = b"), f"Invalid FilterExpression: {SYNTAX}"),
    UNUSED_VALUE,
    Problem(
        setting(KeyConditionExpression="attribute_exists(pk) AND a = :p"),
        "Invalid KeyConditionExpression: Invalid operator used in KeyConditionExpression: attribute_exists",
    ),
    Problem(
        setting(Select="SPECIFIC_ATTRIBUTES"),
        f"{OPENING}Must specify the AttributesToGet or ProjectionExpression when choosing to get SPECIFIC_ATTRIBUTES",
    ),
    ABSENT_TABLE,
    Problem(setting(IndexName="absent"), "The table does not have the specified index: absent"),
    Problem(setting(ExclusiveStartKey={"a": {"S": "x"}}), "The provided starting key is invalid"),
    Problem(setting(KeyConditionExpression="a = :p"), "Query condition missed key schema element: pk"),
    Problem(
        setting(ExclusiveStartKey={"pk": {"S": "elsewhere"}}),
        "The provided starting key is outside query boundaries based on provided conditions",
    ),
    Problem(
        setting(ExclusiveStartKey={"pk": {"S": "x"}}),
        "The provided exclusive start key is invalid: ExclusiveStartKey: {pk=AttributeValue: {S:x}}",
    ),
    Problem(
        setting(FilterExpression="attribute_exists(pk)"),
        "Filter Expression can only contain non-primary key attributes: Primary key attribute: pk",
    ),
]
SCAN = [
    Problem(
        setting(Limit=0),
        "Value '0' at 'limit' failed to satisfy constraint: Member must have value greater than or equal to 1",
    ),
    Problem(setting(AttributesToGet=["a"]), MIXED.format("AttributesToGet", "FilterExpression")),
    Problem(
        setting(ExclusiveStartKey={"pk": {"N": "abc"}}),
        f"The provided starting key is invalid: {NOT_NUMERIC}",
    ),
    Problem(
        setting(Segment=0),
        "The TotalSegments parameter is required but was not present in the request "
        "when Segment parameter is present",
    ),
    Problem(
        lambda r: r.setdefault("ExpressionAttributeValues", {}).update({":bad": {"N": "abc"}}),
        f"ExpressionAttributeValues contains invalid value: {NOT_NUMERIC} for key :bad",
    ),
    Problem(setting(FilterExpression="a = = b"), f"Invalid FilterExpression: {SYNTAX}"),
    UNUSED_VALUE,
    ABSENT_TABLE,
    Problem(setting(IndexName="absent"), "The table does not have the specified index: absent"),
    Problem(
        setting(ExclusiveStartKey={"a": {"S": "x"}}), f"The provided starting key is invalid: {MISMATCH}"
    ),
    Problem(setting(FilterExpression="attribute_exists(pk[0])"), SCALARS),
]

GOOD: dict[str, Request] = {
    "put_item": {"Item": {"pk": {"S": "x"}}},
    "delete_item": {"Key": {"pk": {"S": "x"}}},
    "update_item": {"Key": {"pk": {"S": "x"}}, "UpdateExpression": "REMOVE a"},
    "get_item": {"Key": {"pk": {"S": "x"}}},
    "query": {"KeyConditionExpression": "pk = :p", "ExpressionAttributeValues": {":p": {"S": "x"}}},
    "scan": {},
}
PROBLEMS = {
    "put_item": PUT_ITEM,
    "delete_item": DELETE_ITEM,
    "update_item": UPDATE_ITEM,
    "get_item": GET_ITEM,
    "query": QUERY,
    "scan": SCAN,
}
# Up to here in the order, the writes answer in an envelope.
ENVELOPED = frozenset({"put_item", "delete_item", "update_item"})


def answered(operation: str, at: int) -> tuple[str, str]:
    """The type and message of a problem by its place."""
    problems = PROBLEMS[operation]
    message = problems[at].message
    if message == NOT_FOUND:
        return "ResourceNotFoundException", message
    if message == FAILED:
        return "ConditionalCheckFailedException", message
    early = at < problems.index(ABSENT_TABLE)
    if early and (operation in ENVELOPED or "failed to satisfy constraint" in message.lower()):
        message = OPENING + message
    return "ValidationException", message


@pytest.fixture(scope="module")
def item(dynamodb: Any, table: str) -> None:
    """What conditions fail on."""
    dynamodb.put_item(TableName=table, Item={"pk": {"S": "x"}})


@pytest.mark.usefixtures("item")
@pytest.mark.parametrize(
    ("operation", "at"), [(operation, at) for operation in PROBLEMS for at in range(len(PROBLEMS[operation]))]
)
def test_the_first_problem_is_answered(
    dynamodb: Any, table: str, refusal: Refusal, operation: str, at: int
) -> None:
    problems = PROBLEMS[operation][at:]
    alone: Request = {"TableName": table, **copy.deepcopy(GOOD[operation])}
    problems[0].cause(alone)
    together: Request = {"TableName": table, **copy.deepcopy(GOOD[operation])}
    for problem in reversed(problems):
        problem.cause(together)
    call = getattr(dynamodb, operation)
    assert refusal(call, **together) == answered(operation, at)
    if "Expression" not in answered(operation, at)[1]:  # those need others beside them
        assert refusal(call, **alone) == answered(operation, at)


# Batches: constraints, then values and sizes, then the table, then keys and duplicates


def keys(*pks: str) -> list[dict[str, Any]]:
    return [{"pk": {"S": pk}} for pk in pks]


@pytest.mark.parametrize(
    ("reads", "parameters", "answer"),
    [
        ({"Keys": keys("a", "a")}, {"ReturnConsumedCapacity": "SOME"}, OPENING + NOT_A_UNIT),
        ({"Keys": [{"pk": {"N": "abc"}}], "ProjectionExpression": "a, a"}, {}, NOT_NUMERIC),
        (
            {"Keys": keys("a", "a"), "ProjectionExpression": "a = = b"},
            {},
            'Invalid ProjectionExpression: Syntax error; token: "=", near: "a = ="',
        ),
        ({"Keys": [{"pk": {"N": "abc"}}, *keys(*map(str, range(60)))]}, {}, NOT_NUMERIC),
    ],
)
def test_a_batch_of_gets_from_an_absent_table(
    dynamodb: Any, refusal: Refusal, reads: Any, parameters: Any, answer: str
) -> None:
    """The table is looked for after all that, and before its keys are."""
    refused = refusal(dynamodb.batch_get_item, RequestItems={"no-such-table": reads}, **parameters)
    assert refused == ("ValidationException", answer)
    wrong = {"no-such-table": {"Keys": [{"a": {"S": "x"}}, *keys("a", "a")]}}
    assert refusal(dynamodb.batch_get_item, RequestItems=wrong) == ("ResourceNotFoundException", NOT_FOUND)


@pytest.mark.parametrize(
    ("writes", "parameters", "answer"),
    [
        (
            [{"DeleteRequest": {"Key": {"pk": {"N": "abc"}}}}],
            {"ReturnConsumedCapacity": "SOME"},
            OPENING + NOT_A_UNIT,
        ),
        ([{"DeleteRequest": {"Key": {"pk": {"N": "abc"}}}}] * 2, {}, NOT_NUMERIC),
        (
            [{"PutRequest": {"Item": {"a": {"S": "x" * 409_600}}}}],
            {},
            "Item size has exceeded the maximum allowed size",
        ),
    ],
)
def test_a_batch_of_writes_to_an_absent_table(
    dynamodb: Any, refusal: Refusal, writes: Any, parameters: Any, answer: str
) -> None:
    refused = refusal(dynamodb.batch_write_item, RequestItems={"no-such-table": writes}, **parameters)
    assert refused == ("ValidationException", answer)
    wrong = [{"DeleteRequest": {"Key": key}} for key in ({"a": {"S": "x"}}, *keys("a", "a"))]
    refused = refusal(dynamodb.batch_write_item, RequestItems={"no-such-table": wrong})
    assert refused == ("ResourceNotFoundException", NOT_FOUND)


# Table names

LONG_NAME = "a" * 256


@pytest.mark.parametrize("operation", list(GOOD))
@pytest.mark.parametrize(
    ("name", "message"),
    [
        (None, "Value null at 'tableName' failed to satisfy constraint: Member must not be null"),
        (
            "x!",
            "Value 'x!' at 'tableName' failed to satisfy constraint: "
            "Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+",
        ),
        (
            LONG_NAME,
            f"Value '{LONG_NAME}' at 'tableName' failed to satisfy constraint: "
            "Member must have length less than or equal to 255",
        ),
    ],
)
def test_table_names(dynamodb: Any, refusal: Refusal, operation: str, name: str | None, message: str) -> None:
    request = dict(GOOD[operation])
    if name is not None:
        request["TableName"] = name
    refused = refusal(getattr(dynamodb, operation), **request)
    assert refused == ("ValidationException", OPENING + message)


# UpdateItem without a key is read by the older layer, which reports everything


@pytest.mark.parametrize(
    ("parameters", "messages"),
    [
        ({"TableName": "no-such-table"}, []),
        (
            {"TableName": ""},
            [
                "Value '' at 'tableName' failed to satisfy constraint: "
                "Member must have length greater than or equal to 1"
            ],
        ),
        (
            {"TableName": "", "ReturnConsumedCapacity": "SOME", "ReturnValues": "SOME"},
            [
                NOT_A_UNIT,
                "Value '' at 'tableName' failed to satisfy constraint: "
                "Member must have length greater than or equal to 1",
                "Value 'SOME' at 'returnValues' failed to satisfy constraint: Member must satisfy enum value "
                "set: [ALL_NEW, UPDATED_OLD, ALL_OLD, NONE, UPDATED_NEW]",
            ],
        ),
        (
            {"TableName": "no-such-table", "ConditionalOperator": "XOR"},
            [
                "Value 'XOR' at 'conditionalOperator' failed to satisfy constraint: "
                "Member must satisfy enum value set: [OR, AND]"
            ],
        ),
    ],
)
def test_an_update_without_key(
    dynamodb: Any, refusal: Refusal, parameters: dict[str, Any], messages: list[str]
) -> None:
    messages = [*messages, "Value null at 'key' failed to satisfy constraint: Member must not be null"]
    plural = "s" if len(messages) > 1 else ""
    assert refusal(dynamodb.update_item, **parameters) == (
        "ValidationException",
        f"{len(messages)} validation error{plural} detected: {'; '.join(messages)}",
    )


# Values nested in about 62 levels or more have a request read by the older layer, too


def nested(levels: int) -> dict[str, Any]:
    value: dict[str, Any] = {"S": "leaf"}
    for _ in range(levels):
        value = {"M": {"n": value}}
    return value


DEEP_CONDITION = {"ConditionExpression": "a = :deep", "ExpressionAttributeValues": {":deep": nested(100)}}
OLD_RETURN_VALUES = (
    f"{OPENING}Value 'SOME' at 'returnValues' failed to satisfy constraint: Member must satisfy enum value set: "
    "[ALL_NEW, UPDATED_OLD, ALL_OLD, NONE, UPDATED_NEW]"
)
TOO_DEEP = (
    f"{OPENING}Nesting Levels have exceeded supported limits: "
    "Attributes in the item have nested levels beyond supported limit"
)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"Key": {"pk": {"S": "x"}}, **DEEP_CONDITION}, TOO_DEEP),
        ({"Key": {"pk": {"S": "x"}}, "ReturnValues": "SOME", **DEEP_CONDITION}, OLD_RETURN_VALUES),
        ({"Key": {"pk": nested(100)}, "ReturnValues": "SOME"}, OLD_RETURN_VALUES),
        (
            {"Key": {"pk": {"S": "x"}}, "ReturnValues": "UPDATED_NEW", **DEEP_CONDITION},
            "ReturnValues can only be ALL_OLD or NONE",
        ),
        (
            {"Key": {"pk": nested(40)}, "ReturnValues": "SOME"},
            OPENING + NO_RETURN_VALUE,
        ),
    ],
)
def test_deep_deletes(dynamodb: Any, refusal: Refusal, parameters: dict[str, Any], message: str) -> None:
    refused = refusal(dynamodb.delete_item, TableName="no-such-table", **parameters)
    assert refused == ("ValidationException", message)


@pytest.mark.parametrize(
    ("values", "condition", "message"),
    [
        ({":n": {"N": "1"}}, "pk = :missing AND begins_with(sk, :n)", "attribute value: :missing"),
        ({":n": {"N": "1"}}, "begins_with(sk, :n) AND pk = :missing", "operand type: N"),
        (
            {":n": {"N": "1"}, ":p": {"S": "x"}},
            "pk = :p AND begins_with(sk, :n) AND sk = :missing",
            "operand type: N",
        ),
        (
            {":n": {"N": "1"}, ":p": {"S": "x"}},
            "pk = :p AND begins_with(sk, :n) AND sk > :p",
            "operand type: N",
        ),
    ],
)
def test_clauses_of_a_key_condition_are_read_in_their_order(
    dynamodb: Any, refusal: Refusal, values: dict[str, Any], condition: str, message: str
) -> None:
    kind, answer = refusal(
        dynamodb.query,
        TableName="no-such-table",
        KeyConditionExpression=condition,
        ExpressionAttributeValues=values,
    )
    assert kind == "ValidationException"
    assert answer.startswith("Invalid KeyConditionExpression: ")
    assert answer.endswith(message)


def puts(operation: str, table: str, items: list[Any]) -> Request:
    """A request of the operation that puts the items."""
    if operation == "put_item":
        (item,) = items
        return {"TableName": table, "Item": item}
    if operation == "batch_write_item":
        return {"RequestItems": {table: [{"PutRequest": {"Item": item}} for item in items]}}
    return {"TransactItems": [{"Put": {"TableName": table, "Item": item}} for item in items]}


ILL_FORMED = {"pk": {"S": "second"}, "a": {"L": [{"S": 5}]}}
TO_STRING = "NUMBER_VALUE cannot be converted to String"


@pytest.mark.parametrize(
    ("operation", "others"),
    [
        ("put_item", []),
        ("batch_write_item", [{"pk": {"S": "first"}, "a": {"N": "abc"}}]),
        ("batch_write_item", [{"no": {"S": "key"}}]),
        ("transact_write_items", [{"pk": {"S": "first"}, "a": {"N": "abc"}}]),
        ("transact_write_items", [{"pk": {"S": "second"}}]),
    ],
)
@pytest.mark.parametrize("exists", [False, True])
def test_an_ill_formed_item_comes_before_all_that_is_wrong_with_values(
    dynamodb: Any, table: str, refusal: Refusal, operation: str, others: list[Any], exists: bool
) -> None:
    request = puts(operation, table if exists else "no-such-table", [*others, ILL_FORMED])
    assert refusal(getattr(dynamodb, operation), **request) == ("SerializationException", TO_STRING)


@pytest.mark.parametrize("operation", ["put_item", "batch_write_item", "transact_write_items"])
def test_what_can_be_converted_is_put(dynamodb: Any, table: str, pk: str, operation: str) -> None:
    item = {"pk": {"S": pk}, "flag": {"BOOL": "true"}, "list": {"L": [{"BOOL": "false"}]}}
    getattr(dynamodb, operation)(**puts(operation, table, [item]))
    stored = dynamodb.get_item(TableName=table, Key={"pk": {"S": pk}})["Item"]
    assert stored == {"pk": {"S": pk}, "flag": {"BOOL": True}, "list": {"L": [{"BOOL": False}]}}
