"""Items of any tables by their keys, each of its own state: those of a BatchGetItem.

Small ones are joined inside SQLite. Large ones are read one by one, and in several turns of the
event loop, since to copy a megabyte takes some milliseconds.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence

import ujson

from alt.capacity import READ_UNIT_BYTES
from alt.storage.model.reads import KeysFound, KeysRead
from alt.values.json import dumps

# What a step reads of large items.
STEP_BYTES = 1024 * 1024
# An item that is decoded counts so many times its size.
DECODED_FACTOR = 8


def get_all(reads: Sequence[KeysRead], limit: int) -> Generator[None, None, list[KeysFound]]:
    """See alt/storage/engine.py; in steps."""
    found = []
    for read in reads:
        each, limit = yield from _get(read, limit)
        found.append(each)
    return found


def _get(read: KeysRead, left: int) -> Generator[None, None, tuple[KeysFound, int]]:
    """What is found of one table, and the bytes still allowed."""
    if read.projection is None:
        joined = read.table.get_joined(read.keys, READ_UNIT_BYTES)
        if joined is not None and joined.size <= left:
            blocks = joined.blocks + len(read.keys) - joined.found  # what is absent costs one, too
            items = [joined.items] if joined.found else []
            return KeysFound(items, blocks, len(read.keys)), left - joined.size
    return (yield from _get_one_by_one(read, left))


def _get_one_by_one(read: KeysRead, left: int) -> Generator[None, None, tuple[KeysFound, int]]:
    items: list[bytes] = []
    blocks = 0
    factor = 1 if read.projection is None else DECODED_FACTOR
    step = 0
    for position, key in enumerate(read.keys):
        if left <= 0:
            return KeysFound(items, blocks, position), left
        size, item = read.table.get(key) or (0, None)
        if size > left:
            return KeysFound(items, blocks, position), 0
        blocks += max(1, -(-size // READ_UNIT_BYTES))
        left -= size
        step += size * factor
        if step >= STEP_BYTES:
            step = 0
            yield
        if item is not None:
            if read.projection is not None:
                item = dumps(read.projection.apply(ujson.loads(item))).encode()
            items.append(item)
    return KeysFound(items, blocks, len(read.keys)), left
