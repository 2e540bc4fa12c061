"""Constraints on members: found in the service's order, worded in the operation's layer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from alt.errors import ApiError
from alt.validation import check, is_deep

# Answers recorded from the service (us-east-1, October 2026), and their plain combinations.
RECORDED = json.loads((Path(__file__).parent / "recorded_constraints.json").read_text(encoding="utf-8"))
CASES = [
    pytest.param(case["operation"], case["request"], case["message"], id=f"{section} {number}")
    for section, cases in RECORDED.items()
    for number, case in enumerate(cases, 1)
]

ARN = "arn:aws:dynamodb:us-east-1:000000000000:table/abc"
KEY = {"pk": {"S": "a"}}
PUT = {"PutRequest": {"Item": KEY}}
TRANSACTED_PUT = {"Put": {"TableName": "abc", "Item": KEY}}
INDEX = {"IndexName": "abc", "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}], "Projection": {}}


def create_table(**members: Any) -> dict[str, Any]:
    return {"TableName": "abc", "KeySchema": INDEX["KeySchema"], "AttributeDefinitions": [], **members}


def refusal(operation: str, request: Any, service: str = "dynamodb") -> str:
    with pytest.raises(ApiError) as raised:
        check(service, operation, request)
    assert raised.value.type == "ValidationException"
    return raised.value.message or ""


@pytest.mark.parametrize(("operation", "request_", "message"), CASES)
def test_breaches_are_worded_as_recorded(operation: str, request_: Any, message: str) -> None:
    assert refusal(operation, request_) == message


def java_attribute(text: str) -> str:
    return (
        f"AttributeValue(s={text}, n=null, b=null, iNT=null, dECIMAL=null, dOUBLE=null, sS=null, nS=null, "
        "bS=null, iNTSET=null, dECIMALSET=null, dOUBLESET=null, m=null, l=null, nULL=null, bOOL=null)"
    )


def test_over_25_writes_are_echoed_as_java_objects() -> None:
    writes = [{"PutRequest": {"Item": {"pk": {"S": f"bw-{n}"}}}} for n in range(26)]
    dump = ", ".join(
        f"WriteRequest(putRequest=PutRequest(item={{pk={java_attribute(f'bw-{n}')}}}, "
        "workloadProfileName=null), deleteRequest=null)"
        for n in range(26)
    )
    assert refusal("BatchWriteItem", {"RequestItems": {"abc": writes}}) == (
        f"1 validation error detected: Value '{{abc=[{dump}]}}' at 'requestItems' failed to satisfy "
        "constraint: Map value must satisfy constraint: [Member must have length less than or equal to 25, "
        "Member must have length greater than or equal to 1]"
    )


def test_over_100_actions_are_echoed_as_java_objects() -> None:
    message = refusal("TransactWriteItems", {"TransactItems": [TRANSACTED_PUT] * 101})
    put = f"put=Put(item={{pk={java_attribute('a')}}}, tableName=abc, conditionExpression=null"
    assert message.startswith(
        f"1 validation error detected: Value '[TransactWriteItem(conditionCheck=null, {put}"
    )
    assert message.endswith(
        "]' at 'transactItems' failed to satisfy constraint: "
        "Member must have length less than or equal to 100"
    )


def nested(levels: int) -> dict[str, Any]:
    value: dict[str, Any] = {"S": "leaf"}
    for level in range(levels):
        value = {"M": {"n": value}} if level % 2 else {"L": [value]}
    return value


@pytest.mark.parametrize(
    ("operation", "levels", "sentence"),
    [
        ("PutItem", 40, "Failed to satisfy constraint: Member must satisfy enum value set: [ALL, OR]"),
        (
            "PutItem",
            70,
            "Value 'XOR' at 'conditionalOperator' failed to satisfy constraint: "
            "Member must satisfy enum value set: [OR, AND]",
        ),
    ],
)
def test_a_very_deep_value_is_read_by_the_older_layer(operation: str, levels: int, sentence: str) -> None:
    request = {"TableName": "abc", "Item": {**KEY, "deep": nested(levels)}, "ConditionalOperator": "XOR"}
    assert refusal(operation, request) == f"1 validation error detected: {sentence}"


@pytest.mark.parametrize(("levels", "deep"), [(0, False), (33, False), (61, False), (62, True), (500, True)])
def test_depth_is_counted_in_lists_and_maps(levels: int, deep: bool) -> None:
    assert is_deep({"TableName": "abc", "Item": {"a": nested(levels)}}) is deep


@pytest.mark.parametrize(
    ("operation", "request_"),
    [
        ("GetItem", {"TableName": "ab", "Key": KEY}),  # a name too short for any table, but a name
        ("GetItem", {"TableName": ARN, "Key": KEY}),
        ("CreateTable", create_table(TableName=ARN)),
        ("BatchGetItem", {"RequestItems": {ARN: {"Keys": [KEY] * 100}}}),
        ("BatchWriteItem", {"RequestItems": {ARN: [PUT] * 25}}),
        ("TransactWriteItems", {"TransactItems": [TRANSACTED_PUT] * 100, "ClientRequestToken": "x" * 36}),
        ("UpdateItem", {"TableName": "abc", "Key": KEY, "ReturnValues": "UPDATED_NEW"}),
        ("PutItem", {"TableName": "abc", "Item": KEY, "ConditionalOperator": "AND"}),
        ("PutItem", {"TableName": "abc", "Item": {"x" * 70_000: {"S": "a"}}}),
    ],
)
def test_what_the_printed_constraints_seem_to_forbid_passes(operation: str, request_: Any) -> None:
    check("dynamodb", operation, request_)


@pytest.mark.parametrize(
    ("operation", "request_"),
    [
        ("TagResource", {"ResourceArn": ARN, "Tags": [{}]}),
        ("UntagResource", {"ResourceArn": ARN, "TagKeys": [""]}),
        ("DescribeBackup", {"BackupArn": ""}),
        ("ExportTableToPointInTime", {"TableArn": "", "S3Bucket": "bucket"}),
        ("UpdateTable", {"TableName": "abc", "ReplicaUpdates": [{"Create": {}}]}),
        ("UpdateTable", {"TableName": "abc", "GlobalTableWitnessUpdates": [{}]}),
        ("CreateTable", create_table(GlobalSecondaryIndexes=[{**INDEX, "WarmThroughput": {}}])),
        (
            "CreateTable",
            create_table(GlobalSecondaryIndexes=[{**INDEX, "KeySchema": INDEX["KeySchema"] * 8}]),
        ),
        ("SearchVectors", {"TableName": "abc", "IndexName": "abc", "SearchVector": [], "TopK": 101}),
    ],
)
def test_what_the_operations_word_passes(operation: str, request_: Any) -> None:
    check("dynamodb", operation, request_)


def test_an_arn_is_bounded_too() -> None:
    message = refusal("GetItem", {"TableName": "arn:" + "x" * 1021, "Key": KEY})
    assert message.endswith("Member must have length less than or equal to 1024")


@pytest.mark.parametrize(
    ("request_", "path"),
    [
        (create_table(KeySchema=[None]), "keySchema.1.member"),
        (create_table(GlobalSecondaryIndexes=[INDEX, None]), "globalSecondaryIndexes.2.member"),
    ],
)
def test_a_null_element_is_refused_by_its_position(request_: Any, path: str) -> None:
    assert refusal("CreateTable", request_) == (
        f"1 validation error detected: Value null at '{path}' failed to satisfy constraint: "
        "Member must not be null"
    )


def test_elements_are_reported_by_their_list() -> None:
    projection = {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["a", ""]}
    message = refusal(
        "CreateTable", create_table(LocalSecondaryIndexes=[{**INDEX, "Projection": projection}])
    )
    assert message == (
        "1 validation error detected: Value '[a, ]' at "
        "'localSecondaryIndexes.1.member.projection.nonKeyAttributes' failed to satisfy constraint: "
        "Member must satisfy constraint: [Member must have length less than or equal to 255, "
        "Member must have length greater than or equal to 1]"
    )


def test_streams_speak_through_the_older_layer() -> None:
    assert refusal("DescribeStream", {"StreamArn": "x" * 37, "Limit": 0}, "dynamodbstreams") == (
        "1 validation error detected: Value '0' at 'limit' failed to satisfy constraint: "
        "Member must have value greater than or equal to 1"
    )


def test_a_pattern_that_backtracks_is_not_tried_on_a_long_text() -> None:
    message = refusal("ExportTableToPointInTime", {"TableArn": ARN, "S3Bucket": "a" * 100_000 + "!"})
    assert message.endswith("Member must have length less than or equal to 255")


def test_a_huge_echo_is_cut_short() -> None:
    item = {f"a{n}": {"S": "x"} for n in range(5_000)}
    message = refusal("BatchWriteItem", {"RequestItems": {"abc": [{"PutRequest": {"Item": item}}] * 26}})
    assert len(message) < 70_000
    assert message.endswith("Member must have length greater than or equal to 1]")
    keys = {"Keys": [KEY] * 10_000}
    assert len(refusal("BatchGetItem", {"RequestItems": {"bad!name": keys}})) < 70_000
