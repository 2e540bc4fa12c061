"""Operands that an expression may not have, whatever the item. Cases are recorded from the service."""

from __future__ import annotations

from collections.abc import Callable

import pytest

CONDITION = "ConditionExpression"
UPDATE = "UpdateExpression"
PROJECTION = "ProjectionExpression"

Problem = Callable[..., str | None]

NAMES = {"#a": "a", "#b": "b", "#c": "c", "#dotted": "[3]"}
VALUES = {
    ":s": {"S": "abc"},
    ":n": {"N": "1"},
    ":one": {"N": "1"},
    ":five": {"N": "5"},
    ":b": {"B": "eg=="},
    ":bool": {"BOOL": True},
    ":null": {"NULL": True},
    ":l": {"L": [{"S": "x"}]},
    ":m": {"M": {}},
    ":ss": {"SS": ["x"]},
    ":ns": {"NS": ["1"]},
    ":bs": {"BS": ["eg=="]},
}
ORDERED = {":s": "S", ":n": "N", ":b": "B"}
UNORDERED = {":bool": "BOOL", ":null": "NULL", ":l": "L", ":m": "M", ":ss": "SS", ":ns": "NS", ":bs": "BS"}
ALL = ORDERED | UNORDERED

SHOWN_TYPE_OF_A_PATH = (
    "{S,SS,N,NS,B,BS,BOOL,NULL,L,M,HD,DOUBLE,FLOAT,HDS,FS,DOUBLESET,DICT,DECIMAL,INT,DECIMALSET,INTSET}"
)


def wrong_type(operator: str, shown: str) -> str:
    return (
        f"Incorrect operand type for operator or function; operator or function: {operator}, "
        f"operand type: {shown}"
    )


def wrong_count(name: str, count: int) -> str:
    return (
        "Incorrect number of operands for operator or function; "
        f"operator or function: {name}, number of operands: {count}"
    )


def repeated(operator: str, path: str) -> str:
    return (
        "The first operand must be distinct from the remaining operands for this operator or function; "
        f"operator: {operator}, first operand: {path}"
    )


def undefined_name(name: str) -> str:
    return f"An expression attribute name used in the document path is not defined; attribute name: {name}"


def undefined_value(name: str) -> str:
    return f"An expression attribute value used in expression is not defined; attribute value: {name}"


def path_required(name: str) -> str:
    return f"Operator or function requires a document path; operator or function: {name}"


@pytest.mark.parametrize(
    ("kind", "text", "name"),
    [
        (CONDITION, "foo(a)", "foo"),
        (CONDITION, "ATTRIBUTE_EXISTS(a)", "ATTRIBUTE_EXISTS"),
        (CONDITION, "a = Size(b)", "Size"),
        (CONDITION, "NOT begins(a, :s)", "begins"),
        (UPDATE, "SET a = if_not_exist(b)", "if_not_exist"),
        (UPDATE, "SET #c = if_not_exist(:c) SET c = d", "if_not_exist"),
    ],
)
def test_a_function_that_is_unknown(problem: Problem, kind: str, text: str, name: str) -> None:
    assert problem(kind, text) == f"Invalid function name; function: {name}"


@pytest.mark.parametrize(
    ("kind", "text", "where", "name"),
    [
        (CONDITION, "a = if_not_exists(a, b)", "a condition", "if_not_exists"),
        (CONDITION, "list_append(a, b)", "a condition", "list_append"),
        (UPDATE, "SET a = size(b)", "an update", "size"),
        (UPDATE, "SET a = if_not_exists(contains(a), b)", "an update", "contains"),
        (UPDATE, "SET a = b + attribute_exists(b)", "an update", "attribute_exists"),
    ],
)
def test_a_function_of_another_kind_of_expression(
    problem: Problem, kind: str, text: str, where: str, name: str
) -> None:
    assert problem(kind, text) == f"The function is not allowed in {where} expression; function: {name}"


