"""The GlobalSecondaryIndexUpdates of an UpdateTable, against the table as it is.

An index is built and dropped in the background: here it only becomes CREATING or
DELETING.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from alt.errors import invalid_parameters, limit_exceeded, resource_in_use, resource_not_found, validation
from alt.operations.tables.index_rules import MAX_GLOBAL_INDEXES, MAX_PROJECTED_ATTRIBUTES, check_defined
from alt.operations.tables.settings import least_warm, merged_limits, warmed
from alt.operations.tables.tables import define_index
from alt.operations.tables.throughput_rules import (
    CAPACITY_UNITS,
    ON_DEMAND,
    PROVISIONED,
    check_index_throughput,
    check_throughput_changes,
)
from alt.operations.tables.update_table_rules import one_online_change_only
from alt.storage.model.definition import IndexDefinition, TableDefinition

if TYPE_CHECKING:
    from alt.operations.tables.index_rules import KeySchema
    from alt.validation.requests import (
        AttributeDefinition,
        CreateGlobalSecondaryIndexAction,
        GlobalSecondaryIndexUpdate,
        UpdateGlobalSecondaryIndexAction,
    )


def change_indexes(
    definition: TableDefinition,
    updates: list[GlobalSecondaryIndexUpdate],
    defined: list[AttributeDefinition],
    *,
    on_demand: bool,
    new_id: str,
) -> TableDefinition:
    """The definition as the updates leave it. `defined` are the request's AttributeDefinitions."""
    for update in updates:
        if (created := update.get("Create")) is not None:
            definition = _create(definition, created, defined, on_demand=on_demand, new_id=new_id)
        elif (deleted := update.get("Delete")) is not None:
            definition = _delete(definition, deleted["IndexName"])
        else:
            definition = _update(definition, update["Update"], on_demand=on_demand)
    return definition


def follow_billing_mode(
    definition: TableDefinition, updates: list[GlobalSecondaryIndexUpdate], *, on_demand: bool
) -> TableDefinition:
    """Indexes take over a changed billing mode; to be provisioned, each needs its throughput in the request."""
    given = {update["Update"]["IndexName"] for update in updates if update.get("Update") is not None}
    indexes = []
    for index in definition.indexes:
        if index.is_global and on_demand:
            units: dict[str, int] = dict.fromkeys(CAPACITY_UNITS, 0)
            warm = warmed(index.settings["WarmThroughput"], least_warm(units, True))
            index = replace(
                index, settings=index.settings | {"ProvisionedThroughput": units, "WarmThroughput": warm}
            )
        elif index.is_global:
            if index.name not in given:
                raise invalid_parameters(f"ProvisionedThroughput is not specified for index: {index.name}")
            settings = {name: value for name, value in index.settings.items() if name != "OnDemandThroughput"}
            index = replace(index, settings=settings)
        indexes.append(index)
    return replace(definition, indexes=tuple(indexes))


def _create(
    definition: TableDefinition,
    wanted: CreateGlobalSecondaryIndexAction,
    defined: list[AttributeDefinition],
    *,
    on_demand: bool,
    new_id: str,
) -> TableDefinition:
    name = wanted["IndexName"]
    if any(index.name == name for index in definition.indexes):
        raise validation("Attempting to create an index which already exists")
    _refuse_second_change(definition)
    if sum(index.is_global for index in definition.indexes) >= MAX_GLOBAL_INDEXES:
        raise limit_exceeded(
            f"Subscriber limit exceeded: Number of GlobalSecondaryIndexes exceeds per-table limit of {MAX_GLOBAL_INDEXES}"
        )
    # The request defines each key attribute of the index, be it known or not.
    types: dict[str, str] = {each["AttributeName"]: each["AttributeType"] for each in defined}
    check_defined(wanted["KeySchema"], dict.fromkeys(types))
    _refuse_redefinition(definition, wanted["KeySchema"], types)
    check_index_throughput(wanted, ON_DEMAND if on_demand else PROVISIONED)
    index = define_index(wanted, new_id, types, is_global=True, on_demand=on_demand)
    indexes = (*definition.indexes, replace(index, status="CREATING"))
    if sum(len(each.non_key_attributes) for each in indexes) > MAX_PROJECTED_ATTRIBUTES:
        raise invalid_parameters(
            f"Number of NonKeyAttributes of all indexes exceeds the per-table limit of {MAX_PROJECTED_ATTRIBUTES}"
        )
    return replace(definition, indexes=indexes)


