"""PutItem: replacing whole items, conditions, what it returns, what it costs, which items it refuses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

Refusal = Callable[..., tuple[str, str]]
Put = Callable[..., dict[str, Any]]

OPENING = "1 validation error detected: "
INVALID = "One or more parameter values were invalid: "
EMPTY_KEY = (
    "One or more parameter values are not valid. The AttributeValue for a key attribute "
    "cannot contain an empty {} value. Key: {}"
)


@pytest.fixture
def put(dynamodb: Any, table: str, pk: str) -> Put:
    """Put the test's item, with `attributes` beside its key."""

    def put_item(attributes: dict[str, Any] | None = None, **parameters: Any) -> dict[str, Any]:
        item = {"pk": {"S": pk}, **(attributes or {})}
        return {
            name: value
            for name, value in dynamodb.put_item(TableName=table, Item=item, **parameters).items()
            if name != "ResponseMetadata"
        }

    return put_item


@pytest.fixture
def stored(dynamodb: Any, table: str, pk: str) -> Callable[[], dict[str, Any] | None]:
    """The test's item as it is stored, without its key; None if it is not."""

    def read() -> dict[str, Any] | None:
        item = dynamodb.get_item(TableName=table, Key={"pk": {"S": pk}}, ConsistentRead=True).get("Item")
        return None if item is None else {name: value for name, value in item.items() if name != "pk"}

    return read


def test_an_item_is_stored_and_the_answer_is_empty(put: Put, stored: Any) -> None:
    assert put({"a": {"N": "1"}}) == {}
    assert stored() == {"a": {"N": "1"}}


def test_an_item_of_the_key_alone(put: Put, stored: Any) -> None:
    put()
    assert stored() == {}


def test_an_item_is_replaced_not_merged(put: Put, stored: Any) -> None:
    put({"a": {"N": "1"}, "b": {"S": "gone"}})
    put({"a": {"N": "2"}})
    assert stored() == {"a": {"N": "2"}}


def test_putting_the_same_item_again_changes_nothing(put: Put, stored: Any) -> None:
    put({"a": {"N": "1"}})
    assert put({"a": {"N": "1"}}, ReturnValues="ALL_OLD")["Attributes"]["a"] == {"N": "1"}
    assert stored() == {"a": {"N": "1"}}


# Return values


@pytest.mark.parametrize("wanted", [{}, {"ReturnValues": "NONE"}])
def test_the_old_item_is_not_returned_unasked(put: Put, wanted: dict[str, str]) -> None:
    put({"a": {"N": "1"}})
    assert put({"a": {"N": "2"}}, **wanted) == {}


def test_all_old_is_the_whole_item_that_was_replaced(put: Put, pk: str) -> None:
    put({"a": {"N": "1"}, "b": {"L": [{"S": "x"}]}})
    assert put({"c": {"N": "2"}}, ReturnValues="ALL_OLD") == {
        "Attributes": {"pk": {"S": pk}, "a": {"N": "1"}, "b": {"L": [{"S": "x"}]}}
    }


def test_all_old_of_a_new_item_is_nothing(put: Put) -> None:
    assert put(ReturnValues="ALL_OLD") == {}


@pytest.mark.parametrize("wanted", ["UPDATED_OLD", "ALL_NEW", "UPDATED_NEW"])
def test_return_values_that_only_updates_have(put: Put, refusal: Refusal, wanted: str) -> None:
    assert refusal(put, ReturnValues=wanted) == (
        "ValidationException",
        f"{OPENING}ReturnValues can only be ALL_OLD or NONE",
    )


@pytest.mark.parametrize("wanted", ["DOG", "none", ""])
def test_return_values_that_do_not_exist(put: Put, refusal: Refusal, wanted: str) -> None:
    assert refusal(put, ReturnValues=wanted) == (
        "ValidationException",
        f"{OPENING}Failed to satisfy constraint: Member must satisfy enum value set: "
        "[ALL_OLD, UPDATED_OLD, ALL_NEW, UPDATE_NEW, NONE]",
    )


