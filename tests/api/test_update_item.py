"""UpdateItem: what each action makes of an item, what the call returns, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

Refusal = Callable[..., tuple[str, str]]
Update = Callable[..., dict[str, Any]]
Stored = Callable[[], "dict[str, Any] | None"]

OPENING = "1 validation error detected: "
MISMATCH = "The provided key element does not match the schema"
INVALID_PATH = "The document path provided in the update expression is invalid for update"
WRONG_TYPE = "An operand in the update expression has an incorrect data type"
ABSENT = "The provided expression refers to an attribute that does not exist in the item"
OVERFLOW = "Number overflow. Attempting to store a number with magnitude larger than supported range"

# The placeholders that the tests write with: `:s` for {"S": "s"}, `:1` for {"N": "1"}, ...
VALUES = {
    **{f":{text}": {"S": text} for text in ("r", "s", "t")},
    **{f":{number}": {"N": str(number)} for number in (0, 1, 2, 3)},
    ":half": {"N": "0.5"},
    ":negative": {"N": "-1"},
    ":ss": {"SS": ["b", "c"]},
    ":ns": {"NS": ["1", "2"]},
    ":bs": {"BS": [b"1"]},
    ":list": {"L": [{"S": "s"}]},
    ":empty": {"L": []},
    ":map": {"M": {"x": {"S": "s"}}},
    ":blank": {"S": ""},
    ":binary": {"B": b""},
}


def text(value: str) -> dict[str, str]:
    return {"S": value}


def number(value: int | str) -> dict[str, str]:
    return {"N": str(value)}


def texts(*values: str) -> dict[str, Any]:
    return {"L": [text(value) for value in values]}


@pytest.fixture
def update(dynamodb: Any, table: str, pk: str) -> Update:
    """Update the test's item; brings those of `VALUES` that the expressions use."""

    def update_item(expression: str | None = None, **parameters: Any) -> dict[str, Any]:
        if expression is not None:
            parameters["UpdateExpression"] = expression
        written = f"{expression} {parameters.get('ConditionExpression', '')}"
        for sign in "(),=":
            written = written.replace(sign, " ")
        used = {name: VALUES[name] for name in written.split() if name in VALUES}
        if used:
            parameters.setdefault("ExpressionAttributeValues", used)
        answer = dynamodb.update_item(TableName=table, Key={"pk": {"S": pk}}, **parameters)
        return {name: value for name, value in answer.items() if name != "ResponseMetadata"}

    return update_item


@pytest.fixture
def put(dynamodb: Any, table: str, pk: str) -> Callable[[dict[str, Any]], None]:
    """Store the test's item."""

    def put_item(attributes: dict[str, Any]) -> None:
        dynamodb.put_item(TableName=table, Item={"pk": {"S": pk}, **attributes})

    return put_item


@pytest.fixture
def stored(dynamodb: Any, table: str, pk: str) -> Stored:
    """The test's item as it is stored, without its key; None if it is not."""

    def read() -> dict[str, Any] | None:
        item = dynamodb.get_item(TableName=table, Key={"pk": {"S": pk}}, ConsistentRead=True).get("Item")
        return None if item is None else {name: value for name, value in item.items() if name != "pk"}

    return read


# Actions


