"""The faults that are set on a server, and which of them meet a request."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from alt.faults.fault import Asked, Fault, Kind
from alt.faults.replica import Copies, Replica, replicate
from alt.storage.engine import Engine

MAX_FAULTS = 1_000  # that are set at a time

# Of these one is enough for a table: a request is not refused twice.
REFUSALS: frozenset[Kind] = frozenset(("throttle", "conflict", "internal_error", "unprocessed"))


@dataclass(slots=True)
class ActiveFault:
    """A fault that is set: how many requests are `left` to it, until when it lasts, and to how many it was `done`."""

    number: int
    fault: Fault
    left: int | None
    until: float | None
    random: random.Random
    replica: Replica | None = None
    done: int = 0

    def is_over(self, now: float) -> bool:
        return self.left == 0 or (self.until is not None and now >= self.until)

    def takes(self) -> bool:
        """Whether it is done to a request that it concerns."""
        if self.fault.share is not None and self.random.random() >= self.fault.share:
            return False
        if self.left is not None:
            self.left -= 1
        self.done += 1
        return True


@dataclass(slots=True)
class Drawn:
    """What is done to one request: the refusals by table, the tables that it reads stale, and its delay in seconds."""

    refusals: dict[str, Kind] = field(default_factory=dict)
    replicas: dict[str, Replica] = field(default_factory=dict)
    delay: float = 0.0

    def __bool__(self) -> bool:
        return bool(self.refusals or self.replicas or self.delay)


class Faults:
    """`inject` is called with what is to be put before operations while a fault is set, and with None when none is.

    `clock` gives epoch seconds, `engine` the tables as they are, and `copies` makes an empty engine.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        engine: Callable[[], Engine],
        copies: Callable[[], Copies],
        inject: Callable[[Faults | None], None],
    ) -> None:
        self._clock = clock
        self._engine = engine
        self._copies = copies
        self._inject = inject
        self._set: dict[int, ActiveFault] = {}
        self._ids = itertools.count(1)
        self._closing: set[asyncio.Future[None]] = set()
        self._is_injected = False

    async def add(self, fault: Fault) -> ActiveFault:
        """Set a fault. Raises ValueError where that cannot be."""
        if len(self._set) >= MAX_FAULTS:
            raise ValueError(f"{MAX_FAULTS} faults are set: clear some")
        replica = None
        if fault.kind == "stale_reads":
            copies = self._copies()
            try:
                replica = await replicate(self._engine(), fault.table, copies)
            except BaseException:
                await copies.close()
                raise
        until = None if fault.seconds is None else self._clock() + fault.seconds
        number = next(self._ids)
        active = ActiveFault(number, fault, fault.next, until, random.Random(fault.seed), replica)
        self._set[number] = active
        self._changed()
        return active

    async def remove(self, active: ActiveFault) -> None:
        """Take a fault back; one that is over is gone already."""
        self._end(active)
        await asyncio.gather(*self._closing)

    async def clear(self) -> None:
        """Take all back."""
        for active in list(self._set.values()):
            self._end(active)
        await asyncio.gather(*self._closing)

    def listed(self) -> list[dict[str, Any]]:
        """What is set: each with its number, how many requests are `left` to it and to how many it was `done`."""
        self._end_those_over()
        return [
            {"id": number, **each.fault.to_dict(), "done": each.done}
            | ({} if each.left is None else {"left": each.left})
            | ({} if each.until is None else {"until": each.until})
            for number, each in self._set.items()
        ]

    def draw(self, operation: str, request: Mapping[str, Any], asked: Asked) -> Drawn:
        """What is done to a request, which counts for the faults that it meets."""
        self._end_those_over()
        drawn = Drawn()
        for each in self._set.values():
            fault = each.fault
            is_refused = fault.kind in REFUSALS and fault.table in drawn.refusals
            if is_refused or not fault.concerns(operation, request, asked) or not each.takes():
                continue
            if fault.kind in REFUSALS:
                drawn.refusals[fault.table] = fault.kind
            elif each.replica is not None:
                drawn.replicas[fault.table] = each.replica
            else:
                drawn.delay += fault.delay
        self._end_those_over()
        return drawn

    def _end_those_over(self) -> None:
        now = self._clock()
        for active in [each for each in self._set.values() if each.is_over(now)]:
            self._end(active)

    def _end(self, active: ActiveFault) -> None:
        if self._set.pop(active.number, None) is None:
            return
        self._changed()
        if active.replica is not None:
            closing = asyncio.ensure_future(active.replica.close())
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)

    def _changed(self) -> None:
        """Operations stand free while no fault is set."""
        if bool(self._set) != self._is_injected:
            self._is_injected = bool(self._set)
            self._inject(self if self._set else None)