def test_three_bad_enums_are_reported_together(put: Put, refusal: Refusal) -> None:
    assert refusal(put, ReturnValues="x", ReturnConsumedCapacity="y", ReturnItemCollectionMetrics="z") == (
        "ValidationException",
        "3 validation errors detected: "
        "Value 'y' at 'returnConsumedCapacity' failed to satisfy constraint: "
        "Member must satisfy enum value set: [INDEXES, TOTAL, NONE]; "
        "Failed to satisfy constraint: Member must satisfy enum value set: "
        "[ALL_OLD, UPDATED_OLD, ALL_NEW, UPDATE_NEW, NONE]; "
        "Value 'z' at 'returnItemCollectionMetrics' failed to satisfy constraint: "
        "Member must satisfy enum value set: [SIZE, NONE]",
    )


def test_a_table_without_local_indexes_has_no_item_collections(put: Put) -> None:
    assert put(ReturnItemCollectionMetrics="SIZE") == {}


# Conditions

ONE_V = {"ExpressionAttributeValues": {":v": {"N": "1"}}}


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ({"ConditionExpression": "attribute_exists(pk)"}, True),
        ({"ConditionExpression": "attribute_not_exists(pk)"}, False),
        ({"ConditionExpression": "attribute_not_exists(b)"}, True),
        ({"ConditionExpression": "a = :v", **ONE_V}, True),
        ({"ConditionExpression": "a <> :v", **ONE_V}, False),
        ({"ConditionExpression": "m.x[1] = :v AND NOT a < :v", **ONE_V}, True),
        (
            {"ConditionExpression": "#n BETWEEN :v AND :v", "ExpressionAttributeNames": {"#n": "a"}, **ONE_V},
            True,
        ),
        ({"Expected": {"a": {"Value": {"N": "1.0"}}}}, True),
        ({"Expected": {"a": {"Exists": False}}}, False),
    ],
)
def test_a_condition_is_about_the_old_item(
    put: Put, stored: Any, refusal: Refusal, condition: dict[str, Any], holds: bool
) -> None:
    old = {"a": {"N": "1"}, "m": {"M": {"x": {"L": [{"N": "0"}, {"N": "1"}]}}}}
    put(old)
    if holds:
        assert put({"a": {"S": "new"}}, **condition) == {}
        assert stored() == {"a": {"S": "new"}}
    else:
        failed = ("ConditionalCheckFailedException", "The conditional request failed")
        assert refusal(put, attributes={"a": {"S": "new"}}, **condition) == failed
        assert stored() == old


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ({"ConditionExpression": "attribute_not_exists(pk)"}, True),
        ({"ConditionExpression": "attribute_exists(pk)"}, False),
        ({"ConditionExpression": "a <> :v", **ONE_V}, True),
        ({"ConditionExpression": "a = :v", **ONE_V}, False),
        ({"ConditionExpression": "size(a) < :v", **ONE_V}, False),
    ],
)
def test_an_absent_item_has_no_attributes(
    put: Put, stored: Any, refusal: Refusal, condition: dict[str, Any], holds: bool
) -> None:
    if holds:
        put(**condition)
    else:
        assert refusal(put, **condition)[0] == "ConditionalCheckFailedException"
    assert (stored() is not None) is holds


@pytest.mark.parametrize(
    ("wanted", "item"), [({}, False), ({"NONE": True}, False), ({"ALL_OLD": True}, True)]
)
def test_the_item_that_failed_a_condition(put: Put, pk: str, wanted: dict[str, bool], item: bool) -> None:
    put({"a": {"N": "1"}})
    asked = {"ReturnValuesOnConditionCheckFailure": name for name in wanted}
    with pytest.raises(ClientError) as caught:
        put({"a": {"N": "2"}}, ConditionExpression="attribute_not_exists(pk)", **asked)
    expected = {"pk": {"S": pk}, "a": {"N": "1"}} if item else None
    assert caught.value.response.get("Item") == expected
    assert "ConsumedCapacity" not in caught.value.response


def test_no_item_failed_a_condition(put: Put) -> None:
    with pytest.raises(ClientError) as caught:
        put(ConditionExpression="attribute_exists(pk)", ReturnValuesOnConditionCheckFailure="ALL_OLD")
    assert "Item" not in caught.value.response