@pytest.mark.parametrize(
    ("expression", "before", "after"),
    [
        # SET
        ("SET a = :s", {}, {"a": text("s")}),
        ("SET a = :s", {"a": number(1), "b": text("kept")}, {"a": text("s"), "b": text("kept")}),
        ("SET a = :s, b = :1", {}, {"a": text("s"), "b": number(1)}),
        ("SET a = :blank, b = :binary", {}, {"a": text(""), "b": {"B": b""}}),
        ("SET a = b", {"b": texts("x")}, {"a": texts("x"), "b": texts("x")}),
        ("SET a = b, b = a", {"a": text("a"), "b": text("b")}, {"a": text("b"), "b": text("a")}),
        ("SET a = pk", {}, {"a": None}),
        ("SET m.x = :s", {"m": {"M": {"y": number(1)}}}, {"m": {"M": {"x": text("s"), "y": number(1)}}}),
        ("SET m.x = :s", {"m": {"M": {}}}, {"m": {"M": {"x": text("s")}}}),
        (
            "SET m.x.y = :s, m.z = :1",
            {"m": {"M": {"x": {"M": {}}}}},
            {"m": {"M": {"x": {"M": {"y": text("s")}}, "z": number(1)}}},
        ),
        ("SET m = :map", {"m": texts("x")}, {"m": {"M": {"x": text("s")}}}),
        # SET of list elements
        ("SET l[1] = :s", {"l": texts("0", "1", "2")}, {"l": texts("0", "s", "2")}),
        ("SET l[5] = :s", {"l": texts("0", "1")}, {"l": texts("0", "1", "s")}),
        ("SET l[0] = :s", {"l": {"L": []}}, {"l": texts("s")}),
        ("SET l[9] = :s, l[7] = :r, l[8] = :t", {"l": texts("0")}, {"l": texts("0", "r", "t", "s")}),
        (
            "SET l[0].x = :s",
            {"l": {"L": [{"M": {}}, number(1)]}},
            {"l": {"L": [{"M": {"x": text("s")}}, number(1)]}},
        ),
        ("SET l[1] = l[0], l[0] = l[1]", {"l": texts("a", "b")}, {"l": texts("b", "a")}),
        # Arithmetic
        ("SET n = n + :1", {"n": number("1.5")}, {"n": number("2.5")}),
        ("SET n = n - :half", {"n": number(0)}, {"n": number("-0.5")}),
        ("SET n = :1 - n", {"n": number(3)}, {"n": number(-2)}),
        ("SET n = n + n", {"n": number(2)}, {"n": number(4)}),
        ("SET n = (n - :1)", {"n": number(1)}, {"n": number(0)}),
        (
            "SET n = n + :1",
            {"n": number("12345678901234567890123456789012345678")},
            {"n": number("12345678901234567890123456789012345679")},
        ),
        ("SET m.n = m.n + :1", {"m": {"M": {"n": number(1)}}}, {"m": {"M": {"n": number(2)}}}),
        ("SET n = if_not_exists(n, :0) + :1", {}, {"n": number(1)}),
        ("SET n = if_not_exists(n, :0) + :1", {"n": number(5)}, {"n": number(6)}),
        # Functions
        ("SET a = if_not_exists(a, :s)", {"a": number(1)}, {"a": number(1)}),
        ("SET a = if_not_exists(b, :s)", {"b": number(1)}, {"a": number(1), "b": number(1)}),
        ("SET a = if_not_exists(b, c)", {"c": number(1)}, {"a": number(1), "c": number(1)}),
        ("SET l = list_append(l, :list)", {"l": texts("0")}, {"l": texts("0", "s")}),
        ("SET l = list_append(:list, l)", {"l": texts("0")}, {"l": texts("s", "0")}),
        ("SET l = list_append(l, l)", {"l": texts("0", "1")}, {"l": texts("0", "1", "0", "1")}),
        ("SET l = list_append(if_not_exists(l, :empty), :list)", {}, {"l": texts("s")}),
        # REMOVE
        ("REMOVE a", {"a": number(1), "b": number(2)}, {"b": number(2)}),
        ("REMOVE a, b", {"a": number(1), "b": number(2)}, {}),
        ("REMOVE absent", {"a": number(1)}, {"a": number(1)}),
        ("REMOVE m.x", {"m": {"M": {"x": number(1)}}}, {"m": {"M": {}}}),
        ("REMOVE m.absent", {"m": {"M": {"x": number(1)}}}, {"m": {"M": {"x": number(1)}}}),
        ("REMOVE l[1]", {"l": texts("0", "1", "2")}, {"l": texts("0", "2")}),
        ("REMOVE l[0], l[2]", {"l": texts("0", "1", "2", "3")}, {"l": texts("1", "3")}),
        ("REMOVE l[2], l[0], l[9]", {"l": texts("0", "1", "2", "3")}, {"l": texts("1", "3")}),
        ("REMOVE l[0]", {"l": texts("0")}, {"l": {"L": []}}),
        ("REMOVE l[7]", {"l": texts("0")}, {"l": texts("0")}),
        # ADD
        ("ADD n :1", {"n": number(2)}, {"n": number(3)}),
        ("ADD n :negative", {"n": number("0.5")}, {"n": number("-0.5")}),
        ("ADD n :1", {}, {"n": number(1)}),
        ("ADD s :ss", {"s": {"SS": ["a", "b"]}}, {"s": {"SS": ["a", "b", "c"]}}),
        ("ADD s :ns", {"s": {"NS": ["10", "2"]}}, {"s": {"NS": ["1", "2", "10"]}}),
        ("ADD s :bs", {}, {"s": {"BS": [b"1"]}}),
        ("ADD m.n :1", {"m": {"M": {}}}, {"m": {"M": {"n": number(1)}}}),
        # DELETE
        ("DELETE s :ss", {"s": {"SS": ["a", "b", "c"]}}, {"s": {"SS": ["a"]}}),
        ("DELETE s :ss", {"s": {"SS": ["b", "c"]}}, {}),
        ("DELETE s :ss", {"s": {"SS": ["x"]}}, {"s": {"SS": ["x"]}}),
        ("DELETE s :ss", {"a": number(1)}, {"a": number(1)}),
        ("DELETE m.s :ns", {"m": {"M": {"s": {"NS": ["1", "3"]}}}}, {"m": {"M": {"s": {"NS": ["3"]}}}}),
        # Together
        (
            "SET a = :s REMOVE b ADD n :1 DELETE s :ss",
            {"b": number(1), "n": number(1), "s": {"SS": ["a", "b"]}},
            {"a": text("s"), "n": number(2), "s": {"SS": ["a"]}},
        ),
        ("REMOVE l[0] SET l[2] = :s", {"l": texts("0", "1", "2")}, {"l": texts("1", "s")}),
        ("SET a = b REMOVE b", {"b": number(1)}, {"a": number(1)}),
        # Each reads the item as it was; indexes past the end append in their order
        (
            "SET b.c = c[1] + b.a, b.a = a, c[1] = a, c[4] = b.a - b.b, c[2] = b.c ADD c[8] :ss, c[6] :2",
            {
                "a": text("a"),
                "b": {"M": {"a": number(1), "b": number(2), "c": number(3)}},
                "c": {"L": [number(1), number(3)]},
            },
            {
                "a": text("a"),
                "b": {"M": {"a": text("a"), "b": number(2), "c": number(4)}},
                "c": {"L": [number(1), text("a"), number(3), number(-1), number(2), {"SS": ["b", "c"]}]},
            },
        ),
    ],
)
def test_what_an_update_makes_of_an_item(
    update: Update,
    put: Callable[[dict[str, Any]], None],
    stored: Stored,
    pk: str,
    expression: str,
    before: dict[str, Any],
    after: dict[str, Any],
) -> None:
    put(before)
    assert update(expression) == {}
    assert stored() == {name: text(pk) if value is None else value for name, value in after.items()}


