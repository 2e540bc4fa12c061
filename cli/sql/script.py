"""A script cut into its statements: each ends with `;`, a command of the prompt's (`\\d`) with its line."""

from __future__ import annotations

import re
from typing import NamedTuple

# What a semicolon may stand in, the semicolon itself, and what opens without an end.
_mark = re.compile(
    r"""
    (?P<whole>'(?:[^']|'')*' | "(?:[^"]|"")*" | /\*.*?\*/)
    |(?P<remark>--[^\n]*)
    |(?P<end>;)
    |(?P<open>'|"|/\*)
    """,
    re.VERBOSE | re.DOTALL,
)
_command = re.compile(r"\s*\\[^\n]*")
_nothing = re.compile(r"(?:\s+|--[^\n]*|/\*.*?\*/)*", re.DOTALL)


class Piece(NamedTuple):
    """A statement, or a command that begins with a backslash, and the line where it begins."""

    text: str
    line: int


class Script(NamedTuple):
    """The pieces that have ended, and what follows them. `opened`: the quote or comment that has no end there."""

    pieces: list[Piece]
    rest: Piece | None
    opened: str

    @property
    def all(self) -> list[Piece]:
        """The last statement of a script needs no semicolon."""
        return self.pieces if self.rest is None else [*self.pieces, self.rest]


def split(text: str) -> Script:
    pieces: list[Piece] = []
    begin = at = 0
    while True:
        if at == begin and (command := _command.match(text, at)) is not None:
            pieces += _pieces(text, begin, command.end())
            begin = at = command.end()
            continue
        found = _mark.search(text, at)
        if found is None or found.lastgroup == "open":
            break
        at = found.end()
        if found.lastgroup == "end":
            pieces += _pieces(text, begin, found.start())
            begin = at
    rest = _pieces(text, begin, len(text))
    return Script(pieces, rest[0] if rest else None, "" if found is None else found[0])


def _pieces(text: str, begin: int, end: int) -> list[Piece]:
    """What stands there, in a list; in none if that is nothing but blanks and comments."""
    piece = text[begin:end].strip()
    if _nothing.fullmatch(piece):
        return []
    start = text.index(piece, begin)
    return [Piece(piece, text.count("\n", 0, start) + 1)]
