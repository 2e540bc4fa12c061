"""AttributeUpdates: what PUT, ADD and DELETE do to an item, with and without a value, and what they refuse."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from alt.errors import ApiError
from alt.expressions import legacy

S, N = {"S": "x"}, {"N": "1"}
INVALID = "One or more parameter values were invalid: "


def refusal(call: Callable[..., Any], *arguments: Any) -> str | None:
    with pytest.raises(ApiError) as refused:
        call(*copy.deepcopy(arguments))
    assert refused.value.type == "ValidationException"
    return refused.value.message


def updated(updates: dict[str, Any], item: dict[str, Any]) -> dict[str, Any]:
    before = copy.deepcopy(item)
    after = legacy.attribute_updates(copy.deepcopy(updates)).apply(item)
    assert item == before
    return after


def put(value: Any) -> dict[str, Any]:
    return {"Action": "PUT", "Value": value}


def add(value: Any) -> dict[str, Any]:
    return {"Action": "ADD", "Value": value}


def delete(value: Any) -> dict[str, Any]:
    return {"Action": "DELETE", "Value": value}


@pytest.mark.parametrize(
    ("stored", "update", "expected"),
    [
        (None, put(S), S),
        (N, put(S), S),
        (N, {"Value": {"N": "2.0"}}, {"N": "2"}),
        (S, put({"L": []}), {"L": []}),
        (None, {"Action": "DELETE"}, None),
        ({"M": {}}, {"Action": "DELETE"}, None),
        (None, add({"N": "2"}), {"N": "2"}),
        ({"N": "7"}, add({"N": "-3.5"}), {"N": "3.5"}),
        (None, add({"SS": ["b", "a"]}), {"SS": ["a", "b"]}),
        ({"SS": ["b"]}, add({"SS": ["b", "a"]}), {"SS": ["a", "b"]}),
        ({"NS": ["2"]}, add({"NS": ["10", "1"]}), {"NS": ["1", "2", "10"]}),
        ({"BS": ["Yg=="]}, add({"BS": ["YQ=="]}), {"BS": ["YQ==", "Yg=="]}),
        (None, add({"L": [N]}), {"L": [N]}),
        ({"L": [N]}, add({"L": [S, N]}), {"L": [N, S, N]}),
        (None, delete({"SS": ["a"]}), None),
        ({"SS": ["a", "b"]}, delete({"SS": ["b", "c"]}), {"SS": ["a"]}),
        ({"NS": ["1"]}, delete({"NS": ["1.0"]}), None),
        ({"BS": ["YQ=="]}, delete({"BS": ["Yg=="]}), {"BS": ["YQ=="]}),
    ],
)
def test_attribute_updates(stored: Any, update: dict[str, Any], expected: Any) -> None:
    item = {"k": S} if stored is None else {"k": S, "a": stored}
    assert updated({"a": update}, item) == ({"k": S} if expected is None else {"k": S, "a": expected})


def test_several_attributes_are_updated_at_once() -> None:
    updates = {"a.b": put(S), "c": add(N), "d": {"Action": "DELETE"}}
    item = {"k": S, "c": N, "d": N}
    assert updated(updates, item) == {"k": S, "c": {"N": "2"}, "a.b": S}
    update = legacy.attribute_updates(updates)
    assert update.attribute_names == {"a.b", "c", "d"}
    assert not update.nested_names
    assert update.updated(item) == {"c": N, "d": N}


@pytest.mark.parametrize(
    ("stored", "update"),
    [
        (S, add(N)),
        ({"NS": ["1"]}, add(N)),
        (N, add({"NS": ["1"]})),
        ({"SS": ["1"]}, add({"NS": ["1"]})),
        ({"SS": ["1"]}, add({"L": []})),
        ({"L": []}, add(N)),
        (N, delete({"NS": ["1"]})),
        ({"SS": ["1"]}, delete({"BS": ["YQ=="]})),
    ],
)
def test_an_attribute_of_another_type_is_not_updated(stored: Any, update: dict[str, Any]) -> None:
    assert refusal(updated, {"a": update}, {"a": stored}) == "Type mismatch for attribute to update"


def test_a_sum_out_of_range() -> None:
    large = {"N": "9.9e125"}
    message = "Number overflow. Attempting to store a number with magnitude larger than supported range"
    item = {"a": {"N": "9" + "0" * 125}}
    assert refusal(updated, {"a": add(large)}, item) == message


NO_VALUE = INVALID + "Only DELETE action is allowed when no attribute value is specified"
ADDABLE = ("N", "SS", "NS", "BS", "L")
VALUES: dict[str, dict[str, Any]] = {
    "S": S,
    "N": N,
    "B": {"B": "YQ=="},
    "BOOL": {"BOOL": False},
    "NULL": {"NULL": True},
    "SS": {"SS": ["a"]},
    "NS": {"NS": ["1"]},
    "BS": {"BS": ["YQ=="]},
    "L": {"L": []},
    "M": {"M": {}},
}


@pytest.mark.parametrize(
    ("update", "message"),
    [
        ({}, NO_VALUE),
        ({"Action": "PUT"}, NO_VALUE),
        ({"Action": "ADD"}, NO_VALUE),
        *[
            (delete(value), INVALID + f"DELETE action with value is not supported for the type {kind}")
            for kind, value in VALUES.items()
            if kind not in ("SS", "NS", "BS")
        ],
        *[
            (add(value), INVALID + f"ADD action is not supported for the type {kind}")
            for kind, value in VALUES.items()
            if kind not in ADDABLE
        ],
        # What is wrong with a value comes before what its action makes of it.
        (delete({"N": "b"}), "The parameter cannot be converted to a numeric value: b"),
        (
            put({}),
            "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes",
        ),
        (put({"SS": []}), INVALID + "An string set  may not be empty"),
        (add({"S": "a", "N": ""}), "The parameter cannot be converted to a numeric value: "),
    ],
)
def test_what_attribute_updates_may_not_be(update: dict[str, Any], message: str) -> None:
    assert refusal(legacy.attribute_updates, {"a": update}) == message


def test_attribute_updates_reports_the_first_attribute_in_the_order_sent() -> None:
    assert refusal(legacy.attribute_updates, {"c": put(S), "b": add(S), "a": {}}) == (
        INVALID + "ADD action is not supported for the type S"
    )


@pytest.mark.parametrize(
    ("updates", "creates"),
    [
        ({}, True),  # an item of the key alone
        ({"a": put(S)}, True),
        ({"a": add(N)}, True),
        ({"a": add({"L": []})}, True),
        ({"a": {"Action": "DELETE"}}, False),
        ({"a": delete({"SS": ["a"]})}, False),
        ({"a": {"Action": "DELETE"}, "b": put(S)}, True),
    ],
)
def test_which_updates_make_an_item(updates: dict[str, Any], creates: bool) -> None:
    assert legacy.attribute_updates(copy.deepcopy(updates)).creates is creates


def test_only_an_expression_is_charged_for() -> None:
    assert legacy.attribute_updates({"a": put({"S": "x" * 500_000})}).charge == 0
