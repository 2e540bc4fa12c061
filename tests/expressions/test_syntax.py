"""Which texts are expressions, and how the others are refused. Cases are recorded from the service."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

CONDITION = "ConditionExpression"
UPDATE = "UpdateExpression"
PROJECTION = "ProjectionExpression"
KEY_CONDITION = "KeyConditionExpression"

EMPTY = "The expression can not be empty;"
REDUNDANT = "The expression has redundant parentheses;"

Problem = Callable[..., str | None]

VALUES = {":a": {"N": "1"}, ":b": {"N": "2"}, ":v": {"N": "3"}}
NAMES = {"#a": "a", "#b": "b", "#c": "c", "#d": "d"}


@pytest.mark.parametrize(
    ("kind", "text", "token", "near"),
    [
        # The token, with the one before and the one after it.
        (UPDATE, "INVALID SYNTAX", "INVALID", "INVALID SYNTAX"),
        (CONDITION, "!!!", "!", "!!"),
        (CONDITION, "a = = b", "=", "= = b"),
        (CONDITION, "a-b", "-", "a-b"),
        (CONDITION, "#articleId attribute_not_exists :ckpst", "attribute_not_exists", None),
        # The end shows only what is before it.
        (CONDITION, "attribute_not_exists(", "<EOF>", "("),
        (CONDITION, "foo", "<EOF>", "foo"),
        (CONDITION, "a = :a AND NOT #x", "<EOF>", "#x"),
        (CONDITION, "#c =", "<EOF>", "="),
        (CONDITION, "#c =   \t\n", "<EOF>", "="),
        (CONDITION, " ", "<EOF>", ""),
        (CONDITION, "begins_with()", ")", "()"),
        (UPDATE, "SET n = n +", "<EOF>", "+"),
        (UPDATE, "ADD numx", "<EOF>", "numx"),
        # A name opens with a letter, an index with anything but a zero.
        (UPDATE, "SET _123 = :v", "_", "SET _123"),
        (UPDATE, "ADD hits : incr", ":", "hits : incr"),
        (UPDATE, "SET #c[01] = :v", "1", "01]"),
        (UPDATE, "SET #c[-1] = :v", "-", "[-1"),
        (UPDATE, "SET #c[abc] = :v", "abc", "[abc]"),
        (UPDATE, "SET #c[].#d = :v", "]", "[]."),
        (UPDATE, "SET #c[0.#d = :v", ".", "0.#d"),
        (UPDATE, "SET numx = numx * :v", "*", "numx * :v"),
        (UPDATE, "SET numx = numx 1", "1", "numx 1"),
        (CONDITION, "#AMZN_MAPPED_2021-03-03 = :v", "-", "#AMZN_MAPPED_2021-0"),
        (PROJECTION, "a b", "b", "a b"),
        (PROJECTION, "a,", "<EOF>", ","),
        (PROJECTION, ",a", ",", ",a"),
        (PROJECTION, "a..b", ".", "..b"),
        (PROJECTION, ":a", ":a", ":a"),
        (PROJECTION, "size(a)", "(", "size(a"),
        (KEY_CONDITION, "a = :a,", ",", ":a,"),
        # What has no UTF-8 form is answered all the same.
        (CONDITION, "a = \ud800", "?", "= ?"),
    ],
)
def test_the_first_token_that_does_not_fit_is_named(
    problem: Problem, kind: str, text: str, token: str, near: str | None
) -> None:
    near = text if near is None else near
    assert problem(kind, text, NAMES, VALUES) == f'Syntax error; token: "{token}", near: "{near}"'


@pytest.mark.parametrize(
    "text",
    [
        "things are not gonna be ok",
        "a > 4",
        "attribute_exists(Pictures-RearView)",
        'attribute_exists("Pictures.RearView")',
        "attribute_exists(Pictures..RearView)",
        "attribute_exists(Pi#ctures.RearView)",
        "attribute_exists(asdf[a])",
        "a.:a < b.:b",
        "a in b, c",
        "a > between",
        "a in b",
        "a in (b,c,)",
        "(a)between(b.(c.d))and(c)",
        "(a)between(b.c.d)and((c)",
        "#$.b > a",
        "a > :things.stuff",
        "b[:a] > a",
        "b[#_] > a",
        "ü > a",
        "(a)between(b.c[4.5].#d)and(:a)",
        "size(a).b > a",
        "(size(a)).b > a",
        "size(a)[0] > a",
        "(size(a))[0] > a",
        "a = :a OR",
        "NOT",
        "()",
        "(a = :a",
        "a = :a)",
        "a = (b = c)",
        "(a = b OR c)",
        "(a = b AND :a)",
        "(NOT c)",
        "(c OR a = b)",
        "((a) AND b = c)",
        "(a = b) = c",
        "a BETWEEN b OR c",
        "a BETWEEN :a",
        "a IN ()",
        "a = b = c",
        "a < b < c",
        "NOT a",
        "SET a = b",
    ],
)
def test_texts_that_are_no_condition(problem: Problem, text: str) -> None:
    assert str(problem(CONDITION, text, NAMES, VALUES)).startswith("Syntax error; ")


@pytest.mark.parametrize(
    "text",
    [
        "NOT NOT NOT NOT a < b",
        ":a > :a",
        "(a)between(:a)and(:b)",
        "((a=b) OR (a=c))",
        "(a = b)",
        "(a) = (b)",
        "(a.b)[0].c = :a",
        "(a)[0] = (b.c)[1]",
        "(size(a)) > :a",
        "a=:a and b<:b",
        "(a=:a)AND(b<:b)",
        "not(a=:a)or(b=:b)",
        "a BETWEEN :a AND :b AND c = :a",
        "a In (:a, b, size(c))",
        "\t a\r\n=\t:a ",
        "attribute_exists ( a )",
        "(attribute_exists(a))",
        "attribute_type(:a, :type)",
        "contains(:a, :b)",
    ],
)
def test_texts_that_are_conditions(problem: Problem, text: str) -> None:
    assert problem(CONDITION, text, NAMES, {**VALUES, ":type": {"S": "N"}}) is None


@pytest.mark.parametrize(
    "text",
    [
        "whatever",
        "set a",
        "add a",
        "set a=set",
        "remove a = b",
        "add a = b",
        "delete a b",
        "delete a if_not_exist(b)",
        "add abort b",
        "remove a b",
        "set a b",
        "set :a = b",
        "add :a b",
        "remove :a",
        "set a = b / c",
        "set a[1] = 1",
        "SET a = if_not_exist(a, 100)",
        "SET if_not_exist(a, b) = a",
        "set (a = (b + c))",
        "set a = (b.c).d + e",
        "set a = (b.c)[0] + e",
        "set a = b + c + d",
        "set a = if_not_exists(c, :v + :b)",
        "set a = _f(b)",
        "set a = b, remove c",
        "set a = b remove",
        "set a = b,",
        "a = b",
        "set a = b = c",
        "set a = (b",
        "add a b, c :v",
    ],
)
def test_texts_that_are_no_update(problem: Problem, text: str) -> None:
    assert str(problem(UPDATE, text, NAMES, VALUES)).startswith("Syntax error; ")


@pytest.mark.parametrize(
    "text",
    [
        "set a = (b + c)",
        "set a = ((b.c.d)+(e))",
        "set a = (b)",
        "SeT a = b ReMoVe c aDd d :a",
        "remove a.b[3][4].c, d[0]",
        "set a = list_append(if_not_exists(b, :l), c)",
        "set a = if_not_exists(b, if_not_exists(c, d))",
        "set a=b-:a",
    ],
)
def test_texts_that_are_updates(problem: Problem, text: str) -> None:
    assert problem(UPDATE, text, NAMES, {**VALUES, ":l": {"L": []}}) is None


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (CONDITION, "((a = :a))"),
        (CONDITION, "a=a and a > ((views))"),
        (CONDITION, "(a)between(((b.c)).d)and(c)"),
        (CONDITION, "a > whatever((:things), ((a)))"),
        (CONDITION, "a=a AND ((a=a AND a=a)) AND a=a"),
        (CONDITION, "((#name)) = :value"),
        (CONDITION, "a IN (((:a)))"),
        (CONDITION, "attribute_exists(((a)))"),
        (UPDATE, "set a = ((b))"),
        (UPDATE, "set a = ((b + c))"),
        (KEY_CONDITION, "((a = :a))"),
    ],
)
def test_two_pairs_of_parentheses_around_one_thing(problem: Problem, kind: str, text: str) -> None:
    assert problem(kind, text) == REDUNDANT


@pytest.mark.parametrize("text", ["a IN ((:a))", "attribute_exists((a))", "(((a=:a) OR b=:b) AND c=:v)"])
def test_parentheses_of_a_call_or_list_are_no_pair(problem: Problem, text: str) -> None:
    assert problem(CONDITION, text, None, VALUES) is None


@pytest.mark.parametrize("kind", [CONDITION, UPDATE, PROJECTION, KEY_CONDITION, "FilterExpression"])
def test_an_empty_expression(problem: Problem, kind: str) -> None:
    assert problem(kind, "") == EMPTY


@pytest.mark.parametrize(
    ("kind", "start"),
    [
        (CONDITION, "a = :a"),
        (UPDATE, "SET a = :a"),
        (PROJECTION, "a"),
        (KEY_CONDITION, "a = :a"),
    ],
)
def test_4096_bytes_are_the_most_whatever_they_are(problem: Problem, kind: str, start: str) -> None:
    longest = start.ljust(4096)
    assert problem(kind, longest, None, VALUES) is None
    shown = "" if kind == UPDATE else " expression size: 4097"
    assert problem(kind, longest + " ", None, VALUES) == (
        f"Expression size has exceeded the maximum allowed size;{shown}"
    )


def test_the_size_is_counted_in_bytes(problem: Problem) -> None:
    assert problem(CONDITION, "é" * 2049) == (
        "Expression size has exceeded the maximum allowed size; expression size: 4098"
    )


@pytest.mark.parametrize(
    ("kind", "text", "word"),
    [
        (CONDITION, "size = :a", "size"),
        (CONDITION, "attribute_exists(abOrT)", "abOrT"),
        (CONDITION, ":a < abOrT", "abOrT"),
        (CONDITION, "a.b.Status = :a", "Status"),
        (UPDATE, "SET name = :a", "name"),
        (UPDATE, "SET a = Value", "Value"),
        (UPDATE, "REMOVE a.ttl", "ttl"),
        (UPDATE, "ADD a.b.COUNT :a", "COUNT"),
        (PROJECTION, "a, Year", "Year"),
        (KEY_CONDITION, "hash = :a", "hash"),
        # The first of them in the order written.
        (PROJECTION, "a, zone, year", "zone"),
    ],
)
def test_reserved_words_are_shown_as_written(problem: Problem, kind: str, text: str, word: str) -> None:
    expected = f"Attribute name is a reserved keyword; reserved keyword: {word}"
    assert problem(kind, text, None, VALUES) == expected


def test_a_placeholder_may_stand_for_a_reserved_word(problem: Problem) -> None:
    assert problem(PROJECTION, "#a, #b.#c", {"#a": "name", "#b": "Size", "#c": "ABORT"}) is None


def test_paths_may_have_32_levels(problem: Problem) -> None:
    path = "a" + ".b" * 15 + "[0]" * 16
    assert problem(PROJECTION, path) is None
    assert problem(PROJECTION, path + "[0]") == (
        "The document path has too many nesting levels; nesting levels: 33"
    )


@pytest.mark.parametrize(
    ("index", "allowed"), [("4294967294", True), ("4294967295", False), ("9" * 4000, False)]
)
def test_list_indexes_are_bounded(problem: Problem, index: str, allowed: bool) -> None:
    expected = f"List index is not within the allowable range; index: [{index}]"
    assert problem(PROJECTION, f"a[{index}]") == (None if allowed else expected)


@pytest.mark.parametrize(
    ("kind", "longest", "one_more"),
    [
        (CONDITION, "a=b" + " OR a=b" * 149, " OR NOT a=b"),
        (CONDITION, "NOT " * 299 + "a=b", " AND a=b"),
        (CONDITION, "a IN (b)" + " OR a IN (b,c)" * 149, " OR a IN (b)"),
        (CONDITION, "a BETWEEN b AND c" + " AND a BETWEEN b AND c" * 149, " AND a BETWEEN b AND c"),
        (CONDITION, "size(a)=b" + " AND size(a)=b" * 99, " AND attribute_exists(a)"),
        (CONDITION, "a<b or (" * 149 + "a<b" + ")" * 149, " or a<b"),
        (UPDATE, "SET " + ",".join(f"a{n}=b+c" for n in range(300)), ",d=b+c"),
    ],
)
def test_an_expression_has_at_most_300_operators(
    problem: Problem, kind: str, longest: str, one_more: str
) -> None:
    assert problem(kind, longest) is None
    assert problem(kind, longest + one_more) == (
        "The expression contains too many operators; operator count: 301"
    )


def test_problems_of_one_expression_in_the_order_of_their_kinds(problem: Problem) -> None:
    def check(text: str, expected: str) -> None:
        assert str(problem(UPDATE, text, {"#a": "a"}, VALUES)).startswith(expected), text

    check("SET name = size(a), b = ((c)) SET d = e !", "Syntax error")
    check("SET name = size(a), b = ((c)) SET d = e", "The expression has redundant parentheses")
    check("SET name = size(a), b = c SET d = #e", "The function is not allowed in an update")
    check("SET name = list_append(list_append(a, a), a) SET d = #e", "The function is not allowed to be used")
    check("SET name = c SET d = #e", "Attribute name is a reserved keyword")
    check("SET b = c SET d = #e", 'The "SET" section can only be used once')
    check("SET b = c, d = #e", "An expression attribute name used in the document path is not defined")


@pytest.mark.parametrize("section", ["SET", "REMOVE", "ADD", "DELETE"])
def test_a_section_may_stand_once(problem: Problem, section: str) -> None:
    action = {"SET": "a = :v", "REMOVE": "a", "ADD": "a :v", "DELETE": "a :v"}[section]
    values: Any = {":v": {"NS": ["1"]}}
    assert problem(UPDATE, f"{section} {action} {section.lower()} b.{action}", None, values) == (
        f'The "{section}" section can only be used once in an update expression;'
    )
