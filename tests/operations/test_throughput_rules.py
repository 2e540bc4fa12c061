"""The rules on capacity of CreateTable, for a table and for a global index of it."""

from __future__ import annotations

from typing import Any

import pytest

from alt.errors import ApiError
from alt.operations.tables.throughput_rules import check_index_throughput, check_table_throughput

PREFIX = "One or more parameter values were invalid: "
INITIAL = (
    "initial throughput for OnDemand. See: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/"
    "on-demand-capacity-mode.html#on-demand-capacity-mode-initial"
)
ON_DEMAND = {"BillingMode": "PAY_PER_REQUEST"}
PROVISIONED = {"BillingMode": "PROVISIONED"}


def units(read: int, write: int) -> dict[str, Any]:
    return {"ProvisionedThroughput": {"ReadCapacityUnits": read, "WriteCapacityUnits": write}}


def limits(**members: int) -> dict[str, Any]:
    return {"OnDemandThroughput": members}


def warm(**members: int) -> dict[str, Any]:
    return {"WarmThroughput": members}


def refusal(check: Any, *arguments: Any) -> str | None:
    try:
        check(*arguments)
    except ApiError as error:
        return error.message
    return None


@pytest.mark.parametrize(
    "accepted",
    [
        ON_DEMAND,
        units(1, 1),
        PROVISIONED | units(10**12, 10**12),
        ON_DEMAND | limits(MaxReadRequestUnits=1),
        ON_DEMAND | limits(),
        ON_DEMAND | warm(ReadUnitsPerSecond=12_000, WriteUnitsPerSecond=4_000),
        ON_DEMAND | warm(WriteUnitsPerSecond=4_001),
        ON_DEMAND | warm(),
        units(5, 5) | limits(),
        units(5, 5) | warm(ReadUnitsPerSecond=5),
    ],
)
def test_accepted(accepted: dict[str, Any]) -> None:
    assert refusal(check_table_throughput, accepted) is None


BOTH_UNITS = "ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is PROVISIONED"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, PREFIX + BOTH_UNITS),
        (PROVISIONED, PREFIX + BOTH_UNITS),
        (
            ON_DEMAND | units(1, 1),
            PREFIX + "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified "
            "when BillingMode is PAY_PER_REQUEST",
        ),
        (units(10**12 + 1, 10**12 + 1), "Given value 1000000000001 for ReadCapacityUnits is out of bounds"),
        (units(10**12, 10**12 + 1), "Given value 1000000000001 for WriteCapacityUnits is out of bounds"),
        (
            units(1, 1) | limits(MaxReadRequestUnits=5),
            PREFIX + "MaxReadRequestUnits for OnDemandThroughput "
            "cannot be specified when table BillingMode is PROVISIONED.",
        ),
        (
            units(1, 1) | limits(MaxWriteRequestUnits=5),
            PREFIX + "MaxWriteRequestUnits for OnDemandThroughput "
            "cannot be specified when table BillingMode is PROVISIONED.",
        ),
        (
            ON_DEMAND | limits(MaxReadRequestUnits=0, MaxWriteRequestUnits=0),
            PREFIX
            + "Requested MaxReadRequestUnits for OnDemandThroughput for table is outside of valid range",
        ),
        (
            ON_DEMAND | limits(MaxReadRequestUnits=1, MaxWriteRequestUnits=-1),
            PREFIX
            + "Requested MaxWriteRequestUnits for OnDemandThroughput for table is outside of valid range",
        ),
        (
            ON_DEMAND | warm(ReadUnitsPerSecond=11_999, WriteUnitsPerSecond=4_000),
            PREFIX + "Requested ReadUnitsPerSecond for WarmThroughput for table is lower than " + INITIAL,
        ),
        (
            ON_DEMAND | warm(WriteUnitsPerSecond=3_999),
            PREFIX + "Requested WriteUnitsPerSecond for WarmThroughput for table is lower than " + INITIAL,
        ),
        (
            units(10, 10) | warm(ReadUnitsPerSecond=5, WriteUnitsPerSecond=5),
            PREFIX + "Requested ReadUnitsPerSecond for WarmThroughput for table is lower than "
            "ReadCapacityUnits of ProvisionedThroughput",
        ),
    ],
)
def test_a_table(given: dict[str, Any], message: str) -> None:
    assert refusal(check_table_throughput, given) == message


@pytest.mark.parametrize(
    ("mode", "given", "message"),
    [
        ("PAY_PER_REQUEST", {}, None),
        ("PROVISIONED", units(1, 1), None),
        ("PAY_PER_REQUEST", limits(MaxReadRequestUnits=1) | warm(ReadUnitsPerSecond=12_000), None),
        (
            "PAY_PER_REQUEST",
            units(1, 1),
            PREFIX + "ProvisionedThroughput should not be specified for index: gsi when BillingMode is "
            "PAY_PER_REQUEST",
        ),
        ("PROVISIONED", {}, PREFIX + "ProvisionedThroughput is not specified for index: gsi"),
        (
            "PROVISIONED",
            units(10**12 + 1, 1),
            "Given value 1000000000001 for ReadCapacityUnits is out of bounds for index gsi",
        ),
        (
            "PROVISIONED",
            units(1, 1) | limits(MaxReadRequestUnits=10),
            PREFIX + "MaxReadRequestUnits for OnDemandThroughput for index: gsi "
            "cannot be specified when table BillingMode is PROVISIONED.",
        ),
        (
            "PAY_PER_REQUEST",
            limits(MaxReadRequestUnits=-1),
            PREFIX
            + "Requested MaxReadRequestUnits for OnDemandThroughput for index : gsi is outside of valid "
            "range",
        ),
        (
            "PAY_PER_REQUEST",
            warm(ReadUnitsPerSecond=1),
            PREFIX + "Requested ReadUnitsPerSecond for WarmThroughput for index gsi is lower than " + INITIAL,
        ),
    ],
)
def test_a_global_index(mode: str, given: dict[str, Any], message: str | None) -> None:
    assert refusal(check_index_throughput, {"IndexName": "gsi", **given}, mode) == message
