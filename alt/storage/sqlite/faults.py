"""What the disk did to a table: told apart from a bug of ours."""

from __future__ import annotations

import logging

import apsw

from alt.errors import ForeseenError
from alt.storage.sqlite.checksums import DamagedItemError
from alt.storage.sqlite.data_directory import UnusableDataError
from alt.storage.sqlite.transactions.journal import DoubtfulError

# A file that is gone, damaged, or on a disk that fails.
DATA_FAULTS = (UnusableDataError, DamagedItemError, DoubtfulError, apsw.Error, OSError)

# Of these, what will be the same however often it is tried.
DAMAGE = (DamagedItemError, apsw.CorruptError, apsw.NotADBError)

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
