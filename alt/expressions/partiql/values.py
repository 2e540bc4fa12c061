"""Values in a statement: literals of every type, and parameters."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from alt.errors import ApiError, validation
from alt.expressions.nodes import Value, ValueRef
from alt.expressions.partiql.lexer import NAME, NUMBER, STRING, Token
from alt.expressions.partiql.literals import MAX_LEVELS, bag_value, number_value, too_deep
from alt.expressions.partiql.malformed import UNEXPECTED_TERM, malformed
from alt.expressions.partiql.statements import Term
from alt.expressions.partiql.tokens import TokenReader
from alt.expressions.partiql.words import KEYWORDS
from alt.values.attribute import normalize
from alt.values.types import AttributeValue

Entry = TypeVar("Entry")

ROOT = "root"  # where a value stands that is in no other
TRUE, FALSE = Value({"BOOL": True}), Value({"BOOL": False})


class ValueReader(TokenReader):
    """Of a value that is wrong something harmless stands in its place."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._parameters = 0

    def _checked(self, term: Term) -> Term:
        """The texts of a value must have a UTF-8 form."""
        if isinstance(term, Value):
            try:
                normalize(term.attribute, older=True)
            except ApiError as error:
                self._refuse_literal(error)
        return term

    def _literal(self, at: str, level: int) -> Term:
        """A value; `at` says where it stands, as messages do, with `level` lists and maps around it."""
        token = self._next()
        if level > MAX_LEVELS:
            self._refuse_literal(too_deep(at))
        if token.kind is STRING:
            return Value({"S": token.text})
        if token.kind in ("-", "+", NUMBER):
            return self._number(token, at)
        if token.kind == "?":
            self._parameters += 1
            if level > 0:
                self._refuse_literal(
                    validation(f"Unsupported data type: Parameter under key {at} at {self._position(token)}")
                )
                return TRUE
            return ValueRef(f"?{self._parameters - 1}")
        if token.kind in ("[", "{", "<<"):
            self._deeper()
            found = {"[": self._list, "{": self._struct, "<<": self._bag}[token.kind](at, level + 1)
            self._depth -= 1
            return found
        if token.kind is NAME:
            return self._word(token, at)
        raise malformed(UNEXPECTED_TERM)

    def _value(self, at: str, level: int) -> AttributeValue:
        """A value within another."""
        term = self._literal(at, level)
        assert isinstance(term, Value)
        return term.attribute

    def _word(self, token: Token, at: str) -> Term:
        word = token.text.upper()
        if word in ("TRUE", "FALSE"):
            return Value({"BOOL": word == "TRUE"})
        if word == "NULL":
            return Value({"NULL": True})
        if word == "MISSING":
            self._break("MISSING must be compared using IS operator")
            return TRUE
        if self._token.kind == "(":
            self._at -= 1
            self._skip_call()
            self._refuse_literal(
                validation(
                    f"Unsupported data type: {token.text.lower()} under key {at} at {self._position(token)}"
                )
            )
            return TRUE
        self._at -= 1
        raise malformed(self._unexpected() if word in KEYWORDS else UNEXPECTED_TERM)

    def _number(self, token: Token, at: str) -> Value:
        is_negative = False
        while token.kind in ("-", "+"):
            is_negative ^= token.kind == "-"
            token = self._next()
        if token.kind is not NUMBER:
            raise malformed(UNEXPECTED_TERM)
        try:
            return number_value("-" * is_negative + token.text, at)
        except ApiError as error:
            self._refuse_literal(error)
            return Value({"N": "0"})

    def _list(self, at: str, level: int) -> Value:
        elements: list[AttributeValue] = []
        while not self._accept("]"):
            if elements:
                self._expect(",")
            elements.append(self._value(f"{at}[{len(elements)}]", level))
        return Value({"L": elements})

    def _struct(self, at: str, level: int) -> Value:
        return Value({"M": self._entries(lambda name: self._value(f"{at}.{name}", level), at)})

    def _entries(self, entry: Callable[[str], Entry], at: str) -> dict[str, Entry]:
        entries: dict[str, Entry] = {}
        while not self._accept("}"):
            if entries:
                self._expect(",")
            token = self._next()
            if token.kind is NUMBER:
                self._refuse_literal(
                    validation(f"Tuple keys must be of type String. Actual type: NUMERIC under {at}")
                )
            elif token.kind is not STRING:
                raise malformed(UNEXPECTED_TERM)
            self._expect(":")
            if token.text in entries:
                self._refuse_literal(validation(f"Duplicate keys in tuple. Key: {token.text} under {at}"))
            entries[token.text] = entry(token.text)
        return entries

    def _bag(self, at: str, level: int) -> Value:
        members: list[AttributeValue] = []
        written: list[str] = []
        while not self._accept(">>"):
            if members:
                self._expect(",")
            start = self._at
            members.append(self._value(f"{at}[{len(members)}]", level))
            written.append("".join([token.text for token in self._tokens[start : self._at]]))
        try:
            return Value(bag_value(members, written, at))
        except ApiError as error:
            self._refuse_literal(error)
            return Value({"SS": ["x"]})
