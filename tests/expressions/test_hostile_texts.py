"""Whatever the text of an expression: it is bound or it is refused, soon, and nothing else happens."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alt.errors import ApiError

CONDITION = "ConditionExpression"
UPDATE = "UpdateExpression"
PROJECTION = "ProjectionExpression"
KEY_CONDITION = "KeyConditionExpression"

Bound = Callable[..., Any]
Problem = Callable[..., str | None]

NAMES = {"#n": "x", "#m": "y"}
VALUES = {
    ":s": {"S": "text"},
    ":n": {"N": "1"},
    ":l": {"L": [{"N": "1"}]},
    ":ss": {"SS": ["x"]},
    ":type": {"S": "S"},
}
ITEM = {
    "a": {"L": [{"M": {"b": {"N": "1"}}}, {"S": "x"}]},
    "b": {"N": "1"},
    "x": {"SS": ["x"]},
    "y": {"M": {"a": {"L": []}}},
}

TOKENS = """
a b c #n #m #o :s :n :l :ss :type :o . , [ ] 0 1 ( ) = <> < <= > >= + - * ! AND OR NOT BETWEEN IN and or
SET REMOVE ADD DELETE size contains begins_with attribute_exists attribute_type attribute_not_exists
if_not_exists list_append foo [0] .b a.b a[1] size(a) (a)
"""
words = [*TOKENS.split(), "= :n", "= a", "a = :n", "a :n"]
soups = st.lists(st.sampled_from(words), max_size=14).map(" ".join)


# Texts that are expressions, whether or not their operands make sense.
paths = st.sampled_from(["a", "b", "c", "x", "#n", "#m.a", "a[0].b", "a[1]", "a[7]", "y.a[0]", "(a)"])
operands = st.recursive(
    st.one_of(paths, st.sampled_from(list(VALUES))),
    lambda inner: st.tuples(st.sampled_from(["size", "size", "contains", "if_not_exists"]), inner).map(
        lambda call: f"{call[0]}({call[1]})"
    ),
    max_leaves=3,
)
terms = st.one_of(
    st.tuples(operands, st.sampled_from(["=", "<>", "<", "<=", ">", ">="]), operands).map(" ".join),
    st.tuples(operands, operands, operands).map(lambda three: "{} BETWEEN {} AND {}".format(*three)),
    st.tuples(operands, operands, operands).map(lambda three: "{} IN ({},{})".format(*three)),
    st.tuples(
        st.sampled_from(
            ["attribute_exists", "attribute_not_exists", "attribute_type", "contains", "begins_with"]
        ),
        st.lists(operands, min_size=1, max_size=2).map(",".join),
    ).map(lambda call: f"{call[0]}({call[1]})"),
)
conditions = st.recursive(
    terms,
    lambda inner: st.one_of(
        inner.map(lambda term: f"NOT {term}"),
        inner.map(lambda term: f"({term})"),
        st.tuples(inner, st.sampled_from(["AND", "OR"]), inner).map(" ".join),
    ),
    max_leaves=4,
)
assigned = st.one_of(
    operands,
    st.tuples(operands, st.sampled_from("+-"), operands).map(" ".join),
    st.tuples(st.sampled_from(["if_not_exists", "list_append"]), operands, operands).map(
        lambda call: "{}({},{})".format(*call)
    ),
)
targets = st.sampled_from(["a", "b", "c", "#n", "#m.a", "#m.b", "a[0].b", "a[1]", "a[7]", "y.a[0]", "c.d"])
sections = [
    st.tuples(targets, assigned).map(lambda action: "SET {} = {}".format(*action)),
    targets.map(lambda target: f"REMOVE {target}"),
    st.tuples(targets, st.sampled_from(list(VALUES))).map(lambda action: "ADD {} {}".format(*action)),
    st.tuples(targets, st.sampled_from(list(VALUES))).map(lambda action: "DELETE {} {}".format(*action)),
]
updates = st.lists(st.one_of(*sections), min_size=1, max_size=3).map(" ".join)


def try_out(bound: Bound, kind: str, text: str) -> None:
    try:
        made = bound(kind, text, NAMES, VALUES)
        if kind == UPDATE:
            assert made.charge >= 3
            made.apply(ITEM)
        elif kind == PROJECTION:
            assert made.apply(ITEM).keys() <= ITEM.keys()
        elif kind == KEY_CONDITION:
            made.resolve([("a", "S")], [("b", "N")])
        else:
            assert made.matches(ITEM) in (True, False)
    except ApiError as error:
        str(error.message).encode()  # it can be answered


# What is tried: the kinds of expression, the texts, and how many of them a run tries.
FUZZES = {
    "any text": ((CONDITION, UPDATE, PROJECTION, KEY_CONDITION), st.text(), 400),
    "any tokens": ((CONDITION, UPDATE, PROJECTION, KEY_CONDITION), soups, 500),
    "any tokens to set": ((UPDATE,), soups.map("SET {}".format), 250),
    "any tokens after a key": ((KEY_CONDITION,), soups.map("a = :s AND {}".format), 250),
    "any condition": ((CONDITION, KEY_CONDITION), conditions, 300),
    "any update": ((UPDATE,), updates, 300),
}
NIGHTLY_TIMES = 20


@pytest.mark.parametrize("times", [1, pytest.param(NIGHTLY_TIMES, marks=pytest.mark.nightly)])
@pytest.mark.parametrize("fuzz", FUZZES)
def test_any_text(bound: Bound, fuzz: str, times: int) -> None:
    kinds, texts, examples = FUZZES[fuzz]

    @settings(max_examples=examples * times, deadline=None)
    @given(text=texts)
    def tried(text: str) -> None:
        for kind in kinds:
            try_out(bound, kind, text)

    tried()


@pytest.mark.parametrize(
    "text",
    [
        "(" * 4096,
        ")" * 4096,
        "(" * 2047 + "a" + ")" * 2047,
        "NOT " * 1024,
        "NOT " * 1020 + "a=b",
        "(NOT " * 819,
        "size(" * 819,
        "size(" * 600 + "a" + ")" * 600,
        "a=b AND (" * 455,
        "a=b OR(" * 500,
        "NOT(a=b OR " * 300 + "a=b" + ")" * 300,
        "a" + ".a" * 2047,
        "a" + "[0]" * 1365,
        "a[" * 2048,
        "a IN (" + "a," * 2044,
        "a IN (" * 682,
        "a BETWEEN " * 409,
        "a BETWEEN b AND " * 256,
        "SET a=" + "if_not_exists(a," * 255,
        "SET a=" + "if_not_exists(a," * 240 + "b" + ")" * 240,
        "SET a=" + "list_append(" * 340,
        "SET a=" + "(" * 4000,
        "SET a=" + "b+" * 2045,
        "SET a=b " * 512,
        "REMOVE " + ",".join(f"a{n}" for n in range(830)),
        "a," * 2048,
        "#" * 4096,
        ":" * 4096,
        " " * 4096,
        "a" + " " * 4094 + "!",
        "a" * 4096,
        "0" * 4096,
        "a[" + "9" * 4000 + "]",
        "\x00" * 4096,
        '"' * 4096,
        "\U0001f600" * 1024,
    ],
)
@pytest.mark.parametrize("kind", [CONDITION, UPDATE, PROJECTION, KEY_CONDITION])
def test_texts_made_to_hurt(bound: Bound, kind: str, text: str) -> None:
    started = time.process_time()
    try_out(bound, kind, text)
    assert time.process_time() - started < 10  # a tenth of a second, or for ever


@pytest.mark.parametrize(
    ("kind", "text", "values"),
    [
        (CONDITION, "NOT " * 299 + "a=:n", {":n": {"N": "1"}}),
        (CONDITION, "NOT(a=b OR " * 99 + "a=b" + ")" * 99, None),
        (CONDITION, "a=b OR (c=d AND (" * 74 + "a=b" + "))" * 74, None),
        (UPDATE, "SET a=" + "if_not_exists(z," * 239 + "b" + ")" * 239, None),
        (UPDATE, "SET " + ",".join(f"a{n}=if_not_exists(z,b)" for n in range(160)), None),
    ],
)
def test_the_deepest_expressions_there_can_be_are_carried_out(
    bound: Bound, kind: str, text: str, values: Any
) -> None:
    made = bound(kind, text, None, values)
    if kind == CONDITION:
        made.matches(ITEM)
        assert made.attribute_names
    else:
        assert made.apply(ITEM).keys() > ITEM.keys() - {"a"}
        assert made.charge > 3


def test_2000_parentheses_are_redundant(problem: Problem) -> None:
    assert problem(CONDITION, "(" * 2000 + "a=b" + ")" * 2000) == "The expression has redundant parentheses;"