@pytest.mark.parametrize(
    ("expression", "after"),
    [
        ("SET a = :s", {"a": text("s")}),
        ("SET a = if_not_exists(a, :s)", {"a": text("s")}),
        ("ADD n :1", {"n": number(1)}),
        ("ADD s :ss REMOVE b DELETE c :ss", {"s": {"SS": ["b", "c"]}}),
        ("REMOVE a", None),
        ("DELETE s :ss", None),
        ("REMOVE a, b DELETE s :ss", None),
        (None, {}),
    ],
)
def test_what_an_update_makes_of_nothing(
    update: Update, stored: Stored, expression: str | None, after: dict[str, Any] | None
) -> None:
    """Only SET and ADD make an item; REMOVE and DELETE succeed all the same. Without any action the key is all."""
    assert update(expression) == {}
    assert stored() == after


def test_an_update_without_actions_leaves_an_item_alone(update: Update, put: Any, stored: Stored) -> None:
    put({"a": number(1)})
    assert update() == {}
    assert stored() == {"a": number(1)}


# What does not fit the item

STORED = {
    "s": text("x"),
    "n": number(1),
    "words": {"SS": ["a"]},
    "m": {"M": {"x": number(1)}},
    "l": texts("0"),
    "most": number("9" * 38 + "0" * 88),
}


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("SET a = absent", ABSENT),
        ("SET a = m.absent", ABSENT),
        ("SET a = l[1]", ABSENT),
        ("SET a = absent + :1", ABSENT),
        ("SET a = list_append(absent, :list)", ABSENT),
        ("SET a = if_not_exists(absent, lacking)", ABSENT),
        ("SET s = s + :1", WRONG_TYPE),
        ("SET a = :1 - m", WRONG_TYPE),
        ("SET a = list_append(s, :list)", WRONG_TYPE),
        ("ADD s :1", WRONG_TYPE),
        ("ADD n :ss", WRONG_TYPE),
        ("ADD words :ns", WRONG_TYPE),
        ("DELETE words :ns", WRONG_TYPE),
        ("DELETE n :ns", WRONG_TYPE),
        ("SET absent.x = :s", INVALID_PATH),
        ("SET absent[0] = :s", INVALID_PATH),
        ("SET s.x = :s", INVALID_PATH),
        ("SET s[0] = :s", INVALID_PATH),
        ("SET m[0] = :s", INVALID_PATH),
        ("SET l.x = :s", INVALID_PATH),
        ("SET m.absent.x = :s", INVALID_PATH),
        ("SET l[1].x = :s", INVALID_PATH),
        ("REMOVE absent.x", INVALID_PATH),
        ("REMOVE s[0]", INVALID_PATH),
        ("REMOVE m[0]", INVALID_PATH),
        ("ADD absent.x :1", INVALID_PATH),
        ("DELETE absent.x :ss", INVALID_PATH),
        ("SET most = most + most", OVERFLOW),
        ("ADD most :1", OVERFLOW),
    ],
)
def test_what_does_not_fit_the_item(
    update: Update, put: Any, stored: Stored, refusal: Refusal, expression: str, message: str
) -> None:
    """Such an update does nothing at all, even where part of it would fit."""
    put(STORED)
    assert refusal(update, expression=expression) == ("ValidationException", message)
    both = f"{expression}, fits = :1" if expression.startswith("SET") else f"{expression} SET fits = :1"
    assert refusal(update, expression=both) == ("ValidationException", message)
    assert stored() == STORED


