"""What a group of writes comes to: decided one after another on what was found, in memory, and stored together.

Nothing here waits or asks the database: `Wanted` says what has to be read, `Group` is given that and says what has to be
stored. Whoever loses a race makes a new group of the same writes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import ujson

from alt.errors import (
    ApiError,
    idempotent_parameter_mismatch,
    item_collection_too_large,
    resource_not_found,
    without_trace,
)
from alt.storage.model.items import (
    TOKEN_SECONDS,
    Delete,
    Effect,
    EntryChange,
    Keep,
    Put,
    Refuse,
    Stored,
    Token,
    Write,
    Written,
    same_items,
)
from alt.storage.model.keys import RowKey
from alt.storage.postgres import keys
from alt.storage.postgres.keys import Place
from alt.storage.postgres.shapes import Expiry, Index, Shape
from alt.values.types import Item

NOTHING = Stored(0, "")


class KnownToken(NamedTuple):
    """A ClientRequestToken as it is stored: the hash of its request, until when it counts, the bytes charged for."""

    request: bytes
    expires: float
    sizes: Sequence[int]


@dataclass(slots=True)
class Unit:
    """Writes that are done together or not at all. `shape_of` gives a table's shape as it is now, None once it is gone.

    `is_transaction`: a refusal is told with what became of each; else it is one write's own. `by_ttl`: the item goes
    for it has expired.
    """

    writes: Sequence[tuple[Callable[[], Shape | None], Write]]
    is_transaction: bool = False
    token: Token | None = None
    by_ttl: bool = False

    @property
    def put_bytes(self) -> int:
        """Of the items that it stores whatever it finds."""
        return sum(write.effect.new.size for _, write in self.writes if isinstance(write.effect, Put))


class Replayed(NamedTuple):
    """A transaction of this token was done before, and charged for so many bytes of each item."""

    sizes: Sequence[int]


class ChangeRow(NamedTuple):
    """A change that the log has yet to number."""

    source: int
    slot: int
    key: bytes
    by_ttl: bool
    old: Stored | None
    new: Stored | None


class _Planned(NamedTuple):
    """What one write is going to do."""

    shape: Shape
    at: Place
    key: RowKey
    effect: Effect
    old: Stored | None
    new: Stored | None
    entries: list[
        tuple[Index | Expiry, Any, Any]
    ]  # each index with where its entry was and is, and what that held
    grown: int  # bytes of the item collection


@dataclass(slots=True)
class Found:
    """What the database has, as the group begins. `built`: how far the building of indexes is, by their sources."""

    items: Mapping[Place, Stored]
    collections: Mapping[Place, int] = field(default_factory=dict)
    built: Mapping[int, tuple[int, bytes]] = field(default_factory=dict)
    tokens: Mapping[str, KnownToken] = field(default_factory=dict)


class Wanted:
    """What has to be read and locked for some units."""

    def __init__(self, units: Iterable[Unit]) -> None:
        items: set[Place] = set()
        together: set[Place] = set()
        collections: set[Place] = set()
        building: set[int] = set()
        self.tokens = [unit.token.token for unit in units if unit.token is not None]
        for unit in units:
            for shape_of, write in unit.writes:
                shape = shape_of()
                if shape is None:
                    continue
                at = keys.place(shape.source, write.key)
                items.add(at)
                if len(unit.writes) > 1 and unit.is_transaction:
                    together.add(at)
                building.update(shape.building)
                if shape.has_collections:
                    collections.add(collection_place(shape, write.key))
        self.items = sorted(items)
        self.together = together  # what a transaction looks at has to be of one state
        self.collections = sorted(collections)
        self.building = sorted(building)


class Group:
    """Decides units one after another. An item collection may have up to `limit` bytes; `now` in epoch seconds."""

    def __init__(self, found: Found, limit: int, now: float) -> None:
        self._found = found
        self._limit = limit
        self.now = now
        # As the group leaves them: rows by where they are, each with what it was at first.
        self.rows: dict[Place, tuple[Stored | None, Stored | None]] = {}
        self.guards: set[Place] = set()  # found absent, and nobody may store them until this is done
        self.grown: dict[Place, int] = {}
        self.tallies: dict[int, list[int]] = {}
        self.changes: list[ChangeRow] = []
        self.tokens: dict[str, KnownToken] = {}
        self.stale_tokens: list[str] = []

    def run(self, units: Iterable[Unit]) -> list[Any]:
        """What becomes of each: a list of Written, Replayed, or an error."""
        return [self._run(unit) for unit in units]

    def _run(self, unit: Unit) -> Any:
        try:
            if unit.token is not None and (known := self._known(unit.token)) is not None:
                return Replayed(known.sizes)
            return self._together(unit) if unit.is_transaction else self._each(unit)
        except Exception as error:
            return without_trace(error)

    def _known(self, token: Token) -> KnownToken | None:
        known = self.tokens.get(token.token) or self._found.tokens.get(token.token)
        if known is None or known.expires < token.expires - TOKEN_SECONDS:
            return None
        if known.request != token.request:
            raise idempotent_parameter_mismatch()
        return known

    def _each(self, unit: Unit) -> list[Written]:
        planned = []
        for shape_of, write in unit.writes:
            shape, at, old = self._find(shape_of, write.key)
            effect = write.effect if isinstance(write.effect, (Put, Delete)) else write.effect(old)
            if isinstance(effect, Refuse):
                return [Written(_size(old), 0, (), old, None, effect.error)]
            planned.append(self._plan(shape, at, write.key, effect, old))
        self._check_collections(planned)
        return [self._do(each, unit.by_ttl) for each in planned]

    def _together(self, unit: Unit) -> list[Written]:
        found = [self._find(shape_of, write.key) for shape_of, write in unit.writes]
        olds = [old for _, _, old in found]
        effects = [_decided(write, old) for (_, write), old in zip(unit.writes, olds, strict=True)]
        errors: list[ApiError | None] = [
            effect.error if isinstance(effect, Refuse) else None for effect in effects
        ]
        planned: list[_Planned] = []
        if not any(errors):
            for (shape, at, old), (_, write), effect in zip(found, unit.writes, effects, strict=True):
                planned.append(self._plan(shape, at, write.key, effect, old))
                try:
                    self._check_collections(planned)
                except ApiError as error:
                    errors[len(planned) - 1] = without_trace(error)
                    break
        if any(errors):
            if any(at in self.rows for _, at, _ in found):  # it was refused for what is yet to be stored
                self._guard(found)
            return [
                Written(_size(old), 0, (), old, None, error) for old, error in zip(olds, errors, strict=True)
            ]
        written = [self._do(each, unit.by_ttl) for each in planned]
        self._guard(found)
        self._keep_token(unit, written)
        return written

    def _guard(self, found: Sequence[tuple[Shape, Place, Stored | None]]) -> None:
        """What a transaction has found absent must not come to be before that is stored which it goes together with."""
        if len(found) > 1:
            self.guards.update(at for _, at, old in found if old is None)

    def _keep_token(self, unit: Unit, written: Sequence[Written]) -> None:
        token = unit.token
        if token is None:
            return
        if token.token in self._found.tokens:
            self.stale_tokens.append(token.token)
        self.tokens[token.token] = KnownToken(
            token.request, token.expires, [each.larger_size for each in written]
        )

    def _find(self, shape_of: Callable[[], Shape | None], key: RowKey) -> tuple[Shape, Place, Stored | None]:
        shape = shape_of()
        if shape is None:
            raise resource_not_found()
        at = keys.place(shape.source, key)
        row = self.rows.get(at)
        return shape, at, self._found.items.get(at) if row is None else row[1]

    def _plan(self, shape: Shape, at: Place, key: RowKey, effect: Effect, old: Stored | None) -> _Planned:
        if isinstance(effect, (Keep, Refuse)):
            return _Planned(shape, at, key, effect, old, old, [], 0)
        new = effect.new if isinstance(effect, Put) else None
        if new == old or not shape.indexes:
            return _Planned(shape, at, key, effect, old, new, [], _size(new) - _size(old))
        item, before = (effect.item, effect.before) if isinstance(effect, Put) else (None, None)
        if old is not None and before is None:
            before = ujson.loads(old.text)
        entries = []
        grown = _size(new) - _size(old)
        for index in shape.indexes:
            if index.is_building and not self._is_built(index.source, at):
                continue
            was, is_now = _entry(index, key, before, old), _entry(index, key, item, new)
            if was != is_now:
                entries.append((index, was, is_now))
                if index.is_local:
                    grown += _entry_size(is_now) - _entry_size(was)
        return _Planned(shape, at, key, effect, old, new, entries, grown)

    def _is_built(self, source: int, at: Place) -> bool:
        position = self._found.built.get(source)
        return position is None or at[1:] <= position

    def _check_collections(self, planned: Sequence[_Planned]) -> None:
        """Raises ItemCollectionSizeLimitExceededException."""
        grown: dict[Place, int] = {}
        for each in planned:
            if each.shape.has_collections and each.grown:
                at = _collection_of(each.at)
                grown[at] = grown.get(at, 0) + each.grown
                if each.grown > 0 and self.collection(at) + grown[at] > self._limit:
                    raise item_collection_too_large()

    def collection(self, at: Place) -> int:
        return self._found.collections.get(at, 0) + self.grown.get(at, 0)

    def _do(self, planned: _Planned, by_ttl: bool) -> Written:
        shape, at, key, effect, old, new, entries, grown = planned
        changes = []
        if not isinstance(effect, Keep) and new != old:
            self._set(at, old, new)
            if shape.is_logged and not (old is not None and new is not None and same_items(old, new)):
                self.changes.append(ChangeRow(shape.source, at[1], keys.whole(key), by_ttl, old, new))
            for index, was, is_now in entries:
                changed = self._change_entry(index, was, is_now)
                if changed is not None:
                    changes.append(changed)
        collection = None
        if shape.has_collections:
            place = _collection_of(at)
            self.grown[place] = self.grown.get(place, 0) + grown
            collection = self.collection(place)
        new_size = effect.size if isinstance(effect, Keep) else _size(new)
        return Written(_size(old), new_size, changes, old, collection)

    def _change_entry(self, index: Index | Expiry, was: Any, is_now: Any) -> EntryChange | None:
        is_moved = was is not None and is_now is not None and was[0] != is_now[0]
        if was is not None and is_now is not None and not is_moved:
            self._set(was[0], _stored(was[1]), _stored(is_now[1]))
        else:
            if was is not None:
                self._set(was[0], _stored(was[1]), None)
            if is_now is not None:
                self._set(is_now[0], None, _stored(is_now[1]))
        if index.definition is None:
            return None
        return EntryChange(index.definition, _entry_size(was), _entry_size(is_now), is_moved)

    def _set(self, at: Place, old: Stored | None, new: Stored | None) -> None:
        first = self.rows.get(at)
        self.rows[at] = (old if first is None else first[0], new)
        tally = self.tallies.setdefault(at[0], [0, 0])
        tally[0] += (new is not None) - (old is not None)
        tally[1] += _size(new) - _size(old)


def collection_place(shape: Shape, key: RowKey) -> Place:
    """Where the item collection of an item is counted."""
    return shape.source, key.slot, keys.collection_key(key.pk)


def _collection_of(at: Place) -> Place:
    source, slot, key = at
    return source, slot, key[: key.index(keys.END) + len(keys.END)]


def _decided(write: Write, old: Stored | None) -> Effect:
    effect = write.effect
    if isinstance(effect, (Put, Delete)):
        return effect
    try:
        return effect(old)
    except ApiError as error:
        return Refuse(without_trace(error))


def _entry(index: Index | Expiry, key: RowKey, item: Item | None, stored: Stored | None) -> Any:
    return None if item is None or stored is None else index.entry(key, item, stored)


def _entry_size(entry: Any) -> int:
    return 0 if entry is None else entry[1].size


def _stored(entry: Any) -> Stored:
    return Stored(entry.size, entry.text)


def _size(stored: Stored | None) -> int:
    return 0 if stored is None else stored.size
