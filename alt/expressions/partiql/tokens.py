"""The tokens of a statement one after another, and what is found wrong with it on the way."""

from __future__ import annotations

from alt.errors import ApiError
from alt.expressions.partiql.lexer import END, NAME, QUOTED, Token, position, tokenize
from alt.expressions.partiql.malformed import (
    UNEXPECTED_KEYWORD,
    UNEXPECTED_OPERATOR,
    UNEXPECTED_TERM,
    malformed,
)
from alt.expressions.partiql.words import KEYWORDS, OPERATORS

MAX_DEPTH = 48  # of parentheses and values within each other


class TokenReader:
    """What is wrong with a literal, and what breaks a rule, is kept until all is well-formed: the first of each."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = tokenize(text)
        self._at = 0
        self._depth = 0
        self._wrong_literal: ApiError | None = None
        self._broken: str | None = None

    @property
    def _token(self) -> Token:
        return self._tokens[self._at]

    def _next(self) -> Token:
        token = self._tokens[self._at]
        if token.kind != END:
            self._at += 1
        return token

    def _accept(self, symbol: str) -> bool:
        if self._token.kind != symbol:
            return False
        self._at += 1
        return True

    def _expect(self, symbol: str) -> None:
        if not self._accept(symbol):
            raise malformed(UNEXPECTED_TERM)

    def _is_name(self) -> bool:
        """Whether a name stands here, bare or quoted."""
        token = self._token
        return token.kind is QUOTED or (token.kind is NAME and token.text.upper() not in KEYWORDS)

    def _is_word(self, *words: str) -> bool:
        return self._token.kind is NAME and self._token.text.upper() in words

    def _accept_word(self, word: str) -> bool:
        if not self._is_word(word):
            return False
        self._at += 1
        return True

    def _expect_word(self, word: str) -> None:
        if not self._accept_word(word):
            raise malformed(UNEXPECTED_TERM)

    def _position(self, token: Token) -> str:
        return position(self._text, token.start, token.end)

    def _deeper(self) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise malformed("")

    def _unexpected(self) -> str:
        """What is said of what stands here instead of a term."""
        token = self._token
        if token.kind is NAME:
            return UNEXPECTED_OPERATOR if token.text.upper() in OPERATORS else UNEXPECTED_KEYWORD
        return UNEXPECTED_TERM

    def _skip_call(self) -> None:
        self._next()
        depth = 0
        while True:
            token = self._next()
            depth += (token.kind == "(") - (token.kind == ")")
            if depth == 0:
                return
            if token.kind == END:
                raise malformed(UNEXPECTED_TERM)

    def _break(self, problem: str) -> None:
        """A rule is broken: told once the statement is known to be well-formed."""
        self._broken = self._broken or problem

    def _refuse_literal(self, error: ApiError) -> None:
        self._wrong_literal = self._wrong_literal or error
