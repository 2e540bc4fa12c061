"""Requests made wrong on purpose: one member at a time, or at random from a seed."""

from __future__ import annotations

import copy
import itertools
import json
import random
import re
from collections.abc import Callable, Iterator
from typing import Any

Path = tuple[str | int, ...]

# What stands in a member's place, one of each JSON type and what is odd about each.
OTHERS: dict[str, Any] = {
    "null": None,
    "empty text": "",
    "empty list": [],
    "empty object": {},
    "true": True,
    "false": False,
    "zero": 0,
    "negative": -1,
    "whole number": 7,
    "huge number": 2**70,
    "fraction": 1.5,
    "text": "text",
    "digits": "12",
    "list of text": ["text"],
    "list of null": [None],
    "list of objects": [{}],
    "object of text": {"key": "text"},
    "object of null": {"key": None},
    "object of objects": {"key": {}},
    "attribute value": {"S": "text"},
}


def places(value: Any, path: Path = ()) -> Iterator[Path]:
    """The path of everything within a value, the value itself not included."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, content in inner:
        yield (*path, key)
        yield from places(content, (*path, key))


def variants(request: Any, within: Path = (), *, thorough: bool = False) -> Iterator[tuple[str, Any]]:
    """The request with each member left out, null, empty, and of another type; and how.

    `within`: only the member at this path, and what is within it. `thorough`: all of OTHERS in each
    member's place; else one of another type, in turn.
    """
    turn = itertools.cycle(OTHERS.items())
    for path in places(request):
        if path[: len(within)] != within:
            continue
        yield f"{path} left out", _without(request, path)
        if thorough:
            others = [*OTHERS.items()]
        else:
            kind = type(_at(request, path))
            others = [
                ("null", None),
                ("empty", kind()),
                next(each for each in turn if type(each[1]) is not kind),
            ]
        for name, other in others:
            yield f"{path} {name}", put(request, path, other)


def put(request: Any, path: Path, value: Any) -> Any:
    """A copy of the request with the value at the path."""
    changed, holder = _parent(request, path)
    holder[path[-1]] = copy.deepcopy(value)
    return changed


def _at(value: Any, path: Path) -> Any:
    for key in path:
        value = value[key]
    return value


def _parent(request: Any, path: Path) -> tuple[Any, Any]:
    """A copy of the request, and what holds the place in it."""
    changed = copy.deepcopy(request)
    return changed, _at(changed, path[:-1])


def _without(request: Any, path: Path) -> Any:
    changed, holder = _parent(request, path)
    del holder[path[-1]]
    return changed


# At random

NUMBERS = (
    0, -1, 1, 2**31 - 1, 2**31, 2**63 - 1, 2**63, -(2**63) - 1, 10**40, 1.5, -0.0, 1e308, 1e-308
)  # fmt: skip
NUMBER_TEXTS = (
    "0", "-0", "1e125", "9.9999999999999999999999999999999999999E+125", "1E-130", "1e126", "1e-131", "0e999",
    "1" * 38, "1" * 39, "." * 3, "+1", " 1", "1_0", "NaN", "Infinity", "-", "", "1e", "0x10", "1e2147483647",
    "١٢", "1" * 5000,
)  # fmt: skip
TEXTS = (
    "", "\0", "a\0b", "\ud800", "\udfff\ud800", "\uffff", "\U0010ffff", "é", "e\u0301", "\u202e", "\ufeff",
    "𝕊", "ſ", "İ", "%", "'", '"', "\\", "\n", "`", "--", ";", "$", "#", ":", "../../etc/passwd", "a" * 256,
    "arn:", "arn:aws:dynamodb:us-east-1:000000000000:table/", "HASH", "RANGE", "ALL", "NONE", "S", "N", "true",
)  # fmt: skip
TOKENS = (
    "(", ")", ",", "[", "]", ".", "=", "<>", "<", ">=", "+", "-", "AND", "OR", "NOT", "BETWEEN", "IN", "SET",
    "REMOVE", "ADD", "DELETE", "size(", "contains(", "begins_with(", "attribute_exists(", "list_append(",
    "if_not_exists(", "attribute_type(", ":n", ":absent", "#o", "#absent", "pk", "owner", "l[0]", "m.x.y",
    "SELECT", "FROM", "WHERE", "ORDER BY", "RETURNING ALL OLD *", "IS MISSING", "set_add(", "?", "<<", ">>", "{'k': ", "}",
    "'it''s'", '"a.b"', "/*", "a[99999999999]", "a.b.c.d", "''", "\0", "é", "😀", "1", "(" * 400, "NOT " * 400, "a." * 60 + "a",
)  # fmt: skip
NAMES = (
    "Music", "Plain", "Provisioned", "Doomed", "Restored", "Back", "Made", "by-owner", "by-year", "by-several",
    "by-a", "pk", "sk", "owner", "rating", "year", "flavour", "expires", "l", "m", "tags", "absent", "No-Such",
)  # fmt: skip
_WORDS = re.compile(r"[\w#:]+|\s+|.", re.DOTALL)
_DEPTHS = (1, 2, 30, 31, 32, 33, 62, 63)
_DEEP_TEXTS = (b"[" * 2000, b'{"L":[' * 1100, b'{"M":{"k":' * 600 + b'{"S":"x"}' + b"}}" * 600)
_LENGTHS = (2, 26, 101, 256, 300, 1025, 2049, 4097, 66_000)
MOST_MUTATIONS = 4
MOST_ELEMENTS = 1025  # of a list or map that is made longer
MOST_BODY_BYTES = 512 * 1024  # what is longer is cut


class Mutator:
    """Makes requests wrong. The same seed makes the same requests of the same corpus."""

    def __init__(self, corpus: dict[str, list[Any]], seed: int) -> None:
        self._random = random.Random(seed)
        self._parts = [
            _at(request, path)
            for requests in corpus.values()
            for request in requests
            for path in places(request)
        ]

    def body(self, request: Any) -> bytes:
        """The body of the request, wrong in one to four ways. It need not be JSON any more."""
        changed = copy.deepcopy(request)
        for _ in range(self._random.choice((1, 1, 1, 2, 2, 3, MOST_MUTATIONS))):
            changed = self._mutated(changed)
            if len(text := json.dumps(changed, ensure_ascii=self._random.random() < 0.5)) > MOST_BODY_BYTES:
                break
        body = text.encode("utf-8", "surrogatepass")[:MOST_BODY_BYTES]
        return self._damaged(body) if self._random.random() < 0.06 else body

    def _mutated(self, request: Any) -> Any:
        found = list(places(request))
        if not found:
            return {self._random.choice(NAMES): self._anything()}
        path = self._random.choice(found)
        holder = _at(request, path[:-1])
        key = path[-1]
        ways: tuple[Callable[[Any, Any], None], ...] = (
            self._drop, self._duplicate, self._retype, self._deepen, self._lengthen, self._renamed, self._spliced,
            self._of_its_kind, self._of_its_kind, self._of_its_kind,
        )  # fmt: skip
        self._random.choice(ways)(holder, key)
        return request

    def _drop(self, holder: Any, key: Any) -> None:
        del holder[key]

    def _duplicate(self, holder: Any, key: Any) -> None:
        """In a list, beside itself; in an object, under another's name."""
        if isinstance(holder, list):
            holder.insert(key, copy.deepcopy(holder[key]))
        else:
            holder[self._random.choice([*holder, *NAMES])] = copy.deepcopy(holder[key])

    def _retype(self, holder: Any, key: Any) -> None:
        holder[key] = self._anything()

    def _deepen(self, holder: Any, key: Any) -> None:
        kind = self._random.choice(("list", "L", "M"))
        value = holder[key]
        for _ in range(self._random.choice(_DEPTHS)):
            value = [value] if kind == "list" else {"L": [value]} if kind == "L" else {"M": {"k": value}}
        holder[key] = value

    def _lengthen(self, holder: Any, key: Any) -> None:
        value, length = holder[key], self._random.choice(_LENGTHS)
        # What is large already does not become a thousand times as large.
        count = min(length, MOST_ELEMENTS, 2 + MOST_BODY_BYTES // len(json.dumps(value)))
        if isinstance(value, str):
            holder[key] = (value or "x") * (length // max(len(value), 1) + 1)
        elif isinstance(value, list) and value:
            holder[key] = [value[number % len(value)] for number in range(count)]
        elif isinstance(value, dict) and value:
            some = next(iter(value.values()))
            holder[key] = value | {f"{name}": some for name in range(count)}
        else:
            holder[key] = [value] * count

    def _renamed(self, holder: Any, key: Any) -> None:
        """Under another name: odd, or one that is known elsewhere."""
        if isinstance(holder, dict):
            holder[self._random.choice((*NAMES, *TEXTS))] = holder.pop(key)
        else:
            holder[key] = self._random.choice(NAMES)

    def _spliced(self, holder: Any, key: Any) -> None:
        """Some part of another request stands there."""
        holder[key] = copy.deepcopy(self._random.choice(self._parts))

    def _of_its_kind(self, holder: Any, key: Any) -> None:
        value = holder[key]
        if isinstance(value, str):
            holder[key] = self._other_text(value)
        elif isinstance(value, bool) or not isinstance(value, int | float):
            holder[key] = self._anything()
        else:
            holder[key] = self._random.choice((*NUMBERS, value + 1, -value))

    def _other_text(self, text: str) -> str:
        choice = self._random.random()
        if choice < 0.2:
            return self._random.choice(TEXTS)
        if choice < 0.35:
            return self._random.choice(NUMBER_TEXTS)
        if choice < 0.5:
            return self._random.choice(NAMES)
        words = _WORDS.findall(text)
        place = self._random.randrange(len(words) + 1)
        if choice < 0.8 or not words:
            words.insert(place, self._random.choice((*TOKENS, *TEXTS)))
        elif choice < 0.9:
            words.pop(place % len(words))
        else:
            words[place % len(words)] = self._random.choice(words)
        return "".join(words)

    def _anything(self) -> Any:
        pool: tuple[Any, ...] = (*OTHERS.values(), *NUMBERS, *TEXTS, *NAMES)
        return copy.deepcopy(self._random.choice(pool))

    def _damaged(self, body: bytes) -> bytes:
        """The text of the request with bytes cut off, changed, doubled or put in."""
        start = self._random.randrange(len(body) + 1)
        end = min(len(body), start + self._random.choice((0, 1, 1, 2, 8, 60)))
        odd = (b"\xff", b"\\u", b"}", b",", *_DEEP_TEXTS)
        middle = self._random.choice((b"", b"", body[start:end] * 2, self._random.randbytes(3), *odd))
        return body[:start] if self._random.random() < 0.2 else body[:start] + middle + body[end:]
