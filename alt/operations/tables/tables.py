"""CreateTable, DescribeTable, ListTables.

Tables are made at once, yet answered as the service answers them: CREATING.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from alt import errors
from alt.operations.arns import Place, table_name
from alt.operations.caller import Caller
from alt.operations.context import Context
from alt.operations.reply import body
from alt.operations.streams.settings import deleted_tables, free_moment, with_new_stream
from alt.operations.tables import quotas
from alt.operations.tables.description import as_creating, as_restoring, describe
from alt.operations.tables.rules import check_create_table
from alt.operations.tables.settings import initial_settings, initial_throughput, stream_shards
from alt.operations.tables.throughput_rules import ON_DEMAND
from alt.storage.engine import Answer, then
from alt.storage.model.definition import IndexDefinition, KeyAttribute, TableDefinition
from alt.storage.model.reads import Counts

if TYPE_CHECKING:
    from alt.operations.tables.index_rules import Index
    from alt.validation.requests import (
        CreateGlobalSecondaryIndexAction,
        CreateTableInput,
        DescribeTableInput,
        KeySchemaElement,
        ListTablesInput,
    )

MAX_NAMES_A_PAGE = 100

# Parameters of features that are not there yet.
NOT_BUILT = ("VectorIndexes", "GlobalTableSourceArn", "GlobalTableSettingsReplicationMode")


def create_table(context: Context, request: CreateTableInput, caller: Caller) -> Answer[bytes]:
    """CreateTable (https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_CreateTable.html)."""
    check_create_table(request)
    name = table_name(request["TableName"])
    if (existing := context.engine.definition(name)) is not None:
        raise _already_exists(name) if existing.restore is None else _is_used(name)
    created = round(context.clock(), 3)
    definition = define(request, name, context.new_id(), created, caller.place)
    stream = request.get("StreamSpecification")
    if stream is not None and stream["StreamEnabled"]:
        shards = stream_shards(definition.settings, context.stream_shards)
        # Their streams have this table's name in their ARNs, too.
        others = [each for deleted in deleted_tables(context, name) for each in deleted.streams]
        begins = free_moment(others, created)
        streams = with_new_stream((), stream["StreamViewType"], shards, begins, last_change=0)
        definition = replace(definition, streams=streams)
    if any(request.get(member) is not None for member in NOT_BUILT):
        raise errors.unknown_operation()
    quotas.admit_table(len(context.engine.names()))

    def answer(is_created: bool) -> bytes:
        if not is_created:
            raise _already_exists(name)
        description = describe(definition, caller.place, created, is_encrypted=context.engine.is_encrypted)
        return body({"TableDescription": as_creating(description, bool(request.get("WarmThroughput")))})

    return then(context.engine.create(definition), answer)


def describe_table(context: Context, request: DescribeTableInput, caller: Caller) -> Answer[bytes]:
    """DescribeTable (https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_DescribeTable.html).

    A table that is being restored is shown, too.
    """
    definition = known_table(context, request["TableName"])
    if definition.restore is not None:
        return body(
            {
                "Table": as_restoring(
                    definition, caller.place, context.clock(), is_encrypted=context.engine.is_encrypted
                )
            }
        )

    def answer(counts: Counts) -> bytes:
        return body({"Table": describe_now(context, definition, caller.place, counts)})

    return then(context.table(definition.name).counts(), answer)


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
    request: CreateTableInput, name: str, table_id: str, created: float, place: Place
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
        settings=initial_settings(request, created, place),
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


def describe_now(
    context: Context, definition: TableDefinition, place: Place, counts: Counts
) -> dict[str, Any]:
    """The TableDescription of a table that can be used."""
    # While an index waits to be built the table counts as being updated.
    waits = any(index.status == "CREATING" and not index.backfilling for index in definition.indexes)
    status = "UPDATING" if waits else "ACTIVE"
    return describe(
        definition, place, context.clock(), counts, status, is_encrypted=context.engine.is_encrypted
    )


def _already_exists(name: str) -> errors.ApiError:
    return errors.resource_in_use(f"Table already exists: {name}")


def _is_used(name: str) -> errors.ApiError:
    return errors.resource_in_use(f"Table is being used: {name}")
