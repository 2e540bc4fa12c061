"""Faults of what keeps the data: said once a minute, however many requests meet them."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

REPEAT_SECONDS = 60.0
MAX_FAULTS = 1_000  # that are remembered to have been said

_log = logging.getLogger(__name__)


class FaultLog:
    """Says faults of these kinds, each in one line. `elapsed` gives seconds."""

    def __init__(
        self, kinds: tuple[type[BaseException], ...], elapsed: Callable[[], float] = time.monotonic
    ) -> None:
        self._kinds = kinds
        self._elapsed = elapsed
        self._said: dict[str, float] = {}  # when, by text
        self._unsaid: dict[str, int] = {}  # how often since then

    def say(self, fault: BaseException) -> bool:
        """Note that a request met this fault; False if it is of another kind, as a bug of ours is."""
        if not isinstance(fault, self._kinds):
            return False
        text = "; ".join([*getattr(fault, "__notes__", ()), str(fault)])
        now = self._elapsed()
        if now - self._said.get(text, -REPEAT_SECONDS) < REPEAT_SECONDS:
            self._unsaid[text] = self._unsaid.get(text, 0) + 1
            return True
        repeated = self._unsaid.pop(text, 0)
        if len(self._said) >= MAX_FAULTS:
            self._said.clear()
            self._unsaid.clear()
        self._said[text] = now
        more = f" ({repeated} more requests met this since it was said last)" if repeated else ""
        _log.error("%s%s", text, more)
        return True