def _delete(definition: TableDefinition, name: str) -> TableDefinition:
    index = _existing(definition, name)
    if index.status == "CREATING" and not index.backfilling:
        raise resource_in_use(
            f"Attempt to change a resource which is still in use: Index is being created: {name}"
        )
    if index.status == "DELETING":
        raise resource_in_use(
            f"Attempt to change a resource which is still in use: Index is being deleted: {name}"
        )
    if index.status == "ACTIVE":
        _refuse_second_change(definition)
    return _replaced(definition, replace(index, status="DELETING", backfilling=False))


def _update(
    definition: TableDefinition, wanted: UpdateGlobalSecondaryIndexAction, *, on_demand: bool
) -> TableDefinition:
    index = _existing(definition, wanted["IndexName"])
    settings = dict(index.settings)
    if (units := wanted.get("ProvisionedThroughput")) is not None:
        check_index_throughput(wanted, ON_DEMAND if on_demand else PROVISIONED)
        current = settings["ProvisionedThroughput"]
        check_throughput_changes(current, units, f"index {index.name}")
        settings["ProvisionedThroughput"] = current | {member: units[member] for member in CAPACITY_UNITS}
    if (limits := wanted.get("OnDemandThroughput")) is not None:
        settings["OnDemandThroughput"] = merged_limits(settings.get("OnDemandThroughput", {}), limits)
    if (warm := wanted.get("WarmThroughput")) is not None:
        settings["WarmThroughput"] = warmed(settings["WarmThroughput"], warm)
    return _replaced(definition, replace(index, settings=settings))


def _existing(definition: TableDefinition, name: str) -> IndexDefinition:
    index = next((index for index in definition.indexes if index.name == name and index.is_global), None)
    if index is None:
        raise resource_not_found("Requested resource not found")
    return index


def _replaced(definition: TableDefinition, changed: IndexDefinition) -> TableDefinition:
    return replace(
        definition,
        indexes=tuple(changed if index.id == changed.id else index for index in definition.indexes),
    )


def _refuse_redefinition(definition: TableDefinition, schema: KeySchema, types: dict[str, str]) -> None:
    """What is a key already keeps its type."""
    known = _known_keys(definition)
    for element in schema:
        name = element["AttributeName"]
        kind, role = known.get(name, (types[name], element["KeyType"]))
        if kind != types[name]:
            raise invalid_parameters(
                "Attributes cannot be redefined. "
                "Please check that your attribute has the same type as previously defined. "
                f"Existing schema: Schema:[SchemaElement: key{{{name}:{kind}:{role}}}] "
                f"New schema: Schema:[SchemaElement: key{{{name}:{types[name]}:{element['KeyType']}}}]"
            )


def _known_keys(definition: TableDefinition) -> dict[str, tuple[str, str]]:
    """The type of each key attribute, and as what it is a key: of the table, or else of the first index."""
    keys = definition.key_attributes
    known: dict[str, tuple[str, str]] = {}
    for hash_keys, range_keys in (
        (keys[:1], keys[1:]),
        *[(index.hash_keys, index.range_keys) for index in definition.indexes],
    ):
        for role, part in (("HASH", hash_keys), ("RANGE", range_keys)):
            known = {key.name: (key.type, role) for key in part} | known
    return known


def _refuse_second_change(definition: TableDefinition) -> None:
    if any(index.status in ("CREATING", "DELETING") for index in definition.indexes):
        raise one_online_change_only()
