"""DeleteTable, and what a deleted table leaves: its streams for a day, and a backup if point-in-time recovery was on.

A table is removed at once, yet answered as the service answers it: DELETING.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from alt import errors
from alt.operations.caller import Caller
from alt.operations.context import Context
from alt.operations.reply import body
from alt.operations.tables.description import as_deleting
from alt.operations.tables.tables import describe_now, known_table
from alt.storage.engine import Answer, then
from alt.storage.model.changes import DAY_SECONDS, readable_streams
from alt.storage.model.definition import SYSTEM, Backup, TableDefinition, backup_id
from alt.storage.model.reads import NO_COUNTS, Counts

if TYPE_CHECKING:
    from alt.validation.requests import DeleteTableInput

BACKUP_SECONDS = 35 * DAY_SECONDS
BACKUP_NAME = "{}$DeletedTableBackup"

_MILLISECOND = 0.001
_ID_ENDING = "00000000"


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

    def answer(counts: Counts) -> bytes:
        described = describe_now(context, definition, caller.place, counts)
        return body({"TableDescription": as_deleting(described)})

    def remove(counts: Counts) -> Answer[bytes]:
        text = answer(counts)
        return then(remove_table(context, definition, counts), lambda _: text)

    try:
        counts = context.table(definition.name).counts()
    except Exception as fault:
        if not context.engine.is_fault(fault):
            raise
        # A damaged table can be deleted, too; there is nothing of it to be kept.
        return then(context.engine.remove(definition), lambda _: answer(NO_COUNTS))
    return then(counts, remove)


def remove_table(context: Context, definition: TableDefinition, counts: Counts) -> Answer[None]:
    """Remove a table that can be read, but for what it leaves."""
    now = round(context.clock(), 3)
    deleted = replace(definition, deleted=now)
    if definition.recovery is not None and definition.recovery.enabled is not None:
        return then(
            context.engine.backups.all(),
            lambda others: context.engine.remove_keeping(deleted, _backup(definition, counts, now, others)),
        )
    if readable_streams(definition, now):
        return context.engine.remove_keeping(deleted, None)
    return context.engine.remove(definition)


def _backup(definition: TableDefinition, counts: Counts, now: float, others: Sequence[Backup]) -> Backup:
    """The system backup of a table that is deleted now: a millisecond later if there is another of this one."""
    taken = {backup.id for backup in others}
    while (unique := backup_id(now, _ID_ENDING)) in taken:
        now = round(now + _MILLISECOND, 3)
    return Backup(
        id=unique,
        name=BACKUP_NAME.format(definition.name),
        created=now,
        table=definition,
        items=counts.items,
        size=counts.size,
        kind=SYSTEM,
        expires=now + BACKUP_SECONDS,
    )
