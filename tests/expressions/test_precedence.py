"""Conditions of any shape: what is printed and parsed again means the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from alt.expressions import Condition
from alt.expressions.nodes import And, Comparison, Not, Or, Path, Value

NAMES = "abcde"

# Truths of single attributes, joined.
leaves = st.sampled_from(NAMES)
trees = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.tuples(st.just("NOT"), inner),
        st.tuples(st.sampled_from(["AND", "OR"]), inner, inner),
    ),
    max_leaves=12,
)
items = st.fixed_dictionaries({}, optional={name: st.just({"N": "1"}) for name in NAMES})

STRENGTH = {"OR": 1, "AND": 2, "NOT": 3}


def strength(tree: Any) -> int:
    return STRENGTH.get(tree[0], 4)


def text_of(tree: Any) -> str:
    """With no more parentheses than needed, if NOT binds closer than AND, and AND closer than OR."""
    if isinstance(tree, str):
        return f"{tree} = :one"
    own = strength(tree)
    parts = [text_of(part) if strength(part) >= own else f"({text_of(part)})" for part in tree[1:]]
    return f"NOT {parts[0]}" if tree[0] == "NOT" else f" {tree[0]} ".join(parts)


def node_of(tree: Any) -> Any:
    if isinstance(tree, str):
        return Comparison("=", Path((tree,)), Value({"N": "1"}))
    if tree[0] == "NOT":
        return Not(node_of(tree[1]))
    terms = (node_of(tree[1]), node_of(tree[2]))
    return And(terms) if tree[0] == "AND" else Or(terms)


def truth(tree: Any, item: Any) -> bool:
    if isinstance(tree, str):
        return tree in item
    if tree[0] == "NOT":
        return not truth(tree[1], item)
    left, right = truth(tree[1], item), truth(tree[2], item)
    return (left and right) if tree[0] == "AND" else (left or right)


@settings(max_examples=200)
@given(tree=trees, item=items)
def test_not_binds_closer_than_and_and_and_than_or(bound: Callable[..., Any], tree: Any, item: Any) -> None:
    parsed = bound("ConditionExpression", text_of(tree), None, {":one": {"N": "1"}})
    assert parsed.matches(item) is truth(tree, item)
    # A tree made by hand means the same.
    assert Condition(node_of(tree)).matches(item) is truth(tree, item)


@given(tree=trees, item=items)
def test_comparisons_bind_closest(bound: Callable[..., Any], tree: Any, item: Any) -> None:
    text = text_of(tree).replace("a = :one", "a BETWEEN :one AND :one").replace("b = :one", "b IN (:one)")
    parsed = bound("ConditionExpression", text, None, {":one": {"N": "1"}})
    assert parsed.matches(item) is truth(tree, item)
