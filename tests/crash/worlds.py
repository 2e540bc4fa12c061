"""What a data directory may hold, told from what clients sent and what they were told.

The model. A register is one value that one client alone writes: an item, a group of
items that transactions write together, an attribute of a shared counter, whether a
table or an index exists. A world says which values each register may have: one once
its write is answered, two while it is not. A write is a function of the old value, so
that a counter is a register like any other.

Loading a snapshot splits the world: in one it was done, in the other not, and every
register agrees on which. Of a write that overlaps the load nobody knows which came
first. A snapshot holds one moment between its begin and its end, so it is recorded as
all the values that each register may have had meanwhile; a backup likewise.

After a restart the registers are observed. At least one world must allow all of what
is seen; from then on what was seen is what is known.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

from tests.crash.client import Refused

Value = Hashable | None  # None: it is not there
Change = Callable[[Value], Value]
ABSENT: frozenset[Value] = frozenset({None})


class Register(NamedTuple):
    """`place` is the table that holds it, or what kind of thing it is."""

    place: str
    name: str


Possible = dict[Register, frozenset[Value]]


def becomes(value: Value) -> Change:
    """A write that leaves this value, whatever was there."""
    return lambda _old: value


@dataclass(slots=True)
class World:
    """The possible values of registers that no write is under way for, or before it.

    `loaded` is what the snapshot had, in a world in which one was loaded.
    """

    possible: Possible = field(default_factory=dict)
    loaded: Possible | None = None

    def settled(self, register: Register) -> frozenset[Value]:
        return self.possible.get(register, ABSENT)


@dataclass(slots=True, eq=False)
class _Write:
    change: Change
    overlaps_load: bool


class Worlds:
    """All that is known; for any number of threads."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._worlds = [World()]
        self._under_way: dict[Register, _Write] = {}
        self._recordings: list[Possible] = []
        self._registers: set[Register] = set()
        self._loading: World | None = None
        self.loads = 0  # begun so far: whoever remembers something of before asks whether this is the same
        # Registers that a snapshot may leave out though they are there: tables that are being restored.
        self.unsaved: set[Register] = set()
        # Registers that may be absent at any time: items that have expired, or will.
        self.fleeting: set[Register] = set()

    def possible(self, register: Register) -> frozenset[Value]:
        """The values it may have now, in any world."""
        with self._lock:
            write = self._under_way.get(register)
            found = frozenset[Value]().union(*(world.settled(register) for world in self._worlds))
            return found if write is None else found | _changed(found, write)

    # Writes

    @contextmanager
    def writing(self, changes: Mapping[Register, Change]) -> Iterator[None]:
        """The block sends the write and raises Refused if nothing was changed; whatever else it raises says nothing."""
        with self._lock:
            writes = {each: _Write(change, self._loading is not None) for each, change in changes.items()}
            assert not self._under_way.keys() & writes.keys(), "two clients write one register"
            self._under_way |= writes
            self._registers |= writes.keys()
            self._record(writes)
        try:
            yield
        except Refused:
            self._end(writes, was_done=False, was_not_done=True)
            raise
        except BaseException:
            self._end(writes, was_done=True, was_not_done=True)
            raise
        self._end(writes, was_done=True, was_not_done=False)

    def _end(self, writes: Mapping[Register, _Write], *, was_done: bool, was_not_done: bool) -> None:
        with self._lock:
            for register, write in writes.items():
                del self._under_way[register]
                for world in self._worlds:
                    before = world.settled(register)
                    after = _changed(before, write) if was_done else frozenset()
                    if was_not_done:
                        after |= before
                    if world.loaded is not None and write.overlaps_load:
                        after |= world.loaded.get(register, ABSENT)
                    world.possible[register] = after
            self._record(writes)

    # Snapshots and backups

    @contextmanager
    def recording(self) -> Iterator[Possible]:
        """What each register may be at one moment while the block runs; of others it is ABSENT."""
        with self._lock:
            recording: Possible = {}
            self._recordings.append(recording)
            self._record(self._registers)
        try:
            yield recording
        finally:
            with self._lock:
                self._recordings = [each for each in self._recordings if each is not recording]

    def _record(self, registers: Iterable[Register]) -> None:
        for recording in self._recordings:
            for register in registers:
                known = recording.get(register, frozenset())
                recording[register] = known | self.possible(register)
                if register in self.unsaved or register in self.fleeting:
                    recording[register] |= ABSENT

    def begin_load(self, snapshot: Possible) -> None:
        """A snapshot is being loaded: from now on all may be as it was."""
        with self._lock:
            self.loads += 1
            for write in self._under_way.values():
                write.overlaps_load = True
            self._loading = World(dict(snapshot), dict(snapshot))
            self._worlds.append(self._loading)
            self._record(self._registers)

    def end_load(self, *, is_known: bool) -> None:
        """The load was done if that `is_known`; else, cut short, it was done or not."""
        with self._lock:
            if is_known:
                self._worlds = [world for world in self._worlds if world is self._loading]
            self._loading = None

    # Observing

    def observe(self, seen: Mapping[Register, Value]) -> list[str]:
        """Compare with what is seen while nobody writes; what is wrong with it in the world that fits best."""
        with self._lock:
            assert not self._under_way, "observed while clients write"
            wrong = min((self._contradictions(world, seen) for world in self._worlds), key=len)
            self._worlds = [World({register: frozenset({value}) for register, value in seen.items()})]
            self._registers |= seen.keys()
            return wrong

    def _contradictions(self, world: World, seen: Mapping[Register, Value]) -> list[str]:
        return [
            f"{register.place}/{register.name} is {seen.get(register)!r}, not one of {sorted(allowed, key=repr)}"
            for register in sorted(self._registers | seen.keys())
            if seen.get(register) not in (allowed := world.settled(register))
            and not (register in self.fleeting and seen.get(register) is None)
        ]


def _changed(values: frozenset[Value], write: _Write) -> frozenset[Value]:
    return frozenset(write.change(value) for value in values)


def either(one: Possible, other: Possible) -> Possible:
    """What may be if it is the one or the other."""
    return {each: one.get(each, ABSENT) | other.get(each, ABSENT) for each in one.keys() | other.keys()}
