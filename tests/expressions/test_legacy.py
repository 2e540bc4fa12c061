"""The parameters that expressions replaced, each turned into what an expression would be."""

from __future__ import annotations

import copy
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alt.errors import ApiError
from alt.expressions import KeyCondition, legacy
from tests.expressions.conftest import with_attributes

S, N = {"S": "x"}, {"N": "1"}
INVALID = "One or more parameter values were invalid: "
EMPTY_VALUE = "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes"
NEST = (
    "Nesting Levels have exceeded supported limits: "
    "Attributes in the item have nested levels beyond supported limit"
)


def refusal(call: Callable[..., Any], *arguments: Any) -> str | None:
    with pytest.raises(ApiError) as refused:
        call(*copy.deepcopy(arguments))
    assert refused.value.type == "ValidationException"
    return refused.value.message


def deep(levels: int) -> dict[str, Any]:
    value: dict[str, Any] = {"S": "leaf"}
    for _ in range(levels):
        value = {"M": {"n": value}}
    return value


def asked(operator: str, *values: Any) -> dict[str, Any]:
    return {"ComparisonOperator": operator, "AttributeValueList": list(values)}


# Expected


@pytest.mark.parametrize(
    ("given", "true_of", "false_of"),
    [
        ({"Value": N}, [{"a": N}], [{}, {"a": S}, {"a": {"N": "2"}}]),
        ({"Value": {"N": "1.0"}}, [{"a": N}], [{}]),
        ({"Value": N, "Exists": True}, [{"a": N}], [{}, {"a": S}]),
        ({"Exists": False}, [{}, {"b": N}], [{"a": N}, {"a": {"NULL": True}}]),
        ({"ComparisonOperator": "GE", "Value": N}, [{"a": N}, {"a": {"N": "2"}}], [{}, {"a": {"N": "0"}}]),
        (asked("GE", N), [{"a": N}], [{}]),
        (asked("IN", N, {"N": "2"}), [{"a": N}], [{"a": {"N": "3"}}]),
        ({"ComparisonOperator": "NULL"}, [{}], [{"a": N}]),
        (asked("NOT_NULL"), [{"a": N}], [{}]),
    ],
)
def test_expected(given: dict[str, Any], true_of: list[Any], false_of: list[Any]) -> None:
    condition = legacy.expected({"a": copy.deepcopy(given)}, None)
    assert condition is not None
    assert all(condition.matches(item) for item in true_of)
    assert not any(condition.matches(item) for item in false_of)


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({}, "Value must be provided when Exists is null for Attribute: a"),
        ({"Exists": True}, "Value must be provided when Exists is true for Attribute: a"),
        ({"Exists": False, "Value": S}, "Value cannot be used when Exists is false for Attribute: a"),
        (
            {"Exists": True, "ComparisonOperator": "LT"},
            "Exists and ComparisonOperator cannot be used together for Attribute: a",
        ),
        (
            {"Exists": False, **asked("EQ", S)},
            "Exists and ComparisonOperator cannot be used together for Attribute: a",
        ),
        (
            {"Value": S, **asked("LT", S)},
            "Value and AttributeValueList cannot be used together for Attribute: a",
        ),
        (
            {"Value": S, "AttributeValueList": []},
            "Value and AttributeValueList cannot be used together for Attribute: a",
        ),
        (
            {"AttributeValueList": [S]},
            "AttributeValueList can only be used with a ComparisonOperator for Attribute: a",
        ),
        (
            {"Exists": True, "AttributeValueList": [S]},
            "AttributeValueList can only be used with a ComparisonOperator for Attribute: a",
        ),
        (
            {"ComparisonOperator": "EQ"},
            "Value or AttributeValueList must be used with ComparisonOperator: EQ for Attribute: a",
        ),
        (
            {"ComparisonOperator": "BETWEEN", "Value": S},
            "Invalid number of argument(s) for the BETWEEN ComparisonOperator",
        ),
        (
            {"ComparisonOperator": "NULL", "Value": S},
            "Invalid number of argument(s) for the NULL ComparisonOperator",
        ),
        (asked("IN"), "Invalid number of argument(s) for the IN ComparisonOperator"),
        (asked("CONTAINS", {"L": [N]}), "ComparisonOperator CONTAINS is not valid for L AttributeValue type"),
        # The members' own rules come before those of the values.
        ({"Exists": False, "Value": {}}, "Value cannot be used when Exists is false for Attribute: a"),
        ({"Value": {"SS": []}}, "An string set  may not be empty"),
    ],
)
def test_what_expected_may_not_be(given: dict[str, Any], problem: str) -> None:
    assert refusal(legacy.expected, {"a": given}, None) == INVALID + problem


def test_expected_reports_the_first_attribute_in_the_order_sent() -> None:
    wrong = {"a": {"Value": S}, "c": {"Value": {}}, "b": {}}
    assert refusal(legacy.expected, wrong, None) == EMPTY_VALUE


# ConditionalOperator


