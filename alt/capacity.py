"""Capacity units by DynamoDB's rules: 4 KB a read, 1 KB a write, rounded up."""

from __future__ import annotations

from typing import Any

READ_UNIT_BYTES = 4_096
WRITE_UNIT_BYTES = 1_024


def read_units(size: int, consistent: bool) -> float:
    """Units of one read of `size` bytes; what is absent costs the minimum."""
    units = -(-size // READ_UNIT_BYTES) or 1
    return float(units) if consistent else units / 2


def write_units(size: int) -> float:
    """Units of one write; `size` is the larger of the item before and after."""
    return float(-(-size // WRITE_UNIT_BYTES) or 1)


def consumed(request: dict[str, Any], table: str, units: float) -> dict[str, Any] | None:
    """The ConsumedCapacity member that the request asked for, if it asked."""
    wanted = request.get("ReturnConsumedCapacity", "NONE")
    if wanted == "NONE":
        return None
    if wanted == "TOTAL":
        return {"TableName": table, "CapacityUnits": units}
    return {"TableName": table, "CapacityUnits": units, "Table": {"CapacityUnits": units}}
