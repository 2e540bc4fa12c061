"""A group of writes in one transaction of the database: lock and read, decide, store, commit."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import ujson

from alt.storage.model.costs import decision_cost
from alt.storage.model.items import Stored
from alt.storage.postgres import statements as sql
from alt.storage.postgres.database import Connection
from alt.storage.postgres.dialect import LostRaceError
from alt.storage.postgres.group import (
    NOTHING,
    ChangeRow,
    Found,
    Group,
    KnownToken,
    Unit,
    Wanted,
)
from alt.storage.postgres.keys import Place

# At most so much is decided on the event loop (alt/storage/model/costs.py), and nothing smaller is looked at for it.
MAX_DECISION_COST = 10_000_000
LARGE_BYTES = 64 * 1024

Items = Mapping[Place, Stored]


async def begin(connection: Connection, wanted: Wanted, stripe: int) -> tuple[int, Items | None]:
    """Share the fence, and lock the items with it: the catalog's revision, and what was found.

    Not the items of a table whose index is being built: who builds it holds its position, and then locks items.
    """
    places = [] if wanted.building else wanted.items
    rows = await connection.fetch(sql.BEGIN_GROUP, *columns(places), range(len(places)), stripe)
    revision: int = rows[0][0]
    if wanted.building:
        return revision, None
    return revision, {
        places[number]: Stored(size, item) for _, number, size, item in rows if item is not None
    }


async def find(connection: Connection, wanted: Wanted, items: Items | None) -> Found:
    """What the group is about, locked. `items`: those of it, if they are already."""
    built = {}
    if wanted.building:
        rows = await connection.fetch(sql.LOCK_BUILDING, wanted.building)
        built = {row["source"]: (row["slot"], row["key"]) for row in rows}
    if items is None:
        items = await _locked_items(connection, wanted.items)
    await _check_absent(connection, sorted(wanted.together - items.keys()))
    collections = {}
    if wanted.collections:
        rows = await connection.fetch(sql.LOCK_COLLECTIONS, *columns(wanted.collections))
        collections = {(source, slot, key): size for source, slot, key, size in rows}
    tokens = {}
    if wanted.tokens:
        rows = await connection.fetch(sql.TOKENS, wanted.tokens)
        tokens = {
            token: KnownToken(request, expires, ujson.loads(sizes)) for token, request, expires, sizes in rows
        }
    return Found(items, collections, built, tokens)


async def _locked_items(connection: Connection, places: Sequence[Place]) -> Items:
    if not places:
        return {}
    rows = await connection.fetch(sql.LOCK_ITEMS, *columns(places), range(len(places)))
    return {places[number]: Stored(size, item) for number, size, item in rows}


async def _check_absent(connection: Connection, places: Sequence[Place]) -> None:
    """What was found is locked, and may have become what it is after it was seen that others are absent: they still are.

    Raises LostRaceError where one is not.
    """
    if places and await connection.fetch(sql.GET, *columns(places), range(len(places))):
        raise LostRaceError


async def decide(units: Sequence[Unit], found: Found, limit: int, now: float) -> tuple[Group, list[Any]]:
    """What becomes of each unit; beside the event loop where that may take long."""
    group = Group(found, limit, now)
    if _cost(units, found) <= MAX_DECISION_COST:
        return group, group.run(units)
    return group, await asyncio.get_running_loop().run_in_executor(None, group.run, units)


def _cost(units: Sequence[Unit], found: Found) -> int:
    """Nanoseconds that it may take to decide, told from what is large; whoever looks most is taken for all."""
    if sum(stored.size for stored in found.items.values()) < LARGE_BYTES:
        return 0
    looks = max(write.looks() for unit in units for _, write in unit.writes)
    return sum(decision_cost(stored, looks) for stored in found.items.values())


async def store(connection: Connection, group: Group, stripe: int) -> None:
    """Store what the group comes to, but for the COMMIT. Raises what another transaction was faster with."""
    await _store_rows(connection, group, stripe)
    grown = sorted((at, size) for at, size in group.grown.items() if size)
    if grown:
        sizes = [size for _, size in grown]
        await connection.execute(sql.ADD_COLLECTIONS, *columns([at for at, _ in grown]), sizes)
    if group.tokens:
        await _store_tokens(connection, group)
    if group.changes:
        await log(connection, group.changes, group.now)


async def _store_rows(connection: Connection, group: Group, stripe: int) -> None:
    fresh: list[tuple[Place, Stored]] = [(at, NOTHING) for at in group.guards if at not in group.rows]
    gone = [at for at, _ in fresh]
    changed = []
    for at, (old, new) in group.rows.items():
        if new is None:
            gone.append(at)
            if old is None:  # it came and went: no other Alt may have it come between
                fresh.append((at, NOTHING))
        elif old is None:
            fresh.append((at, new))
        elif old != new:
            changed.append((at, new))
    tallies = tallied(group.tallies, stripe)
    # Two that store the same new rows store them in the same order.
    for statement, rows in ((sql.INSERT_ITEMS, sorted(fresh)), (sql.UPDATE_ITEMS, changed)):
        if rows:
            sizes, texts = zip(*(stored for _, stored in rows), strict=True)
            await connection.execute(statement, *tallies, *columns([at for at, _ in rows]), sizes, texts)
            tallies = tallied({}, stripe)
    if gone:
        await connection.execute(sql.DELETE_ITEMS, *tallies, *columns(gone))


def tallied(tallies: Mapping[int, Sequence[int]], stripe: int) -> tuple[list[int], int, list[int], list[int]]:
    """Items and bytes to add to the counts of sources, as the arrays that a statement takes."""
    rows = sorted((source, *tally) for source, tally in tallies.items() if any(tally))
    return [row[0] for row in rows], stripe, [row[1] for row in rows], [row[2] for row in rows]


async def _store_tokens(connection: Connection, group: Group) -> None:
    if group.stale_tokens:
        await connection.execute(sql.FORGET_TOKENS, group.stale_tokens)
    rows = sorted(
        (token, known.request, known.expires, ujson.dumps(known.sizes))
        for token, known in group.tokens.items()
    )
    await connection.execute(sql.INSERT_TOKENS, *zip(*rows, strict=True))


async def log(connection: Connection, changes: Iterable[ChangeRow], now: float) -> None:
    """Number changes, each table's on from its last, and store them.

    Whoever writes to a log holds its row until the COMMIT, so that numbers come to be seen in their order.
    """
    by_source: dict[int, list[ChangeRow]] = {}
    for change in changes:
        by_source.setdefault(change.source, []).append(change)
    rows = []
    for source, last, newest in await connection.fetch(sql.LOCK_LOGS, sorted(by_source)):
        made = max(now, newest)
        own = by_source[source]
        rows += [_change_row(change, last + place, made) for place, change in enumerate(own, 1)]
        await connection.execute(sql.UPDATE_LOG, source, last + len(own), made)
    if rows:
        await connection.execute(sql.INSERT_CHANGES, *zip(*rows, strict=True))


def _change_row(change: ChangeRow, number: int, made: float) -> tuple[Any, ...]:
    old_size, old_text = change.old or (None, None)
    new_size, new_text = change.new or (None, None)
    where = (change.source, number, made, change.slot, change.key, change.by_ttl)
    return (*where, old_size, new_size, old_text, new_text)


def columns(places: Sequence[Place]) -> tuple[list[int], list[int], list[bytes]]:
    """Places as the arrays that a statement takes."""
    return [at[0] for at in places], [at[1] for at in places], [at[2] for at in places]
