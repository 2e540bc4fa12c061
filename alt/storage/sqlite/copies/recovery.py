"""Point-in-time recovery: a copy of a table whose items are taken back to what they were.

The change log has the old image of every change, so the items of a moment are those of
now with the changes since undone, the newest first: exact, in steps, and in little
memory however long the log is. A moment is settled once, as the number of the last
change before it, when a restore is asked for.
"""

from __future__ import annotations

from functools import partial

from alt.storage.engine import Progress
from alt.storage.model.changes import Past
from alt.storage.model.keys import RowKey
from alt.storage.sqlite.copies.origin import Origin, OriginLostError
from alt.storage.sqlite.steps import STEP_BYTES
from alt.storage.sqlite.table import Table
from alt.storage.sqlite.transactions.journal import Redo

# Bound a step of undoing: about 5 ms.
STEP_CHANGES = 100


async def past_contents(table: Table | None, past: Past) -> Origin:
    """What a restore to `past` begins with. Raises OriginLostError if the log does not reach there any more."""
    if table is None or table.definition.id != past.id:
        raise OriginLostError(past)
    held = table.is_in_memory
    if held:
        await table.hold()
    pinned = table.pinned()
    release = table.release if held else pinned.close
    recovery = table.definition.recovery
    is_logged = recovery is not None and recovery.enabled is not None and recovery.enabled <= past.at
    if not is_logged or table.log.trimmed() > past.last:
        release()
        raise OriginLostError(past)

    async def rewind_copy(copy: Table, progress: Progress) -> None:
        await rewind(copy, past.last, progress)

    return Origin(pinned, release, table.definition, rewind_copy)


async def rewind(table: Table, last: int, progress: Progress) -> None:
    """Undo the changes after number `last` of a table that has its source's log and keeps none itself."""
    newest = total = table.log.last()
    while newest > last:
        effects, newest = _undo(table, last, newest)
        await table.submit(partial(table.redo, effects))
        progress(total - newest, total - last)


def _undo(table: Table, last: int, newest: int) -> tuple[list[Redo], int]:
    """What undoes some changes up to number `newest`, and the number of the newest then left."""
    effects: dict[RowKey, Redo] = {}
    size = 0
    for number, key, old in table.log.old_images(max(last, newest - STEP_CHANGES), newest):
        # Of one item's changes only the oldest counts.
        effects[key] = Redo(table.definition.id, key, old)
        newest = number - 1
        size += 0 if old is None else old.size
        if size >= STEP_BYTES:
            break
    return list(effects.values()), newest
