"""RestoreTableFromBackup, and how a restore is begun.

A restored table is CREATING until it is complete; operations on its items do not find
it before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from alt import errors
from alt.operations.arns import table_arn
from alt.operations.backups.backups import existing_backup, is_being_restored, parse_arn
from alt.operations.backups.restore_rules import check_region, restored_definition
from alt.operations.caller import Caller
from alt.operations.context import Context
from alt.operations.reply import body
from alt.operations.tables import quotas
from alt.operations.tables.description import as_restoring
from alt.storage.engine import Answer, then
from alt.storage.model.definition import Backup, Restore, TableDefinition

if TYPE_CHECKING:
    from alt.validation.requests import RestoreTableFromBackupInput


def restore_table_from_backup(
    context: Context, request: RestoreTableFromBackupInput, caller: Caller
) -> Answer[bytes]:
    """RestoreTableFromBackup (https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_RestoreTableFromBackup.html)."""
    wanted = definition_from_backup(context, request, caller)
    return then(wanted, lambda definition: begin_restore(context, definition, caller))


def definition_from_backup(
    context: Context, request: RestoreTableFromBackupInput, caller: Caller
) -> Answer[TableDefinition]:
    """The table that a RestoreTableFromBackup asks for, which may be restored."""
    arn = request["BackupArn"]

    def define(backup: Backup) -> TableDefinition:
        place = parse_arn(arn).place
        check_region(request, place.region, caller.region)
        now = round(context.clock(), 3)
        summary = {
            "SourceBackupArn": arn,
            "SourceTableArn": table_arn(place, backup.table.name),
            "RestoreDateTime": backup.created,
        }
        restore = Restore({"backup": backup.id}, summary)
        table = backup.table
        definition = restored_definition(table, request, context.new_id(), now, caller.place, restore)
        check_target(context, definition.name)
        if not backup.available:
            raise errors.backup_in_use(f"Backup is being created: {arn}")
        if is_being_restored(context, backup):
            raise errors.backup_in_use(f"Backup is being used to restore another table: {arn}")
        return definition

    return then(existing_backup(context, arn), define)


def check_target(context: Context, name: str) -> None:
    """The name a table is to be restored under is free."""
    existing = context.engine.definition(name)
    if existing is None:
        return
    if existing.restore is None:
        raise errors.table_already_exists(name)
    source = existing.restore.summary.get("SourceBackupArn")
    origin = "" if source is None else f" from backup: {source}"
    raise errors.table_in_use(f"Table: {name} is already being restored{origin}")


def check_quotas(context: Context) -> None:
    """There may be one more restore, and one more table."""
    quotas.admit_restore(sum(each.restore is not None for each in context.engine.definitions()))
    quotas.admit_table(len(context.engine.names()))


def begin_restore(context: Context, definition: TableDefinition, caller: Caller) -> Answer[bytes]:
    """Restore the table that `definition` describes in the background; the answer shows it CREATING."""
    check_quotas(context)

    def answer(is_created: bool) -> bytes:
        if not is_created:
            raise errors.table_already_exists(definition.name)
        return body(
            {
                "TableDescription": as_restoring(
                    definition, caller.place, context.clock(), is_encrypted=context.engine.is_encrypted
                )
            }
        )

    return then(context.engine.create(definition), answer)
