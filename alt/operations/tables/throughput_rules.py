"""The rules on capacity that CreateTable and UpdateTable put on a table and on each global index.

Texts and their order are as recorded from the service; where it words one rule in
two ways (an index has `index : name` here and `index: name` there), so does this.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, Literal

from alt.errors import invalid_parameters, validation

if TYPE_CHECKING:
    from typing import TypeAlias

    from alt.validation.requests import (
        CreateGlobalSecondaryIndexAction,
        CreateTableInput,
        GlobalSecondaryIndex,
        OnDemandThroughput,
        ProvisionedThroughput,
        UpdateGlobalSecondaryIndexAction,
        WarmThroughput,
    )

    GlobalIndex: TypeAlias = (
        GlobalSecondaryIndex | CreateGlobalSecondaryIndexAction | UpdateGlobalSecondaryIndexAction
    )

ON_DEMAND: Final = "PAY_PER_REQUEST"
PROVISIONED: Final = "PROVISIONED"

MAX_CAPACITY_UNITS = 1_000_000_000_000
# What an on-demand table can serve from its first second.
INITIAL_READ_UNITS_PER_SECOND = 12_000
INITIAL_WRITE_UNITS_PER_SECOND = 4_000
# What one partition of a table serves in a second.
PARTITION_READ_UNITS = 3_000
PARTITION_WRITE_UNITS = 1_000

CAPACITY_UNITS: tuple[Literal["ReadCapacityUnits", "WriteCapacityUnits"], ...] = (
    "ReadCapacityUnits",
    "WriteCapacityUnits",
)
MAX_REQUEST_UNITS: tuple[Literal["MaxReadRequestUnits", "MaxWriteRequestUnits"], ...] = (
    "MaxReadRequestUnits",
    "MaxWriteRequestUnits",
)
UNITS_PER_SECOND: tuple[Literal["ReadUnitsPerSecond", "WriteUnitsPerSecond"], ...] = (
    "ReadUnitsPerSecond",
    "WriteUnitsPerSecond",
)

NO_UNITS_ON_DEMAND = (
    "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST"
)
_INITIAL_THROUGHPUT_PAGE = (
    "https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/"
    "on-demand-capacity-mode.html#on-demand-capacity-mode-initial"
)


def check_table_throughput(request: CreateTableInput) -> None:
    """The capacity parameters of a CreateTable itself, its indexes' aside."""
    mode = request.get("BillingMode") or PROVISIONED
    provisioned = request.get("ProvisionedThroughput")
    if mode == ON_DEMAND and provisioned is not None:
        raise invalid_parameters(NO_UNITS_ON_DEMAND)
    if mode == PROVISIONED and provisioned is None:
        raise invalid_parameters(
            "ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is PROVISIONED"
        )
    if provisioned is not None:
        check_bounds(provisioned)
    on_demand: OnDemandThroughput = request.get("OnDemandThroughput") or {}
    if mode == PROVISIONED and (member := _first(on_demand, MAX_REQUEST_UNITS)):
        raise invalid_parameters(
            f"{member} for OnDemandThroughput cannot be specified when table BillingMode is PROVISIONED."
        )
    _check_range(on_demand, "table")
    _check_warm(request.get("WarmThroughput") or {}, provisioned, "table")


def check_index_throughput(index: GlobalIndex, mode: str) -> None:
    """The capacity parameters of a global index of a CreateTable in billing mode `mode`."""
    name = index["IndexName"]
    provisioned = index.get("ProvisionedThroughput")
    if mode == ON_DEMAND and provisioned is not None:
        raise invalid_parameters(
            f"ProvisionedThroughput should not be specified for index: {name} "
            "when BillingMode is PAY_PER_REQUEST"
        )
    if mode == PROVISIONED and provisioned is None:
        raise invalid_parameters(f"ProvisionedThroughput is not specified for index: {name}")
    if provisioned is not None:
        check_bounds(provisioned, f" for index {name}")
    on_demand: OnDemandThroughput = index.get("OnDemandThroughput") or {}
    if mode == PROVISIONED and (member := _first(on_demand, MAX_REQUEST_UNITS)):
        raise invalid_parameters(
            f"{member} for OnDemandThroughput for index: {name} "
            "cannot be specified when table BillingMode is PROVISIONED."
        )
    _check_range(on_demand, f"index : {name}")
    _check_warm(index.get("WarmThroughput") or {}, provisioned, f"index {name}")


