"""What an UpdateTable must be like before its table is looked at.

One request makes one change: most members go with no other. Texts and precedence are
as recorded from the service.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from alt.errors import ApiError, invalid_parameters, limit_exceeded, validation
from alt.operations.tables.index_rules import check_global_key, check_projection
from alt.operations.tables.rules import check_encryption, check_stream_update, check_table_class
from alt.operations.tables.throughput_rules import ON_DEMAND, PROVISIONED, check_bounds

if TYPE_CHECKING:
    from alt.validation.requests import GlobalSecondaryIndexUpdate, UpdateTableInput

# In the words and the order of the service, which names members outside its public model.
_REQUIRED = (
    "ProvisionedThroughput",
    "BillingMode",
    "UpdateStreamEnabled",
    "GlobalSecondaryIndexUpdates",
    "SSESpecification",
    "ReplicaUpdates",
    "MultiAccountReplicaReady",
    "ReplicaTransitRoleArn",
    "MultiRegionConsistency",
    "DeletionProtectionEnabled",
    "OnDemandThroughput",
    "WarmThroughput",
    "TableClass",
)
# Any of these is a change by itself. MultiRegionConsistency is not: the message names it unless it is given.
_CHANGES = (
    "ProvisionedThroughput",
    "BillingMode",
    "StreamSpecification",
    "GlobalSecondaryIndexUpdates",
    "SSESpecification",
    "ReplicaUpdates",
    "DeletionProtectionEnabled",
    "OnDemandThroughput",
    "WarmThroughput",
    "TableClass",
    "GlobalTableWitnessUpdates",
    "GlobalTableSettingsReplicationMode",
    "DisassociationProtectionEnabled",
    "VectorIndexUpdates",
)
# An empty one of these counts as absent.
_MAY_BE_EMPTY = ("GlobalSecondaryIndexUpdates", "OnDemandThroughput", "WarmThroughput")
# Changes that go with no other, the one that wins named first.
_ALONE = (
    ("SSESpecification", "Server-Side Encryption modification"),
    ("TableClass", "TableClass modification"),
    ("DeletionProtectionEnabled", "DeletionProtection modification"),
)

_INDEX_ACTIONS: tuple[Literal["Update", "Create", "Delete"], ...] = ("Update", "Create", "Delete")


def check_update_table(request: UpdateTableInput) -> None:
    """Refuse an UpdateTable that breaks a rule."""
    changes = changed_members(request)
    if not changes:
        unlisted = "MultiRegionConsistency" if request.get("MultiRegionConsistency") is not None else None
        listed = [member for member in _REQUIRED if member != unlisted]
        raise validation(f"At least one of {', '.join(listed[:-1])} or {listed[-1]} is required")
    check_table_class(request.get("TableClass"))
    if request.get("GlobalSecondaryIndexUpdates") == []:
        raise invalid_parameters("List of GlobalSecondaryIndexUpdates is empty")
    updates = request.get("GlobalSecondaryIndexUpdates") or []
    _check_index_updates(updates)
    _check_combination(request, changes, updates)
    _check_capacity(request)
    _check_new_indexes(request, updates)
    if "StreamSpecification" in changes:
        check_stream_update(request["StreamSpecification"])
    if "SSESpecification" in changes:
        check_encryption(request["SSESpecification"])


def changed_members(request: Mapping[str, Any]) -> set[str]:
    """The members of an UpdateTable that ask for a change."""
    return {
        member
        for member in _CHANGES
        if request.get(member) is not None and not (member in _MAY_BE_EMPTY and _is_empty(request[member]))
    }


def _is_empty(value: Any) -> bool:
    if isinstance(value, dict):
        return all(member is None for member in value.values())
    return not value


def _check_index_updates(updates: list[GlobalSecondaryIndexUpdate]) -> None:
    seen: set[str] = set()
    for update in updates:
        actions = [update[action] for action in _INDEX_ACTIONS if update.get(action) is not None]
        if not actions:
            raise invalid_parameters(
                "One of GlobalSecondaryIndexUpdate.Update, GlobalSecondaryIndexUpdate.Create, "
                "GlobalSecondaryIndexUpdate.Delete must not be null"
            )
        if len(actions) > 1:
            raise invalid_parameters(
                "Only one global secondary index action is allowed per GlobalSecondaryIndexUpdate object"
            )
        name = actions[0]["IndexName"]
        if name in seen:
            raise invalid_parameters(
                f"Only one global secondary index update per index is allowed simultaneously. Index: {name}"
            )
        seen.add(name)


def _check_combination(
    request: UpdateTableInput, changes: set[str], updates: list[GlobalSecondaryIndexUpdate]
) -> None:
    for member, modification in _ALONE:
        if member in changes and len(changes) > 1:
            raise invalid_parameters(f"{modification} must be the only operation in the request")
    if "OnDemandThroughput" in changes and changes - {"OnDemandThroughput", "BillingMode"}:
        raise invalid_parameters(
            "OnDemandThroughput can only be combined with BillingMode in an UpdateTable request"
        )
    if "WarmThroughput" in changes and len(changes) > 1:
        if any(update.get("Create") for update in updates):
            raise invalid_parameters(
                "Create global secondary index cannot be specified when updating WarmThroughput"
            )
        raise invalid_parameters("WarmThroughput must be the only operation in the request")
    if "ReplicaUpdates" in changes and len(changes) > 1:
        raise invalid_parameters("Replica modification must be the only operation in the request")
    capacity = "ProvisionedThroughput" in changes or request.get("BillingMode") == PROVISIONED
    if capacity and "StreamSpecification" in changes:
        raise invalid_parameters("You cannot modify stream status while updating table IOPS")
    if _online_changes(updates):
        if "ProvisionedThroughput" in changes:
            raise invalid_parameters("You cannot create or delete index while updating table IOPS")
        if "StreamSpecification" in changes:
            raise invalid_parameters("You cannot create or delete index while changing stream status")


def _online_changes(updates: list[GlobalSecondaryIndexUpdate]) -> int:
    return sum(1 for update in updates if update.get("Update") is None)


def check_one_online_change(updates: list[GlobalSecondaryIndexUpdate]) -> None:
    """Indexes are created and deleted one at a time. The service says so once it has found the table."""
    if _online_changes(updates) > 1:
        raise one_online_change_only()


def one_online_change_only() -> ApiError:
    return limit_exceeded(
        "Subscriber limit exceeded: Only 1 online index can be created or deleted simultaneously per table"
    )


def _check_capacity(request: UpdateTableInput) -> None:
    mode, provisioned = request.get("BillingMode"), request.get("ProvisionedThroughput")
    if mode == ON_DEMAND and provisioned is not None:
        raise invalid_parameters(
            "ProvisionedThroughput cannot be specified when BillingMode is PAY_PER_REQUEST"
        )
    if mode == PROVISIONED and provisioned is None:
        raise invalid_parameters("ProvisionedThroughput must be specified when BillingMode is PROVISIONED")
    if provisioned is not None:
        check_bounds(provisioned)


def _check_new_indexes(request: UpdateTableInput, updates: list[GlobalSecondaryIndexUpdate]) -> None:
    for update in updates:
        if (index := update.get("Create")) is None:
            continue
        if request.get("AttributeDefinitions") is None:
            raise _no_definitions(index["IndexName"])
        check_global_key(index["KeySchema"])
        check_projection(index["Projection"])


def _no_definitions(index: str) -> ApiError:
    return invalid_parameters(f"AttributeDefinitions is not specified for index: {index}")