def test_a_value_too_deep_for_where_it_goes(update: Update, put: Any, refusal: Refusal) -> None:
    deep: dict[str, Any] = number(1)
    for _ in range(31):
        deep = {"L": [deep]}
    put({"m": {"M": {}}})
    update("SET a = :deep", ExpressionAttributeValues={":deep": deep})
    assert refusal(update, expression="SET m.x = :deep", ExpressionAttributeValues={":deep": deep}) == (
        "ValidationException",
        "Nesting Levels have exceeded supported limits: "
        "Attributes in the item have nested levels beyond supported limit",
    )


# Return values


@pytest.mark.parametrize(
    ("expression", "updated_old", "updated_new"),
    [
        ("SET a = :s", {"a": number(1)}, {"a": text("s")}),
        ("SET a = :1", {"a": number(1)}, {"a": number(1)}),
        ("SET fresh = :s", None, {"fresh": text("s")}),
        ("SET a = :s, fresh = :s", {"a": number(1)}, {"a": text("s"), "fresh": text("s")}),
        ("SET a = a + :1", {"a": number(1)}, {"a": number(2)}),
        ("REMOVE a", {"a": number(1)}, None),
        ("REMOVE absent", None, None),
        ("SET a = :s REMOVE b", {"a": number(1), "b": text("dog")}, {"a": text("s")}),
        ("ADD a :1", {"a": number(1)}, {"a": number(2)}),
        ("DELETE s :ss", {"s": {"SS": ["a", "b"]}}, {"s": {"SS": ["a"]}}),
        ("SET m.x = :s", {"m": {"M": {"x": number(1)}}}, {"m": {"M": {"x": text("s")}}}),
        ("SET m.fresh = :s", None, {"m": {"M": {"fresh": text("s")}}}),
        (
            "SET m.x = :s, m.fresh = :1",
            {"m": {"M": {"x": number(1)}}},
            {"m": {"M": {"x": text("s"), "fresh": number(1)}}},
        ),
        ("SET l[1] = :s", {"l": texts("1")}, {"l": texts("s")}),
        ("SET l[2] = :s, l[0] = :t", {"l": texts("0", "2")}, {"l": texts("t", "s")}),
        # The paths written are looked up in the item: one past the end finds nothing,
        # and where an element was removed, its successor.
        ("SET l[100] = :s", None, None),
        ("REMOVE l[1]", {"l": texts("1")}, {"l": texts("2")}),
        ("REMOVE l[1], l[9]", {"l": texts("1")}, {"l": texts("2")}),
        (None, None, None),
    ],
)
def test_what_an_update_returns(
    update: Update,
    put: Any,
    pk: str,
    expression: str | None,
    updated_old: dict[str, Any] | None,
    updated_new: dict[str, Any] | None,
) -> None:
    before = {
        "a": number(1),
        "b": text("dog"),
        "s": {"SS": ["a", "b"]},
        "m": {"M": {"x": number(1), "y": number(2)}},
        "l": texts("0", "1", "2"),
    }

    def returned(wanted: str) -> dict[str, Any] | None:
        put(before)
        return update(expression, ReturnValues=wanted).get("Attributes")

    assert returned("NONE") is None
    assert returned("ALL_OLD") == {"pk": text(pk), **before}
    assert returned("UPDATED_OLD") == updated_old
    assert returned("UPDATED_NEW") == updated_new