def check_bounds(provisioned: ProvisionedThroughput, where: str = "") -> None:
    for member in CAPACITY_UNITS:
        if provisioned[member] > MAX_CAPACITY_UNITS:
            raise validation(f"Given value {provisioned[member]} for {member} is out of bounds{where}")


def check_on_demand_update(on_demand: OnDemandThroughput, mode: str) -> None:
    """OnDemandThroughput of an UpdateTable on a table in billing mode `mode`; -1 takes a limit off."""
    if mode == PROVISIONED and (member := _first(on_demand, MAX_REQUEST_UNITS)):
        raise invalid_parameters(
            f"{member} for OnDemandThroughput cannot be specified when the table BillingMode is PROVISIONED"
        )
    _check_range({member: units for member, units in on_demand.items() if units != -1}, "table")


def check_warm_update(warm: WarmThroughput, current: Mapping[str, int]) -> None:
    """WarmThroughput of an UpdateTable: it only ever rises."""
    for member in UNITS_PER_SECOND:
        units = warm.get(member)
        if units is not None and units < current[member]:
            raise invalid_parameters(
                f"Requested {member} for WarmThroughput for table is lower than current WarmThroughput, "
                "decreasing WarmThroughput is not supported"
            )


def check_throughput_changes(
    current: Mapping[str, int], requested: ProvisionedThroughput, subject: str = "table"
) -> None:
    """Throughput that is asked for must differ from what `subject`, the table or an index, has."""
    if all(current[member] == requested[member] for member in CAPACITY_UNITS):
        comparison = " ".join(
            f"Current {member} provisioned for the {subject}: {current[member]}. "
            f"Requested {member}: {requested[member]}."
            for member in CAPACITY_UNITS
        )
        raise validation(
            f"The provisioned throughput for the {subject} will not change. "
            f"The requested value equals the current value. {comparison} "
            "Refer to the Amazon DynamoDB Developer Guide for current limits "
            "and how to request higher limits."
        )


def _check_range(on_demand: Mapping[str, Any], subject: str) -> None:
    for member in MAX_REQUEST_UNITS:
        units = on_demand.get(member)
        if units is not None and units < 1:
            raise invalid_parameters(
                f"Requested {member} for OnDemandThroughput for {subject} is outside of valid range"
            )


def _check_warm(warm: WarmThroughput, provisioned: ProvisionedThroughput | None, subject: str) -> None:
    if provisioned is None:
        least = (INITIAL_READ_UNITS_PER_SECOND, INITIAL_WRITE_UNITS_PER_SECOND)
        reasons = (f"initial throughput for OnDemand. See: {_INITIAL_THROUGHPUT_PAGE}",) * 2
    else:
        least = (provisioned["ReadCapacityUnits"], provisioned["WriteCapacityUnits"])
        reasons = (
            "ReadCapacityUnits of ProvisionedThroughput",
            "WriteCapacityUnits of ProvisionedThroughput",
        )
    for member, minimum, reason in zip(UNITS_PER_SECOND, least, reasons, strict=True):
        units = warm.get(member)
        if units is not None and units < minimum:
            raise invalid_parameters(
                f"Requested {member} for WarmThroughput for {subject} is lower than {reason}"
            )


def _first(given: Mapping[str, object], members: tuple[str, ...]) -> str | None:
    return next((member for member in members if given.get(member) is not None), None)
