"""What a key condition may be, and the range of keys that it asks for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from alt.errors import ApiError
from alt.expressions import Placeholders
from alt.expressions.nodes import Value
from tests.expressions.conftest import with_attributes

Problem = Callable[..., str | None]

VALUES = {
    ":a": {"S": "a"},
    ":b": {"S": "b"},
    ":c": {"S": "c"},
    ":n": {"N": "1"},
    ":m": {"N": "2"},
    ":bin": {"B": "eg=="},
    ":bool": {"BOOL": True},
}
A, B, C, N = VALUES[":a"], VALUES[":b"], VALUES[":c"], VALUES[":n"]
NAMES = {"#h": "h", "#r": "r"}

TABLE = ([("h", "S")], [("r", "S")])
HASH_ONLY = ([("h", "S")], [])
NUMBERED = ([("h", "S")], [("r", "N")])
MULTI = ([("h1", "S"), ("h2", "N")], [("r1", "S"), ("r2", "S"), ("r3", "N")])

SCHEMA_TYPE = "One or more parameter values were invalid: Condition parameter type does not match schema type"


def resolve(text: str, schema: Any) -> Any:
    return with_attributes(Placeholders(NAMES, VALUES).key_condition(text).resolve(*schema))


def refusal(text: str, schema: Any) -> str | None:
    with pytest.raises(ApiError) as refused:
        resolve(text, schema)
    assert refused.value.type == "ValidationException"
    return refused.value.message


@pytest.mark.parametrize(
    ("text", "schema", "expected"),
    [
        ("h = :a", HASH_ONLY, ((A,), (), None, ())),
        ("h = :a", TABLE, ((A,), (), None, ())),
        (":a = #h", TABLE, ((A,), (), None, ())),
        ("(h = :a)", TABLE, ((A,), (), None, ())),
        ("h = :a AND r = :b", TABLE, ((A,), (B,), None, ())),
        ("#r = :b and #h = :a", TABLE, ((A,), (B,), None, ())),
        ("h = :a AND r < :b", TABLE, ((A,), (), "<", (B,))),
        ("h = :a AND r <= :b", TABLE, ((A,), (), "<=", (B,))),
        ("h = :a AND r > :b", TABLE, ((A,), (), ">", (B,))),
        ("h = :a AND (r >= :b)", TABLE, ((A,), (), ">=", (B,))),
        ("h = :a AND :b < r", TABLE, ((A,), (), ">", (B,))),
        ("h = :a AND :b >= r", TABLE, ((A,), (), "<=", (B,))),
        ("h = :a AND r BETWEEN :b AND :c", TABLE, ((A,), (), "BETWEEN", (B, C))),
        ("begins_with(r, :b) AND h = :a", TABLE, ((A,), (), "begins_with", (B,))),
        ("h = :a AND r > :n", NUMBERED, ((A,), (), ">", (N,))),
        # Several hash attributes, all of them equal, and range attributes from the first on.
        ("h1 = :a AND h2 = :n", MULTI, ((A, N), (), None, ())),
        ("h2 = :n AND h1 = :a AND r1 > :b", MULTI, ((A, N), (), ">", (B,))),
        ("h1 = :a AND h2 = :n AND r1 = :b", MULTI, ((A, N), (B,), None, ())),
        ("r2 = :c AND (h1 = :a AND (h2 = :n AND r1 = :b))", MULTI, ((A, N), (B, C), None, ())),
        (
            "h1 = :a AND h2 = :n AND r1 = :b AND begins_with(r2, :c)",
            MULTI,
            ((A, N), (B,), "begins_with", (C,)),
        ),
        (
            "h1 = :a AND h2 = :n AND r1 = :b AND r2 = :c AND r3 BETWEEN :n AND :m",
            MULTI,
            ((A, N), (B, C), "BETWEEN", (N, VALUES[":m"])),
        ),
    ],
)
def test_ranges(text: str, schema: Any, expected: Any) -> None:
    assert resolve(text, schema) == expected


def missed(name: str) -> str:
    return f"Query condition missed key schema element: {name}"


def not_equal(names: str) -> str:
    return f"HASH key attributes {names} must have equality conditions specified in the query"


def too_many(given: int, defined: int) -> str:
    return (
        f"The number of query conditions ({given}) exceeds the number of key attributes "
        f"defined in the schema ({defined})"
    )


@pytest.mark.parametrize(
    ("text", "schema", "expected"),
    [
        ("r = :b", TABLE, missed("h")),
        ("h = :a AND x = :b", TABLE, missed("r")),
        ("x = :a AND r = :b", TABLE, missed("h")),
        ("x = :a", HASH_ONLY, missed("h")),
        ("h2 = :n", MULTI, not_equal("h1")),
        ("h1 = :a AND r1 = :b", MULTI, not_equal("h2")),
        ("r1 = :b", MULTI, not_equal("h1, h2")),
        ("h1 = :a AND h2 > :n", MULTI, not_equal("h2")),
        ("h1 BETWEEN :a AND :b AND h2 = :n", MULTI, not_equal("h1")),
        ("begins_with(h1, :a)", MULTI, not_equal("h1, h2")),
        ("h1 = :n AND h2 = :n", MULTI, SCHEMA_TYPE),
        (
            "h = :a AND r = :b AND x = :c",
            TABLE,
            too_many(3, 2),
        ),
        (
            "h = :a AND r = :b",
            HASH_ONLY,
            too_many(2, 1),
        ),
        ("h < :a", TABLE, "Query key condition not supported"),
        ("begins_with(h, :a)", TABLE, "Query key condition not supported"),
        ("h BETWEEN :a AND :b AND r = :c", TABLE, "Query key condition not supported"),
        ("h = :n", TABLE, SCHEMA_TYPE),
        ("h = :bool", TABLE, SCHEMA_TYPE),
        ("h = :a AND r = :n", TABLE, SCHEMA_TYPE),
        ("h = :a AND begins_with(r, :b)", NUMBERED, SCHEMA_TYPE),
        ("h = :a AND r BETWEEN :b AND :c", NUMBERED, SCHEMA_TYPE),
        ("h = :a AND r > :bin", TABLE, SCHEMA_TYPE),
        (
            "h1 = :a AND h2 = :n AND r2 = :b",
            MULTI,
            "RANGE key attributes r1 must have equality conditions specified in the query "
            "because a condition is present on key attribute r2",
        ),
        (
            "h1 = :a AND h2 = :n AND r1 > :b AND r2 = :b",
            MULTI,
            "RANGE key attributes r1 must have equality conditions specified in the query "
            "because a condition is present on key attribute r2",
        ),
        (
            "h1 = :a AND h2 = :n AND r3 = :n",
            MULTI,
            "RANGE key attributes r1, r2 must have equality conditions specified in the query "
            "because a condition is present on key attribute r3",
        ),
    ],
)
def test_what_does_not_fit_the_schema(text: str, schema: Any, expected: str) -> None:
    assert refusal(text, schema) == expected


def operator(name: str) -> str:
    return f"Invalid operator used in KeyConditionExpression: {name}"


def condition(problem: str) -> str:
    return f"Invalid condition in KeyConditionExpression: {problem}"


def key_not_first(name: str) -> str:
    return condition(f"{name} operator must have the key attribute as its first operand")


ONE_PER_KEY = "KeyConditionExpressions must only contain one condition per key"
NO_KEY = condition("No key attribute specified")
MANY_NAMES = condition("Multiple attribute names used in one condition")
NESTED_OPERATION = "KeyConditionExpressions cannot contain nested operations"
NESTED_ATTRIBUTE = "KeyConditionExpressions cannot have conditions on nested attributes"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("h = :a OR r = :b", operator("OR")),
        ("NOT h = :a", operator("NOT")),
        ("h IN (:a)", operator("IN")),
        ("h <> :a", operator("<>")),
        ("attribute_exists(h)", operator("attribute_exists")),
        ("contains(h, :a)", operator("contains")),
        ("attribute_type(h, :type)", operator("attribute_type")),
        (":a BETWEEN h AND :b", key_not_first("BETWEEN")),
        ("begins_with(:a, h)", key_not_first("begins_with")),
        ("size(h) > :n", NESTED_OPERATION),
        ("h BETWEEN :n AND size(r)", NESTED_OPERATION),
        ("h > r", MANY_NAMES),
        ("h > r.x", MANY_NAMES),
        ("begins_with(h, r)", MANY_NAMES),
        ("h BETWEEN r AND size(r)", MANY_NAMES),
        ("h[0] > r", NESTED_ATTRIBUTE),
        ("h.x = :a", NESTED_ATTRIBUTE),
        (":b > :a AND h < :b", NO_KEY),
        ("h = :a AND h = :b", ONE_PER_KEY),
        ("h = :a AND #h > :b", ONE_PER_KEY),
        ("h > :a AND h <= :b AND r = :c", ONE_PER_KEY),
        # The first in the order written.
        ("h = :a AND h = :b AND NOT r = :c", ONE_PER_KEY),
        ("h = :a AND (NOT r = :c AND h = :b)", operator("NOT")),
    ],
)
def test_conditions_that_ask_for_no_range(text: str, problem: str) -> None:
    placeholders = Placeholders(NAMES, {**VALUES, ":type": {"S": "S"}})
    with pytest.raises(ApiError) as refused:
        placeholders.key_condition(text).resolve(*TABLE)
    assert refused.value.message == f"Invalid KeyConditionExpression: {problem}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "begins_with(r, :n) AND h = :a AND x = :a",
            "Incorrect operand type for operator or function; "
            "operator or function: begins_with, operand type: N",
        ),
        (
            ":bool >= h",
            "Incorrect operand type for operator or function; operator or function: >=, operand type: BOOL",
        ),
        (
            "h = :undefined AND begins_with(r, :n)",
            "An expression attribute value used in expression is not defined; attribute value: :undefined",
        ),
        (
            "begins_with(r, :n) AND h = :undefined",
            "Incorrect operand type for operator or function; "
            "operator or function: begins_with, operand type: N",
        ),
    ],
)
def test_operands_are_checked_in_the_order_written(problem: Problem, text: str, expected: str) -> None:
    assert problem("KeyConditionExpression", text, NAMES, VALUES) == expected


def test_the_form_is_checked_after_everything_else() -> None:
    placeholders = Placeholders(None, {":a": {"S": "a"}, ":b": {"S": "b"}})
    placeholders.key_condition("h = :a OR h = :a")
    with pytest.raises(ApiError, match="unused in expressions"):
        placeholders.finish()

    placeholders = Placeholders(None, {":a": {"S": "a"}})
    placeholders.key_condition("h = :a OR h = :a")
    with pytest.raises(ApiError, match="Invalid FilterExpression: Syntax error"):
        placeholders.condition("FilterExpression", "x !")
    with pytest.raises(ApiError, match="Invalid operator used in KeyConditionExpression: OR"):
        placeholders.finish()


def test_names_and_clauses() -> None:
    made = Placeholders(NAMES, VALUES).key_condition(":b > #r AND h = :a")
    assert made.attribute_names == frozenset({"h", "r"})
    assert made.clauses == (("r", "<", (Value(B),)), ("h", "=", (Value(A),)))