def test_all_new_is_the_whole_item_afterwards(update: Update, put: Any, stored: Stored, pk: str) -> None:
    put({"a": number(1), "b": text("dog"), "l": texts("0", "1")})
    attributes = update("SET a = :s, l[9] = :t REMOVE b", ReturnValues="ALL_NEW")["Attributes"]
    assert attributes == {"pk": text(pk), "a": text("s"), "l": texts("0", "1", "t")}
    assert attributes == {"pk": text(pk), **(stored() or {})}


@pytest.mark.parametrize(
    ("expression", "wanted", "attributes"),
    [
        ("SET a = :s", "ALL_OLD", None),
        ("SET a = :s", "UPDATED_OLD", None),
        ("SET a = :s", "ALL_NEW", {"a": text("s")}),
        ("SET a = :s", "UPDATED_NEW", {"a": text("s")}),
        ("REMOVE a", "ALL_NEW", None),
        ("REMOVE a", "UPDATED_NEW", None),
        (None, "ALL_NEW", {}),
        (None, "UPDATED_NEW", None),
    ],
)
def test_what_an_update_of_nothing_returns(
    update: Update, pk: str, expression: str | None, wanted: str, attributes: dict[str, Any] | None
) -> None:
    expected = attributes
    if wanted == "ALL_NEW" and attributes is not None:
        expected = {"pk": text(pk), **attributes}
    assert update(expression, ReturnValues=wanted).get("Attributes") == expected


@pytest.mark.parametrize("wanted", ["DOG", "none"])
def test_return_values_that_do_not_exist(update: Update, refusal: Refusal, wanted: str) -> None:
    """Of several bad enums, UpdateItem names this one only."""
    assert refusal(update, expression="SET a = :s", ReturnValues=wanted, ReturnConsumedCapacity="x") == (
        "ValidationException",
        f"{OPENING}Failed to satisfy constraint: Member must satisfy enum value set: "
        "[ALL_OLD, UPDATED_OLD, ALL_NEW, UPDATE_NEW, NONE]",
    )


# Conditions


@pytest.mark.parametrize(
    ("condition", "holds"),
    [("n = :1", True), ("n > :1", False), ("attribute_not_exists(pk)", False), ("m.x IN (:1, :2)", True)],
)
def test_a_condition(
    update: Update, put: Any, stored: Stored, refusal: Refusal, condition: str, holds: bool
) -> None:
    put(STORED)
    if holds:
        assert update("SET a = :s", ConditionExpression=condition) == {}
    else:
        assert refusal(update, expression="SET a = :s", ConditionExpression=condition) == (
            "ConditionalCheckFailedException",
            "The conditional request failed",
        )
    assert stored() == ({**STORED, "a": text("s")} if holds else STORED)


def test_a_condition_on_an_absent_item(update: Update, stored: Stored, refusal: Refusal) -> None:
    refused = refusal(update, expression="SET a = :s", ConditionExpression="attribute_exists(pk)")
    assert refused[0] == "ConditionalCheckFailedException"
    assert stored() is None
    update("SET a = :s", ConditionExpression="attribute_not_exists(pk)")
    assert stored() == {"a": text("s")}


def test_the_item_that_failed_a_condition(update: Update, put: Any, pk: str) -> None:
    put({"a": number(1)})

    def failed(**wanted: str) -> dict[str, Any]:
        with pytest.raises(ClientError) as caught:
            update("SET a = :2", ConditionExpression="a = :3", **wanted)
        response: dict[str, Any] = caught.value.response
        return response

    answered = failed(ReturnValuesOnConditionCheckFailure="ALL_OLD", ReturnConsumedCapacity="TOTAL")
    assert answered["Item"] == {"pk": text(pk), "a": number(1)}
    assert "ConsumedCapacity" not in answered
    assert "Item" not in failed(ReturnValuesOnConditionCheckFailure="NONE")
    assert "Item" not in failed()


