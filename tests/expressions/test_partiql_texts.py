"""Whatever the text of a statement: it is read or it is refused, in few steps, and nothing else happens."""

from __future__ import annotations

import contextlib
import copy
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alt.errors import ApiError
from alt.expressions import Condition, nodes
from alt.expressions.partiql import Delete, Exists, Insert, Select, Statement, Update, bind, table_of
from alt.expressions.partiql import read as read_asked
from alt.expressions.update import Update as BoundUpdate

PARAMETERS = [{"S": "a"}, {"N": "1"}, {"SS": ["x"]}, {"BOOL": True}, {"M": {"k": {"L": []}}}]
ITEM = {
    "a": {"L": [{"M": {"b": {"N": "1"}}}, {"S": "x"}]},
    "b": {"N": "1"},
    "x": {"SS": ["x"]},
    "m": {"M": {"a": {"L": []}}},
}

TOKENS = """
SELECT INSERT INTO UPDATE DELETE FROM EXISTS VALUE VALUES SET REMOVE WHERE ORDER BY ASC DESC RETURNING ALL OLD NEW MODIFIED
AND OR NOT BETWEEN IN IS NULL MISSING TRUE FALSE LIKE AS DISTINCT LIMIT GROUP STRUCT BOOL DOUBLE PRECISION
a b "c" "d.e" "" T "T" x m date 'text' 'it''s' '' 0 1 -1 1e5 .5 1e400 1e9999999999 ? ? . , ; : ( ) [ ] { } << >> = <> != < <= > >=
+ - * / % || @ # ' " -- /* */ size( contains( begins_with( attribute_exists( attribute_type( set_add( set_delete(
list_append( if_not_exists( foo( count( [0] [-1] ['k'] .b a.b a[1] {'k':1} <<1,2>> [1,'x'] é
"""
soups = st.lists(st.sampled_from(TOKENS.split()), max_size=14).map(" ".join)

# Texts that are statements, whether or not what they say makes sense.
paths = st.sampled_from(["a", "b", "x", '"c"', "a[0].b", "a[1]", "m.a[0]", "m['a']", "nope.x", "pk"])
scalars = st.sampled_from(["1", "-2.5", "'a'", "''", "true", "null", "?", "1e3", "'it''s'"])
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda members: f"[{', '.join(members)}]"),
        st.lists(inner, max_size=3).map(lambda members: f"<<{', '.join(members)}>>"),
        inner.map(lambda value: f"{{'k': {value}, 'l': 1}}"),
    ),
    max_leaves=4,
)
operands = st.one_of(paths, values, paths.map(lambda path: f"size({path})"))
terms = st.one_of(
    st.tuples(operands, st.sampled_from(["=", "<>", "!=", "<", "<=", ">", ">="]), operands).map(" ".join),
    st.tuples(operands, operands, operands).map(lambda three: "{} BETWEEN {} AND {}".format(*three)),
    st.tuples(paths, st.lists(operands, max_size=3).map(", ".join)).map(
        lambda two: "{} IN [{}]".format(*two)
    ),
    st.tuples(
        paths, st.sampled_from(["", "NOT "]), st.sampled_from(["NULL", "MISSING", "STRING", "INT4"])
    ).map(lambda three: "{} IS {}{}".format(*three)),
    st.tuples(
        st.sampled_from(
            ["attribute_exists", "ATTRIBUTE_NOT_EXISTS", "attribute_type", "contains", "begins_with"]
        ),
        st.lists(operands, min_size=1, max_size=2).map(",".join),
    ).map(lambda call: f"{call[0]}({call[1]})"),
)
conditions = st.recursive(
    terms,
    lambda inner: st.one_of(
        inner.map(lambda term: f"NOT {term}"),
        inner.map(lambda term: f"({term})"),
        inner.map(lambda term: f"({term}) = true"),
        st.tuples(inner, st.sampled_from(["AND", "OR", "="]), inner).map(" ".join),
    ),
    max_leaves=4,
)
assigned = st.one_of(
    operands,
    st.tuples(operands, st.sampled_from("+-*"), operands).map(" ".join),
    st.tuples(st.sampled_from(["if_not_exists", "list_append"]), operands, operands).map(
        lambda call: "{}({},{})".format(*call)
    ),
    st.tuples(st.sampled_from(["set_add", "SET_DELETE"]), paths, values).map(
        lambda call: "{}({},{})".format(*call)
    ),
)
changes = st.lists(
    st.one_of(
        st.tuples(paths, assigned).map(lambda action: "SET {} = {}".format(*action)),
        paths.map(lambda path: f"REMOVE {path}"),
    ),
    min_size=1,
    max_size=3,
).map(" ".join)
orders = st.sampled_from(["", "", " ORDER BY pk", " ORDER BY b DESC, pk"])
returning = st.sampled_from(["", "", " RETURNING ALL OLD *", " RETURNING MODIFIED NEW *"])
statements = st.one_of(
    st.tuples(st.lists(paths, min_size=1, max_size=3).map(", ".join), conditions, orders).map(
        lambda parts: 'SELECT {} FROM "T" WHERE {}{}'.format(*parts)
    ),
    st.tuples(changes, conditions, returning).map(lambda parts: "UPDATE T {} WHERE {}{}".format(*parts)),
    st.tuples(conditions, changes, returning).map(lambda parts: "FROM T WHERE {} {}{}".format(*parts)),
    st.tuples(conditions, returning).map(lambda parts: "DELETE FROM T WHERE {}{}".format(*parts)),
    st.lists(st.tuples(st.sampled_from("abc"), values).map("'{0[0]}': {0[1]}".format), max_size=3).map(
        lambda entries: f"INSERT INTO T VALUE {{{', '.join(entries)}}}"
    ),
    conditions.map("EXISTS(SELECT * FROM T WHERE {})".format),
)


