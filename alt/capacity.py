"""Capacity units by DynamoDB's rules: 4 KB a read, 1 KB a write, rounded up.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

READ_UNIT_BYTES = 4_096
WRITE_UNIT_BYTES = 1_024
# A transaction prepares each item of a table and then reads or writes it; what follows in indexes is done once.
TRANSACTION_FACTOR = 2

READ, WRITE = "ReadCapacityUnits", "WriteCapacityUnits"


def read_units(size: int, consistent: bool) -> float:
    """Units of one read of `size` bytes; what is absent costs the minimum."""
    units = -(-size // READ_UNIT_BYTES) or 1
    return float(units) if consistent else units / 2


def write_units(size: int) -> float:
    """Units of one write; `size` is the larger of the item before and after."""
    return float(-(-size // WRITE_UNIT_BYTES) or 1)


def entry_units(old_size: int, new_size: int, is_moved: bool) -> float:
    """Units of changing an index entry, 0 bytes standing for none: under another key, one out and one in."""
    if is_moved:
        return write_units(old_size) + write_units(new_size)
    return write_units(max(old_size, new_size))


_NO_INDEXES: Mapping[str, float] = {}


class Consumption:
    """Units that one request consumed of one table, and by name of its indexes."""

    __slots__ = ("global_indexes", "local_indexes", "table")

    def __init__(self, table: float = 0.0) -> None:
        self.table = table
        self.local_indexes = self.global_indexes = _NO_INDEXES

    @property
    def total(self) -> float:
        return self.table + sum(self.local_indexes.values()) + sum(self.global_indexes.values())

    def add_index(self, name: str, is_global: bool, units: float) -> None:
        if is_global:
            self.global_indexes = {**self.global_indexes, name: self.global_indexes.get(name, 0.0) + units}
        else:
            self.local_indexes = {**self.local_indexes, name: self.local_indexes.get(name, 0.0) + units}

    def add(self, other: Consumption, table_factor: int = 1) -> None:
        self.table += other.table * table_factor
        if not (other.local_indexes or other.global_indexes):
            return
        for is_global, indexes in ((False, other.local_indexes), (True, other.global_indexes)):
            for name, units in indexes.items():
                self.add_index(name, is_global, units)


def consumed_capacity(
    wanted: str | None, table: str, used: Consumption, transaction: str | None = None
) -> dict[str, Any] | None:
    """The ConsumedCapacity that `wanted` (TOTAL, INDEXES) asks for; None for none.

    `table` is the table as the request named it. Transactions also say which kind of
    units theirs are: READ or WRITE.
    """
    if wanted is None or wanted == "NONE":
        return None

    def shown(units: float) -> dict[str, float]:
        return (
            {"CapacityUnits": units} if transaction is None else {"CapacityUnits": units, transaction: units}
        )

    capacity: dict[str, Any] = {"TableName": table, **shown(used.total)}
    if wanted == "INDEXES":
        capacity["Table"] = shown(used.table)
        for member, indexes in (
            ("LocalSecondaryIndexes", used.local_indexes),
            ("GlobalSecondaryIndexes", used.global_indexes),
        ):
            if indexes:
                capacity[member] = {name: shown(units) for name, units in indexes.items()}
    return capacity


def consumed_capacities(
    wanted: str | None, used: Iterable[tuple[str, Consumption]], transaction: str | None = None
) -> list[dict[str, Any]] | None:
    """The ConsumedCapacity of a request on several tables."""
    capacities = [consumed_capacity(wanted, table, consumption, transaction) for table, consumption in used]
    return [each for each in capacities if each is not None] or None
