"""DeleteItem: what it removes, returns and costs, under which conditions, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

Refusal = Callable[..., tuple[str, str]]
Delete = Callable[..., dict[str, Any]]

OPENING = "1 validation error detected: "
MISMATCH = "The provided key element does not match the schema"


@pytest.fixture
def delete(dynamodb: Any, table: str, pk: str) -> Delete:
    """Delete the test's item."""

    def delete_item(**parameters: Any) -> dict[str, Any]:
        answer = dynamodb.delete_item(TableName=table, Key={"pk": {"S": pk}}, **parameters)
        return {name: value for name, value in answer.items() if name != "ResponseMetadata"}

    return delete_item


@pytest.fixture
def item(dynamodb: Any, table: str, pk: str) -> dict[str, Any]:
    """The test's item, stored."""
    item = {"pk": {"S": pk}, "a": {"N": "1"}, "m": {"M": {"x": {"L": [{"S": "y"}]}}}}
    dynamodb.put_item(TableName=table, Item=item)
    return item


@pytest.fixture
def exists(dynamodb: Any, table: str, pk: str) -> Callable[[], bool]:
    """Whether the test's item does."""
    return lambda: "Item" in dynamodb.get_item(TableName=table, Key={"pk": {"S": pk}}, ConsistentRead=True)


@pytest.mark.usefixtures("item")
def test_an_item_is_gone(delete: Delete, exists: Any) -> None:
    assert delete() == {}
    assert not exists()


def test_deleting_an_absent_item_is_no_error(delete: Delete, exists: Any) -> None:
    assert delete() == {}
    assert delete(ReturnValues="ALL_OLD") == {}
    assert not exists()


def test_only_the_item_of_the_key_is_deleted(dynamodb: Any, table_of: Callable[..., str], pk: str) -> None:
    table = table_of("S", "S")
    for sk in "abc":
        dynamodb.put_item(TableName=table, Item={"pk": {"S": pk}, "sk": {"S": sk}})
    dynamodb.delete_item(TableName=table, Key={"pk": {"S": pk}, "sk": {"S": "b"}})
    left = dynamodb.query(
        TableName=table, KeyConditionExpression="pk = :p", ExpressionAttributeValues={":p": {"S": pk}}
    )
    assert [item["sk"]["S"] for item in left["Items"]] == ["a", "c"]


# Return values


def test_all_old_is_the_deleted_item(delete: Delete, item: dict[str, Any]) -> None:
    assert delete(ReturnValues="ALL_OLD") == {"Attributes": item}


@pytest.mark.usefixtures("item")
def test_none_is_the_default(delete: Delete) -> None:
    assert delete(ReturnValues="NONE") == {}


@pytest.mark.parametrize("wanted", ["UPDATED_OLD", "ALL_NEW", "UPDATED_NEW"])
def test_return_values_that_only_updates_have(delete: Delete, refusal: Refusal, wanted: str) -> None:
    assert refusal(delete, ReturnValues=wanted) == (
        "ValidationException",
        f"{OPENING}ReturnValues can only be ALL_OLD or NONE",
    )


def test_two_bad_enums_are_reported_together(delete: Delete, refusal: Refusal) -> None:
    assert refusal(delete, ReturnValues="x", ReturnConsumedCapacity="y") == (
        "ValidationException",
        "2 validation errors detected: "
        "Value 'y' at 'returnConsumedCapacity' failed to satisfy constraint: "
        "Member must satisfy enum value set: [INDEXES, TOTAL, NONE]; "
        "Failed to satisfy constraint: Member must satisfy enum value set: "
        "[ALL_OLD, UPDATED_OLD, ALL_NEW, UPDATE_NEW, NONE]",
    )


# Conditions

ONE_V = {"ExpressionAttributeValues": {":v": {"N": "1"}}}


@pytest.mark.usefixtures("item")
@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ({"ConditionExpression": "a = :v", **ONE_V}, True),
        ({"ConditionExpression": "a > :v", **ONE_V}, False),
        ({"ConditionExpression": "attribute_exists(m.x[0])"}, True),
        ({"ConditionExpression": "attribute_exists(m.x[1])"}, False),
        ({"Expected": {"a": {"ComparisonOperator": "GE", "AttributeValueList": [{"N": "1"}]}}}, True),
        ({"Expected": {"a": {"ComparisonOperator": "NULL"}}}, False),
    ],
)
def test_a_condition(
    delete: Delete, exists: Any, refusal: Refusal, condition: dict[str, Any], holds: bool
) -> None:
    if holds:
        assert delete(**condition) == {}
    else:
        failed = ("ConditionalCheckFailedException", "The conditional request failed")
        assert refusal(delete, **condition) == failed
    assert exists() is not holds


