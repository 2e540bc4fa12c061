"""ClientRequestTokens: of transactions that are done and still count, and of those under way."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any

from alt.errors import idempotent_parameter_mismatch, transaction_in_progress
from alt.storage.model.items import TOKEN_SECONDS, Token


class Tokens:
    """What the files hold of them, in memory.

    `generation` changes when the files give way to others: who began before that has nothing to add.
    """

    def __init__(self) -> None:
        self.generation = 0
        self._done: dict[str, Token] = {}  # in the order they expire
        self._sizes: dict[str, Sequence[int]] = {}  # of those that were done here
        self._running: dict[str, bytes] = {}  # the hashes of their requests

    def is_done(self, token: Token) -> bool:
        """Whether the request of this token was done already. Raises where it is another request's, or under way."""
        known = self._done.get(token.token)
        if known is not None and known.expires < token.expires - TOKEN_SECONDS:
            self._forget(token.token)
            known = None
        running = self._running.get(token.token)
        if (running or (known.request if known is not None else token.request)) != token.request:
            raise idempotent_parameter_mismatch()
        if running is not None:
            raise transaction_in_progress()
        return known is not None

    def run(self, token: Token, transaction: asyncio.Future[Any]) -> None:
        """The transaction of this token is under way until it is done."""
        self._running[token.token] = token.request
        transaction.add_done_callback(lambda _ended: self._running.pop(token.token))

    def sizes(self, token: Token) -> Sequence[int] | None:
        """The bytes that the request of this token was charged for, item by item; None where another process did it."""
        return self._sizes.get(token.token)

    def remember(self, token: Token, sizes: Sequence[int] | None = None) -> None:
        self._done[token.token] = token
        if sizes is not None:
            self._sizes[token.token] = sizes
        oldest = next(iter(self._done.values()))
        if oldest.expires < token.expires - TOKEN_SECONDS:
            self._forget(oldest.token)

    def _forget(self, token: str) -> None:
        del self._done[token]
        self._sizes.pop(token, None)

    def replace(self, tokens: Iterable[Token]) -> None:
        """The files hold these and no others now; what is under way has nothing to add."""
        self.generation += 1
        self._done.clear()
        self._sizes.clear()
        for token in sorted(set(tokens), key=lambda token: token.expires):
            self.remember(token)
