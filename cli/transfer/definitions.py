"""Tables made as others are: what CreateTable takes, from what DescribeTable answers."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from alt.errors import ApiError

from ..asking.listing import describe_table

if TYPE_CHECKING:
    from ..asking.answering import Ask
    from ..terminal.output import Description

POLL_SECONDS = 0.2
# What a large index of the service's takes to be made is no table's creation; that is a matter of seconds.
ACTIVE_SECONDS = 600.0

_UNITS = ("ReadCapacityUnits", "WriteCapacityUnits")
_AS_THEY_ARE = ("AttributeDefinitions", "KeySchema", "StreamSpecification", "OnDemandThroughput")
_OF_INDEXES = ("IndexName", "KeySchema", "Projection", "OnDemandThroughput")
_EXPIRING = ("ENABLED", "ENABLING")
# Tags that only the service itself gives.
_RESERVED_TAG = "aws:"


def creation_of(description: Description, name: str | None = None) -> dict[str, Any]:
    """What CreateTable takes to make a table like the one described, under another `name` if one is given.

    Keys, indexes, billing, stream, class, protection, and the tags where the description has them. A key of KMS
    belongs to its account and is left out.
    """
    mode = description.get("BillingModeSummary", {}).get("BillingMode", "PROVISIONED")
    creation: dict[str, Any] = {
        "TableName": name or description["TableName"],
        **{member: description[member] for member in _AS_THEY_ARE if member in description},
        "BillingMode": mode,
        **_throughput(description, mode),
    }
    for kind in ("LocalSecondaryIndexes", "GlobalSecondaryIndexes"):
        if indexes := description.get(kind):
            creation[kind] = [_index(index, kind, mode) for index in indexes]
    if table_class := description.get("TableClassSummary", {}).get("TableClass"):
        creation["TableClass"] = table_class
    if description.get("DeletionProtectionEnabled"):
        creation["DeletionProtectionEnabled"] = True
    if tags := [tag for tag in description.get("Tags", ()) if not tag["Key"].startswith(_RESERVED_TAG)]:
        creation["Tags"] = tags
    return creation


def create(ask: Ask, creation: Mapping[str, Any]) -> Description:
    """Make a table, and wait until it can be used. Answers its description."""
    ask("CreateTable", dict(creation))
    return wait_for(ask, creation["TableName"])


def wait_for(ask: Ask, table: str) -> Description:
    """Wait until a table can be used."""
    end = time.monotonic() + ACTIVE_SECONDS
    while True:
        description = describe_table(ask, table)
        if description["TableStatus"] == "ACTIVE":
            return description
        if time.monotonic() > end:
            raise click.ClickException(f"{table} is {description['TableStatus']} still: look again later")
        time.sleep(POLL_SECONDS)


def wait_until_gone(ask: Ask, table: str) -> None:
    """Wait until a table that was deleted is there no more."""
    end = time.monotonic() + ACTIVE_SECONDS
    while True:
        try:
            describe_table(ask, table)
        except ApiError as error:
            if error.type != "ResourceNotFoundException":
                raise
            return
        if time.monotonic() > end:
            raise click.ClickException(f"{table} is being deleted still: look again later")
        time.sleep(POLL_SECONDS)


def set_time_to_live(ask: Ask, table: str, description: Description) -> None:
    """Let a table's items expire as those of the described one do, if they do not already."""
    said = description["TimeToLiveDescription"]
    now = ask("DescribeTimeToLive", {"TableName": table})["TimeToLiveDescription"]
    if said["TimeToLiveStatus"] in _EXPIRING and now["TimeToLiveStatus"] not in _EXPIRING:
        wanted = {"Enabled": True, "AttributeName": said["AttributeName"]}
        ask("UpdateTimeToLive", {"TableName": table, "TimeToLiveSpecification": wanted})


def _throughput(described: Mapping[str, Any], mode: str) -> dict[str, Any]:
    if mode != "PROVISIONED":
        return {}
    return {"ProvisionedThroughput": {unit: described["ProvisionedThroughput"][unit] for unit in _UNITS}}


def _index(index: Mapping[str, Any], kind: str, mode: str) -> dict[str, Any]:
    throughput = _throughput(index, mode) if kind == "GlobalSecondaryIndexes" else {}
    return {**{member: index[member] for member in _OF_INDEXES if member in index}, **throughput}
