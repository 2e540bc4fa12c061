"""The overrides of a restore: their rules, and the definition of the table that they make of another.

Both kinds of restore share them. Texts are as recorded from the service.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from alt.errors import invalid_parameters, unknown_operation, validation
from alt.operations.arns import Place
from alt.operations.keys import key_schema
from alt.operations.tables.description import projection
from alt.operations.tables.index_rules import first_repeated
from alt.operations.tables.rules import check_encryption
from alt.operations.tables.settings import initial_settings, initial_throughput, is_on_demand
from alt.operations.tables.throughput_rules import (
    CAPACITY_UNITS,
    MAX_REQUEST_UNITS,
    ON_DEMAND,
    PROVISIONED,
    check_bounds,
)
from alt.storage.model.definition import IndexDefinition, Restore, TableDefinition

if TYPE_CHECKING:
    from typing import NotRequired, TypeAlias, TypedDict

    from alt.validation.requests import (
        BillingMode,
        GlobalSecondaryIndex,
        LocalSecondaryIndex,
        OnDemandThroughput,
        ProvisionedThroughput,
        RestoreTableFromBackupInput,
        RestoreTableToPointInTimeInput,
    )

    Request: TypeAlias = RestoreTableFromBackupInput | RestoreTableToPointInTimeInput

    class GlobalOverride(TypedDict):
        """What of a global index may be other than in the source: of an index in the request, or of none but its name."""

        IndexName: str
        ProvisionedThroughput: NotRequired[ProvisionedThroughput]
        OnDemandThroughput: NotRequired[OnDemandThroughput]


# A parameter of a feature that is not there yet. No table has vector indexes, so that none is what an empty list asks for.
NOT_BUILT = ("VectorIndexOverride",)

Override = TypeVar("Override", bound="GlobalSecondaryIndex | LocalSecondaryIndex")


def check_region(request: Request, source_region: str, region: str) -> None:
    """A restore into another region must say how it is to be encrypted there."""
    if source_region != region and request.get("SSESpecificationOverride") is None:
        raise validation(
            "Invalid Request: sseSpecificationOverride must be provided for cross-region restores"
        )


def restored_definition(
    source: TableDefinition, request: Request, table_id: str, now: float, place: Place, restore: Restore
) -> TableDefinition:
    """The definition of the table that a restore of `source` makes.

    Raises ValidationException for overrides that break a rule. What no override names is as in
    the source, but for streams, TTL, tags, table class, deletion protection, policies and
    continuous backups, which no restored table has.
    """
    mode = _check_table_overrides(request, source)
    encryption = request.get("SSESpecificationOverride")
    if encryption is not None:
        check_encryption(encryption)
    settings = initial_settings(
        {
            "BillingMode": mode,
            "ProvisionedThroughput": _units(request.get("ProvisionedThroughputOverride"), source, mode),
            "OnDemandThroughput": _limits(request.get("OnDemandThroughputOverride"), source, mode),
            "SSESpecification": encryption,
        },
        now,
        place,
    )
    indexes = (*_global_indexes(request, source, mode), *_local_indexes(request, source))
    if (repeated := first_repeated([index.name for index in indexes])) is not None:
        raise invalid_parameters(f"Duplicate index name: {repeated}")
    if any(request.get(member) for member in NOT_BUILT):
        raise unknown_operation()
    if encryption is None and "SSEDescription" in source.settings:
        settings["SSEDescription"] = source.settings["SSEDescription"]
    return TableDefinition(
        name=request["TargetTableName"],
        id=table_id,
        created=now,
        hash_key=source.hash_key,
        range_key=source.range_key,
        indexes=indexes,
        settings=settings,
        restore=restore,
    )


def _check_table_overrides(request: Request, source: TableDefinition) -> BillingMode:
    """The billing mode that the restored table will have."""
    override = request.get("BillingModeOverride")
    units = request.get("ProvisionedThroughputOverride")
    limits: OnDemandThroughput = request.get("OnDemandThroughputOverride") or {}
    mode: BillingMode = override or (ON_DEMAND if is_on_demand(source.settings) else PROVISIONED)
    if units is not None and mode != PROVISIONED:
        raise validation("Cannot override ProvisionedThroughput unless BillingMode is PROVISIONED")
    if units is None and override == PROVISIONED:
        raise validation("Must override ProvisionedThroughput if BillingMode is overridden to PROVISIONED")
    if units is not None:
        check_bounds(units)
    for member in MAX_REQUEST_UNITS:
        if (limit := limits.get(member)) is None:
            continue
        if mode == PROVISIONED:
            raise validation(
                f"Cannot override {member} for OnDemandThroughput "
                "unless BillingModeOverride is PAY_PER_REQUEST"
            )
        if limit < 1 and limit != -1:
            raise validation(f"Requested {member} for OnDemandThroughput is outside of valid range")
    return mode


def _units(
    override: ProvisionedThroughput | None, source: TableDefinition | IndexDefinition, mode: BillingMode
) -> ProvisionedThroughput | None:
    if mode == ON_DEMAND:
        return None
    units = override or source.settings["ProvisionedThroughput"]
    return {
        "ReadCapacityUnits": units["ReadCapacityUnits"],
        "WriteCapacityUnits": units["WriteCapacityUnits"],
    }


def _limits(
    override: OnDemandThroughput | None, source: TableDefinition | IndexDefinition, mode: BillingMode
) -> OnDemandThroughput | None:
    """Those of the source, unless the request has some."""
    if mode == PROVISIONED:
        return None
    limits: OnDemandThroughput | None = override or source.settings.get("OnDemandThroughput")
    return limits


def _global_indexes(request: Request, source: TableDefinition, mode: BillingMode) -> list[IndexDefinition]:
    existing = [index for index in source.indexes if index.is_global and index.status != "DELETING"]
    wanted = request.get("GlobalSecondaryIndexOverride")
    if wanted is None:
        return [_global_index(request, index, {"IndexName": index.name}, mode) for index in existing]
    return [_global_index(request, index, override, mode) for index, override in _matched(wanted, existing)]


def _global_index(
    request: Request, index: IndexDefinition, override: GlobalOverride, mode: BillingMode
) -> IndexDefinition:
    units, name = override.get("ProvisionedThroughput"), override["IndexName"]
    is_given = request.get("GlobalSecondaryIndexOverride") is not None
    was_provisioned = any(index.settings["ProvisionedThroughput"][member] for member in CAPACITY_UNITS)
    if mode == PROVISIONED and units is None and (is_given or not was_provisioned):
        raise validation(f"Must specify provisioned throughput for index {name}")
    if mode == ON_DEMAND and units is not None:
        raise validation(
            "Cannot override ProvisionedThroughput if BillingMode is overridden to PAY_PER_REQUEST "
            f"for index {name}"
        )
    if units is not None:
        check_bounds(units, f" for index {name}")
    given = {
        "ProvisionedThroughput": _units(units, index, mode),
        "OnDemandThroughput": _limits(override.get("OnDemandThroughput"), index, mode),
    }
    return replace(index, name=name, settings=initial_throughput(given, mode == ON_DEMAND))


def _local_indexes(request: Request, source: TableDefinition) -> list[IndexDefinition]:
    existing = [index for index in source.indexes if not index.is_global]
    wanted = request.get("LocalSecondaryIndexOverride")
    if wanted is None:
        return existing
    return [replace(index, name=override["IndexName"]) for index, override in _matched(wanted, existing)]


def _matched(
    wanted: Sequence[Override], existing: list[IndexDefinition]
) -> list[tuple[IndexDefinition, Override]]:
    """Each wanted index with that of the source which has its keys and projection; names may differ."""
    left = list(existing)
    pairs = []
    for override in wanted:
        alike = [index for index in left if _is_alike(index, override)]
        found = next((index for index in alike if index.name == override["IndexName"]), None)
        found = found or next(iter(alike), None)
        if found is None:
            raise validation(
                f"Index {override['IndexName']} does not match a secondary index that existed "
                "in the source table and cannot be created during the restore operation"
            )
        left.remove(found)
        pairs.append((found, override))
    return pairs


def _is_alike(index: IndexDefinition, override: GlobalSecondaryIndex | LocalSecondaryIndex) -> bool:
    given = override["Projection"]
    given_projection: dict[str, object] = {"ProjectionType": given.get("ProjectionType")}
    if given.get("NonKeyAttributes"):
        given_projection["NonKeyAttributes"] = sorted(given["NonKeyAttributes"])
    keys = [
        {"AttributeName": key["AttributeName"], "KeyType": key["KeyType"]} for key in override["KeySchema"]
    ]
    return keys == key_schema(index.hash_keys, index.range_keys) and given_projection == projection(index)
