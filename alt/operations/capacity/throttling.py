"""Who may consume how fast: a token bucket for each table, each global index, and each limited access key.

A request is let in while its buckets hold anything, and pays what it turns out to
consume, if need be into debt: what a Query costs is known once it has run. Provisioned
capacity that goes unused is saved for up to 300 seconds, as the service does:
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/burst-adaptive-capacity.html
A write needs the capacity of all global indexes of its table:
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/GSI.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from alt import errors
from alt.capacity import READ, WRITE, Consumption
from alt.errors import ApiError
from alt.operations.arns import index_arn, table_arn
from alt.operations.caller import Caller
from alt.operations.tables.settings import is_on_demand
from alt.operations.tables.throughput_rules import CAPACITY_UNITS, MAX_REQUEST_UNITS
from alt.storage.model.definition import IndexDefinition, TableDefinition
from alt.storage.model.usage import READ_UNITS, WRITE_UNITS, KeyLimit, Others

BURST_SECONDS = 300.0  # of provisioned capacity
LIMIT_BURST_SECONDS = 1.0  # of a maximum that somebody set

_MAXIMUM: dict[str, str] = dict(zip(CAPACITY_UNITS, MAX_REQUEST_UNITS, strict=True))
_NUMBERS = {READ: READ_UNITS, WRITE: WRITE_UNITS}
_VERBS = {READ: "Read", WRITE: "Write"}
_PROVISIONED_MESSAGES = {
    "Table": "The level of configured provisioned throughput for the table was exceeded. "
    "Consider increasing your provisioning level with the UpdateTable API.",
    "Index": "The level of configured provisioned throughput for one or more global secondary indexes of the table "
    "was exceeded. Consider increasing your provisioning level for the under-provisioned global secondary "
    "indexes with the UpdateTable API.",
}
_SCALING_MESSAGE = (
    "Throughput exceeds the current capacity of your table or index. DynamoDB is automatically scaling your table or "
    "index so please try again shortly. If exceptions persist, check if you have a hot key: "
    "https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-partition-key-design.html"
)


class _Bucket:
    """Holds up to `rate * burst` units and fills by `rate` a second; it begins full."""

    __slots__ = ("at", "balance", "burst", "rate")

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self.rate = rate
        self.burst = burst
        self.at = now
        self.balance = rate * burst

    def fill(self, rate: float, burst: float, now: float) -> None:
        """Bring the balance up to now, at the rate that counts from now on."""
        self.balance = min(self.balance + (now - self.at) * self.rate, rate * burst)
        self.rate, self.burst, self.at = rate, burst, now


_Rate = tuple[float, float]  # units a second, and the seconds' worth that can be saved


class Throttle:
    """`enforced`: tables and indexes are held to their capacity. `key_limits` hold access keys, whatever it says.

    `elapsed` gives seconds since some moment and never goes back: capacity comes with time, not with its name.
    """

    def __init__(self, elapsed: Callable[[], float], enforced: bool) -> None:
        self._elapsed = elapsed
        self._enforced = enforced
        self.key_limits: Mapping[str, KeyLimit] = {}
        self._buckets: dict[tuple[str, str, str], _Bucket] = {}

    @property
    def is_idle(self) -> bool:
        """Whether nothing and nobody is limited."""
        return not self._enforced and not self.key_limits

    def admit(
        self,
        caller: Caller,
        definition: TableDefinition,
        index: IndexDefinition | None,
        kind: str,
        foreseen: Consumption | None = None,
    ) -> None:
        """Raises what the service answers a request that is too much. `kind`: READ or WRITE.

        `foreseen` has been let in already, and is still to be paid.
        """
        arn = table_arn(caller.place, definition.name)
        units = 0.0 if foreseen is None else foreseen.table
        if self._is_empty(*self._of_key(caller.access_key, kind), units):
            raise errors.throttled(
                "RequestLimitExceeded",
                "Throughput exceeds the current throughput quota for your account. "
                "The quota of this access key can be changed with `alt usage limit`.",
                f"Table{_VERBS[kind]}AccountLimitExceeded",
                arn,
            )
        if not self._enforced:
            return
        for each in _throttled_by(definition, index, kind):
            if self._is_empty(*_of(definition, each, kind), units if each is None else 0.0):
                raise _too_fast(definition, arn, each, kind)

    def pay(
        self,
        caller: Caller,
        definition: TableDefinition,
        used: Consumption,
        kind: str,
    ) -> None:
        """Take what a request consumed. Local indexes share the table's capacity."""
        self._take(*self._of_key(caller.access_key, kind), used.total)
        if not self._enforced:
            return
        self._take(*_of(definition, None, kind), used.table + sum(used.local_indexes.values()))
        for index in definition.indexes:
            if index.name in used.global_indexes:
                self._take(*_of(definition, index, kind), used.global_indexes[index.name])

    def pay_for(self, others: Others, definition: Callable[[str], TableDefinition | None]) -> None:
        """Take what others consumed of what all share. `definition` is the one of a table's name."""
        for access_key, units in others.by_key.items():
            for kind, number in _NUMBERS.items():
                self._take(*self._of_key(access_key, kind), units[number])
        if not self._enforced:
            return
        for (table, name), units in others.by_index.items():
            found = definition(table)
            if found is None:
                continue
            index = next((each for each in found.indexes if each.is_global and each.name == name), None)
            for kind, number in _NUMBERS.items():
                self._take(*_of(found, index, kind), units[number])

    def forget_full(self) -> None:
        """Drop the buckets that are full again: they begin full."""
        now = self._elapsed()
        self._buckets = {
            key: bucket
            for key, bucket in self._buckets.items()
            if bucket.balance + (now - bucket.at) * bucket.rate < bucket.rate * bucket.burst
        }

    def _of_key(self, access_key: str, kind: str) -> tuple[tuple[str, str, str], _Rate | None]:
        limit = self.key_limits.get(access_key)
        units = None if limit is None else limit.read_units if kind == READ else limit.write_units
        return ("", access_key, kind), None if units is None else (units, LIMIT_BURST_SECONDS)

    def _is_empty(self, key: tuple[str, str, str], rate: _Rate | None, foreseen: float) -> bool:
        return rate is not None and self._bucket(key, rate).balance <= foreseen

    def _take(self, key: tuple[str, str, str], rate: _Rate | None, units: float) -> None:
        if rate is not None:
            self._bucket(key, rate).balance -= units

    def _bucket(self, key: tuple[str, str, str], rate: _Rate) -> _Bucket:
        now = self._elapsed()
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = _Bucket(*rate, now)
        else:
            bucket.fill(*rate, now)
        return bucket


