"""CreateBackup, DescribeBackup, ListBackups, DeleteBackup. RestoreTableFromBackup is in restore_table.py.

All regions see the same backups. A BackupArn names one by its table's name and its id;
the region in it is only repeated.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from alt import errors
from alt.operations.arns import Place, table_arn, table_name
from alt.operations.caller import Caller
from alt.operations.context import Context
from alt.operations.keys import key_schema
from alt.operations.reply import body
from alt.operations.tables import time_to_live
from alt.operations.tables.description import encryption, projection, stream_specification
from alt.operations.tables.quotas import iso_time
from alt.operations.tables.settings import is_on_demand
from alt.operations.tables.throughput_rules import CAPACITY_UNITS, ON_DEMAND, PROVISIONED
from alt.storage.engine import Answer, Progress, no_progress, then
from alt.storage.model.definition import (
    SYSTEM,
    USER,
    Backup,
    IndexDefinition,
    TableDefinition,
    backup_id,
)
from alt.storage.model.reads import Counts

if TYPE_CHECKING:
    from alt.validation.requests import (
        CreateBackupInput,
        DeleteBackupInput,
        DescribeBackupInput,
        ListBackupsInput,
    )

MAX_BACKUPS_A_PAGE = 100
# A backup is answered as CREATING. Most are complete by then, and can be restored at once, as on DynamoDB.
PATIENCE_SECONDS = 1.0

_ID_LETTERS = 8
# arn:aws:dynamodb:us-east-1:123456789012:table/Music/backup/01489602797149-73d8d5bc
_BACKUP_ARN = re.compile(
    r"arn:([a-z-]+):([a-z0-9-]+):([a-z0-9-]*):([0-9]*):table/([a-zA-Z0-9_.-]{3,255})/backup/([0-9]+-[0-9a-f]+)"
)
_REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-[0-9]+")


class BackupArn(NamedTuple):
    place: Place
    table: str
    id: str


def create_backup(context: Context, request: CreateBackupInput, caller: Caller) -> Answer[bytes]:
    """CreateBackup (https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_CreateBackup.html)."""

    async def answer_soon(backup: Backup, taken: asyncio.Future[None]) -> bytes:
        answer = body({"BackupDetails": _details(backup, backup_arn(backup, caller.place))})
        await asyncio.wait([taken], timeout=PATIENCE_SECONDS)
        return answer

    begun = begin_backup(context, table_name(request["TableName"]), request["BackupName"])
    return then(begun, lambda begun: asyncio.ensure_future(answer_soon(*begun)))


def begin_backup(
    context: Context, table_name: str, backup_name: str, progress: Progress = no_progress
) -> Answer[tuple[Backup, asyncio.Future[None]]]:
    """A backup of the table as it is now, and the future that is done when it is available."""
    table = context.engine.table(table_name)
    if table is None:
        raise errors.no_such_table(table_name)
    found = table
    created = round(context.clock(), 3)

    def begin(counts: Counts) -> tuple[Backup, asyncio.Future[None]]:
        backup = Backup(
            id=backup_id(created, context.new_id()[-_ID_LETTERS:]),
            name=backup_name,
            created=created,
            table=found.definition,
            items=counts.items,
            size=counts.size,
        )
        return backup, context.engine.backups.create(found, backup, progress)

    return then(found.counts(), begin)


def describe_backup(context: Context, request: DescribeBackupInput, caller: Caller) -> Answer[bytes]:  # noqa: ARG001
    """DescribeBackup (https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_DescribeBackup.html)."""
    arn = request["BackupArn"]
    return then(
        existing_backup(context, arn),
        lambda backup: body({"BackupDescription": _description(context, backup, arn)}),
    )


def delete_backup(context: Context, request: DeleteBackupInput, caller: Caller) -> Answer[bytes]:  # noqa: ARG001
    """DeleteBackup (https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_DeleteBackup.html)."""
    arn = request["BackupArn"]

    def remove(backup: Backup) -> Answer[bytes]:
        if backup.kind == SYSTEM:
            expires = "never" if backup.expires is None else iso_time(backup.expires)
            raise errors.validation(
                f"User is not allowed to delete the system backup with arn {arn}. "
                f"It will automatically expire on {expires}"
            )
        check_unused(context, backup, arn)
        answer = _description(context, backup, arn)
        answer["BackupDetails"]["BackupStatus"] = "DELETED"
        return then(context.engine.backups.remove(backup), lambda _: body({"BackupDescription": answer}))

    return then(existing_backup(context, arn), remove)


def list_backups(context: Context, request: ListBackupsInput, caller: Caller) -> Answer[bytes]:
    """ListBackups (https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_ListBackups.html).

    By table and time, after a backup that need not exist.
    """
    lower, upper = request.get("TimeRangeLowerBound"), request.get("TimeRangeUpperBound")
    if lower is not None and upper is not None and lower > upper:
        raise errors.validation("Time range lower bound must be less than or equal to upper bound")
    return then(context.engine.backups.all(), lambda backups: body(_page(backups, request, caller.place)))


def _page(backups: Sequence[Backup], request: ListBackupsInput, place: Place) -> dict[str, Any]:
    start, limit = request.get("ExclusiveStartBackupArn"), request.get("Limit") or MAX_BACKUPS_A_PAGE
    lower, upper = request.get("TimeRangeLowerBound"), request.get("TimeRangeUpperBound")
    kind = request.get("BackupType") or USER
    found = [backup for backup in backups if kind in (backup.kind, "ALL")]
    if request.get("TableName") is not None:
        name = table_name(request["TableName"])
        found = [backup for backup in found if backup.table.name == name]
    if lower is not None:
        found = [backup for backup in found if backup.created >= lower]
    if upper is not None:
        found = [backup for backup in found if backup.created < upper]
    if start is not None:
        last = parse_arn(start)
        if last.place.region != place.region:
            raise errors.validation("ExclusiveStartBackupArn does not match the region")
        found = [backup for backup in found if (backup.table.name, backup.id) > (last.table, last.id)]
    answer: dict[str, Any] = {"BackupSummaries": [summary(backup, place) for backup in found[:limit]]}
    if len(found) > limit:
        answer["LastEvaluatedBackupArn"] = backup_arn(found[limit - 1], place)
    return answer


def summary(backup: Backup, place: Place) -> dict[str, Any]:
    """The BackupSummary."""
    return {
        "TableName": backup.table.name,
        "TableId": backup.table.id,
        "TableArn": table_arn(place, backup.table.name),
        **_details(backup, backup_arn(backup, place)),
    }


def backup_arn(backup: Backup, place: Place) -> str:
    return f"{table_arn(place, backup.table.name)}/backup/{backup.id}"


def parse_arn(arn: str) -> BackupArn:
    match = _BACKUP_ARN.fullmatch(arn)
    if match is None:
        raise errors.validation("Invalid Backup ARN")
    partition, service, region, account, table, backup = match.groups()
    if not partition.startswith("aws") or service != "dynamodb" or not _REGION.fullmatch(region):
        raise errors.validation("BackupArn is not valid")
    return BackupArn(Place(region, account), table, backup)


def existing_backup(context: Context, arn: str) -> Answer[Backup]:
    """The backup that a BackupArn means."""
    parsed = parse_arn(arn)

    def check(backup: Backup | None) -> Backup:
        if backup is None or backup.table.name != parsed.table:
            raise errors.backup_not_found(arn)
        return backup

    return then(context.engine.backups.get(parsed.id), check)


def check_unused(context: Context, backup: Backup, arn: str) -> None:
    """The backup is neither being taken nor being restored."""
    if not backup.available:
        raise errors.backup_in_use(f"Backup is being created: {arn}")
    if is_being_restored(context, backup):
        raise errors.backup_in_use(f"Backup is being used to restore table: {arn}")


def is_being_restored(context: Context, backup: Backup) -> bool:
    return any(
        definition.restore is not None and definition.restore.origin.get("backup") == backup.id
        for definition in context.engine.definitions()
    )


def _details(backup: Backup, arn: str) -> dict[str, Any]:
    details = {
        "BackupArn": arn,
        "BackupName": backup.name,
        "BackupSizeBytes": backup.size,
        "BackupStatus": "AVAILABLE" if backup.available else "CREATING",
        "BackupType": backup.kind,
        "BackupCreationDateTime": backup.created,
    }
    if backup.expires is not None:
        details["BackupExpiryDateTime"] = backup.expires
    return details


def _description(context: Context, backup: Backup, arn: str) -> dict[str, Any]:
    return {
        "BackupDetails": _details(backup, arn),
        "SourceTableDetails": _source(backup, parse_arn(arn).place),
        "SourceTableFeatureDetails": _features(backup.table, is_encrypted=context.engine.is_encrypted),
    }


def _source(backup: Backup, place: Place) -> dict[str, Any]:
    table = backup.table
    details = {
        "TableName": table.name,
        "TableId": table.id,
        "TableArn": table_arn(place, table.name),
        "TableSizeBytes": backup.size,
        "KeySchema": key_schema(table.key_attributes[:1], table.key_attributes[1:]),
        "TableCreationDateTime": table.created,
        "ProvisionedThroughput": _units(table.settings),
        "ItemCount": backup.items,
        "BillingMode": ON_DEMAND if is_on_demand(table.settings) else PROVISIONED,
    }
    if (limits := table.settings.get("OnDemandThroughput")) is not None:
        details["OnDemandThroughput"] = limits
    return details


def _features(table: TableDefinition, *, is_encrypted: bool) -> dict[str, Any]:
    """What a backup remembers of a table beside its keys and capacity: only what it has."""
    features: dict[str, Any] = {}
    for index in table.indexes:
        if index.status != "DELETING":
            kind = "GlobalSecondaryIndexes" if index.is_global else "LocalSecondaryIndexes"
            features.setdefault(kind, []).append(_index(index))
    if table.stream is not None:
        features["StreamDescription"] = stream_specification(table.stream)
    if "SSEDescription" in table.settings:
        features["SSEDescription"] = encryption(table.settings["SSEDescription"], is_encrypted=is_encrypted)
    if (described := time_to_live.description(table))["TimeToLiveStatus"] != "DISABLED":
        features["TimeToLiveDescription"] = described
    return features


def _index(index: IndexDefinition) -> dict[str, Any]:
    info: dict[str, Any] = {
        "IndexName": index.name,
        "KeySchema": key_schema(index.hash_keys, index.range_keys),
        "Projection": projection(index),
    }
    if index.is_global:
        info["ProvisionedThroughput"] = _units(index.settings)
        if "OnDemandThroughput" in index.settings:
            info["OnDemandThroughput"] = index.settings["OnDemandThroughput"]
    return info


def _units(settings: dict[str, Any]) -> dict[str, int]:
    return {member: settings["ProvisionedThroughput"][member] for member in CAPACITY_UNITS}
