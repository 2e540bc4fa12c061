"""The thirteen comparison operators of the legacy parameters: what each matches, and what it refuses."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alt.errors import ApiError
from alt.expressions import Placeholders, legacy

S, N, B = {"S": "b"}, {"N": "2"}, {"B": "Yg=="}
TRUE, NULL = {"BOOL": True}, {"NULL": True}
STORED: dict[str, dict[str, Any]] = {
    "S": S,
    "N": N,
    "B": B,
    "BOOL": TRUE,
    "NULL": NULL,
    "SS": {"SS": ["a", "b"]},
    "NS": {"NS": ["1", "2"]},
    "BS": {"BS": ["YQ==", "Yg=="]},
    "L": {"L": [S, N, B, TRUE, NULL, {"L": []}]},
    "M": {"M": {"b": S}},
}
EVERYTHING = " ".join(STORED)

INVALID = "One or more parameter values were invalid: "


def condition(operator: str, values: list[Any] | None, older: bool = False) -> Any:
    given: dict[str, Any] = {"ComparisonOperator": operator}
    if values is not None:
        given["AttributeValueList"] = copy.deepcopy(values)
    return legacy.filter_conditions({"a": given}, None, older)


def refusal(operator: str, values: list[Any] | None, older: bool = False) -> str | None:
    with pytest.raises(ApiError) as refused:
        condition(operator, values, older)
    assert refused.value.type == "ValidationException"
    return refused.value.message


def without(kinds: str, *left_out: str) -> str:
    return " ".join(kind for kind in kinds.split() if kind not in left_out)


@pytest.mark.parametrize(
    ("operator", "values", "matching"),
    [
        # Values of every type are compared for equality; numbers by value, sets in any order.
        *[("EQ", [value], kind) for kind, value in STORED.items()],
        *[("NE", [value], without(EVERYTHING, kind) + " absent") for kind, value in STORED.items()],
        ("EQ", [{"N": "2.00"}], "N"),
        ("EQ", [{"SS": ["b", "a"]}], "SS"),
        ("EQ", [{"NS": ["2", "1.0"]}], "NS"),
        ("EQ", [{"L": [N, S, B, TRUE, NULL, {"L": []}]}], ""),
        ("EQ", [{"S": "2"}], ""),
        ("NE", [{"S": "2"}], EVERYTHING + " absent"),
        # S, N and B have an order, each among its own.
        ("LT", [{"S": "b"}], ""),
        ("LT", [{"S": "ba"}], "S"),
        ("LT", [{"N": "2"}], ""),
        ("LT", [{"N": "10"}], "N"),
        ("LT", [{"B": "Yg=="}], ""),
        ("LT", [{"B": "/w=="}], "B"),
        ("LE", [{"S": "a"}], ""),
        ("LE", [{"S": "b"}], "S"),
        ("LE", [{"N": "2"}], "N"),
        ("LE", [{"B": "Yg=="}], "B"),
        ("GT", [{"S": "b"}], ""),
        ("GT", [{"S": "B"}], "S"),
        ("GT", [{"N": "-10"}], "N"),
        ("GT", [{"B": ""}], "B"),
        ("GE", [{"S": "c"}], ""),
        ("GE", [{"S": "b"}], "S"),
        ("GE", [{"N": "2"}], "N"),
        ("GE", [{"B": "Yg=="}], "B"),
        ("BETWEEN", [{"S": "a"}, {"S": "b"}], "S"),
        ("BETWEEN", [{"S": "b"}, {"S": "b"}], "S"),
        ("BETWEEN", [{"S": "c"}, {"S": "d"}], ""),
        ("BETWEEN", [{"N": "1"}, {"N": "10"}], "N"),
        ("BETWEEN", [{"B": "Yg=="}, {"B": "/w=="}], "B"),
        # Existence: an attribute of the type NULL is there.
        ("NOT_NULL", None, EVERYTHING),
        ("NOT_NULL", [], EVERYTHING),
        ("NULL", None, "absent"),
        ("NULL", [], "absent"),
        # A part of a text or binary, a member of a set, an element of a list.
        ("CONTAINS", [S], "S SS L"),
        ("CONTAINS", [{"S": ""}], "S"),
        ("CONTAINS", [{"S": "c"}], ""),
        ("CONTAINS", [{"N": "2.0"}], "NS L"),
        ("CONTAINS", [B], "B BS L"),
        ("CONTAINS", [TRUE], "L"),
        ("CONTAINS", [NULL], "L"),
        # False of an absent attribute, as CONTAINS is.
        ("NOT_CONTAINS", [S], without(EVERYTHING, "S", "SS", "L")),
        ("NOT_CONTAINS", [{"S": "c"}], EVERYTHING),
        ("NOT_CONTAINS", [N], without(EVERYTHING, "NS", "L")),
        ("NOT_CONTAINS", [B], without(EVERYTHING, "B", "BS", "L")),
        ("NOT_CONTAINS", [{"BOOL": False}], EVERYTHING),
        ("NOT_CONTAINS", [NULL], without(EVERYTHING, "L")),
        ("BEGINS_WITH", [S], "S"),
        ("BEGINS_WITH", [{"S": ""}], "S"),
        ("BEGINS_WITH", [{"S": "ba"}], ""),
        ("BEGINS_WITH", [B], "B"),
        # Whether the attribute is one of the values, not whether it holds them.
        ("IN", [{"S": "a"}, {"S": "b"}], "S"),
        ("IN", [{"N": "1"}, {"N": "02"}, {"N": "3"}], "N"),
        ("IN", [B], "B"),
        ("IN", [{"S": "a"}], ""),
    ],
)
def test_what_an_operator_matches(operator: str, values: list[Any] | None, matching: str) -> None:
    made = condition(operator, values)
    items = {kind: {"a": value} for kind, value in STORED.items()} | {"absent": {"b": S}}
    assert [kind for kind, item in items.items() if made.matches(item)] == matching.split()


def test_an_attribute_with_dots_in_its_name_is_one_attribute() -> None:
    made = legacy.filter_conditions({"a.b": {"ComparisonOperator": "NOT_NULL"}}, None)
    assert made is not None
    assert made.matches({"a.b": S})
    assert not made.matches({"a": {"M": {"b": S}}})
    assert made.attribute_names == {"a.b"}
    assert not made.nested_names


ONE_VALUE = ("EQ", "NE", "LE", "LT", "GE", "GT", "CONTAINS", "NOT_CONTAINS", "BEGINS_WITH")


@pytest.mark.parametrize(
    ("operator", "values"),
    [
        *[(operator, values) for operator in ONE_VALUE for values in (None, [], [S, S])],
        *[(operator, values) for operator in ("NULL", "NOT_NULL") for values in ([S], [S, S])],
        *[("BETWEEN", values) for values in (None, [], [S], [S, S, S])],
        ("IN", None),
        ("IN", []),
    ],
)
def test_the_number_of_values(operator: str, values: list[Any] | None) -> None:
    expected = INVALID + f"Invalid number of argument(s) for the {operator} ComparisonOperator"
    assert refusal(operator, values) == expected


ORDERED = ("S", "N", "B")
ACCEPTED = {
    "EQ": tuple(STORED),
    "NE": tuple(STORED),
    "LT": ORDERED,
    "LE": ORDERED,
    "GT": ORDERED,
    "GE": ORDERED,
    "IN": ORDERED,
    "BETWEEN": ORDERED,
    "CONTAINS": (*ORDERED, "BOOL", "NULL"),
    "NOT_CONTAINS": (*ORDERED, "BOOL", "NULL"),
    "BEGINS_WITH": ("S", "B"),
}


@pytest.mark.parametrize("kind", STORED)
@pytest.mark.parametrize("operator", ACCEPTED)
def test_the_types_of_values(operator: str, kind: str) -> None:
    values = [STORED[kind]] * (2 if operator == "BETWEEN" else 1)
    if kind in ACCEPTED[operator]:
        assert condition(operator, values) is not None
    else:
        expected = INVALID + f"ComparisonOperator {operator} is not valid for {kind} AttributeValue type"
        assert refusal(operator, values) == expected


SAME_TYPE = INVALID + "AttributeValues inside AttributeValueList must be of same type"
REVERSED = "The BETWEEN condition was provided a range where the lower bound is greater than the upper bound"


@pytest.mark.parametrize(
    ("operator", "values", "expected"),
    [
        ("IN", [S, N], SAME_TYPE),
        ("IN", [S, S, B], SAME_TYPE),
        ("BETWEEN", [{"N": "4"}, S], SAME_TYPE),
        ("BETWEEN", [{"S": "b"}, {"S": "a"}], REVERSED),
        ("BETWEEN", [{"N": "10"}, {"N": "9"}], REVERSED),
        ("BETWEEN", [{"B": "gA=="}, {"B": "fw=="}], REVERSED),  # bytes 128 and 127: unsigned
        # A type that the operator does not take comes before one that is not the first one's.
        ("IN", [S, {"L": []}], INVALID + "ComparisonOperator IN is not valid for L AttributeValue type"),
        # What is wrong with the values themselves comes before their number.
        (
            "EQ",
            [{}, S],
            "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes",
        ),
        ("EQ", [N, {"SS": []}, {}], INVALID + "An string set  may not be empty"),
        ("NULL", [{"N": "b"}], "The parameter cannot be converted to a numeric value: b"),
    ],
)
def test_values_that_do_not_go_together(operator: str, values: list[Any], expected: str) -> None:
    assert refusal(operator, values) == expected


@pytest.mark.parametrize(
    ("value", "current", "older"),
    [
        (
            {"N": ""},
            "The parameter cannot be converted to a numeric value: ",
            "The parameter cannot be converted to a numeric value",
        ),
        (
            {"NS": ["2", "1", "2"]},
            INVALID + "Input collection contains duplicates.",
            "Input collection contains duplicates",
        ),
        (
            {"SS": ["b", "a", "b"]},
            INVALID + 'Input collection ["a", "b", "b"] contains duplicates.',
            INVALID + "Input collection [b, a, b] contains duplicates.",
        ),
    ],
)
def test_scan_words_problems_of_values_as_the_older_layer(value: Any, current: str, older: str) -> None:
    assert refusal("EQ", [value]) == current
    assert refusal("EQ", [value], older=True) == older


EXPRESSIONS = {
    "EQ": "a = :x",
    "NE": "a <> :x",
    "LT": "a < :x",
    "LE": "a <= :x",
    "GT": "a > :x",
    "GE": "a >= :x",
    "BETWEEN": "a BETWEEN :x AND :y",
    "IN": "a IN (:x, :y)",
    "NULL": "attribute_not_exists(a)",
    "NOT_NULL": "attribute_exists(a)",
    "CONTAINS": "contains(a, :x)",
    "NOT_CONTAINS": "attribute_exists(a) AND NOT contains(a, :x)",
    "BEGINS_WITH": "begins_with(a, :x)",
}
texts = st.text(st.sampled_from("ab"), max_size=3).map(lambda text: {"S": text})
numbers = st.integers(-3, 3).map(lambda number: {"N": str(number)})
scalars = st.one_of(texts, numbers)
stored = st.one_of(
    scalars,
    st.lists(scalars, max_size=3).map(lambda elements: {"L": elements}),
    st.sets(st.sampled_from(["", "a", "b"]), min_size=1).map(lambda members: {"SS": sorted(members)}),
)


@settings(max_examples=200)
@given(st.sampled_from(sorted(EXPRESSIONS)), st.data())
def test_an_operator_matches_what_its_expression_does(operator: str, data: st.DataObject) -> None:
    kind = texts if operator == "BEGINS_WITH" else data.draw(st.sampled_from([texts, numbers]))
    text = EXPRESSIONS[operator]
    names = [name for name in (":x", ":y") if name in text]
    values = sorted(data.draw(st.lists(kind, min_size=len(names), max_size=len(names))), key=_magnitude)
    expression = Placeholders(None, dict(zip(names, values, strict=True)) or None)
    written = expression.condition("FilterExpression", text)
    made = condition(operator, values)
    for item in ({}, {"a": data.draw(stored)}):
        assert made.matches(item) == written.matches(item)


def _magnitude(value: dict[str, str]) -> Any:
    return int(value["N"]) if "N" in value else value["S"]
