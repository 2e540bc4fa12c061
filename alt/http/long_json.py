"""JSON of any length, read in short steps.

`ujson.loads` holds the interpreter for the whole of a text: 0.3 s for 15 MB of small values, on whatever
thread. Here regular expressions cut a long text into runs of whole members, each of which ujson reads, so
that other threads go on between two steps. What is JSON and what it means stays ujson's to say.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import ujson

STEP_BYTES = 64 * 1024  # looked at in one step
MAX_LEVELS = 1_024  # as ujson has it

Container = dict[str, Any] | list[Any]

# Containers with so many levels inside are taken in one step with their neighbours.
_LEVELS_IN_STEP = 8
_SPACE = rb"[ \t\r\n]*+"
_STRING = rb'"[^"\\]*+(?:(?:\\.)++[^"\\]*+)*+"'
_SCALAR = rb'[^\s"{}\[\],:]++'


def _small_container() -> bytes:
    pattern = b""
    for _ in range(_LEVELS_IN_STEP):
        inner = rb'(?:[^"{}\[\]]++|%b%b)*+' % (_STRING, b"|" + pattern if pattern else b"")
        pattern = rb"[{\[]%b[}\]]" % inner
    return pattern


class _Grammar(NamedTuple):
    """How the members of a kind of container are written."""

    run: re.Pattern[bytes]  # members, each with its comma
    last: re.Pattern[bytes]  # a member and the end of the container
    lead: re.Pattern[bytes]  # what stands before a value


def _grammar(key: bytes, end: bytes) -> _Grammar:
    value = rb"(?:%b|%b|%b)" % (_STRING, _SCALAR, _small_container())
    member = _SPACE + key + value + _SPACE
    return _Grammar(
        re.compile(rb"(?:%b,)++" % member, re.DOTALL),
        re.compile(rb"(%b)%b" % (member, re.escape(end)), re.DOTALL),
        re.compile(_SPACE + b"(%b)" % key, re.DOTALL),
    )


_ELEMENTS = _grammar(b"", b"]")
_MEMBERS = _grammar(_STRING + _SPACE + b":" + _SPACE, b"}")
_LONG_SCALAR = re.compile(_SCALAR)
_GAP = re.compile(_SPACE)
_BACKSLASH = ord("\\")


def loads(text: bytes) -> Any:
    """What `ujson.loads` gives. Raises ValueError."""
    begin = _GAP.match(text).end()  # type: ignore[union-attr]
    if len(text) <= STEP_BYTES or text[begin : begin + 1] not in (b"{", b"["):
        return ujson.loads(text)
    return _Reader(text, begin).read()


class _Reader:
    def __init__(self, text: bytes, begin: int) -> None:
        self._text = text
        self._at = begin
        self._open: list[Container] = []  # from the outermost inwards

    def read(self) -> Any:
        root = self._enter()
        while self._open:
            self._step(self._open[-1])
        if _GAP.match(self._text, self._at).end() != len(self._text):  # type: ignore[union-attr]
            raise ValueError("Trailing data")
        return root

    def _step(self, container: Container) -> None:
        text, at = self._text, self._at
        grammar = _MEMBERS if type(container) is dict else _ELEMENTS
        if found := grammar.run.match(text, at, at + STEP_BYTES):
            _extend(container, text[at : found.end() - 1])
            self._at = found.end()
        elif found := grammar.last.match(text, at, at + STEP_BYTES):
            _extend(container, found[1])
            self._at = found.end() - 1
            self._leave()
        else:
            self._read_long_member(container, grammar)

    def _read_long_member(self, container: Container, grammar: _Grammar) -> None:
        """A member that does not fit in a step, or the end of an empty container."""
        lead = grammar.lead.match(self._text, self._at)
        key = b""
        if lead is None:  # an object without a further name
            self._at = _GAP.match(self._text, self._at).end()  # type: ignore[union-attr]
        else:
            self._at = lead.end()
            key = lead[1]
        if key or type(container) is list:
            if self._text[self._at : self._at + 1] in (b"{", b"["):
                _add(container, key, self._enter())
                return
            if end := _plain_end(self._text, self._at):
                _add(container, key, _plain(self._text[self._at : end]))
                self._at = end
                self._go_on()
                return
        if key or container:
            raise ValueError("Unexpected character")
        self._leave()

    def _enter(self) -> Container:
        container: Container = {} if self._text[self._at : self._at + 1] == b"{" else []
        self._open.append(container)
        if len(self._open) > MAX_LEVELS:
            raise ValueError("Reached object decoding depth limit")
        self._at += 1
        return container

    def _leave(self) -> None:
        self._close()
        self._go_on()

    def _go_on(self) -> None:
        """After a whole value: past a comma, or out of each container that ends here."""
        while self._open:
            self._at = _GAP.match(self._text, self._at).end()  # type: ignore[union-attr]
            if self._text[self._at : self._at + 1] == b",":
                self._at += 1
                return
            self._close()

    def _close(self) -> None:
        end = b"}" if type(self._open.pop()) is dict else b"]"
        if self._text[self._at : self._at + 1] != end:
            raise ValueError("Unexpected character")
        self._at += 1


def _plain_end(text: bytes, at: int) -> int:
    """Where the string, number or word ends that begins `at`; 0 if there is none."""
    if text[at : at + 1] != b'"':
        found = _LONG_SCALAR.match(text, at, at + STEP_BYTES)
        return found.end() if found else 0
    # An expression takes twenty times as long over a string of megabytes.
    end = at
    while end := text.find(b'"', end + 1) + 1:
        end -= 1
        before = end - 1
        while text[before] == _BACKSLASH:
            before -= 1
        if (end - before) % 2:  # an even number of backslashes
            return end + 1
    return 0


def _plain(value: bytes) -> Any:
    # Long ASCII is what ujson takes longest for: it first widens each character to four bytes.
    if value.startswith(b'"') and value.isascii() and b"\\" not in value and b"\0" not in value:
        return value[1:-1].decode()
    return ujson.loads(value)


def _extend(container: Container, members: bytes) -> None:
    if type(container) is dict:
        container.update(ujson.loads(b"{%b}" % members))
    else:
        container += ujson.loads(b"[%b]" % members)


def _add(container: Container, key: bytes, value: Any) -> None:
    if type(container) is dict:
        (name,) = ujson.loads(b"{%b0}" % key)
        container[name] = value
    else:
        container.append(value)  # type: ignore[union-attr]


def take_apart(value: Any) -> None:
    """Empty a tree of dicts and lists in steps: to drop millions of objects at once holds the interpreter, too."""
    pending = [value]
    while pending:
        container = pending.pop()
        if type(container) is dict:
            pending.extend(container.values())
            container.clear()
        elif type(container) is list:
            pending.extend(container)
            container.clear()
