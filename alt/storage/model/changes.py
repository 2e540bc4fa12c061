"""The changes of a table's items, as its log has them, and how long they are kept.

Changes are numbered from 1 on, in the order in which they were made; a position is the number of the
last one that somebody has seen.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, NamedTuple

from alt.storage.model.definition import RecoveryDefinition, StreamDefinition, TableDefinition
from alt.storage.model.keys import RowKey
from alt.storage.model.ranges import SlotRange

DAY_SECONDS = 86_400.0
STREAM_SECONDS = DAY_SECONDS
# An iterator is good for so long, and what it points at must still be there then.
ITERATOR_SECONDS = 900.0


class Change(NamedTuple):
    """One item's change, `at` so many epoch seconds.

    The sizes (bytes) are None where there was, or is, no item; the images (JSON) also
    where they were not asked for.
    """

    seq: int
    at: float
    key: RowKey
    by_ttl: bool
    old_size: int | None
    new_size: int | None
    old: str | None
    new: str | None


class ChangesRead(NamedTuple):
    """Changes after a position, of the items in these slots, with these images: at most so many, and so many bytes.

    `scanned`: how many changes, of all slots, are looked at for them.
    """

    after: int
    slots: SlotRange
    old: bool
    new: bool
    last: int | None
    limit: int
    scanned: int


class ChangesFound(NamedTuple):
    """The changes, the position up to which that is all, and the numbers of the last one ever and the last that is gone."""

    changes: Sequence[Change]
    position: int
    last: int
    trimmed: int


class Positions(NamedTuple):
    """Of a log: the last change ever, the last that is gone, the moment of the newest, and the last up to some moments."""

    last: int
    trimmed: int
    newest: float
    until: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class Past:
    """A table as it was at a moment (epoch seconds): after its change number `last` and before the next."""

    table: str
    id: str
    at: float
    last: int

    def origin(self) -> dict[str, Any]:
        """As a Restore has it."""
        return asdict(self)


def stream_ended(disabled: float | None, now: float) -> bool:
    """Whether a stream disabled at that moment can no longer be read."""
    return disabled is not None and now - disabled >= STREAM_SECONDS


def readable_streams(definition: TableDefinition, now: float) -> tuple[StreamDefinition, ...]:
    """The streams that are on, or were disabled, or their table deleted, less than a day ago."""
    return tuple(
        stream
        for stream in definition.streams
        if not stream_ended(definition.deleted if stream.disabled is None else stream.disabled, now)
    )


def earliest(recovery: RecoveryDefinition | None, now: float) -> float | None:
    """The moment (epoch seconds) back to which a table can be taken; None if recovery is off."""
    if recovery is None or recovery.enabled is None:
        return None
    return max(recovery.enabled, now - recovery.days * DAY_SECONDS)


def latest(recovery: RecoveryDefinition | None, newest: float, now: float) -> float:
    """The moment (epoch seconds) as which a table as it is now counts, its log's newest change being of `newest`.

    A log may be ahead of the clock.
    """
    enabled = None if recovery is None else recovery.enabled
    return max(now, newest, now if enabled is None else enabled)


def oldest_needed(definition: TableDefinition, now: float) -> float:
    """The moment back to which a table's log must reach; infinite where nothing needs it."""
    needs: list[float] = []
    if any(not stream_ended(stream.disabled, now) for stream in definition.streams):
        needs.append(STREAM_SECONDS + ITERATOR_SECONDS)
    if definition.recovery is not None and definition.recovery.enabled is not None:
        needs.append(definition.recovery.days * DAY_SECONDS)
    return now - max(needs) if needs else math.inf


def without_ended(definition: TableDefinition, now: float) -> TableDefinition:
    """A definition without what it says of streams and recoveries of which nothing is left."""
    recovery = definition.recovery
    if recovery is not None and recovery.enabled is None:
        recovery = None
    streams = tuple(stream for stream in definition.streams if not stream_ended(stream.disabled, now))
    return replace(definition, streams=streams, recovery=recovery)
