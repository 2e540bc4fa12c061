"""What SQL can say of the value at a path, in terms of SQLite's JSON functions.

An item's attribute `a` is `{"a": {"S": "x"}}`, so `$."a".S` leads to its content if
it is an S, and to NULL if it is anything else or not there. Texts come out as
TEXT, which SQLite compares by UTF-8 bytes; a set, list or map comes out as JSON text,
spelled as it is stored. Since stored values are canonical, equal text is equal
value, but for maps, whose entries have no order.

Two things SQLite does not do are excluded beforehand. Its path lookup takes a name
to end at a NUL, and finds another attribute (SQLite 3.54); and its `length` and
`substr` take a text to end there. So an item with an escaped NUL anywhere
(`ITEM_MAY_MISLEAD`) is left to the evaluator, and SQL below sees none.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, TypeAlias

import ujson

from alt.expressions.nodes import Elements
from alt.values.types import AttributeValue

# SQL that is 0 or 1, and the values for its `?`s.
Clause: TypeAlias = tuple[str, tuple[Any, ...]]

NEVER: Clause = ("0", ())
# How what first searches an item's text begins.
SEARCH = "(item GLOB ?"

# True of every item that holds a NUL, as the backslash, `u0000` it is stored as (and of some others).
ITEM_MAY_MISLEAD = r"item GLOB '*\u0000*'"

_REVERSED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}

# SQLite's numbers out of text and Python's are within a few units of 2**-53 of the exact
# ones, relatively. Farther apart than this they decide an order; nearer, the digits do.
_MARGIN = 2.0**-44

_MAX_SIZE = 2**62  # above every size

_BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

# Characters of a value's spelling that are searched for: fewer are everywhere, more tell no more.
_MIN_SOUGHT = 5
_MAX_SOUGHT = 64
_GLOB_SPECIAL = re.compile(r"[*?\[]")

MAX_PARTS = 100  # clauses joined for one value or one IN

_X = "json_extract(item, ?)"
_REAL = "CAST(json_extract(item, ?) AS REAL)"


def join(operator: str, clauses: Sequence[Clause]) -> Clause:
    """Several clauses (at least one) as one, in parentheses."""
    if len(clauses) == 1:
        return clauses[0]
    values: list[Any] = []
    for clause in clauses:
        values += clause[1]
    return f"({operator.join([clause[0] for clause in clauses])})", tuple(values)


class Inexpressible(Exception):
    """SQL cannot say this; the evaluator decides."""


def stored_text(value: Any) -> str:
    """JSON text as items are stored in."""
    text: str = ujson.dumps(value, ensure_ascii=False, escape_forward_slashes=False)
    return text


@lru_cache(1024)
def json_path(elements: Elements) -> str:
    """SQLite's path to the object that holds a value under its type, `$."a".M."b".L[3]`.

    Raises Inexpressible for a name that SQLite would read as another.
    """
    path = "$"
    for element in elements:
        if isinstance(element, int):
            path += f".L[{element}]"
        else:
            path += f"{'' if path == '$' else '.M'}.{_label(element)}"
    return path


def _label(name: str) -> str:
    """A name in a path, written as a JSON string: then it may be any."""
    if "\0" in name:
        raise Inexpressible
    try:
        return stored_text(name)
    except UnicodeEncodeError:  # half a surrogate pair, which no item has
        raise Inexpressible from None


def exists(path: str) -> Clause:
    return "(json_type(item, ?) IS NOT NULL)", (path,)


# Equality


def _where_spelled(kind: str, content: str, end: str, clause: Clause) -> Clause:
    """The same, only looked at where the item's text has `content` in the spelling of a value of this type.

    To search a text costs a fourth of reading it as JSON, if nothing has to be searched twice: what is
    sought begins with a character that does not come again in it.
    """
    try:
        spelled = f'{kind}":"{stored_text(content)[1:-1]}{end}'
    except UnicodeEncodeError:  # half a surrogate pair, which no item has
        return clause
    sought = max(_up_to_repeat(spelled), _up_to_repeat(spelled[2:]), key=len)
    if len(sought) < _MIN_SOUGHT:
        return clause
    pattern = _GLOB_SPECIAL.sub(r"[\g<0>]", sought)
    return f"{SEARCH} AND {clause[0]})", (f"*{pattern}*", *clause[1])


def _up_to_repeat(text: str) -> str:
    """As much of a text, of some length at most, as does not repeat its first character."""
    repeat = text.find(text[0], 1, _MAX_SOUGHT)
    return text[: repeat if repeat > 0 else _MAX_SOUGHT]


def equals(path: str, value: AttributeValue) -> Clause:
    """Whether the path leads to an equal value."""
    ((kind, content),) = value.items()
    if isinstance(content, str):
        return _where_spelled(kind, content, '"}', (f"({_X} IS ?)", (f"{path}.{kind}", content)))
    clauses: list[Clause] = []
    _add_parts(path, value, clauses)
    return join(" AND ", clauses)


def _add_parts(path: str, value: AttributeValue, clauses: list[Clause]) -> None:
    """Clauses that are all true of equal values: a map's entries one by one, what has one text as a whole."""
    if len(clauses) > MAX_PARTS:
        raise Inexpressible
    text = only_text(value)
    if text is not None:
        clauses.append((f"({_X} IS ?)", (path, text)))
        return
    ((kind, content),) = value.items()
    if kind == "M":
        for name, entry in content.items():
            _add_parts(f"{path}.M.{_label(name)}", entry, clauses)
        clauses.append(("((SELECT count(*) FROM json_each(item, ?)) = ?)", (path + ".M", len(content))))
    else:
        for index, element in enumerate(content):
            _add_parts(f"{path}.L[{index}]", element, clauses)
        clauses.append(("(json_array_length(item, ?) IS ?)", (path + ".L", len(content))))