def read(text: str) -> Statement | None:
    """The statement with the parameters that it asks for, tried out on an item; None for one that is refused."""
    for count in range(len(PARAMETERS) + 1):
        try:
            found = bind(read_asked(text, copy.deepcopy(PARAMETERS[:count])))
        except ApiError as error:
            str(error.message).encode()  # it can be answered
            if "Number of parameters" not in str(error.message):
                return None
        else:
            try_out(found)
            return found
    return None


def try_out(found: Statement) -> None:
    assert isinstance(table_of(found), str)
    if isinstance(found, Insert):
        assert all(isinstance(value, nodes.Value) for _, value in found.item)
        return
    where = found.select.where if isinstance(found, Exists) else found.where
    if where is not None:
        assert Condition(where).matches(copy.deepcopy(ITEM)) in (True, False)
    if isinstance(found, Update):
        with contextlib.suppress(ApiError):
            BoundUpdate(found.actions).apply(copy.deepcopy(ITEM))


# What is tried, and how many texts of each kind a run tries.
FUZZES = {
    "any text": (st.text(), 300),
    "any tokens": (soups, 500),
    "any tokens to select": (soups.map("SELECT * FROM T WHERE {}".format), 300),
    "any tokens to set": (soups.map("UPDATE T SET a = {}".format), 200),
    "any tokens to insert": (soups.map("INSERT INTO T VALUE {{'k': {}".format), 200),
    "any statement": (statements, 500),
}
NIGHTLY_TIMES = 20


@pytest.mark.parametrize("times", [1, pytest.param(NIGHTLY_TIMES, marks=pytest.mark.nightly)])
@pytest.mark.parametrize("fuzz", FUZZES)
def test_any_text(fuzz: str, times: int) -> None:
    texts, examples = FUZZES[fuzz]
    were_read = set()

    @settings(max_examples=examples * times, deadline=None)
    @given(text=texts)
    def tried(text: str) -> None:
        were_read.add(type(read(text)))

    tried()
    if fuzz == "any statement":
        assert {Select, Insert, Update, Delete, Exists} <= were_read