def _throttled_by(
    definition: TableDefinition, index: IndexDefinition | None, kind: str
) -> list[IndexDefinition | None]:
    """Whose capacity a request needs, None standing for the table."""
    if kind == READ:
        return [index if index is not None and index.is_global else None]
    return [None, *(each for each in definition.indexes if each.is_global)]


def _of(
    definition: TableDefinition, index: IndexDefinition | None, kind: str
) -> tuple[tuple[str, str, str], _Rate | None]:
    """The bucket's key, and its rate; None for no limit."""
    key = (definition.id, "" if index is None else index.id, kind)
    settings: Mapping[str, Any] = definition.settings if index is None else index.settings
    if is_on_demand(definition.settings):
        maximum = settings.get("OnDemandThroughput", {}).get(_MAXIMUM[kind])
        return key, None if maximum is None else (maximum, LIMIT_BURST_SECONDS)
    return key, (settings["ProvisionedThroughput"][kind], BURST_SECONDS)


def _too_fast(definition: TableDefinition, arn: str, index: IndexDefinition | None, kind: str) -> ApiError:
    subject = "Table" if index is None else "Index"
    resource = arn if index is None else index_arn(arn, index.name)
    if is_on_demand(definition.settings):
        return errors.throttled(
            "ThrottlingException",
            "Throughput exceeds the maximum OnDemandThroughput configured on table or index",
            f"{subject}{_VERBS[kind]}MaxOnDemandThroughputExceeded",
            resource,
        )
    return errors.throttled(
        "ProvisionedThroughputExceededException",
        _PROVISIONED_MESSAGES[subject],
        f"{subject}{_VERBS[kind]}ProvisionedThroughputExceeded",
        resource,
    )


def partition_is_hot(definition: TableDefinition, arn: str, kind: str, *, is_transaction: bool) -> ApiError:
    """What is answered where one partition is asked too much, whatever the table may consume. No partition here is.

    An action of a transaction on an on-demand table is told otherwise, as the reference of TransactWriteItems has it.
    """
    reason = f"Table{_VERBS[kind]}KeyRangeThroughputExceeded"
    if is_transaction and is_on_demand(definition.settings):
        return errors.throttled("ThrottlingException", _SCALING_MESSAGE, reason, arn)
    return errors.throttled(
        "ProvisionedThroughputExceededException", _PROVISIONED_MESSAGES["Table"], reason, arn
    )