def only_text(value: AttributeValue) -> str | None:
    """The text that every equal value is stored as; None if a map's entries may come in several orders."""
    return stored_text(value) if _has_one_text(value) else None


def _has_one_text(value: AttributeValue) -> bool:
    ((kind, content),) = value.items()
    if kind == "L":
        return all(map(_has_one_text, content))
    if kind == "M":
        return len(content) < 2 and all(map(_has_one_text, content.values()))
    return True


def equality_cases(a: str, b: str) -> Clause:
    """Cases of a CASE for whether two paths lead to equal values, the last left open: the texts cannot tell.

    That is of two texts of one length, of which at least one is a list's or map's.
    """
    return (
        f"WHEN {_X} = {_X} THEN 1 "
        f"WHEN substr({_X}, 3, 1) IN ('L', 'M') AND octet_length({_X}) = octet_length({_X})",
        (a, b, a, a, b),
    )


def is_among(path: str, kind: str, contents: list[str]) -> Clause:
    """Whether the path leads to one of some values of one scalar type."""
    marks = ",".join("?" * len(contents))
    return f"ifnull({_X} IN ({marks}), 0)", (f"{path}.{kind}", *contents)


# Order


def text_order(path: str, operator: str, text: str) -> Clause:
    return f"ifnull({_X} {operator} ?, 0)", (path + ".S", text)


def number_order(path: str, operator: str, number: str) -> Clause:
    """Doubles decide, unless they are near each other; then the digits do.

    Of numbers so near both are negative, zero or positive. Canonical texts of two
    positive numbers are ordered by the length of their integer parts, then as texts;
    of two negative ones the other way round.
    """
    approximate = float(number)
    margin = abs(approximate) * _MARGIN
    low, high = approximate - margin, approximate + margin
    strict = operator[0]
    outer, inner = (high, low) if strict == "<" else (low, high)
    tie = _REVERSED[operator] if number[0] == "-" else operator
    point = len(number.partition(".")[0]) + 1
    path += ".N"
    return (
        f"CASE WHEN {_REAL} {strict} ? THEN 1 WHEN {_REAL} {strict}= ? "
        f"THEN (instr({_X} || '.', '.'), {_X}) {tie} (?, ?) ELSE 0 END",
        (path, inner, path, outer, path, path, point, number),
    )


