"""The names and values of a request: what they may be, and that each is used."""

from __future__ import annotations

from typing import Any

import pytest

from alt.errors import ApiError
from alt.expressions import Condition, Placeholders
from alt.expressions.parser import parse_condition

NAMES = "ExpressionAttributeNames"
VALUES = "ExpressionAttributeValues"


def refusal(names: Any, values: Any, *, older: bool = False, filtered: str = "a = b") -> str | None:
    """Of a request with one filter."""

    def send() -> None:
        placeholders = Placeholders(names, values, older)
        placeholders.condition("FilterExpression", filtered)
        placeholders.finish()

    with pytest.raises(ApiError) as refused:
        send()
    assert refused.value.type == "ValidationException"
    return refused.value.message


@pytest.mark.parametrize(
    ("names", "values", "expected"),
    [
        ({}, None, f"{NAMES} must not be empty"),
        (None, {}, f"{VALUES} must not be empty"),
        ({}, {}, f"{NAMES} must not be empty"),
        ({"a": "x"}, None, f'{NAMES} contains invalid key: Syntax error; key: "a"'),
        ({"": "x"}, None, f'{NAMES} contains invalid key: Syntax error; key: ""'),
        ({"#": "x"}, None, f'{NAMES} contains invalid key: Syntax error; key: "#"'),
        ({"#a-b": "x"}, None, f'{NAMES} contains invalid key: Syntax error; key: "#a-b"'),
        ({"#a\n": "x"}, None, f'{NAMES} contains invalid key: Syntax error; key: "#a\n"'),
        ({"#ü": "x"}, None, f'{NAMES} contains invalid key: Syntax error; key: "#ü"'),
        ({"#\ud800": "x"}, None, f'{NAMES} contains invalid key: Syntax error; key: "#?"'),
        ({"##a": "x"}, None, f'{NAMES} contains invalid key: Syntax error; key: "##a"'),
        ({":a": "x"}, None, f'{NAMES} contains invalid key: Syntax error; key: ":a"'),
        (None, {"#a": {"S": "x"}}, f'{VALUES} contains invalid key: Syntax error; key: "#a"'),
        (None, {"a": {"S": "x"}}, f'{VALUES} contains invalid key: Syntax error; key: "a"'),
        (
            {"#" + "a" * 255: "x"},
            None,
            f"{NAMES} contains invalid key: "
            "The expression attribute map contains a key that is too long; size of key: 256",
        ),
        (
            None,
            {":" + "a" * 255: {"S": "x"}},
            f"{VALUES} contains invalid key: "
            "The expression attribute map contains a key that is too long; size of key: 256",
        ),
        ({"#a": ""}, None, f"{NAMES} contains invalid value: Empty attribute name for key #a"),
        (
            {"#a": "x" * 65536},
            None,
            f"{NAMES} contains invalid value: "
            "Attribute name is too large, must be less than 65536 bytes for key #a",
        ),
        (
            {"#a": "\ud800"},
            None,
            f"{NAMES} contains invalid value: "
            "Text holds an unpaired surrogate and has no UTF-8 form for key #a",
        ),
        # Names before values, keys before what they stand for.
        ({"#a": ""}, {"a": {"S": "x"}}, f"{NAMES} contains invalid value: Empty attribute name for key #a"),
        ({"#a": "", "b": "x"}, None, f'{NAMES} contains invalid key: Syntax error; key: "b"'),
        (None, {":a": {"N": "x"}, "b": {"N": "1"}}, f'{VALUES} contains invalid key: Syntax error; key: "b"'),
        (None, {":a": {"N": "x"}}, "The parameter cannot be converted to a numeric value: x"),
        # The maps before the expression.
        (None, {":a": {"N": ""}}, "The parameter cannot be converted to a numeric value: "),
        (
            {"#a": "x", "#b": "y"},
            {":v": {"N": "1"}},
            f"Value provided in {NAMES} unused in expressions: keys: {{#a, #b}}",
        ),
        (
            None,
            {":z": {"N": "1"}, ":a": {"N": "1"}},
            f"Value provided in {VALUES} unused in expressions: keys: {{:z, :a}}",
        ),
    ],
)
def test_refusals(names: Any, values: Any, expected: str) -> None:
    assert refusal(names, values) == expected


def test_the_maps_are_checked_before_the_expression() -> None:
    assert refusal({"#a": ""}, None, filtered="!") == (
        f"{NAMES} contains invalid value: Empty attribute name for key #a"
    )
    assert refusal(None, {":a": {"NULL": False}}, filtered="") == (
        "One or more parameter values were invalid: Null attribute value types must have the value of true"
    )


def test_the_current_layer_is_meant_unless_said_otherwise() -> None:
    with pytest.raises(ApiError, match=r"^The parameter cannot be converted"):
        Placeholders(None, {":v": {"N": "x"}}).update("SET a = :v")


def test_the_older_layer_names_the_placeholder_of_a_wrong_value() -> None:
    values = {":ok": {"N": "1"}, ":a": {"N": "x"}}
    assert refusal(None, values, older=True) == (
        f"{VALUES} contains invalid value: The parameter cannot be converted to a numeric value: x for key :a"
    )
    assert refusal(None, {":a": {"SS": []}}, older=True) == (
        f"{VALUES} contains invalid value: "
        "One or more parameter values were invalid: An string set  may not be empty for key :a"
    )


def test_unused_names_come_before_unused_values() -> None:
    assert refusal({"#a": "a", "#b": "b"}, {":v": {"S": "x"}}, filtered="#b = c") == (
        f"Value provided in {NAMES} unused in expressions: keys: {{#a}}"
    )