def test_conditions_are_joined_by_and_unless_told_otherwise() -> None:
    for read in (legacy.expected, legacy.filter_conditions):
        given = {"a": asked("EQ", N), "b": asked("EQ", N)}
        for operator, both_alone_neither in ((None, "tff"), ("AND", "tff"), ("OR", "ttf")):
            condition = read(copy.deepcopy(given), operator)
            assert condition is not None
            answers = [condition.matches(item) for item in ({"a": N, "b": N}, {"b": N}, {"c": N})]
            assert answers == [letter == "t" for letter in both_alone_neither]
            assert condition.attribute_names == {"a", "b"}


@pytest.mark.parametrize("read", [legacy.expected, legacy.filter_conditions])
@pytest.mark.parametrize("conditions", [None, {}])
def test_no_conditions_ask_for_nothing(read: Callable[..., Any], conditions: Any) -> None:
    assert read(conditions, None) is None


WITHOUT_CONDITIONS = "ConditionalOperator cannot be used without Filter or Expected"
WITH_ONE = "ConditionalOperator can only be used when Filter or Expected has two or more elements"


@pytest.mark.parametrize("operator", ["AND", "OR"])
@pytest.mark.parametrize("read", [legacy.expected, legacy.filter_conditions])
def test_the_conditional_operator_needs_two_conditions(read: Callable[..., Any], operator: str) -> None:
    assert refusal(read, None, operator) == WITHOUT_CONDITIONS
    assert refusal(read, {}, operator) == WITHOUT_CONDITIONS
    assert refusal(read, {"a": asked("EQ", N)}, operator) == WITH_ONE


def test_scan_looks_at_the_conditional_operator_after_the_conditions() -> None:
    wrong = {"a": asked("EQ", deep(40))}
    assert refusal(legacy.filter_conditions, wrong, "AND", True) == NEST
    assert refusal(legacy.filter_conditions, wrong, "AND", False) == WITH_ONE
    assert refusal(legacy.filter_conditions, {"a": asked("EQ", N)}, "AND", True) == WITH_ONE
    assert refusal(legacy.expected, {"a": {"Value": deep(40)}}, "AND") == WITH_ONE


# KeyConditions


def resolve(conditions: dict[str, Any], table: Any = ("h", "S", "r", "S")) -> Any:
    hash_name, hash_type, *range_key = table
    made = legacy.key_conditions(copy.deepcopy(conditions))
    assert isinstance(made, KeyCondition)
    return with_attributes(made.resolve([(hash_name, hash_type)], [tuple(range_key)] if range_key else []))


A, C, D = {"S": "a"}, {"S": "c"}, {"S": "d"}
HASH = asked("EQ", A)


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ({"h": HASH}, ((A,), (), None, ())),
        ({"r": asked("EQ", C), "h": HASH}, ((A,), (C,), None, ())),
        ({"h": HASH, "r": asked("LT", C)}, ((A,), (), "<", (C,))),
        ({"h": HASH, "r": asked("LE", C)}, ((A,), (), "<=", (C,))),
        ({"h": HASH, "r": asked("GT", C)}, ((A,), (), ">", (C,))),
        ({"h": HASH, "r": asked("GE", C)}, ((A,), (), ">=", (C,))),
        ({"h": HASH, "r": asked("BETWEEN", C, D)}, ((A,), (), "BETWEEN", (C, D))),
        ({"h": HASH, "r": asked("BEGINS_WITH", C)}, ((A,), (), "begins_with", (C,))),
    ],
)
def test_key_conditions(conditions: dict[str, Any], expected: Any) -> None:
    assert resolve(conditions) == expected


def test_the_values_of_key_conditions_are_canonical() -> None:
    range_ = resolve({"h": asked("EQ", {"N": "1.0"})}, ("h", "N"))
    assert range_[0] == ({"N": "1"},)


MISMATCH = INVALID + "Condition parameter type does not match schema type"
NOT_INDEXABLE = "Attempted conditional constraint is not an indexable operation"
UNSUPPORTED = "Query key condition not supported"


@pytest.mark.parametrize(
    ("conditions", "message"),
    [
        # Before any table is looked at.
        ({"h": asked("EQ")}, INVALID + "Invalid number of argument(s) for the EQ ComparisonOperator"),
        (
            {"h": HASH, "r": asked("BEGINS_WITH", N)},
            INVALID + "ComparisonOperator BEGINS_WITH is not valid for N AttributeValue type",
        ),
        (
            {"h": asked("EQ", {}), "r": asked("EQ")},
            EMPTY_VALUE,
        ),
        # Against the key schema.
        ({}, "Query condition missed key schema element: h"),
        ({"r": asked("EQ", C)}, "Query condition missed key schema element: h"),
        ({"h": HASH, "x": asked("NULL")}, "Query condition missed key schema element: r"),
        (
            {"h": HASH, "r": asked("EQ", C), "x": asked("EQ", C)},
            "The number of query conditions (3) exceeds the number of key attributes defined in the schema (2)",
        ),
        ({"h": asked("EQ", N)}, MISMATCH),
        ({"h": HASH, "r": asked("LT", N)}, MISMATCH),
        *[({"h": asked(operator, A)}, UNSUPPORTED) for operator in ("LT", "LE", "GT", "GE", "BEGINS_WITH")],
        ({"h": asked("BETWEEN", A, A)}, UNSUPPORTED),
        *[
            (conditions, NOT_INDEXABLE)
            for given in (
                asked("NULL"),
                asked("NOT_NULL"),
                asked("NE", N),  # of a wrong type too
                asked("CONTAINS", A),
                asked("NOT_CONTAINS", A),
                asked("IN", A, C),
            )
            for conditions in ({"h": given}, {"h": HASH, "r": given})
        ],
    ],
)
def test_what_key_conditions_may_not_be(conditions: dict[str, Any], message: str) -> None:
    assert refusal(resolve, conditions) == message


