"""What the disk did to a table: told apart from a bug of ours, and said once a minute, however many requests meet it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

import apsw

from alt.errors import ForeseenError
from alt.storage.sqlite.checksums import DamagedItemError
from alt.storage.sqlite.data_directory import UnusableDataError
from alt.storage.sqlite.journal import DoubtfulError

# A file that is gone, damaged, or on a disk that fails.
DATA_FAULTS = (UnusableDataError, DamagedItemError, DoubtfulError, apsw.Error, OSError)

REPEAT_SECONDS = 60.0
MAX_FAULTS = 1_000  # that are remembered to have been said

_log = logging.getLogger(__name__)


def reason(fault: BaseException) -> str:
    """What kept SQLite from writing, and for a full disk what to do about it."""
    if isinstance(fault, apsw.FullError):
        return "the disk is full: writes go on as soon as there is space"
    return str(fault)


def log_fault(what: str, fault: BaseException) -> None:
    """Log that `what` failed: in one line where the disk or the data made it fail, else with a trace of our bug.

    A refusal is one line too: the group of writes that was not stored has said why, with a trace if that was a bug.
    """
    trace = None if isinstance(fault, (*DATA_FAULTS, ForeseenError)) else fault
    _log.error("%s: %s", what, reason(fault), exc_info=trace)


class FaultLog:
    """Says faults of the data, each in one line. `elapsed` gives seconds."""

    def __init__(self, elapsed: Callable[[], float] = time.monotonic) -> None:
        self._elapsed = elapsed
        self._said: dict[str, float] = {}  # when, by text
        self._unsaid: dict[str, int] = {}  # how often since then

    def say(self, fault: BaseException) -> bool:
        """Note that a request met this fault; False if it is none of the data."""
        if not isinstance(fault, DATA_FAULTS):
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
