"""CreateTable, DescribeTable, DeleteTable, ListTables.

Tables are made and removed at once, yet answered as the service answers them: CREATING
and DELETING.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from alt import errors
from alt.operations.arns import table_name
from alt.operations.caller import Caller
from alt.operations.context import Context
from alt.operations.reply import body
from alt.operations.streams.settings import with_new_stream
from alt.operations.tables import quotas
from alt.operations.tables.description import as_creating, as_deleting, as_restoring, describe
from alt.operations.tables.rules import check_create_table
from alt.operations.tables.settings import initial_settings, initial_throughput
from alt.operations.tables.throughput_rules import ON_DEMAND
from alt.storage.engine import Answer, then
from alt.storage.model.definition import IndexDefinition, KeyAttribute, TableDefinition
from alt.storage.model.reads import NO_COUNTS, Counts

if TYPE_CHECKING:
    from alt.operations.tables.index_rules import Index
    from alt.validation.requests import (
        CreateGlobalSecondaryIndexAction,
        CreateTableInput,
        DeleteTableInput,
        DescribeTableInput,
        KeySchemaElement,
        ListTablesInput,
    )

MAX_NAMES_A_PAGE = 100

# Parameters of features that are not there yet.
_NOT_BUILT = ("VectorIndexes", "GlobalTableSourceArn", "GlobalTableSettingsReplicationMode")


def create_table(context: Context, request: CreateTableInput, caller: Caller) -> Answer[bytes]:
    """CreateTable (https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_CreateTable.html)."""
    check_create_table(request)
    name = table_name(request["TableName"])
    if (existing := context.engine.definition(name)) is not None:
        raise _already_exists(name) if existing.restore is None else _is_used(name)
    created = round(context.clock(), 3)
    definition = define(request, name, context.new_id(), created, caller.region)
    stream = request.get("StreamSpecification")
    if stream is not None and stream["StreamEnabled"]:
        streams = with_new_stream((), stream["StreamViewType"], context.stream_shards, created, last_change=0)
        definition = replace(definition, streams=streams)
    if any(request.get(member) is not None for member in _NOT_BUILT):
        raise errors.unknown_operation()
    quotas.admit_table(len(context.engine.names()))

    def answer(is_created: bool) -> bytes:
        if not is_created:
            raise _already_exists(name)
        description = describe(definition, caller.region, created)
        return body({"TableDescription": as_creating(description, bool(request.get("WarmThroughput")))})

    return then(context.engine.create(definition), answer)


def describe_table(context: Context, request: DescribeTableInput, caller: Caller) -> Answer[bytes]:
    """DescribeTable (https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_DescribeTable.html).

    A table that is being restored is shown, too.
    """
    definition = known_table(context, request["TableName"])
    if definition.restore is not None:
        return body({"Table": as_restoring(definition, caller.region, context.clock())})

    def answer(counts: Counts) -> bytes:
        return body({"Table": describe_now(definition, caller.region, context.clock(), counts)})

    return then(context.table(definition.name).counts(), answer)


def delete_table(context: Context, request: DeleteTableInput, caller: Caller) -> Answer[bytes]:
    """DeleteTable (https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_DeleteTable.html)."""
    definition = known_table(context, request["TableName"])
    if definition.restore is not None:
        raise errors.resource_in_use(
            f"Attempt to change a resource which is still in use: Table is being created: {definition.name}"
        )
    if definition.settings.get("DeletionProtectionEnabled"):
        raise errors.validation(
            "Resource cannot be deleted as it is currently protected against deletion. "
            "Disable deletion protection first."
        )
    counts: Answer[Counts]
    try:
        counts = context.table(definition.name).counts()
    except Exception as fault:
        if not context.engine.is_fault(fault):
            raise
        counts = NO_COUNTS  # a damaged table can be deleted, too

    def remove(counts: Counts) -> Answer[bytes]:
        described = describe_now(definition, caller.region, context.clock(), counts)
        answer = body({"TableDescription": as_deleting(described)})
        return then(context.engine.remove(definition), lambda _: answer)

    return then(counts, remove)


def list_tables(context: Context, request: ListTablesInput, caller: Caller) -> bytes:  # noqa: ARG001
    """ListTables (https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_ListTables.html).

    Names in byte order, after one that need not exist, with the last of a page that is not the last.
    """
    names = context.engine.names()
    start, limit = request.get("ExclusiveStartTableName"), request.get("Limit") or MAX_NAMES_A_PAGE
    if start is not None:
        names = [name for name in names if name > start]
    answer: dict[str, Any] = {"TableNames": names[:limit]}
    if len(names) > limit:
        answer["LastEvaluatedTableName"] = names[limit - 1]
    return body(answer)


def known_table(context: Context, name_or_arn: str) -> TableDefinition:
    """The definition of the table that a TableName means, even while it is being restored."""
    name = table_name(name_or_arn)
    definition = context.engine.definition(name)
    if definition is None:
        raise errors.table_not_found(name)
    return definition


def existing_table(context: Context, name_or_arn: str) -> TableDefinition:
    """The same, as operations on tables look it up: one that is being restored is not there yet."""
    definition = known_table(context, name_or_arn)
    if definition.restore is not None:
        raise errors.table_not_found(definition.name)
    return definition


def define(
    request: CreateTableInput, name: str, table_id: str, created: float, region: str
) -> TableDefinition:
    """The definition that a CreateTable asks for. The request keeps every rule."""
    types: dict[str, str] = {
        definition["AttributeName"]: definition["AttributeType"]
        for definition in request["AttributeDefinitions"]
    }
    hash_keys, range_keys = _keys(request["KeySchema"], types)
    on_demand = request.get("BillingMode") == ON_DEMAND
    wanted: list[tuple[Index, bool]] = [
        (index, True) for index in request.get("GlobalSecondaryIndexes") or ()
    ]
    wanted += [(index, False) for index in request.get("LocalSecondaryIndexes") or ()]
    indexes = [
        define_index(index, str(position), types, is_global=is_global, on_demand=on_demand)
        for position, (index, is_global) in enumerate(wanted)
    ]
    return TableDefinition(
        name=name,
        id=table_id,
        created=created,
        hash_key=hash_keys[0],
        range_key=range_keys[0] if range_keys else None,
        indexes=tuple(indexes),
        settings=initial_settings(request, created, region),
    )


def define_index(
    index: Index | CreateGlobalSecondaryIndexAction,
    index_id: str,
    types: dict[str, str],
    *,
    is_global: bool,
    on_demand: bool,
) -> IndexDefinition:
    """One index; `types` are those of the defined attributes."""
    hash_keys, range_keys = _keys(index["KeySchema"], types)
    projection = index["Projection"]
    return IndexDefinition(
        name=index["IndexName"],
        id=index_id,
        is_global=is_global,
        hash_keys=hash_keys,
        range_keys=range_keys,
        projection=projection["ProjectionType"],
        non_key_attributes=tuple(sorted(projection.get("NonKeyAttributes") or ())),
        settings=initial_throughput(index, on_demand) if is_global else {},
    )


def _keys(
    schema: list[KeySchemaElement], types: dict[str, str]
) -> tuple[tuple[KeyAttribute, ...], tuple[KeyAttribute, ...]]:
    """The HASH and the RANGE attributes of a key schema."""
    hash_keys, range_keys = (
        tuple(
            KeyAttribute(element["AttributeName"], types[element["AttributeName"]])
            for element in schema
            if element["KeyType"] == key_type
        )
        for key_type in ("HASH", "RANGE")
    )
    return hash_keys, range_keys


def describe_now(definition: TableDefinition, region: str, now: float, counts: Counts) -> dict[str, Any]:
    """The TableDescription of a table that can be used."""
    # While an index waits to be built the table counts as being updated.
    waits = any(index.status == "CREATING" and not index.backfilling for index in definition.indexes)
    return describe(definition, region, now, counts, status="UPDATING" if waits else "ACTIVE")


def _already_exists(name: str) -> errors.ApiError:
    return errors.resource_in_use(f"Table already exists: {name}")


def _is_used(name: str) -> errors.ApiError:
    return errors.resource_in_use(f"Table is being used: {name}")
