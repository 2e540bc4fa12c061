"""Tokens of a PartiQL statement.

Names stand bare or in double quotes, texts in single ones; a quote within is written twice.
Comments (`--` to the end of the line, `/* */`) and blanks separate tokens. What opens and does not
end, and a character that begins nothing, cannot be said anything of: the service's message has no
more words then (recorded).
"""

from __future__ import annotations

import re
from typing import NamedTuple

from alt.expressions.partiql.malformed import malformed

NAME = "name"
QUOTED = "quoted name"
STRING = "text"
NUMBER = "number"
SYMBOL = "symbol"
END = "end"

_token = re.compile(
    r"""
    (?P<skipped>[ \t\r\n\f\v]+|--[^\n]*|/\*.*?\*/)
    |(?P<number>(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)
    |(?P<name>[A-Za-z_$][A-Za-z0-9_$]*)
    |(?P<quoted>"(?:[^"]|"")*")
    |(?P<text>'(?:[^']|'')*')
    |(?P<symbol><<|>>|<>|!=|<=|>=|\|\||[=<>+\-*%()\[\]{},.:;?@]|/(?!\*))
    """,
    re.VERBOSE | re.DOTALL,
)
_KINDS = {"number": NUMBER, "name": NAME, "quoted": QUOTED, "text": STRING}


class Token(NamedTuple):
    """`text` without its quotes; `kind` is one of the constants above, or the symbol itself."""

    kind: str
    text: str
    start: int
    end: int


def tokenize(statement: str) -> list[Token]:
    """All tokens, and an END after them. Raises ValidationException."""
    tokens = []
    at = 0
    while at < len(statement):
        match = _token.match(statement, at)
        if match is None:
            raise malformed("")
        group, text = match.lastgroup, match[0]
        if group != "skipped":
            kind = _KINDS.get(group or "", text)
            if kind is QUOTED:
                text = text[1:-1].replace('""', '"')
            elif kind is STRING:
                text = text[1:-1].replace("''", "'")
            tokens.append(Token(kind, text, at, match.end()))
        at = match.end()
    tokens.append(Token(END, "", at, at))
    return tokens


def position(statement: str, start: int, end: int) -> str:
    """Where a part of a statement is, as messages say it: line, column, length."""
    line = statement.count("\n", 0, start) + 1
    column = start - (statement.rfind("\n", 0, start) + 1) + 1
    return f"{line}:{column}:{end - start}"