def test_placeholders_are_shared_by_the_expressions_of_a_request() -> None:
    placeholders = Placeholders({"#a": "a", "#b": "b"}, {":v": {"S": "x"}, ":w": {"S": "y"}})
    placeholders.key_condition("#a = :v")
    placeholders.condition("FilterExpression", "#b = :w")
    placeholders.projection("#a.c, #b")
    placeholders.finish()


@pytest.mark.parametrize(
    ("method", "text"),
    [("update", "SET #a = :v"), ("update", "ADD #a.b :v"), ("key_condition", "#a = :v")],
)
def test_each_kind_of_expression_uses_placeholders(method: str, text: str) -> None:
    placeholders = Placeholders({"#a": "a"}, {":v": {"N": "1"}})
    getattr(placeholders, method)(text)
    placeholders.finish()


def test_a_projection_uses_names() -> None:
    placeholders = Placeholders({"#a": "a", "#b": "b"}, None)
    placeholders.projection("c.#a, #b")
    placeholders.finish()


def test_a_wrong_expression_is_told_by_its_parameter() -> None:
    with pytest.raises(ApiError) as refused:
        Placeholders(None, None).condition("FilterExpression", "")
    assert refused.value.message == "Invalid FilterExpression: The expression can not be empty;"


@pytest.mark.parametrize(
    ("names", "values", "expected"),
    [
        ({"#a": "a"}, {":v": {"S": "x"}}, f"{NAMES} can only be specified when using expressions"),
        ({}, None, f"{NAMES} can only be specified when using expressions"),
        (None, {":v": {"S": "x"}}, f"{VALUES} can only be specified when using expressions"),
        (None, {"bad": {"N": "x"}}, f"{VALUES} can only be specified when using expressions"),
    ],
)
def test_maps_without_any_expression(names: Any, values: Any, expected: str) -> None:
    with pytest.raises(ApiError) as refused:
        Placeholders(names, values).finish()
    assert refused.value.message == expected


def test_nothing_at_all_is_fine() -> None:
    Placeholders(None, None).finish()


def test_a_projection_takes_no_values() -> None:
    placeholders = Placeholders({"#a": "a"}, {":v": {"S": "x"}})
    placeholders.projection("#a")
    with pytest.raises(ApiError) as refused:
        placeholders.finish()
    assert refused.value.message == f"{VALUES} can only be specified when using expressions"


def test_values_become_canonical() -> None:
    values: Any = {":n": {"N": "1.50e1"}, ":s": {"SS": ["b", "a"]}}
    placeholders = Placeholders(None, values)
    update = placeholders.update("SET a = :n, b = :s")
    assert update.apply({}) == {"a": {"N": "15"}, "b": {"SS": ["a", "b"]}}


def test_a_placeholder_may_have_255_bytes() -> None:
    name, value = "#" + "n" * 254, ":" + "v" * 254
    placeholders = Placeholders({name: "a"}, {value: {"S": "x"}})
    assert placeholders.condition("ConditionExpression", f"{name} = {value}").matches({"a": {"S": "x"}})


def test_an_attribute_name_may_have_65535_bytes() -> None:
    projection = Placeholders({"#a": "x" * 65535}, None).projection("#a")
    assert projection.apply({"x" * 65535: {"S": "y"}}) == {"x" * 65535: {"S": "y"}}


MEGABYTE = 1024 * 1024


@pytest.mark.parametrize(
    ("names", "values", "expected"),
    [
        ({f"#{n:03}": "x" * 65532 for n in range(32)}, None, None),
        ({f"#{n:03}": "x" * 65533 for n in range(32)}, None, f"{NAMES} exceeds max size"),
        (None, {":v": {"S": "x" * (2 * MEGABYTE - 2)}}, None),
        (None, {":v": {"S": "x" * (2 * MEGABYTE - 1)}}, f"{VALUES} exceeds max size"),
        ({"#n": "y"}, {":v": {"S": "x" * (2 * MEGABYTE - 5)}}, None),
        (
            {"#n": "y"},
            {":v": {"S": "x" * (2 * MEGABYTE - 4)}},
            f"Combined size of {NAMES} and {VALUES} exceeds max size",
        ),
    ],
)
def test_names_and_values_have_2_megabytes(names: Any, values: Any, expected: str | None) -> None:
    unused = "Value provided in"
    message = str(refusal(names, values))
    assert message.startswith(unused) if expected is None else message == expected


def test_what_was_bound_for_one_request_does_not_leak_into_the_next() -> None:
    def read(names: Any, values: Any) -> bool:
        placeholders = Placeholders(names, values)
        condition = placeholders.condition("ConditionExpression", "#n = :v")
        placeholders.finish()
        return condition.matches({"a": {"S": "x"}, "b": {"S": "y"}})

    assert read({"#n": "a"}, {":v": {"S": "x"}})
    assert not read({"#n": "b"}, {":v": {"S": "x"}})
    assert read({"#n": "b"}, {":v": {"S": "y"}})
    with pytest.raises(ApiError, match="not defined; attribute value: :v"):
        read({"#n": "a"}, None)


@pytest.mark.parametrize("text", ["a = :v", " OR ".join(["a = :v"] * 150)])
def test_expressions_met_before_are_not_parsed_again(text: str) -> None:
    assert parse_condition(text) is parse_condition(text)


def test_conditions_without_placeholders_are_bound_once() -> None:
    def bound() -> Condition:
        return Placeholders(None, None).condition("ConditionExpression", "attribute_not_exists(a)")

    assert bound() is bound()
