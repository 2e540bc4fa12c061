"""The change log of a table: one numbering, in the order in which changes came to be seen.

Whoever logs a change holds the log's row from the moment that the number is given until the COMMIT (group_writes.py):
so when a number can be seen, those before it can, too.
"""

from __future__ import annotations

from collections.abc import Sequence

from alt.config import MAX_PAGE_BYTES
from alt.storage.model.changes import Change, ChangesFound, ChangesRead, Positions
from alt.storage.postgres import keys
from alt.storage.postgres import statements as sql
from alt.storage.postgres.database import Database, Row
from alt.storage.postgres.shapes import Shape

# At most so many changes are read at once, and about so many bytes of images.
PART_ROWS = 256
PART_BYTES = MAX_PAGE_BYTES


async def page(database: Database, shape: Shape, read: ChangesRead) -> ChangesFound:
    """See alt/storage/engine.py."""
    log = await _log(database, shape.source)
    end = log.last if read.last is None else read.last
    if read.after >= end:
        return ChangesFound((), read.after, log.last, log.trimmed)
    seen = min(end, read.after + read.scanned)
    changes: list[Change] = []
    size = 0
    after = read.after
    while True:
        wanted = min(PART_ROWS, read.limit - len(changes))
        where = (shape.source, after, seen, read.slots.first, read.slots.end)
        rows = await database.fetch(sql.CHANGES, *where, read.old, read.new, wanted, PART_BYTES)
        for row in rows:
            change = _change(shape, row)
            size += (change.old_size or 0) * read.old + (change.new_size or 0) * read.new
            if changes and size > MAX_PAGE_BYTES:
                return ChangesFound(changes, after, log.last, log.trimmed)
            changes.append(change)
            after = change.seq
        if len(changes) == read.limit:
            return ChangesFound(changes, after, log.last, log.trimmed)
        if not rows:
            return ChangesFound(changes, seen, log.last, log.trimmed)


async def positions(database: Database, source: int, moments: Sequence[float]) -> Positions:
    """See alt/storage/engine.py."""
    log = await _log(database, source)
    return log._replace(until=[await last_until(database, source, log, moment) for moment in moments])


async def last_until(database: Database, source: int, log: Positions, moment: float) -> int:
    """The number of the last change up to and including a moment, found by halving."""
    low, high = log.trimmed, log.last
    if log.newest <= moment:
        return high
    while low < high:
        middle = (low + high + 1) // 2
        found = await database.fetch(sql.MADE, source, middle)
        if not found or found[0]["made"] <= moment:  # not there: trimmed meanwhile
            low = middle
        else:
            high = middle - 1
    return low


async def _log(database: Database, source: int) -> Positions:
    rows = await database.fetch(sql.LOG, source)
    return Positions(*rows[0]) if rows else Positions(0, 0, float("-inf"))


def _change(shape: Shape, row: Row) -> Change:
    number, made, slot, key, *rest = row
    return Change(number, made, keys.whole_key(shape.definition, slot, key), *rest)