def order_cases(a: str, operator: str, b: str) -> Clause:
    """Cases of a CASE for the order of the values of two paths, the last left open: SQL cannot tell.

    That is of numbers near each other, and of binaries.
    """
    a_number, b_number = a + ".N", b + ".N"
    return (
        f"WHEN {_X} {operator} {_X} THEN 1 "
        f"WHEN abs({_REAL} - {_REAL}) > max(abs({_REAL}), abs({_REAL})) * {_MARGIN!r} "
        f"THEN {_REAL} {operator} {_REAL} "
        f"WHEN {_X} || {_X} IS NOT NULL OR {_X} || {_X} IS NOT NULL",
        (a + ".S", b + ".S", *(a_number, b_number) * 4, a + ".B", b + ".B"),
    )


# Parts


def begins_with_text(path: str, prefix: str) -> Clause:
    return _where_spelled("S", prefix, "", (f"(substr({_X}, 1, ?) IS ?)", (path + ".S", len(prefix), prefix)))


def begins_with_bytes(path: str, prefix: str) -> Clause:
    """In base64: where the prefix ends inside a character, any may stand there that begins with its bits."""
    path += ".B"
    head = prefix.rstrip("=")
    spare = len(prefix) - len(head)  # pairs of bits
    if not spare:
        return f"(substr({_X}, 1, ?) IS ?)", (path, len(head), head)
    last = _BASE64.index(head[-1])
    return (
        f"(substr({_X}, 1, ?) IS ? AND instr(?, substr({_X}, ?, 1)) > 0)",
        (path, len(head) - 1, head[:-1], _BASE64[last : last + 4**spare], path, len(head)),
    )


def holds_text(path: str, part: str) -> Clause:
    return f"ifnull(instr({_X}, ?) > 0, 0)", (path + ".S", part)


def has_member(path: str, text: str, member: str) -> Clause:
    """Whether a set or list has a member, which is stored as `text` and comes out as `member`.

    Where the text does not occur there is no need to look at the members.
    """
    return (
        f"CASE WHEN instr({_X}, ?) THEN EXISTS (SELECT 1 FROM json_each(item, ?) WHERE value = ?) ELSE 0 END",
        (path, text, path, member),
    )


def has_plain_member(path: str, member: str) -> Clause:
    """The same where no member holds a quote or a comma, as in sets of numbers and binaries."""
    return f"ifnull(instr({_X}, ?) > 0, 0)", (path, f'"{member}"')


# Size


def size(path: str) -> Clause:
    """The size of a value, NULL where it has none; wrong for texts with characters of two UTF-16 units."""
    binary = path + ".B"
    return (
        f"coalesce(length({_X}), json_array_length(item, ?), json_array_length(item, ?), "
        f"length({_X}) / 4 * 3 - length({_X}) + length(rtrim({_X}, '=')), "
        "CASE WHEN json_type(item, ?) IS NOT NULL THEN (SELECT count(*) FROM json_each(item, ?)) END, "
        "json_array_length(item, ?), json_array_length(item, ?))",
        (
            path + ".S",
            path + ".L",
            path + ".SS",
            binary,
            binary,
            binary,
            path + ".M",
            path + ".M",
            path + ".NS",
            path + ".BS",
        ),
    )


def has_two_unit_characters(path: str) -> Clause:
    """Whether the path leads to a text for which `size` is wrong; may be NULL."""
    path += ".S"
    return (
        f"octet_length({_X}) <> length({_X}) AND {_X} GLOB '*[\U00010000-\U0010ffff]*'",
        (path, path, path),
    )


def floor(number: str) -> tuple[int, bool]:
    """The integer that stands for a number among sizes, at most it or -1; and whether it is the number."""
    if number[0] == "-":
        return -1, True
    whole, _, fraction = number.partition(".")
    return min(int(whole), _MAX_SIZE), not fraction