def test_what_no_index_can_answer_is_found_against_a_key_schema_only() -> None:
    assert legacy.key_conditions({"z": asked("NULL")}).attribute_names == {"z"}


# AttributesToGet


def test_attributes_to_get() -> None:
    item = {"a": S, "b": N, "a.b": N, "c": {"M": {"d": S}}}
    assert legacy.projection(["c", "a.b", "x"]).apply(item) == {"c": {"M": {"d": S}}, "a.b": N}
    assert legacy.projection(["a", "c"]).nested_names == frozenset()


def test_attributes_to_get_are_distinct() -> None:
    duplicate = INVALID + "Duplicate value in attribute name: b"
    assert refusal(legacy.projection, ["a", "b", "c", "b", "a"]) == duplicate


# Names


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "Empty attribute name"),
        ("é" * 32768, "Attribute name is too large, must be less than 65536 bytes"),
    ],
)
def test_names_keep_the_rules_of_items(name: str, message: str) -> None:
    assert refusal(legacy.expected, {name: {"Value": S}}, None) == message
    assert refusal(legacy.filter_conditions, {name: asked("EQ", S)}, None) == message
    assert refusal(legacy.attribute_updates, {name: {"Value": S}}) == message
    assert refusal(legacy.projection, [name]) == message
    assert legacy.projection(["é"]).attribute_names == {"é"}


# Hostile input

names = st.text(max_size=3)
leaves: st.SearchStrategy[Any] = st.one_of(
    st.builds(lambda text: {"S": text}, st.text(max_size=3)),
    st.builds(lambda text: {"N": text}, st.text("0123456789.-+eE ", max_size=6)),
    st.builds(lambda texts: {"SS": texts}, st.lists(st.text(max_size=2), max_size=3)),
    st.builds(lambda texts: {"NS": texts}, st.lists(st.text("012e", max_size=3), max_size=3)),
    st.builds(lambda flag: {"NULL": flag}, st.booleans()),
    st.just({}),
    st.just({"S": "a", "N": "1"}),
)
values = st.one_of(
    leaves,
    st.builds(lambda elements: {"L": elements}, st.lists(leaves, max_size=2)),
    st.builds(lambda entries: {"M": entries}, st.dictionaries(names, leaves, max_size=2)),
    st.builds(deep, st.integers(30, 300)),
)
OPERATORS = (
    "EQ NE LE LT GE GT NOT_NULL NULL CONTAINS NOT_CONTAINS BEGINS_WITH IN BETWEEN".split()  # noqa: SIM905
)
operators = st.sampled_from(OPERATORS)
conditions = st.fixed_dictionaries(
    {"ComparisonOperator": operators}, optional={"AttributeValueList": st.lists(values, max_size=3)}
)
expectations = st.fixed_dictionaries(
    {},
    optional={
        "ComparisonOperator": operators,
        "AttributeValueList": st.lists(values, max_size=3),
        "Value": values,
        "Exists": st.booleans(),
    },
)
updates = st.fixed_dictionaries(
    {}, optional={"Action": st.sampled_from(["PUT", "ADD", "DELETE"]), "Value": values}
)
conditional_operators = st.sampled_from([None, "AND", "OR"])


def used(call: Callable[[], Any], use: Callable[[Any], Any]) -> None:
    """Whatever comes of it, it is an answer or an ApiError."""
    with suppress(ApiError):
        made = call()
        if made is not None:
            use(made)


@settings(max_examples=150)
@given(
    st.dictionaries(names, conditions, max_size=3),
    st.dictionaries(names, expectations, max_size=3),
    st.dictionaries(names, updates, max_size=3),
    st.lists(names, max_size=4),
    conditional_operators,
    st.booleans(),
)
def test_whatever_is_sent_is_answered(
    filters: Any, expected: Any, update: Any, wanted: Any, operator: str | None, older: bool
) -> None:
    item = {"a": S, "b": {"SS": ["a"]}, "c": {"L": [S]}, "": N}
    used(
        lambda: legacy.filter_conditions(copy.deepcopy(filters), operator, older), lambda it: it.matches(item)
    )
    used(lambda: legacy.expected(expected, operator), lambda it: it.matches(item))
    used(lambda: legacy.key_conditions(filters), lambda it: it.resolve([("a", "S")], [("b", "N")]))
    used(lambda: legacy.attribute_updates(update), lambda it: it.apply(item))
    used(lambda: legacy.projection(wanted), lambda it: it.apply(item))