@pytest.mark.parametrize(
    ("kind", "text", "name"),
    [
        (CONDITION, "size(a)", "size"),
        (CONDITION, "NOT (size(a))", "size"),
        (CONDITION, "begins_with(a, b) = c", "begins_with"),
        (CONDITION, "a = attribute_exists(b)", "attribute_exists"),
        (CONDITION, "a BETWEEN b AND contains(a, b)", "contains"),
        (CONDITION, "a IN (contains(a, b))", "contains"),
        (CONDITION, "attribute_exists(a) IN (b)", "attribute_exists"),
        (CONDITION, "attribute_exists(a) BETWEEN b AND c", "attribute_exists"),
        (CONDITION, "size(contains(a,b)) > a", "contains"),
        (CONDITION, "a=a and attribute_exists((views), (#x)) > b", "attribute_exists"),
        (UPDATE, "SET a = list_append(list_append(a, b), b)", "list_append"),
        (UPDATE, "SET a = b + list_append(a, b)", "list_append"),
        (UPDATE, "SET a = if_not_exists(a, list_append(a, b))", "list_append"),
    ],
)
def test_a_function_in_a_place_for_others(problem: Problem, kind: str, text: str, name: str) -> None:
    expected = f"The function is not allowed to be used this way in an expression; function: {name}"
    assert problem(kind, text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a=a AND attribute_exists(#x)", repeated("=", "[a]")),
        ("attribute_exists(#x.b, :x) and a=a", undefined_name("#x")),
        ("begins_with(b.#x)", undefined_name("#x")),
        ("begins_with(:x, #y, #z)", undefined_value(":x")),
        ("#x = :x", undefined_name("#x")),
        (":x = #x", undefined_value(":x")),
        ("size(#x) = :x", undefined_name("#x")),
        ("a IN (:n, :x)", undefined_value(":x")),
        ("a BETWEEN :n AND :x", undefined_value(":x")),
        ("attribute_exists(b, c) and a=a", wrong_count("attribute_exists", 2)),
        ("attribute_not_exists(b, c)", wrong_count("attribute_not_exists", 2)),
        ("begins_with(a)", wrong_count("begins_with", 1)),
        ("contains(a, b, c)", wrong_count("contains", 3)),
        ("attribute_type(a)", wrong_count("attribute_type", 1)),
        ("size(a, b) = :n", wrong_count("size", 2)),
        ("attribute_type(a, size(a)) and a=a", wrong_type("attribute_type", "N")),
        ("attribute_type(a, :n)", wrong_type("attribute_type", "N")),
        ("attribute_type(a, b)", wrong_type("attribute_type", SHOWN_TYPE_OF_A_PATH)),
        (
            "attribute_type(a, :s)",
            "Invalid attribute type name found; type: abc, valid types: {S,SS,N,NS,B,BS,BOOL,NULL,L,M}",
        ),
        ("attribute_exists(:n)", path_required("attribute_exists")),
        ("attribute_exists(size(a))", path_required("attribute_exists")),
        ("attribute_not_exists(size(:n))", wrong_type("size", "N")),
        ("attribute_not_exists(size(:s))", path_required("attribute_not_exists")),
        ("size(size(a)) > :n", wrong_type("size", "N")),
        ("size(:bool) > :n", wrong_type("size", "BOOL")),
        ("size(:null) > :n", wrong_type("size", "NULL")),
        ("size(:ss) > :n", None),
        ("a BETWEEN size(:n) AND b", wrong_type("size", "N")),
        ("size(:n) BETWEEN a AND b", wrong_type("size", "N")),
        ("a IN (b, size(:n))", wrong_type("size", "N")),
        ("a < size(b, c)", wrong_count("size", 2)),
        ("begins_with(a, size(b))", wrong_type("begins_with", "N")),
        ("begins_with(:l, a)", wrong_type("begins_with", "L")),
        ("begins_with(:s, a)", None),
        ("contains(:n, a)", None),
        ("a = a AND #a = a AND :bool > a", repeated("=", "[a]")),
        ("NOT a <> #a", repeated("<>", "[a]")),
        ("a BETWEEN a AND b", repeated("BETWEEN", "[a]")),
        ("a BETWEEN b AND a", repeated("BETWEEN", "[a]")),
        ("a BETWEEN b AND b", None),
        ("a IN (b, c, a)", repeated("IN", "[a]")),
        ("a IN (b, b)", None),
        ("contains(ab.bc[1].a, ab.bc[1].#a)", repeated("contains", "[ab, bc, [1], a]")),
        ("begins_with(a, a)", repeated("begins_with", "[a]")),
        ("attribute_type(a, a)", repeated("attribute_type", "[a]")),
        ("size(a) = size(a)", None),
        (":n = :n", None),
    ],
)
def test_what_the_operands_of_a_condition_must_be(problem: Problem, text: str, expected: str | None) -> None:
    assert problem(CONDITION, text, NAMES, VALUES) == expected


