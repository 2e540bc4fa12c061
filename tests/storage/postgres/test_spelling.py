"""What is sought in an item's text is there wherever the condition is met: of random items and conditions, and of some."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from alt.expressions.conditions import Condition
from alt.expressions.nodes import And, Between, Comparison, Function, In, Not, Or, Path, Value
from alt.storage.postgres.spelling import MAX_SOUGHT, sought
from alt.values.json import dumps
from tests.storage.test_filters import MOST_SEARCHES, items_and_condition

A, NESTED, ELEMENT = Path(("a",)), Path(("m", "b")), Path(("l", 0))
TEXT, NUMBER = Value({"S": 'it"s'}), Value({"N": "5"})
IS_TEXT, IS_NUMBER = Comparison("=", A, TEXT), Comparison("=", Path(("b",)), NUMBER)

CASES: list[tuple[Any, str | None]] = [
    (IS_TEXT, r'"a":{"S":"it\"s"}'),
    (Comparison("=", TEXT, A), r'"a":{"S":"it\"s"}'),
    (Comparison("=", NESTED, NUMBER), '"b":{"N":"5"}'),
    (Comparison("=", ELEMENT, NUMBER), '{"N":"5"}'),
    (Comparison("=", A, Value({"BOOL": True})), '"a":{"BOOL":true}'),
    (Comparison("=", A, Value({"SS": ["x", "y"]})), '"a":{"SS":'),
    (Comparison("<", A, NUMBER), '"a":{"N":'),
    (Comparison("<>", A, NUMBER), None),
    (Comparison("=", A, NESTED), None),
    (In(A, (NUMBER,)), '"a":{"N":"5"}'),
    (In(A, (NUMBER, TEXT)), None),
    (Between(A, NUMBER, NUMBER), None),
    (Function("attribute_exists", (A,)), '"a":'),
    (Function("attribute_exists", (ELEMENT,)), None),
    (Function("attribute_not_exists", (A,)), None),
    (Function("attribute_type", (A, Value({"S": "NS"}))), '"a":{"NS":'),
    (Function("begins_with", (A, TEXT)), r'"a":{"S":"it\"s'),
    (Function("contains", (A, TEXT)), r"it\"s"),
    (Function("contains", (A, NUMBER)), None),
    (And((IS_NUMBER, IS_TEXT)), r'"a":{"S":"it\"s"}'),
    (And((IS_NUMBER, Or((IS_TEXT, IS_NUMBER)))), '"b":{"N":"5"}'),
    (Or((IS_TEXT, IS_NUMBER)), None),
    (Not(IS_TEXT), None),
    (Comparison("=", A, Value({"S": "\ud800"})), None),
]


def test_what_is_sought_is_short() -> None:
    node = Comparison("=", A, Value({"S": "x" * 400_000}))
    assert sought(Condition(node)) == ('"a":{"S":"' + "x" * 400_000)[:MAX_SOUGHT]


@pytest.mark.parametrize(("node", "text"), CASES)
def test_what_is_sought(node: Any, text: str | None) -> None:
    assert sought(Condition(node)) == text


def test_every_item_that_meets_a_condition_has_it() -> None:
    counts: Counter[str] = Counter()

    @settings(max_examples=100, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(items_and_condition())
    def has_it(example: Any) -> None:
        items, node = example
        condition = Condition(node)
        text = sought(condition)
        if text is None:
            return
        for item in items:
            if condition.matches(item):
                counts["met"] += 1
                assert text in dumps(item)

    for _ in range(MOST_SEARCHES):  # one that stays near an example may meet none
        has_it()
        if counts["met"] > 5:
            break
    assert counts["met"] > 5