MOST_STEPS = 400_000  # calls of functions; the longest statements come to a tenth of that


@pytest.mark.parametrize(
    "text",
    [
        "(" * 8192,
        "SELECT * FROM T WHERE " + "(" * 8000,
        "SELECT * FROM T WHERE " + "(" * 4000 + "a=1" + ")" * 4000,
        "SELECT * FROM T WHERE " + "NOT " * 2000 + "a=1",
        "SELECT * FROM T WHERE " + "(NOT " * 1600,
        "SELECT * FROM T WHERE " + "size(" * 1600,
        "SELECT * FROM T WHERE " + "a=1 AND (" * 900,
        "SELECT * FROM T WHERE " + "a=1 OR " * 1100 + "a=1",
        "SELECT * FROM T WHERE " + "(" * 40 + "a=b" + ")=(a=b)" * 40,
        "SELECT * FROM T WHERE " + "(" * 40 + "a=1" + ")=x" * 40,
        "SELECT * FROM T WHERE " + "(" * 40 + "a=1" + ") IN [true,x,false]" * 40,
        "SELECT * FROM T WHERE a IN [" + "1," * 4000,
        "SELECT * FROM T WHERE a = " + "[" * 8000,
        "SELECT * FROM T WHERE a = " + "{'a':" * 1600,
        "SELECT * FROM T WHERE a = " + "<<" * 4000,
        "SELECT * FROM T WHERE a = " + "-" * 1 + "- " * 4000 + "1",
        "SELECT * FROM T WHERE a = " + "1" * 8000,
        "SELECT * FROM T WHERE a = 1e" + "9" * 8000,
        "SELECT * FROM T WHERE a = ." + "0" * 8000 + "1",
        "SELECT a" + ".a" * 4000 + " FROM T",
        "SELECT a" + "[0]" * 2700 + " FROM T",
        "SELECT a[" + "9" * 8000 + "] FROM T",
        "SELECT " + "a," * 4000,
        "SELECT f(" + "(" * 8000,
        "SELECT * FROM T" + ".T" * 4000,
        "UPDATE T " + "SET a=1 " * 1000,
        "UPDATE T SET a = " + "a+" * 4000,
        "UPDATE T SET a = " + "if_not_exists(a," * 500,
        "UPDATE T SET a = set_add(" * 300,
        "INSERT INTO T VALUE {" + ",".join(f"'{n}':{n}" for n in range(900)) + "}",
        "INSERT INTO T VALUE {'a':<<" + ",".join(map(str, range(2000))) + ">>}",
        "EXISTS(" * 1100,
        "FROM " * 1600,
        "/*" * 4096,
        "/**/" * 2048,
        "--\n" * 2700,
        "'" * 8191,
        '"' * 8191,
        "'" * 8192,
        "?" * 8192,
        " " * 8192,
        "\x00" * 8192,
        "\U0001f600" * 4096,
        "\ud800",
        "SELECT * FROM T WHERE a = '\ud800'",
    ],
)
def test_texts_made_to_hurt(text: str) -> None:
    steps = 0

    def count(_frame: Any, event: str, _given: Any) -> None:
        nonlocal steps
        steps += event == "call"

    sys.setprofile(count)
    try:
        read(text)
    finally:
        sys.setprofile(None)
    assert steps < MOST_STEPS


@pytest.mark.parametrize(
    "text",
    [
        "SELECT * FROM T WHERE " + "NOT " * 299 + "a=1",
        "SELECT * FROM T WHERE " + "(a=1 OR " * 40 + "a=1" + ")" * 40,
        "SELECT * FROM T WHERE a = " + "{'k': [" * 15 + "1" + "]}" * 15,
        "UPDATE T SET a=" + "if_not_exists(z," * 40 + "b" + ")" * 40,
        "SELECT * FROM T WHERE " + " AND ".join(["a=1"] * 150),
    ],
)
def test_the_deepest_statements_there_can_be_are_read(text: str) -> None:
    assert read(text) is not None