def test_increments_in_a_row_add_up(update: Update, stored: Stored) -> None:
    for _ in range(20):
        update("ADD n :1 SET latest = :s")
    assert stored() == {"n": number(20), "latest": text("s")}


# Keys

KEY_OF_UPDATE = (
    "One or more parameter values were invalid: Cannot update attribute {}. This attribute is part of the key"
)


@pytest.mark.parametrize(
    ("expression", "name"),
    [
        ("SET pk = :s", "pk"),
        ("SET sk = :s", "sk"),
        ("SET a = :s REMOVE sk", "sk"),
        ("SET pk.x = :s", "pk"),
        ("ADD sk[0] :1", "sk"),
        ("DELETE pk :ss", "pk"),
        ("SET sk = :s, pk = :s", "pk"),
    ],
)
def test_the_key_cannot_be_updated(
    dynamodb: Any, table_of: Callable[..., str], pk: str, refusal: Refusal, expression: str, name: str
) -> None:
    parameters: dict[str, Any] = {"TableName": table_of("S", "S"), "UpdateExpression": expression}
    if ":" in expression:
        used = {word.strip(",") for word in expression.split() if word[0] == ":"}
        parameters["ExpressionAttributeValues"] = {name: VALUES[name] for name in used}
    refused = refusal(dynamodb.update_item, Key={"pk": {"S": pk}, "sk": {"S": "x"}}, **parameters)
    assert refused == ("ValidationException", KEY_OF_UPDATE.format(name))


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ({}, MISMATCH),
        ({"pk": {"S": "x"}}, MISMATCH),
        ({"pk": {"S": "x"}, "sk": {"N": "1"}}, MISMATCH),
        ({"pk": {"S": "x"}, "sk": {"S": "x"}, "a": {"S": "x"}}, MISMATCH),
        (
            {"pk": {"S": ""}, "sk": {"S": "x"}},
            "One or more parameter values are not valid. The AttributeValue for a key attribute "
            "cannot contain an empty string value. Key: pk",
        ),
        (
            {"pk": {"S": "x" * 2_049}, "sk": {"S": "x"}},
            "One or more parameter values were invalid: "
            "Size of hashkey has exceeded the maximum size limit of2048 bytes",
        ),
    ],
)
def test_keys_that_do_not_match(
    dynamodb: Any, table_of: Callable[..., str], refusal: Refusal, key: dict[str, Any], message: str
) -> None:
    refused = refusal(
        dynamodb.update_item, TableName=table_of("S", "S"), Key=key, UpdateExpression="REMOVE a"
    )
    assert refused == ("ValidationException", message)


def test_parts_of_the_key_cannot_be_read(update: Update, refusal: Refusal) -> None:
    message = (
        "Key attributes must be scalars; list random access '[]' and map lookup '.' are not allowed: Key: pk"
    )
    assert refusal(update, expression="SET a = pk.x") == ("ValidationException", message)
    refused = refusal(update, expression="SET a = :s", ConditionExpression="attribute_exists(pk[0])")
    assert refused == ("ValidationException", message)


# Sizes

TOO_LARGE = ("ValidationException", "Item size to update has exceeded the maximum allowed size")
LIMIT = 409_600


def test_the_statement_is_charged_beside_the_item(
    dynamodb: Any, table_of: Callable[..., str], refusal: Refusal
) -> None:
    """One SET of one value: 3 for the statement, 19 for the clause, 1 for the name, and the value.

    That is more than the item itself takes where the key is as short as here.
    """
    key = {"TableName": table_of("N"), "Key": {"pk": number(0)}}

    def update(size: int, **parameters: Any) -> dict[str, Any]:
        return {
            "UpdateExpression": "SET b = :v",
            "ExpressionAttributeValues": {":v": {"S": "x" * size}},
            **key,
            **parameters,
        }

    largest = LIMIT - 3 - 19 - len("b")
    dynamodb.update_item(**update(largest))
    assert refusal(dynamodb.update_item, **update(largest + 1)) == TOO_LARGE
    # The charge counts before the condition is looked at.
    condition = {"ConditionExpression": "attribute_not_exists(pk)"}
    assert refusal(dynamodb.update_item, **update(largest + 1, **condition)) == TOO_LARGE
    assert (
        refusal(dynamodb.update_item, **update(largest, **condition))[0] == "ConditionalCheckFailedException"
    )