@pytest.mark.parametrize("operator", ["<", "<=", ">", ">="])
@pytest.mark.parametrize("value", ALL)
def test_order_is_for_strings_numbers_and_binaries(problem: Problem, operator: str, value: str) -> None:
    expected = wrong_type(operator, UNORDERED[value]) if value in UNORDERED else None
    assert problem(CONDITION, f"a {operator} {value}", None, VALUES) == expected
    assert problem(CONDITION, f"{value} {operator} a", None, VALUES) == expected


@pytest.mark.parametrize("value", ALL)
def test_equality_is_for_all_types(problem: Problem, value: str) -> None:
    assert problem(CONDITION, f"a = {value} OR {value} <> a OR a IN ({value})", None, VALUES) is None


@pytest.mark.parametrize("value", ALL)
def test_prefixes_are_strings_and_binaries(problem: Problem, value: str) -> None:
    expected = None if value in (":s", ":b") else wrong_type("begins_with", ALL[value])
    assert problem(CONDITION, f"begins_with(a, {value})", None, VALUES) == expected


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (":one", ":five", None),
        (":five", ":five", None),
        ("a", ":five", None),
        (":five", "a", None),
        ("size(a)", ":one", None),
        (
            ":five",
            ":one",
            "The BETWEEN operator requires upper bound to be greater than or equal to lower bound; "
            "lower bound operand: AttributeValue: {N:5}, upper bound operand: AttributeValue: {N:1}",
        ),
        (
            ":s",
            ":one",
            "The BETWEEN operator requires same data type for lower and upper bounds; "
            "lower bound operand: AttributeValue: {S:abc}, upper bound operand: AttributeValue: {N:1}",
        ),
        (
            ":b",
            ":s",
            "The BETWEEN operator requires same data type for lower and upper bounds; "
            "lower bound operand: AttributeValue: {B:eg==}, upper bound operand: AttributeValue: {S:abc}",
        ),
        (":bool", ":one", wrong_type("BETWEEN", "BOOL")),
        (":one", ":ns", wrong_type("BETWEEN", "NS")),
    ],
)
def test_bounds(problem: Problem, low: str, high: str, expected: str | None) -> None:
    assert problem(CONDITION, f"b BETWEEN {low} AND {high}", None, VALUES) == expected


def test_in_takes_100_operands(problem: Problem) -> None:
    assert problem(CONDITION, f"a IN ({','.join([':n'] * 100)})", None, VALUES) is None
    assert problem(CONDITION, f"a IN ({','.join([':n'] * 101)})", None, VALUES) == (
        "The IN operator is provided with too many operands; number of operands: 101"
    )


def overlap(one: str, two: str) -> str:
    return (
        "Two document paths overlap with each other; must remove or rewrite one of these paths; "
        f"path one: {one}, path two: {two}"
    )


