"""Faults on demand, as a test sets them.

    dynamodb.faults.throttle("Music", next=2)
    with dynamodb.faults.conflict("Music", operations=["PutItem"]) as conflicts:
        ...
    assert conflicts.done == 1

Each is for the `next` so many requests that concern the table, for a `share` of them (over 0 to 1; which ones hangs on
`seed` alone), or for so many `seconds` of the server's clock. Several limits hold together; without one it lasts until
it is taken back: at the end of its `with`, by `remove()`, by `clear()`, or at the end of the test.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any

from alt.faults.fault import Fault
from alt.faults.faults import ActiveFault
from alt.faults.faults import Faults as ActiveFaults

if TYPE_CHECKING:
    from typing import TypedDict, Unpack

    class Limits(TypedDict, total=False):
        """Which requests a fault is for; see above."""

        next: int
        share: float
        seconds: float
        operations: Sequence[str]
        seed: int


# Runs on the server's event loop, and waits for it.
Run = Callable[[Coroutine[Any, Any, Any]], Any]


class SetFault:
    """A fault that is set; it is taken back where its `with` ends."""

    def __init__(self, run: Run, faults: ActiveFaults, active: ActiveFault) -> None:
        self._run = run
        self._faults = faults
        self._active = active

    @property
    def done(self) -> int:
        """To how many requests it was done so far."""
        return self._active.done

    def remove(self) -> None:
        self._run(self._faults.remove(self._active))

    def __enter__(self) -> SetFault:
        return self

    def __exit__(self, *_raised: object) -> None:
        self.remove()


class Faults:
    """The faults of one server. Each raises ValueError where it is no fault, or its table is not there."""

    def __init__(self, run: Run, faults: ActiveFaults) -> None:
        self._run = run
        self._faults = faults

    def throttle(self, table: str, **limits: Unpack[Limits]) -> SetFault:
        """ProvisionedThroughputExceededException; what a batch asks of the table is left unprocessed."""
        return self._set("throttle", table, limits)

    def conflict(self, table: str, **limits: Unpack[Limits]) -> SetFault:
        """TransactionConflictException for writes of items, and transactions are cancelled with TransactionConflict."""
        return self._set("conflict", table, limits)

    def internal_error(self, table: str, **limits: Unpack[Limits]) -> SetFault:
        """InternalServerError, with status 500."""
        return self._set("internal_error", table, limits)

    def slow(self, table: str, delay: float, **limits: Unpack[Limits]) -> SetFault:
        """What is asked is done at once, and answered `delay` seconds later."""
        return self._set("slow", table, limits, delay=delay)

    def unprocessed(self, table: str, **limits: Unpack[Limits]) -> SetFault:
        """BatchWriteItem and BatchGetItem leave the later half of the table's requests unprocessed, and one alone, too."""
        return self._set("unprocessed", table, limits)

    def stale_reads(self, table: str, **limits: Unpack[Limits]) -> SetFault:
        """Reads that are not consistent find the table as it is now, whatever is written from now on."""
        return self._set("stale_reads", table, limits)

    def clear(self) -> None:
        """Take all back."""
        self._run(self._faults.clear())

    def _set(self, kind: str, table: str, limits: Limits, **members: Any) -> SetFault:
        fault = Fault.read({"kind": kind, "table": table, **limits, **members})
        return SetFault(self._run, self._faults, self._run(self._faults.add(fault)))
