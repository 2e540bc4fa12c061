"""What an update makes of an item, and what it answers of it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from alt.errors import ApiError

Bound = Callable[..., Any]

INCORRECT_TYPE = "An operand in the update expression has an incorrect data type"
INVALID_PATH = "The document path provided in the update expression is invalid for update"
ABSENT = "The provided expression refers to an attribute that does not exist in the item"
NESTED_TOO_DEEP = (
    "Nesting Levels have exceeded supported limits: "
    "Attributes in the item have nested levels beyond supported limit"
)

VALUES = {
    ":s": {"S": "new"},
    ":one": {"N": "1"},
    ":half": {"N": "0.5"},
    ":l": {"L": [{"S": "p"}, {"S": "q"}]},
    ":m": {"M": {"k": {"S": "v"}}},
    ":xy": {"SS": ["y", "x"]},
    ":x": {"SS": ["x"]},
    ":ns": {"NS": ["10", "2", "-3"]},
    ":bs": {"BS": ["/w==", "AA=="]},
    ":null": {"NULL": True},
}


XY = {"m": {"M": {"x": {"S": "x"}, "y": {"S": "y"}}}}


def strings(*texts: str) -> Any:
    return {"L": [{"S": text} for text in texts]}


def update(bound: Bound, text: str) -> Any:
    return bound("UpdateExpression", text, {"#n": "n"}, VALUES)


@pytest.mark.parametrize(
    ("text", "before", "after"),
    [
        ("SET a = :s", {}, {"a": {"S": "new"}}),
        ("SET a = :s", {"a": {"N": "1"}, "b": {"N": "2"}}, {"a": {"S": "new"}, "b": {"N": "2"}}),
        ("SET a = b", {"b": {"S": "x"}}, {"a": {"S": "x"}, "b": {"S": "x"}}),
        # Operands read the item as it was.
        ("SET a = b, b = a", {"a": {"N": "1"}, "b": {"N": "2"}}, {"a": {"N": "2"}, "b": {"N": "1"}}),
        ("SET a = b REMOVE b", {"b": {"N": "2"}}, {"a": {"N": "2"}}),
        ("REMOVE b SET a = b", {"b": {"N": "2"}}, {"a": {"N": "2"}}),
        (
            "SET m.a = n, n = :s",
            {"m": {"M": {}}, "n": {"N": "1"}},
            {"m": {"M": {"a": {"N": "1"}}}, "n": {"S": "new"}},
        ),
        ("SET a = a + :one", {"a": {"N": "41"}}, {"a": {"N": "42"}}),
        ("SET a = :one - a", {"a": {"N": "0.25"}}, {"a": {"N": "0.75"}}),
        ("SET a = a + a", {"a": {"N": "2"}}, {"a": {"N": "4"}}),
        ("SET a = (a) - (b)", {"a": {"N": "1"}, "b": {"N": "1"}}, {"a": {"N": "0"}, "b": {"N": "1"}}),
        ("SET a = if_not_exists(a, :one)", {}, {"a": {"N": "1"}}),
        ("SET a = if_not_exists(a, :one)", {"a": {"N": "7"}}, {"a": {"N": "7"}}),
        ("SET a = if_not_exists(a, :one) + :one", {}, {"a": {"N": "2"}}),
        ("SET a = if_not_exists(x, if_not_exists(y, if_not_exists(z, :s)))", {}, {"a": {"S": "new"}}),
        ("SET a = if_not_exists(a, absent)", {"a": {"N": "7"}}, {"a": {"N": "7"}}),
        ("SET a = list_append(a, :l)", {"a": strings("o")}, {"a": strings("o", "p", "q")}),
        ("SET a = list_append(:l, a)", {"a": strings("o")}, {"a": strings("p", "q", "o")}),
        ("SET a = list_append(if_not_exists(a, :l), :l)", {}, {"a": strings("p", "q", "p", "q")}),
        # Into maps and lists.
        ("SET m.b = :s", {"m": {"M": {"a": {"N": "1"}}}}, {"m": {"M": {"a": {"N": "1"}, "b": {"S": "new"}}}}),
        ("SET a[1] = :s", {"a": strings("o", "p", "q")}, {"a": strings("o", "new", "q")}),
        (
            "SET a[0].b[0] = :s",
            {"a": {"L": [{"M": {"b": {"L": []}}}]}},
            {"a": {"L": [{"M": {"b": strings("new")}}]}},
        ),
        # Beyond the end of a list is its end, in the order of the indexes.
        ("SET a[7] = :s", {"a": strings("o")}, {"a": strings("o", "new")}),
        (
            "SET a[9] = m.x, a[5] = :s, a[0] = m.y",
            {"a": strings("o"), **XY},
            {"a": strings("y", "new", "x"), **XY},
        ),
        ("REMOVE a", {"a": {"N": "1"}, "b": {"N": "2"}}, {"b": {"N": "2"}}),
        ("REMOVE a, b", {}, {}),
        ("REMOVE m.a, m.z", {"m": {"M": {"a": {"N": "1"}}}}, {"m": {"M": {}}}),
        # All indexes mean the list as it was.
        ("REMOVE a[0], a[2]", {"a": strings("o", "p", "q")}, {"a": strings("p")}),
        ("REMOVE a[2], a[0]", {"a": strings("o", "p", "q")}, {"a": strings("p")}),
        ("REMOVE a[9]", {"a": strings("o")}, {"a": strings("o")}),
        ("REMOVE a[1] SET a[3] = :s", {"a": strings(*"234567")}, {"a": strings("2", "4", "new", "6", "7")}),
        ("REMOVE a[0] SET a[4] = :s", {"a": strings("o", "p")}, {"a": strings("p", "new")}),
        (
            "REMOVE a[0].b, a[1]",
            {"a": {"L": [{"M": {"b": {"N": "1"}}}, {"N": "2"}]}},
            {"a": {"L": [{"M": {}}]}},
        ),
        ("ADD a :one", {}, {"a": {"N": "1"}}),
        ("ADD a :half", {"a": {"N": "-2"}}, {"a": {"N": "-1.5"}}),
        ("ADD m.a :one", {"m": {"M": {}}}, {"m": {"M": {"a": {"N": "1"}}}}),
        (
            "ADD a[3] :one, a[1] :x",
            {"a": strings("o")},
            {"a": {"L": [{"S": "o"}, {"SS": ["x"]}, {"N": "1"}]}},
        ),
        ("ADD a :xy", {}, {"a": {"SS": ["x", "y"]}}),
        ("ADD a :xy", {"a": {"SS": ["a", "x"]}}, {"a": {"SS": ["a", "x", "y"]}}),
        ("ADD a :ns", {"a": {"NS": ["2", "3"]}}, {"a": {"NS": ["-3", "2", "3", "10"]}}),
        ("ADD a :bs", {"a": {"BS": ["AQ=="]}}, {"a": {"BS": ["AA==", "AQ==", "/w=="]}}),
        ("DELETE a :x", {"a": {"SS": ["x", "y"]}}, {"a": {"SS": ["y"]}}),
        ("DELETE a :ns", {"a": {"NS": ["1", "2", "3"]}}, {"a": {"NS": ["1", "3"]}}),
        ("DELETE a :x", {"a": {"SS": ["y"]}}, {"a": {"SS": ["y"]}}),
        ("DELETE a :x", {}, {}),
        # No set is empty.
        ("DELETE a :xy", {"a": {"SS": ["x", "y"]}, "b": {"N": "1"}}, {"b": {"N": "1"}}),
        ("DELETE m.a :xy", {"m": {"M": {"a": {"SS": ["x"]}}}}, {"m": {"M": {}}}),
        ("DELETE a[0] :xy", {"a": {"L": [{"SS": ["x"]}, {"S": "o"}]}}, {"a": strings("o")}),
    ],
)
def test_of_one_item(bound: Bound, text: str, before: Any, after: Any) -> None:
    untouched = copy.deepcopy(before)
    assert update(bound, text).apply(before) == after
    assert before == untouched


def test_all_sections_at_once_as_recorded(bound: Bound) -> None:
    item = {
        "a": {"S": "key"},
        "b": {"M": {"a": {"N": "1"}, "b": {"N": "2"}, "c": {"N": "3"}}},
        "c": {"L": [{"N": "1"}, {"N": "3"}]},
    }
    text = "set b.c=((c[1])+(b.a)),b.a = a,c[1] = a, c[4] = b.a - b.b, c[2] = b.c add c[8] :b, c[6] :a"
    made = bound("UpdateExpression", text, None, {":a": {"N": "2"}, ":b": {"SS": ["a"]}})
    assert made.paths == (("b", "c"), ("b", "a"), ("c", 1), ("c", 4), ("c", 2), ("c", 8), ("c", 6))
    after = made.apply(item)
    assert after == {
        "a": {"S": "key"},
        "b": {"M": {"a": {"S": "key"}, "b": {"N": "2"}, "c": {"N": "4"}}},
        "c": {"L": [{"N": "1"}, {"S": "key"}, {"N": "3"}, {"N": "-1"}, {"N": "2"}, {"SS": ["a"]}]},
    }
    assert made.updated(after) == {
        "b": {"M": {"c": {"N": "4"}, "a": {"S": "key"}}},
        "c": {"L": [{"S": "key"}, {"N": "3"}, {"N": "2"}]},
    }
    assert made.updated(item) == {
        "b": {"M": {"a": {"N": "1"}, "c": {"N": "3"}}},
        "c": {"L": [{"N": "3"}]},
    }


@pytest.mark.parametrize(
    ("text", "item", "message"),
    [
        ("SET a = b", {}, ABSENT),
        ("SET a = b.c[1]", {"b": {"M": {"c": {"L": [{"N": "1"}]}}}}, ABSENT),
        ("SET a = a + :one", {}, ABSENT),
        ("SET a = list_append(a, :l)", {}, ABSENT),
        ("SET a = if_not_exists(b, c)", {}, ABSENT),
        ("SET a = a + :one", {"a": {"S": "1"}}, INCORRECT_TYPE),
        ("SET a = :one - a", {"a": {"NULL": True}}, INCORRECT_TYPE),
        ("SET a = list_append(a, :l)", {"a": {"SS": ["x"]}}, INCORRECT_TYPE),
        ("SET a = list_append(:l, a)", {"a": {"S": "x"}}, INCORRECT_TYPE),
        ("SET a = if_not_exists(a, :one) + :one", {"a": {"S": "1"}}, INCORRECT_TYPE),
        ("ADD a :one", {"a": {"S": "1"}}, INCORRECT_TYPE),
        ("ADD a :x", {"a": {"NS": ["1"]}}, INCORRECT_TYPE),
        ("ADD a :one", {"a": {"NS": ["1"]}}, INCORRECT_TYPE),
        ("DELETE a :x", {"a": {"S": "x"}}, INCORRECT_TYPE),
        ("DELETE a :x", {"a": {"NS": ["1"]}}, INCORRECT_TYPE),
        ("SET a.b = :s", {}, INVALID_PATH),
        ("SET a[0] = :s", {}, INVALID_PATH),
        ("SET a[0] = :s", {"a": {"M": {}}}, INVALID_PATH),
        ("SET a.b = :s", {"a": {"L": []}}, INVALID_PATH),
        ("SET a.b.c = :s", {"a": {"M": {}}}, INVALID_PATH),
        ("SET a[0].c = :s", {"a": {"L": []}}, INVALID_PATH),
        ("SET a[0] = :s", {"a": {"SS": ["x"]}}, INVALID_PATH),
        ("REMOVE a.b", {}, INVALID_PATH),
        ("REMOVE a[0].b", {"a": {"L": []}}, INVALID_PATH),
        ("ADD a.b :one", {"a": {"S": "x"}}, INVALID_PATH),
        ("DELETE a.b :x", {}, INVALID_PATH),
    ],
)
def test_what_does_not_fit_the_item(bound: Bound, text: str, item: Any, message: str) -> None:
    untouched = copy.deepcopy(item)
    made = update(bound, text)
    with pytest.raises(ApiError) as refused:
        made.apply(item)
    assert (refused.value.type, refused.value.message) == ("ValidationException", message)
    assert item == untouched


@pytest.mark.parametrize(
    "text", ["SET a = a + b", "SET a = b - a", "ADD a :half", "SET a = if_not_exists(a, b) - :one"]
)
def test_sums_of_too_many_digits_are_refused(bound: Bound, text: str) -> None:
    item = {"a": {"N": "1" + "0" * 50}, "b": {"N": "1"}}
    with pytest.raises(ApiError, match="Number overflow"):
        update(bound, text).apply(item)


def wrapped(levels: int) -> Any:
    value: Any = {"S": "x"}
    for _ in range(levels):
        value = {"L": [value]}
    return value


def test_a_nested_write_may_not_make_the_item_too_deep(bound: Bound) -> None:
    item = {"m": {"M": {"n": {"M": {}}}}, "deep": wrapped(31), "mapped": {"M": {"k": wrapped(30)}}}
    assert update(bound, "SET a = deep").apply(item)["a"] == wrapped(31)
    for text in (
        "SET m.a = mapped",
        "SET m.a = deep",
        "SET m.a = deep[0], m.n.a = deep[0]",
        "SET m.a = list_append(deep, :l)",
    ):
        with pytest.raises(ApiError) as refused:
            update(bound, text).apply(item)
        assert refused.value.message == NESTED_TOO_DEEP
    made = update(bound, "SET m.a = deep[0], m.n.a = deep[0][0]").apply(item)
    assert made["m"]["M"]["n"]["M"]["a"] == wrapped(29)


@pytest.mark.parametrize("older", [False, True])
def test_no_write_makes_the_item_too_deep_whatever_values_a_layer_takes(bound: Bound, older: bool) -> None:
    def write(levels: int) -> Any:
        return bound("UpdateExpression", "SET a = :v", None, {":v": wrapped(levels)}, older).apply({})

    assert write(31) == {"a": wrapped(31)}
    with pytest.raises(ApiError, match=NESTED_TOO_DEEP):
        write(32)


def test_the_new_item_shares_what_was_not_written(bound: Bound) -> None:
    item = {"a": {"L": [{"M": {"x": {"S": "old"}}}, {"M": {}}]}, "b": {"M": {}}}
    made = update(bound, "SET a[0].x = :s").apply(item)
    assert made["b"] is item["b"]
    assert made["a"]["L"][1] is item["a"]["L"][1]
    assert item["a"]["L"][0] == {"M": {"x": {"S": "old"}}}


@pytest.mark.parametrize(
    ("text", "before", "old", "new"),
    [
        ("SET a = :s", {"a": {"N": "1"}}, {"a": {"N": "1"}}, {"a": {"S": "new"}}),
        ("SET a = :s", {"b": {"N": "1"}}, {}, {"a": {"S": "new"}}),
        ("REMOVE a", {"a": {"N": "1"}}, {"a": {"N": "1"}}, {}),
        (
            "SET m.a = :s",
            {"m": {"M": {"a": {"N": "1"}, "b": {"N": "2"}}}},
            {"m": {"M": {"a": {"N": "1"}}}},
            {"m": {"M": {"a": {"S": "new"}}}},
        ),
        ("SET a[0] = :s", {"a": strings("o", "p")}, {"a": strings("o")}, {"a": strings("new")}),
        # By index, so after a removal that is the element which moved up.
        ("REMOVE a[1]", {"a": strings("o", "p", "q")}, {"a": strings("p")}, {"a": strings("q")}),
        # Set beyond the end, and so not at its index.
        ("SET a[5] = :s", {"a": strings("o")}, {}, {}),
        ("SET a[1] = :s", {"a": strings("o")}, {}, {"a": strings("new")}),
    ],
)
def test_what_updated_old_and_updated_new_show(
    bound: Bound, text: str, before: Any, old: Any, new: Any
) -> None:
    made = update(bound, text)
    assert made.updated(before) == old
    assert made.updated(made.apply(before)) == new


def test_names_that_an_update_writes_and_looks_into(bound: Bound) -> None:
    made = update(bound, "SET a.b = if_not_exists(c[0], d), e = f REMOVE g[1], #n ADD h :one DELETE i.j :x")
    assert made.attribute_names == frozenset({"a", "e", "g", "n", "h", "i"})
    assert made.nested_names == frozenset({"a", "c", "g", "i"})


@pytest.mark.parametrize(
    ("text", "creates"),
    [
        ("SET a = :s", True),
        ("ADD a :one", True),
        ("REMOVE a", False),
        ("DELETE a :x", False),
        ("REMOVE a DELETE b :x", False),
        ("REMOVE a ADD b :x", True),
    ],
)
def test_only_set_and_add_make_an_item_where_there_is_none(bound: Bound, text: str, creates: bool) -> None:
    assert update(bound, text).creates is creates


@pytest.mark.parametrize(
    ("text", "clauses"),
    [
        ("SET b = :pad", 19 + 1 + 100),
        ("SET #alias = :pad", 19 + 11 + 100),
        ("SET #u = :pad", 19 + 2 + 100),
        ("SET b = :pad, c = :pad", 2 * (19 + 1 + 100)),
        ("SET m.bc.d = :pad", 19 + 1 + (4 + 2) + (4 + 1) + 100),
        ("SET d[10] = :pad", 19 + 1 + (4 + 2) + 100),
        ("SET c = a", 19 + 1 + 1 + (14 + 1)),
        ("SET c = m.a.zz", 19 + 1 + 1 + 15 + 15 + 16),
        ("SET c = k[10]", 19 + 1 + 1 + 15 + 16),
        ("SET c = c + :one", 19 + 1 + 34 + 16 + 2),
        ("SET c = :one - c", 19 + 1 + 37 + 16 + 2),
        ("SET c = if_not_exists(c, :pad)", 19 + 1 + 39 + 16 + 100),
        ("SET k = list_append(k, :list)", 19 + 1 + 37 + 16 + 7),
        ("SET c = if_not_exists(c, :one) + :one", 19 + 1 + 34 + (39 + 16 + 2) + 2),
        ("ADD abcdefghij :one", 19 + 10 + 2),
        ("ADD ss :set", 19 + 2 + 3),
        ("REMOVE r", 2),
        ("REMOVE m.yyyyyyyyyy, k[10]", (1 + 1 + 14) + (1 + 1 + 6)),
        ("DELETE ss :set", 1 + 2),
    ],
)
def test_the_charge_of_a_statement(bound: Bound, text: str, clauses: int) -> None:
    values = {
        ":pad": {"S": "x" * 100},
        ":one": {"N": "1"},
        ":list": {"L": [{"S": "xyz"}]},
        ":set": {"SS": ["x", "yz"]},
    }
    names = {"#alias": "hello world", "#u": "ü"}
    assert bound("UpdateExpression", text, names, values).charge == 3 + clauses


def test_an_element_is_charged_one_byte_more_than_a_list_of_it(bound: Bound) -> None:
    element, whole = {":v": {"S": "abc"}}, {":v": {"L": [{"S": "abc"}]}}
    assert (
        bound("UpdateExpression", "SET d[0] = :v", None, element).charge
        == bound("UpdateExpression", "SET d = :v", None, whole).charge + 1
    )
