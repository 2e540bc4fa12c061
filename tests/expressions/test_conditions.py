"""What conditions hold of an item."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from alt.expressions.nodes import And, Comparison, Function, Path, Value

Bound = Callable[..., Any]

ITEM = {
    "s": {"S": "banana"},
    "t": {"S": "banana"},
    "n": {"N": "5"},
    "neg": {"N": "-2"},
    "b": {"B": "YWJj"},
    "yes": {"BOOL": True},
    "nay": {"BOOL": False},
    "nil": {"NULL": True},
    "l": {"L": [{"S": "x"}, {"N": "5"}, {"M": {"k": {"SS": ["x", "y"]}}}]},
    "m": {"M": {"k": {"N": "5"}, "deep": {"L": [{"L": [{"S": "in"}]}]}}},
    "ss": {"SS": ["", "x", "y"]},
    "ns": {"NS": ["1", "5"]},
    "bs": {"BS": ["YWJj"]},
    "wide": {"S": "é𝄞"},
}
VALUES = {
    ":banana": {"S": "banana"},
    ":ban": {"S": "ban"},
    ":nan": {"S": "nan"},
    ":empty": {"S": ""},
    ":x": {"S": "x"},
    ":five": {"N": "5.0"},
    ":four": {"N": "4"},
    ":six": {"N": "6"},
    ":ten": {"N": "10"},
    ":text5": {"S": "5"},
    ":b": {"B": "YWI="},
    ":bc": {"B": "YmM="},
    ":abc": {"B": "YWJj"},
    ":abd": {"B": "YWJk"},
    ":true": {"BOOL": True},
    ":null": {"NULL": True},
    ":yx": {"SS": ["y", "x", ""]},
    ":51": {"NS": ["5e0", "1.0"]},
    ":k": {"M": {"k": {"SS": ["y", "x"]}}},
    ":one": {"N": "1"},
    ":two": {"N": "2"},
    ":three": {"N": "3"},
}
for kind in ("S", "N", "B", "BOOL", "NULL", "SS", "NS", "BS", "L", "M"):
    VALUES[f":type{kind}"] = {"S": kind}


def used(text: str) -> Any:
    return {key: dict(value) for key, value in VALUES.items() if key in text} or None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("s = :banana", True),
        ("s = t", True),
        ("s <> :banana", False),
        ("n = :five", True),
        ("n = :text5", False),
        ("n <> :text5", True),
        ("yes = :true", True),
        ("nay = :true", False),
        ("yes = :one", False),
        ("nil = :null", True),
        ("ss = :yx", True),
        ("ns = :51", True),
        ("l[2] = :k", True),
        ("m.k = n", True),
        ("m.deep[0][0] = s", False),
        # What is absent equals nothing, not even what is absent too.
        ("z = :five", False),
        ("z <> :five", True),
        ("z = y", False),
        ("z <> y", True),
        ("z < :five", False),
        ("z >= :five", False),
        ("l[9] = :x", False),
        ("m.z.z = :x", False),
        ("s.z = :x", False),
        ("m[0] = :x", False),
        ("l.z = :x", False),
        # Order is within one type.
        ("n > :four", True),
        ("n < :ten", True),
        ("n >= :five", True),
        ("n <= :five", True),
        ("n > :five", False),
        ("n <= :ten", True),
        ("n <= :four", False),
        ("n >= :four", True),
        ("n >= :six", False),
        ("n < :text5", False),
        ("n > :text5", False),
        ("neg < :one", True),
        ("s > :ban", True),
        ("s < :x", True),
        ("b < :abd", True),
        ("b >= :abc", True),
        ("b > :b", True),
        ("yes < nay", False),
        ("ss < bs", False),
        ("n BETWEEN :four AND :six", True),
        ("n BETWEEN :five AND :five", True),
        ("n BETWEEN :six AND :ten", False),
        ("s BETWEEN :ban AND :x", True),
        ("s BETWEEN :ban AND z", False),
        ("z BETWEEN :ban AND :x", False),
        ("s BETWEEN n AND :x", False),
        (":five BETWEEN neg AND n", True),
        ("n IN (:four, :five)", True),
        ("n IN (:four, :text5)", False),
        ("z IN (:four, y)", False),
        ("ss IN (:yx)", True),
        ("n IN (z, m.k)", True),
        ("attribute_exists(m.k)", True),
        ("attribute_exists(l[2].k)", True),
        ("attribute_exists(nil)", True),
        ("attribute_exists(l[3])", False),
        ("attribute_exists(s.k)", False),
        ("attribute_not_exists(m.z)", True),
        ("attribute_not_exists(nil)", False),
        ("begins_with(s, :ban)", True),
        ("begins_with(s, :empty)", True),
        ("begins_with(s, :nan)", False),
        ("begins_with(s, t)", True),
        ("begins_with(b, :b)", True),
        ("begins_with(b, :bc)", False),
        ("begins_with(n, :text5)", False),
        ("begins_with(s, n)", False),
        ("begins_with(z, :ban)", False),
        ("begins_with(b, s)", False),
        ("begins_with(s, b)", False),
        ("begins_with(b, n)", False),
        ("begins_with(n, b)", False),
        ("contains(s, :nan)", True),
        ("contains(s, :empty)", True),
        ("contains(s, :x)", False),
        ("contains(ss, :x)", True),
        ("contains(ss, :empty)", True),
        ("contains(ss, :ban)", False),
        ("contains(ns, :five)", True),
        ("contains(ns, :text5)", False),
        ("contains(ns, n)", True),
        ("contains(bs, b)", True),
        ("contains(bs, :b)", False),
        ("contains(b, :bc)", True),
        ("contains(b, :nan)", False),
        ("contains(l, :x)", True),
        ("contains(l, :k)", True),
        ("contains(l, :ten)", False),
        ("contains(m, :five)", False),
        ("contains(n, :five)", False),
        ("contains(yes, :true)", False),
        ("contains(z, :five)", False),
        ("contains(l, z)", False),
        ("contains(:banana, s)", True),
        ("size(s) = :six", True),
        ("size(wide) = :three", True),
        ("size(b) = :three", True),
        ("size(l) = :three", True),
        ("size(m) = :two", True),
        ("size(ns) = :two", True),
        ("size(bs) = :one", True),
        ("size(n) = :one", False),
        ("size(n) <> :one", True),
        ("size(yes) >= :one", False),
        ("size(z) < :one", False),
        ("size(l) > size(m)", True),
        ("size(:banana) = size(t)", True),
        ("contains(ns, size(bs))", True),
    ],
)
def test_of_one_item(bound: Bound, text: str, expected: bool) -> None:
    assert bound("ConditionExpression", text, None, used(text)).matches(ITEM) is expected


TYPES = {
    "s": "S",
    "n": "N",
    "b": "B",
    "yes": "BOOL",
    "nil": "NULL",
    "l": "L",
    "m": "M",
    "ss": "SS",
    "ns": "NS",
    "bs": "BS",
}


@pytest.mark.parametrize("name", [*TYPES, "z"])
@pytest.mark.parametrize("kind", TYPES.values())
def test_attribute_type(bound: Bound, name: str, kind: str) -> None:
    condition = bound("ConditionExpression", f"attribute_type({name}, :type)", None, {":type": {"S": kind}})
    assert condition.matches(ITEM) is (TYPES.get(name) == kind)


@pytest.mark.parametrize("operator", ["=", "<", "<=", ">", ">=", "BETWEEN", "IN", "begins_with"])
def test_nothing_but_not_and_unequal_holds_of_an_absent_item(bound: Bound, operator: str) -> None:
    text = {
        "BETWEEN": "a BETWEEN :x AND :x",
        "IN": "a IN (:x)",
        "begins_with": "begins_with(a, :x)",
    }.get(operator, f"a {operator} :x")
    values = {":x": {"S": "x"}}
    assert bound("FilterExpression", text, None, values).matches({}) is False
    assert bound("FilterExpression", f"NOT {text}", None, values).matches({}) is True


def test_placeholders_may_stand_for_any_name(bound: Bound) -> None:
    names = {"#a": "a.b", "#1": "[0]", "#_": "ü"}
    item = {"a.b": {"M": {"[0]": {"M": {"ü": {"S": "x"}}}}}}
    condition = bound("ConditionExpression", "#a.#1.#_ = :x", names, {":x": {"S": "x"}})
    assert condition.matches(item)


def test_names_that_a_condition_looks_at(bound: Bound) -> None:
    condition = bound(
        "ConditionExpression",
        "size(a.b) > :n AND NOT (c BETWEEN d AND e[1] OR #f IN (g, :n)) AND contains(h.i, #f)",
        {"#f": "f"},
        {":n": {"N": "1"}},
    )
    assert condition.attribute_names == frozenset("acdefgh")
    assert condition.nested_names == frozenset("aeh")


def test_the_bound_tree_is_there_to_be_compiled(bound: Bound) -> None:
    condition = bound(
        "ConditionExpression",
        "#a.b[2] = :n AND attribute_exists(c)",
        {"#a": "x"},
        {":n": {"N": "1.50"}},
    )
    assert condition.node == And(
        (
            Comparison("=", Path(("x", "b", 2)), Value({"N": "1.5"})),
            Function("attribute_exists", (Path(("c",)),)),
        )
    )
    assert condition.node != And((Function("attribute_exists", (Path(("c",)),)),))
    assert repr(condition.node.terms[1]) == "Function('attribute_exists', (Path(('c',)),))"
