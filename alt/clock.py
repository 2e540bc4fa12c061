"""The time of day as a server goes by it: one that no sudden change of the system's clock moves at once."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable

# What is within this of what it should be by the time that has passed is followed at once: adjustments by NTP.
TOLERANCE_SECONDS = 1.0
# A jump is followed once it has lasted so long: longer than a mistake lasts until NTP or somebody mends it,
# and shorter than anybody relies on what is behind.
BELIEVED_AFTER_SECONDS = 600.0


def elapsed_clock() -> Callable[[], float]:
    """A clock of the seconds since some moment, which nobody can set.

    It counts while the system sleeps, too: CLOCK_BOOTTIME does on Linux, CLOCK_MONOTONIC on macOS,
    `time.monotonic` on Windows.
    """
    for name in ("CLOCK_BOOTTIME", "CLOCK_MONOTONIC"):
        clock = getattr(time, name, None)
        if clock is not None:
            return functools.partial(time.clock_gettime, clock)
    return time.monotonic


class SteadyClock:
    """Gives epoch seconds: the wall clock's, but for jumps of it that have not lasted yet."""

    def __init__(
        self, wall: Callable[[], float] = time.time, elapsed: Callable[[], float] | None = None
    ) -> None:
        self._wall = wall
        self._elapsed = elapsed or elapsed_clock()
        # What is added to the elapsed seconds; and, while the wall clock says otherwise, what it
        # would be by that and since when it is so.
        self._offset = wall() - self._elapsed()
        self._other_offset = self._offset
        self._other_since = 0.0

    def __call__(self) -> float:
        elapsed = self._elapsed()
        offset = self._wall() - elapsed
        if abs(offset - self._offset) <= TOLERANCE_SECONDS:
            self._offset = self._other_offset = offset
        elif abs(offset - self._other_offset) > TOLERANCE_SECONDS:  # it has jumped just now
            self._other_offset, self._other_since = offset, elapsed
        elif elapsed - self._other_since >= BELIEVED_AFTER_SECONDS:
            self._offset = self._other_offset = offset
        return elapsed + self._offset
