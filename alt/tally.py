"""What happens often is told in the log the first time at once, and then once in a while with how often it happened.

A client that makes it happen all the time cannot fill the log.
"""

from __future__ import annotations

import time
from collections.abc import Callable

SECONDS = 60.0  # between two lines about one thing


class Tally:
    """Counts one thing. `elapsed` gives seconds that never go back."""

    def __init__(self, elapsed: Callable[[], float] = time.monotonic) -> None:
        self._elapsed = elapsed
        self._untold = 0
        self._next = -SECONDS  # that it may be told

    def add(self, times: int = 1) -> None:
        self._untold += times

    def due(self, *, at_once: bool = False) -> int:
        """How often it happened since it was told last, for who tells it now; 0 where it is not to be told yet."""
        if not self._untold:
            return 0
        now = self._elapsed()
        if now < self._next and not at_once:
            return 0
        untold, self._untold = self._untold, 0
        self._next = now + SECONDS
        return untold
