"""Writes of any number of items, in any number of tables: all of them are done, or none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from alt.errors import ApiError, without_trace
from alt.storage.model.costs import decision_cost
from alt.storage.model.items import Decide, Delete, Effect, Put, Refuse, Stored, Token, Write, Written
from alt.storage.model.keys import RowKey
from alt.storage.sqlite.group_commit import TooLongError, UndoneError
from alt.storage.sqlite.row_writes import LARGE_ITEM_BYTES, MAX_DECISION_COST
from alt.storage.sqlite.table import Table

_PUTS = {Put}
_new = tuple.__new__  # what Written's own does, without a call in Python


class Together:
    """What runs inside the transactions of the tables.

    Raises UndoneError with what became of each where one is refused, and TooLongError where it takes long to tell.
    `token` goes into the file of the only table there is.
    """

    __slots__ = ("_token", "_writes")

    def __init__(self, writes: Sequence[tuple[Table, Write]], token: Token | None = None) -> None:
        self._writes = writes
        self._token = token

    def __call__(self) -> list[Written]:
        if self._are_plain_puts():
            return self._with_token(self._writes[0][0].put_plain([write for _, write in self._writes]))
        found: list[Stored | None] = []
        cost = 0
        for table, write in self._writes:
            old = table.stored(write.key)
            if old is not None and old.size >= LARGE_ITEM_BYTES:
                cost += decision_cost(old, write.looks())
                if cost > MAX_DECISION_COST:
                    raise TooLongError(self._look)
            found.append(old)
        return self.apply(found, self._decide(found))

    def _look(self) -> Callable[[], Callable[[], list[Written]]]:
        found = [table.stored(write.key) for table, write in self._writes]
        return lambda: partial(self.apply, found, self._decide(found))

    def _decide(self, found: Sequence[Stored | None]) -> list[Effect]:
        return [_decided(write.effect, old) for (_, write), old in zip(self._writes, found, strict=True)]

    def apply(self, found: Sequence[Stored | None], effects: Sequence[Effect]) -> list[Written]:
        """Do what was decided on what was found."""
        if Refuse in map(type, effects):
            raise UndoneError(
                [
                    Written(_size(old), 0, (), old, None, effect.error if type(effect) is Refuse else None)
                    for effect, old in zip(effects, found, strict=True)
                ]
            )
        return self._with_token(self._put_all(found, effects) or self._apply_each(found, effects))

    def _with_token(self, written: list[Written]) -> list[Written]:
        if self._token is not None:
            self._writes[0][0].put_token(self._token)
        return written

    def _are_plain_puts(self) -> bool:
        """Whether all there is to do is to store items in one plain table, whatever is there."""
        table = self._writes[0][0]
        return table.is_plain and all(
            [other is table and type(write.effect) is Put for other, write in self._writes]  # noqa: C419
        )

    def _put_all(self, found: Sequence[Stored | None], effects: Sequence[Effect]) -> list[Written] | None:
        """At once, where all there is to do is to store items in one table that nothing else is to know of."""
        table = self._writes[0][0]
        if not table.is_plain or set(map(type, effects)) != _PUTS:
            return None
        if not all(other is table for other, _ in self._writes):
            return None
        puts: list[tuple[RowKey, Stored, int | None]] = []
        written = []
        for (_, write), effect, old in zip(self._writes, effects, found, strict=True):
            new = effect.new  # type: ignore[union-attr]
            old_size = None if old is None else old.size
            written.append(_new(Written, (old_size or 0, new.size, (), old, None, None)))
            if new != old:
                puts.append((write.key, new, old_size))
        table.put_all(puts)
        return written

    def _apply_each(self, found: Sequence[Stored | None], effects: Sequence[Effect]) -> list[Written]:
        written: list[Written] = []
        for (table, write), effect, old in zip(self._writes, effects, found, strict=True):
            try:
                written.append(table.apply(write.key, effect, old))
            except ApiError as error:  # an item collection grows too large
                written.append(Written(_size(old), 0, (), old, None, without_trace(error)))
                left = found[len(written) :]
                raise UndoneError([*written, *(Written(_size(each), 0, (), each) for each in left)]) from None
        return written


def _decided(effect: Put | Delete | Decide, old: Stored | None) -> Effect:
    if type(effect) is Put or type(effect) is Delete:
        return effect
    try:
        return effect(old)  # type: ignore[operator]
    except ApiError as error:
        return Refuse(without_trace(error))


def _size(stored: Stored | None) -> int:
    return 0 if stored is None else stored.size