def test_a_condition_that_holds_returns_no_item(put: Put) -> None:
    put()
    kept = put(ConditionExpression="attribute_exists(pk)", ReturnValuesOnConditionCheckFailure="ALL_OLD")
    assert kept == {}


@pytest.mark.parametrize("wanted", ["UPDATED_OLD", "ALL_NEW", "UPDATED_NEW", "DUMMY"])
def test_what_cannot_be_returned_of_a_failed_condition(put: Put, refusal: Refusal, wanted: str) -> None:
    assert refusal(put, ReturnValuesOnConditionCheckFailure=wanted)[0] == "ValidationException"


# Capacity


def test_units_are_kilobytes_of_the_larger_item_rounded_up(put: Put, pk: str) -> None:
    def units(size: int) -> float:
        filler = {"a": {"S": "x" * (size - len("pk" + pk + "a"))}}
        capacity: float = put(filler, ReturnConsumedCapacity="TOTAL")["ConsumedCapacity"]["CapacityUnits"]
        return capacity

    assert [units(100), units(1_024), units(1_025)] == [1, 1, 2]
    assert [units(100), units(100)] == [2, 1]  # over the larger one, then over itself


@pytest.mark.parametrize(
    ("wanted", "answer"),
    [
        ("NONE", None),
        ("TOTAL", {"CapacityUnits": 1.0}),
        ("INDEXES", {"CapacityUnits": 1.0, "Table": {"CapacityUnits": 1.0}}),
    ],
)
def test_the_forms_of_consumed_capacity(put: Put, table: str, wanted: str, answer: Any) -> None:
    expected = {} if answer is None else {"ConsumedCapacity": {"TableName": table, **answer}}
    assert put(ReturnConsumedCapacity=wanted) == expected


# Keys


@pytest.mark.parametrize(
    ("types", "item", "message"),
    [
        (("S",), {"a": {"S": "x"}}, f"{INVALID}Missing the key pk in the item"),
        (("S",), {"pk": {"N": "1"}}, f"{INVALID}Type mismatch for key pk expected: S actual: N"),
        (("S",), {"pk": {"L": []}}, f"{INVALID}Type mismatch for key pk expected: S actual: L"),
        (("N",), {"pk": {"S": "1"}}, f"{INVALID}Type mismatch for key pk expected: N actual: S"),
        (("S", "S"), {"pk": {"S": "x"}}, f"{INVALID}Missing the key sk in the item"),
        (
            ("S", "B"),
            {"pk": {"S": "x"}, "sk": {"NULL": True}},
            f"{INVALID}Type mismatch for key sk expected: B actual: NULL",
        ),
        (("S",), {"pk": {"S": ""}}, EMPTY_KEY.format("string", "pk")),
        (("B",), {"pk": {"B": b""}}, EMPTY_KEY.format("binary", "pk")),
        (("S", "S"), {"pk": {"S": "x"}, "sk": {"S": ""}}, EMPTY_KEY.format("string", "sk")),
        (
            ("S",),
            {"pk": {"S": "x" * 2_049}},
            f"{INVALID}Size of hashkey has exceeded the maximum size limit of2048 bytes",
        ),
        (
            ("S",),
            {"pk": {"S": "é" * 1_025}},
            f"{INVALID}Size of hashkey has exceeded the maximum size limit of2048 bytes",
        ),
        (
            ("S", "B"),
            {"pk": {"S": "x"}, "sk": {"B": b"x" * 1_025}},
            f"{INVALID}Aggregated size of all range keys has exceeded the size limit of 1024 bytes",
        ),
    ],
)
def test_keys_that_do_not_fit(
    dynamodb: Any,
    table_of: Callable[..., str],
    refusal: Refusal,
    types: tuple[str, ...],
    item: dict[str, Any],
    message: str,
) -> None:
    refused = refusal(dynamodb.put_item, TableName=table_of(*types), Item=item)
    assert refused == ("ValidationException", message)