def test_a_condition_on_an_absent_item(delete: Delete, refusal: Refusal) -> None:
    delete(ConditionExpression="attribute_not_exists(pk)")
    refused = refusal(delete, ConditionExpression="attribute_exists(pk)")
    assert refused[0] == "ConditionalCheckFailedException"


def test_the_item_that_failed_a_condition(delete: Delete, item: dict[str, Any]) -> None:
    def failed(**wanted: str) -> dict[str, Any]:
        with pytest.raises(ClientError) as caught:
            delete(ConditionExpression="attribute_not_exists(pk)", **wanted)
        response: dict[str, Any] = caught.value.response
        return response

    assert failed(ReturnValuesOnConditionCheckFailure="ALL_OLD")["Item"] == item
    assert "Item" not in failed(ReturnValuesOnConditionCheckFailure="NONE")
    assert "Item" not in failed()


# Capacity


@pytest.mark.parametrize(("size", "units"), [(None, 1), (100, 1), (1_024, 1), (1_025, 2), (409_600, 400)])
def test_units_are_kilobytes_of_the_deleted_item(
    dynamodb: Any, table: str, pk: str, delete: Delete, size: int | None, units: float
) -> None:
    if size is not None:
        filler = {"S": "x" * (size - len("pk" + pk + "a"))}
        dynamodb.put_item(TableName=table, Item={"pk": {"S": pk}, "a": filler})
    assert delete(ReturnConsumedCapacity="INDEXES") == {
        "ConsumedCapacity": {
            "TableName": table,
            "CapacityUnits": units,
            "Table": {"CapacityUnits": units},
        }
    }


# Refusals


@pytest.mark.parametrize(
    "key",
    [
        {},
        {"a": {"S": "x"}},
        {"pk": {"S": "x"}},
        {"pk": {"S": "x"}, "sk": {"N": "1"}},
        {"pk": {"S": "x"}, "sk": {"S": "x"}, "a": {"S": "x"}},
    ],
)
def test_keys_that_do_not_match(
    dynamodb: Any, table_of: Callable[..., str], refusal: Refusal, key: dict[str, Any]
) -> None:
    refused = refusal(dynamodb.delete_item, TableName=table_of("S", "S"), Key=key)
    assert refused == ("ValidationException", MISMATCH)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        (
            {"ConditionExpression": "a = b", "Expected": {"a": {"Exists": False}}},
            f"{OPENING}Can not use both expression and non-expression parameters in the same request: "
            "Non-expression parameters: {Expected} Expression parameters: {ConditionExpression}",
        ),
        (
            {"Expected": {"a": {"Exists": False}}, "ExpressionAttributeNames": {"#a": "a"}},
            f"{OPENING}ExpressionAttributeNames can only be specified when using expressions",
        ),
        (
            {"ExpressionAttributeValues": {":v": {"S": "x"}}},
            f"{OPENING}ExpressionAttributeValues can only be specified when using expressions",
        ),
        (
            {"ConditionExpression": "a = b", "ExpressionAttributeValues": {}},
            f"{OPENING}ExpressionAttributeValues must not be empty",
        ),
        (
            {"ConditionExpression": "a = b", "ExpressionAttributeNames": {}},
            f"{OPENING}ExpressionAttributeNames must not be empty",
        ),
        (
            {"ConditionExpression": ""},
            f"{OPENING}Invalid ConditionExpression: The expression can not be empty;",
        ),
        (
            {"ConditionExpression": "attribute_exists(pk[0])"},
            "Key attributes must be scalars; list random access '[]' and map lookup '.' are not allowed: "
            "Key: pk",
        ),
    ],
)
def test_parameters_that_are_refused(
    delete: Delete, refusal: Refusal, parameters: dict[str, Any], message: str
) -> None:
    assert refusal(delete, **parameters) == ("ValidationException", message)
