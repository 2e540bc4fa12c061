"""From a table's definition to the TableDescription that clients see."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from alt.operations.arns import Place, index_arn, table_arn
from alt.operations.keys import key_schema
from alt.operations.tables.quotas import decreases_today
from alt.storage.model.definition import IndexDefinition, StreamDefinition, TableDefinition
from alt.storage.model.reads import NO_COUNTS, Counts

Description = dict[str, Any]
# Number of items and their bytes.

_NO_THROUGHPUT = {"ReadCapacityUnits": 0, "WriteCapacityUnits": 0}
_AS_STORED = (
    "BillingModeSummary",
    "OnDemandThroughput",
    "WarmThroughput",
    "TableClassSummary",
    "RestoreSummary",
)
# What DeleteTable's answer leaves out, as recorded from the service.
_NOT_WHEN_DELETING = (
    "AttributeDefinitions",
    "KeySchema",
    "CreationDateTime",
    "GlobalSecondaryIndexes",
    "LocalSecondaryIndexes",
    "WarmThroughput",
)


def describe(
    definition: TableDefinition,
    place: Place,
    now: float,
    counts: Counts = NO_COUNTS,
    status: str = "ACTIVE",
    *,
    is_encrypted: bool,
) -> Description:
    """The TableDescription of a table, with ARNs of `place`; `now` decides what day it is.

    `is_encrypted`: whether what is stored is.
    """
    settings = definition.settings
    arn = table_arn(place, definition.name)
    description: Description = {
        "TableName": definition.name,
        "TableStatus": status,
        "TableArn": arn,
        "TableId": definition.id,
        "CreationDateTime": definition.created,
        "AttributeDefinitions": _attribute_definitions(definition),
        "KeySchema": key_schema(definition.key_attributes[:1], definition.key_attributes[1:]),
        "ProvisionedThroughput": _throughput(settings, now),
        "ItemCount": counts.items,
        "TableSizeBytes": counts.size,
        "DeletionProtectionEnabled": settings.get("DeletionProtectionEnabled", False),
    }
    description |= {member: settings[member] for member in _AS_STORED if member in settings}
    if "SSEDescription" in settings:
        description["SSEDescription"] = encryption(settings["SSEDescription"], is_encrypted=is_encrypted)
    _add_stream(description, definition)
    _add_indexes(description, definition.indexes, counts.indexes, now)
    return description


def encryption(stored: Description, *, is_encrypted: bool) -> Description:
    """The SSEDescription of a table that asks for a key of KMS: ENABLED where what is stored is encrypted, else DISABLED.

    One that is UPDATING is shown so.
    """
    return stored if is_encrypted or stored["Status"] != "ENABLED" else stored | {"Status": "DISABLED"}


def as_creating(description: Description, warm_throughput_given: bool) -> Description:
    """The description as CreateTable answers it, before the service has filled in everything."""
    shown = description | {"TableStatus": "CREATING"}
    if "BillingModeSummary" in shown:
        shown["BillingModeSummary"] = {"BillingMode": shown["BillingModeSummary"]["BillingMode"]}
    if warm_throughput_given:
        shown["WarmThroughput"] = shown["WarmThroughput"] | {"Status": "UPDATING"}
    else:
        del shown["WarmThroughput"]
    if "GlobalSecondaryIndexes" in shown:
        shown["GlobalSecondaryIndexes"] = [
            {member: value for member, value in index.items() if member != "WarmThroughput"}
            | {"IndexStatus": "CREATING"}
            for index in shown["GlobalSecondaryIndexes"]
        ]
    return shown


def as_restoring(definition: TableDefinition, place: Place, now: float, *, is_encrypted: bool) -> Description:
    """The description of a table while it is being restored."""
    assert definition.restore is not None
    shown = describe(definition, place, now, status="CREATING", is_encrypted=is_encrypted)
    if "GlobalSecondaryIndexes" in shown:
        shown["GlobalSecondaryIndexes"] = [
            {member: value for member, value in index.items() if member not in ("IndexStatus", "Backfilling")}
            for index in shown["GlobalSecondaryIndexes"]
        ]
    return shown | {"RestoreSummary": definition.restore.summary | {"RestoreInProgress": True}}


def as_deleting(description: Description) -> Description:
    """The description as DeleteTable answers it."""
    shown = {member: value for member, value in description.items() if member not in _NOT_WHEN_DELETING}
    return shown | {"TableStatus": "DELETING"}


def _attribute_definitions(definition: TableDefinition) -> list[dict[str, str]]:
    """Every key attribute once, sorted by name."""
    attributes = set(definition.key_attributes)
    for index in definition.indexes:
        attributes.update(index.key_attributes)
    return [
        {"AttributeName": attribute.name, "AttributeType": attribute.type}
        for attribute in sorted(attributes, key=lambda attribute: attribute.name)
    ]


def _throughput(settings: Mapping[str, Any], now: float) -> Description:
    stored = settings.get("ProvisionedThroughput", _NO_THROUGHPUT)
    return {**stored, "NumberOfDecreasesToday": decreases_today(stored, now)}


def _add_stream(description: Description, definition: TableDefinition) -> None:
    """The stream that is on, or the ARN and label of the last one as long as it may be read."""
    if definition.streams:
        label = definition.streams[-1].label
        description["LatestStreamLabel"] = label
        description["LatestStreamArn"] = f"{description['TableArn']}/stream/{label}"
    if definition.stream is not None:
        description["StreamSpecification"] = stream_specification(definition.stream)


def stream_specification(stream: StreamDefinition) -> Description:
    """The StreamSpecification of a stream that is on."""
    return {"StreamEnabled": True, "StreamViewType": stream.view_type}


def _add_indexes(
    description: Description,
    indexes: Iterable[IndexDefinition],
    statistics: Mapping[str, tuple[int, int]],
    now: float,
) -> None:
    for index in indexes:
        items, size = statistics.get(index.name, (0, 0))
        described: Description = {
            "IndexName": index.name,
            "IndexArn": index_arn(description["TableArn"], index.name),
            "KeySchema": key_schema(index.hash_keys, index.range_keys),
            "Projection": projection(index),
            "IndexSizeBytes": size,
            "ItemCount": items,
        }
        if index.is_global:
            described |= _global_members(index, now)
        kind = "GlobalSecondaryIndexes" if index.is_global else "LocalSecondaryIndexes"
        description.setdefault(kind, []).append(described)


def projection(index: IndexDefinition) -> Description:
    if index.projection != "INCLUDE":
        return {"ProjectionType": index.projection}
    return {"ProjectionType": "INCLUDE", "NonKeyAttributes": list(index.non_key_attributes)}


def _global_members(index: IndexDefinition, now: float) -> Description:
    members: Description = {
        "IndexStatus": index.status,
        "ProvisionedThroughput": _throughput(index.settings, now),
    }
    # Only an index added to a table that exists is ever seen CREATING; there it is false, then true.
    if index.status == "CREATING":
        members["Backfilling"] = index.backfilling
    members |= {
        member: index.settings[member]
        for member in ("OnDemandThroughput", "WarmThroughput")
        if member in index.settings
    }
    return members