def test_the_finished_item_may_be_as_large_as_any(
    update: Update, put: Any, stored: Stored, pk: str, refusal: Refusal
) -> None:
    filler = {"S": "x" * (LIMIT - len("pk" + pk + "a" + "b" + "12345"))}
    put({"a": filler})
    five, six = ({"ExpressionAttributeValues": {":v": {"S": "x" * size}}} for size in (5, 6))
    update("SET b = :v", **five)
    assert refusal(update, expression="SET b = :v", **six) == TOO_LARGE
    assert stored() == {"a": filler, "b": text("x" * 5)}


# Capacity


def test_units_are_of_the_larger_of_before_and_after(update: Update, pk: str, table: str) -> None:
    def units(expression: str, size: int | None = None, **parameters: Any) -> float:
        if size is not None:
            filler = {"S": "x" * (size - len("pk" + pk + "a"))}
            parameters["ExpressionAttributeValues"] = {":v": filler}
        answer = update(expression, ReturnConsumedCapacity="INDEXES", **parameters)["ConsumedCapacity"]
        capacity: float = answer["CapacityUnits"]
        assert answer == {"TableName": table, "CapacityUnits": capacity, "Table": {"CapacityUnits": capacity}}
        return capacity

    assert units("REMOVE a") == 1  # of an absent item
    assert units("SET a = :v", 1_024) == 1
    assert units("SET a = :v", 1_025) == 2
    assert units("SET a = :v", 100) == 2  # the item before was larger
    assert units("SET a = :v", 100) == 1
    assert units("SET a = :v", 3_000) == 3
    assert units("ADD n :1") == 3  # however little changes
    assert units("REMOVE a") == 3


# Parameters


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"UpdateExpression": ""}, f"{OPENING}Invalid UpdateExpression: The expression can not be empty;"),
        (
            {"UpdateExpression": "INVALID SYNTAX HERE"},
            f'{OPENING}Invalid UpdateExpression: Syntax error; token: "INVALID", near: "INVALID SYNTAX"',
        ),
        (
            {"UpdateExpression": "SET a = :v"},
            f"{OPENING}Invalid UpdateExpression: An expression attribute value used in expression is not "
            "defined; attribute value: :v",
        ),
        (
            {"UpdateExpression": "SET a = :v, a = :v", "ExpressionAttributeValues": {":v": {"S": "x"}}},
            f"{OPENING}Invalid UpdateExpression: Two document paths overlap with each other; "
            "must remove or rewrite one of these paths; path one: [a], path two: [a]",
        ),
        (
            {"UpdateExpression": "SET a.b = :v, a[0] = :v", "ExpressionAttributeValues": {":v": {"S": "x"}}},
            f"{OPENING}Invalid UpdateExpression: Two document paths conflict with each other; "
            "must remove or rewrite one of these paths; path one: [a, b], path two: [a, [0]]",
        ),
        (
            {"UpdateExpression": "SET a = b SET c = d"},
            f'{OPENING}Invalid UpdateExpression: The "SET" section can only be used once in an update '
            "expression;",
        ),
        (
            {"UpdateExpression": "ADD a :v", "ExpressionAttributeValues": {":v": {"S": "x"}}},
            f"{OPENING}Invalid UpdateExpression: Incorrect operand type for operator or function; "
            "operator: ADD, operand type: STRING, typeSet: ALLOWED_FOR_ADD_OPERAND",
        ),
        (
            {"UpdateExpression": "DELETE a :v", "ExpressionAttributeValues": {":v": {"S": "x"}}},
            f"{OPENING}Invalid UpdateExpression: Incorrect operand type for operator or function; "
            "operator: DELETE, operand type: STRING, typeSet: ALLOWED_FOR_ADD_OPERAND",
        ),
        (
            {"UpdateExpression": "SET a = a + :v", "ExpressionAttributeValues": {":v": {"S": "x"}}},
            f"{OPENING}Invalid UpdateExpression: Incorrect operand type for operator or function; "
            "operator or function: +, operand type: S",
        ),
        (
            {"UpdateExpression": "SET abort = b"},
            f"{OPENING}Invalid UpdateExpression: Attribute name is a reserved keyword; "
            "reserved keyword: abort",
        ),
        (
            {
                "UpdateExpression": "SET b = :w",
                "ConditionExpression": "a = :v",
                "ExpressionAttributeValues": {":w": {"S": "x"}},
            },
            f"{OPENING}Invalid ConditionExpression: An expression attribute value used in expression is not "
            "defined; attribute value: :v",
        ),
        (
            {"UpdateExpression": "REMOVE a", "ExpressionAttributeNames": {"#u": "u"}},
            f"{OPENING}Value provided in ExpressionAttributeNames unused in expressions: keys: {{#u}}",
        ),
        (
            {"UpdateExpression": "REMOVE a", "ExpressionAttributeValues": {":u": {"S": "u"}}},
            f"{OPENING}Value provided in ExpressionAttributeValues unused in expressions: keys: {{:u}}",
        ),
        (
            {"ExpressionAttributeValues": {":u": {"S": "u"}}},
            f"{OPENING}ExpressionAttributeValues can only be specified when using expressions",
        ),
        (
            {"UpdateExpression": "REMOVE a", "AttributeUpdates": {"a": {"Action": "DELETE"}}},
            f"{OPENING}Can not use both expression and non-expression parameters in the same request: "
            "Non-expression parameters: {AttributeUpdates} Expression parameters: {UpdateExpression}",
        ),
        (
            {
                "UpdateExpression": "REMOVE a",
                "ConditionExpression": "a = b",
                "AttributeUpdates": {"a": {"Action": "DELETE"}},
                "Expected": {"a": {"Exists": False}},
            },
            f"{OPENING}Can not use both expression and non-expression parameters in the same request: "
            "Non-expression parameters: {AttributeUpdates, Expected} "
            "Expression parameters: {UpdateExpression, ConditionExpression}",
        ),
        (
            {"UpdateExpression": "SET " + ", ".join(f"attribute{i:04} = b" for i in range(300))},
            f"{OPENING}Invalid UpdateExpression: Expression size has exceeded the maximum allowed size;",
        ),
    ],
)
def test_parameters_that_are_refused(
    dynamodb: Any, table: str, pk: str, refusal: Refusal, parameters: dict[str, Any], message: str
) -> None:
    refused = refusal(dynamodb.update_item, TableName=table, Key={"pk": {"S": pk}}, **parameters)
    assert refused == ("ValidationException", message)


