"""Tokens of an expression.

A name opens with a letter; after `#` and `:` a digit or underscore may also come
first. An index has no leading zeros: `03` is two tokens. Whitespace separates
tokens and is otherwise ignored. Every other character is a token of its own, for
the parser to refuse and name. (Recorded from the service.)
"""

from __future__ import annotations

import re
from typing import NamedTuple

NAME = "name"
NAME_PLACEHOLDER = "name placeholder"
VALUE_PLACEHOLDER = "value placeholder"
INDEX = "index"
STRAY = "stray character"
END = "end"

_GROUPS = (NAME, NAME_PLACEHOLDER, VALUE_PLACEHOLDER, INDEX, None, STRAY)
_token = re.compile(
    r"[ \t\r\n]*(?:([A-Za-z][A-Za-z0-9_]*)|(#[A-Za-z0-9_]+)|(:[A-Za-z0-9_]+)|(0|[1-9][0-9]*)"
    r"|(<>|<=|>=|[=<>()\[\],.+-])|([^ \t\r\n]))"
)


class Token(NamedTuple):
    """`kind` is one of the constants above, a keyword in capitals, or a symbol itself."""

    kind: str
    text: str
    start: int
    end: int


def tokenize(text: str, keywords: frozenset[str]) -> list[Token]:
    """All tokens, an END after them. `keywords`, in capitals, are met in any case."""
    tokens = []
    # Without the blanks at the end, where the pattern would look for a token again and again.
    for match in _token.finditer(text.rstrip(" \t\r\n")):
        group = match.lastindex or 0
        word = match[group]
        kind = _GROUPS[group - 1] or word
        if kind is NAME and word.upper() in keywords:
            kind = word.upper()
        tokens.append(Token(kind, word, match.start(group), match.end(group)))
    tokens.append(Token(END, "<EOF>", len(text), len(text)))
    return tokens