@pytest.mark.parametrize(
    ("types", "key"),
    [
        (("S",), {"pk": {"S": "é" * 1_024}}),
        (("B",), {"pk": {"B": b"\xff" * 2_048}}),
        (("S", "S"), {"pk": {"S": "longest"}, "sk": {"S": "x" * 1_024}}),
        (("S", "B"), {"pk": {"S": "longest"}, "sk": {"B": b"\x00" * 1_024}}),
        (("N",), {"pk": {"N": "-" + "9" * 38 + "0" * 88}}),
    ],
)
def test_the_longest_keys(
    dynamodb: Any, table_of: Callable[..., str], types: tuple[str, ...], key: dict[str, Any]
) -> None:
    dynamodb.put_item(TableName=table_of(*types), Item=key)
    assert dynamodb.get_item(TableName=table_of(*types), Key=key)["Item"] == key


# Sizes


def test_the_largest_item(put: Put, pk: str, refusal: Refusal, stored: Any) -> None:
    filler = "x" * (409_600 - len("pk" + pk + "a"))
    put({"a": {"S": filler}})
    assert refusal(put, attributes={"a": {"S": filler + "x"}}) == (
        "ValidationException",
        "Item size has exceeded the maximum allowed size",
    )
    assert stored() == {"a": {"S": filler}}


# Parameters

INVALID_CONDITION = f"{OPENING}Invalid ConditionExpression: "


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        (
            {"ConditionExpression": "a = b", "Expected": {"a": {"Exists": False}}},
            f"{OPENING}Can not use both expression and non-expression parameters in the same request: "
            "Non-expression parameters: {Expected} Expression parameters: {ConditionExpression}",
        ),
        (
            {"ExpressionAttributeNames": {"#a": "a"}},
            f"{OPENING}ExpressionAttributeNames can only be specified when using expressions",
        ),
        (
            {"ExpressionAttributeValues": {":v": {"S": "x"}}},
            f"{OPENING}ExpressionAttributeValues can only be specified when using expressions",
        ),
        (
            {"ConditionExpression": "a = b", "ExpressionAttributeNames": {}},
            f"{OPENING}ExpressionAttributeNames must not be empty",
        ),
        (
            {"ConditionExpression": "a = b", "ExpressionAttributeValues": {}},
            f"{OPENING}ExpressionAttributeValues must not be empty",
        ),
        ({"ConditionExpression": ""}, f"{INVALID_CONDITION}The expression can not be empty;"),
        (
            {"ConditionExpression": "((a = b))"},
            f"{INVALID_CONDITION}The expression has redundant parentheses;",
        ),
        ({"ConditionExpression": "a = = b"}, f'{INVALID_CONDITION}Syntax error; token: "=", near: "= = b"'),
        (
            {"ConditionExpression": "a = :v"},
            f"{INVALID_CONDITION}An expression attribute value used in expression is not defined; "
            "attribute value: :v",
        ),
        (
            {"ConditionExpression": "attribute_exists(#a)"},
            f"{INVALID_CONDITION}An expression attribute name used in the document path is not defined; "
            "attribute name: #a",
        ),
        (
            {"ConditionExpression": "contains(#a, #a)", "ExpressionAttributeNames": {"#a": "data"}},
            f"{INVALID_CONDITION}The first operand must be distinct from the remaining operands for this "
            "operator or function; operator: contains, first operand: [data]",
        ),
        (
            {"ConditionExpression": "a = b", "ExpressionAttributeNames": {"#unused": "x"}},
            f"{OPENING}Value provided in ExpressionAttributeNames unused in expressions: keys: {{#unused}}",
        ),
        (
            {"ConditionExpression": "a = b", "ExpressionAttributeValues": {":unused": {"S": "x"}}},
            f"{OPENING}Value provided in ExpressionAttributeValues unused in expressions: keys: {{:unused}}",
        ),
        (
            {"Expected": {"a": {"Exists": True}}},
            f"{OPENING}{INVALID}Value must be provided when Exists is true for Attribute: a",
        ),
        (
            {"ConditionExpression": "begins_with(pk.x, pk)"},
            "Key attributes must be scalars; list random access '[]' and map lookup '.' are not allowed: "
            "Key: pk",
        ),
    ],
)
def test_parameters_that_are_refused(
    put: Put, refusal: Refusal, parameters: dict[str, Any], message: str
) -> None:
    assert refusal(put, **parameters) == ("ValidationException", message)