# The parameters that expressions replaced


@pytest.mark.parametrize(
    ("updates", "before", "after"),
    [
        ({"a": {"Action": "PUT", "Value": text("x")}}, {"b": number(1)}, {"a": text("x"), "b": number(1)}),
        ({"a": {"Action": "DELETE"}}, {"a": number(1), "b": number(1)}, {"b": number(1)}),
        ({"a": {"Action": "ADD", "Value": number(2)}}, {"a": number(1)}, {"a": number(3)}),
        ({"a": {"Action": "ADD", "Value": {"SS": ["b"]}}}, {"a": {"SS": ["a"]}}, {"a": {"SS": ["a", "b"]}}),
        ({"a": {"Action": "ADD", "Value": texts("b")}}, {"a": texts("a")}, {"a": texts("a", "b")}),
        (
            {"a": {"Action": "DELETE", "Value": {"SS": ["a"]}}},
            {"a": {"SS": ["a", "b"]}},
            {"a": {"SS": ["b"]}},
        ),
        ({"a.b": {"Value": text("x")}}, {}, {"a.b": text("x")}),
        ({}, {}, {}),
        ({"a": {"Action": "DELETE"}}, None, None),
        ({"a": {"Action": "ADD", "Value": number(2)}}, None, {"a": number(2)}),
        ({}, None, {}),
    ],
)
def test_attribute_updates(
    update: Update, put: Any, stored: Stored, updates: Any, before: Any, after: dict[str, Any] | None
) -> None:
    if before is not None:
        put(before)
    assert update(AttributeUpdates=updates) == {}
    assert stored() == after


def test_attribute_updates_are_not_charged(update: Update, pk: str, refusal: Refusal) -> None:
    largest = "x" * (LIMIT - len("pk" + pk + "a"))
    update(AttributeUpdates={"a": {"Value": text(largest)}})
    assert refusal(update, AttributeUpdates={"a": {"Value": text(largest + "x")}}) == TOO_LARGE
