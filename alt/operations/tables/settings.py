"""A table's settings: what CreateTable and UpdateTable leave in the catalog beside the keys.

They stand under the names of the description that gives them back: BillingModeSummary,
ProvisionedThroughput, OnDemandThroughput, WarmThroughput, TableClassSummary,
DeletionProtectionEnabled, SSEDescription, and the RestoreSummary of a table that was restored.
Never given back: ResourcePolicy as CreateTable had it, Tags (alt/operations/tables/tags.py), and
TableClassChanges and EncryptionChanges, the epoch seconds of changes that count against a quota.
"""

from __future__ import annotations

import math
import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from alt.operations.arns import Place
from alt.operations.tables.policy_rules import initial_policies
from alt.operations.tables.throughput_rules import (
    CAPACITY_UNITS,
    INITIAL_READ_UNITS_PER_SECOND,
    INITIAL_WRITE_UNITS_PER_SECOND,
    MAX_REQUEST_UNITS,
    ON_DEMAND,
    PARTITION_READ_UNITS,
    PARTITION_WRITE_UNITS,
    UNITS_PER_SECOND,
)

if TYPE_CHECKING:
    from alt.validation.requests import OnDemandThroughput, SSESpecification, WarmThroughput

Settings = dict[str, Any]

AWS_MANAGED_KEY = "alias/aws/dynamodb"
# Members of a CreateTable that are kept as they are.
_KEPT = ("Tags",)


def initial_settings(request: Mapping[str, Any], now: float, place: Place) -> Settings:
    """The settings of a table just created; `request` has what a CreateTable may have, or None for it."""
    settings = initial_throughput(request, request.get("BillingMode") == ON_DEMAND)
    settings["DeletionProtectionEnabled"] = request.get("DeletionProtectionEnabled") is True
    if request.get("BillingMode") == ON_DEMAND:
        settings["BillingModeSummary"] = {"BillingMode": ON_DEMAND, "LastUpdateToPayPerRequestDateTime": now}
    if (table_class := request.get("TableClass")) is not None:
        settings["TableClassSummary"] = {"TableClass": table_class}
    encryption = request.get("SSESpecification")
    if encryption is not None and is_enabled(encryption):
        settings["SSEDescription"] = encryption_description(encryption, place)
    if (policy := request.get("ResourcePolicy")) is not None:
        settings |= initial_policies(policy, now)
    settings |= {member: request[member] for member in _KEPT if request.get(member) is not None}
    return settings


def initial_throughput(given: Mapping[str, Any], on_demand: bool) -> Settings:
    """ProvisionedThroughput, WarmThroughput and OnDemandThroughput of a new table or global index."""
    provisioned = given.get("ProvisionedThroughput") or dict.fromkeys(CAPACITY_UNITS, 0)
    units: dict[str, int] = {member: provisioned[member] for member in CAPACITY_UNITS}
    warm: WarmThroughput | None = given.get("WarmThroughput")
    limits: OnDemandThroughput | None = given.get("OnDemandThroughput")
    settings: Settings = {
        "ProvisionedThroughput": units,
        "WarmThroughput": warmed(least_warm(units, on_demand), warm or {}),
    }
    if kept := on_demand_limits({}, limits or {}):
        settings["OnDemandThroughput"] = kept
    return settings


def is_on_demand(settings: Settings) -> bool:
    summary = settings.get("BillingModeSummary")
    return summary is not None and summary["BillingMode"] == ON_DEMAND


def stream_shards(settings: Settings, most: int) -> int:
    """How many shards a stream that is turned on gets: `most` on demand, else one for each partition, at most so many.

    On the service a table has a shard for each of its partitions.
    """
    if is_on_demand(settings):
        return most
    units: Mapping[str, int] = settings["ProvisionedThroughput"]
    partitions = max(
        units["ReadCapacityUnits"] / PARTITION_READ_UNITS, units["WriteCapacityUnits"] / PARTITION_WRITE_UNITS
    )
    return min(most, math.ceil(partitions))


def least_warm(provisioned: Mapping[str, int], on_demand: bool) -> WarmThroughput:
    """The WarmThroughput a table has without asking for any."""
    if on_demand:
        reads, writes = INITIAL_READ_UNITS_PER_SECOND, INITIAL_WRITE_UNITS_PER_SECOND
    else:
        reads, writes = provisioned["ReadCapacityUnits"], provisioned["WriteCapacityUnits"]
    return {"ReadUnitsPerSecond": reads, "WriteUnitsPerSecond": writes}


def warmed(current: Mapping[str, Any], given: WarmThroughput) -> dict[str, Any]:
    """WarmThroughput after `given`, which raises it and never lowers it."""
    return {member: max(current[member], given.get(member) or 0) for member in UNITS_PER_SECOND} | {
        "Status": "ACTIVE"
    }


def on_demand_limits(current: dict[str, int], given: OnDemandThroughput) -> dict[str, int]:
    """OnDemandThroughput after `given`, where -1 takes a limit off."""
    merged = merged_limits(current, given)
    return {member: units for member, units in merged.items() if units != -1}


def merged_limits(current: dict[str, int], given: OnDemandThroughput) -> dict[str, int]:
    """The same as an UpdateTable's answer shows it: -1 included."""
    changed: dict[str, int] = {
        member: units for member in MAX_REQUEST_UNITS if (units := given.get(member)) is not None
    }
    merged = current | changed
    return {member: merged[member] for member in MAX_REQUEST_UNITS if member in merged}


def is_enabled(encryption: SSESpecification) -> bool:
    """Whether an SSESpecification asks for a key of one's own account."""
    enabled = encryption.get("Enabled")
    return enabled is True or (enabled is None and encryption.get("SSEType") is not None)


def encryption_description(specification: SSESpecification, place: Place) -> Settings:
    """The SSEDescription of a table encrypted with the key that `specification` names."""
    arn = key_arn(specification.get("KMSMasterKeyId") or AWS_MANAGED_KEY, place)
    return {"Status": "ENABLED", "SSEType": "KMS", "KMSMasterKeyArn": arn}


def key_arn(key: str, place: Place) -> str:
    """The ARN that a key's ARN, id or alias stands for. There is no key service: any key is taken.

    An alias always stands for the same key id.
    """
    prefix = f"arn:aws:kms:{place.region}:{place.account}:"
    if key.startswith("arn:") and ":alias/" not in key:
        return key
    alias = key.rpartition(":")[2]
    if alias.startswith("alias/"):
        return f"{prefix}key/{uuid.uuid5(uuid.NAMESPACE_URL, prefix + alias)}"
    return f"{prefix}key/{key}"