def conflict(one: str, two: str) -> str:
    return (
        "Two document paths conflict with each other; must remove or rewrite one of these paths; "
        f"path one: {one}, path two: {two}"
    )


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        (PROJECTION, "a, a", overlap("[a]", "[a]")),
        (PROJECTION, "a, #a", overlap("[a]", "[a]")),
        (PROJECTION, "a, a.b", overlap("[a]", "[a, b]")),
        (PROJECTION, "a.b, a", overlap("[a, b]", "[a]")),
        (PROJECTION, "c, c[0]", overlap("[c]", "[c, [0]]")),
        (PROJECTION, "a, a.b.c", overlap("[a]", "[a, b, c]")),
        (PROJECTION, "d, a.b, c, b, #a.#b", overlap("[a, b]", "[a, b]")),
        (PROJECTION, "a.b, a[0]", conflict("[a, b]", "[a, [0]]")),
        (PROJECTION, "a.b, a.c, c[0].x, c[0].y, c[1]", None),
        # A name that looks like an index is a name.
        (PROJECTION, "a[3], a.#dotted", conflict("[a, [3]]", "[a, [3]]")),
        (UPDATE, "SET a = b REMOVE a, #c", overlap("[a]", "[a]")),
        (UPDATE, "SET c.b.#c = a, c = a", overlap("[c, b, c]", "[c]")),
        (
            UPDATE,
            "SET d[1] = a, d.b = a, c[1].a = a, #c = if_not_exists(a)",
            overlap("[c, [1], a]", "[c]"),
        ),
        (UPDATE, "REMOVE a.#c SET a[1] = b", conflict("[a, c]", "[a, [1]]")),
        (UPDATE, "SET a = a, b = a", None),
        (UPDATE, "SET a = b, c = a.b", None),
    ],
)
def test_paths_that_may_not_stand_together(
    problem: Problem, kind: str, text: str, expected: str | None
) -> None:
    assert problem(kind, text, NAMES, VALUES) == expected


LONG_TYPES = {
    ":s": "STRING",
    ":n": "NUMBER",
    ":b": "BINARY",
    ":bool": "BOOL",
    ":null": "NULL",
    ":l": "LIST",
    ":m": "MAP",
    ":ss": "STRING_SET",
    ":ns": "NUMBER_SET",
    ":bs": "BINARY_SET",
}


@pytest.mark.parametrize("value", ALL)
@pytest.mark.parametrize(
    ("action", "allowed"), [("ADD", (":n", ":ss", ":ns", ":bs")), ("DELETE", (":ss", ":ns", ":bs"))]
)
def test_what_may_be_added_or_deleted(
    problem: Problem, action: str, allowed: tuple[str, ...], value: str
) -> None:
    expected = (
        f"Incorrect operand type for operator or function; operator: {action}, "
        f"operand type: {LONG_TYPES[value]}, typeSet: ALLOWED_FOR_ADD_OPERAND"
    )
    assert problem(UPDATE, f"{action} a {value}", None, VALUES) == (None if value in allowed else expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SET #x = if_not_exists(:x)", undefined_name("#x")),
        ("SET #a = if_not_exists(:x)", undefined_value(":x")),
        ("SET a = :x, b = #x", undefined_name("#x")),
        ("SET a = b, a = :x", undefined_value(":x")),
        ("SET a = if_not_exists(b)", wrong_count("if_not_exists", 1)),
        ("SET a = list_append(b, b, b)", wrong_count("list_append", 3)),
        ("SET a = if_not_exists(:n, b)", path_required("if_not_exists")),
        ("SET a = if_not_exists(if_not_exists(a, b), b)", path_required("if_not_exists")),
        ("SET a = if_not_exists(a, a)", None),
        ("SET a = :s + b", wrong_type("+", "S")),
        ("SET a = b - :ns", wrong_type("-", "NS")),
        ("SET a = b - if_not_exists(b, :s)", None),
        ("SET a = list_append(:ss, b)", wrong_type("list_append", "SS")),
        ("SET a = list_append(b, :n)", wrong_type("list_append", "N")),
        ("SET a = b + c, d = :s + if_not_exists(c)", wrong_count("if_not_exists", 1)),
        # Paths before types; ADD and DELETE before SET.
        ("SET a = :s + b, a = c", overlap("[a]", "[a]")),
        (
            "SET b = list_append(:n, a), c = if_not_exists(a) ADD a.b :s",
            "Incorrect operand type for operator or function; operator: ADD, "
            "operand type: STRING, typeSet: ALLOWED_FOR_ADD_OPERAND",
        ),
    ],
)
def test_what_the_operands_of_an_update_must_be(problem: Problem, text: str, expected: str | None) -> None:
    assert problem(UPDATE, text, NAMES, VALUES) == expected
