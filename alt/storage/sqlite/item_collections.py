"""The sizes of item collections: the items of one partition key and their entries in local indexes.

Only a table with local indexes has them. They are kept as they change, in the same
transaction, so that a write pays for one small row and not for a sum over its partition.
"""

from __future__ import annotations

import apsw

from alt.errors import item_collection_too_large
from alt.storage.model.keys import RowKey

_ADD = """
    INSERT INTO item_collection (slot, pk, bytes) VALUES (?, ?, ?)
    ON CONFLICT (slot, pk) DO UPDATE SET bytes = bytes + excluded.bytes
    RETURNING bytes
"""


class ItemCollections:
    """The item collections of an open table; one may have up to `limit` bytes.

    `is_limited` is off while what was decided under an earlier limit is written again.
    """

    def __init__(self, cursor: apsw.Cursor, limit: int) -> None:
        self._cursor = cursor
        self._limit = limit
        self.is_limited = True

    def add(self, key: RowKey, size: int) -> None:
        """Count what a write adds to the collection of `key`, in bytes, negative for what it takes away.

        Raises ItemCollectionSizeLimitExceededException where that is too much.
        """
        if not size:
            return
        total = self._cursor.execute(_ADD, (key.slot, key.pk, size)).get
        if not total:
            self._cursor.execute("DELETE FROM item_collection WHERE slot = ? AND pk = ?", key[:2])
        elif size > 0 and total > self._limit and self.is_limited:
            raise item_collection_too_large()

    def size(self, key: RowKey) -> int:
        """Bytes of the collection of `key` as the write under way leaves it."""
        total: int | None = self._cursor.execute(
            "SELECT bytes FROM item_collection WHERE slot = ? AND pk = ?", key[:2]
        ).get
        return total or 0
