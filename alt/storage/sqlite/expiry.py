"""Which items have expired: found by an index of SQLite's over the attribute that says when.

It is a partial index over the JSON of the item table, so it holds the items that have a
number there and nothing else, and SQLite keeps it in the same transaction as the item.

SQLite's path lookup takes a name to end at a NUL and finds another attribute (SQLite
3.54). So the index sees a NUL as the escape of half a surrogate pair, which no item has:
then names that differ are always told apart, and names that are equal stay so.
"""

from __future__ import annotations

from contextlib import closing
from typing import Any

import apsw
import ujson

from alt.storage.model.definition import TableDefinition
from alt.storage.model.items import Stored
from alt.storage.model.keys import RowKey
from alt.storage.sqlite.steps import STEP_BYTES, STEP_ROWS

# An item whose time is longer ago than this stays.
MAX_AGE_SECONDS = 5 * 365 * 86_400

INDEX = "expiry"
DROP = f"DROP INDEX IF EXISTS {INDEX}"

_NUL = "\\u0000"  # as JSON text has it
# `n` before it: where a backslash of the text's own stands before a NUL's `\u0000` that is
# none, because it is escaped itself, that becomes `\n`, and the text is still JSON.
_NO_NUL = "n\\ud800"


class Expiry:
    """The expired items of one table: `write` is the cursor of its writes, `read` sees what is committed."""

    def __init__(self, write: apsw.Cursor, read: apsw.Cursor) -> None:
        self._write = write
        self._read = read
        self._is_on = False

    def redefine(self, definition: TableDefinition) -> None:
        """Take over a changed definition."""
        time_to_live = definition.time_to_live
        self._is_on = time_to_live is not None and time_to_live.status == "ENABLED"
        if time_to_live is not None:
            number = number_sql(time_to_live.attribute)
            self._create = create_sql(time_to_live.attribute)
            self._when = f"CAST({number} AS REAL)"
            # The last term lets SQLite use the partial index. INDEXED BY: better an error than a scan.
            self._expired = (
                f"FROM item INDEXED BY {INDEX} "
                f"WHERE {self._when} >= ? AND {self._when} < ? AND {number} IS NOT NULL"
            )

    def is_built(self) -> bool:
        """Whether the file has the index that the definition asks for."""
        stored = self._read.execute("SELECT sql FROM sqlite_schema WHERE name = ?", (INDEX,)).get
        return bool(stored == self._create)

    def build(self) -> None:
        """Make the index. Takes as long as there are items: 2 s for a million."""
        self._write.execute(DROP)
        self._write.execute(self._create)

    def drop(self) -> None:
        self._write.execute(DROP)

    def has_expired(self, now: float) -> bool:
        """Whether an item has expired by `now`, in epoch seconds."""
        found = self._read.execute(f"SELECT 1 {self._expired} LIMIT 1", _between(now)).get
        return found is not None

    def expired(self, now: float) -> list[tuple[RowKey, Stored]]:
        """A step's worth of the items that have, as the write under way finds them, oldest first."""
        if not self._is_on:
            return []
        found: list[tuple[RowKey, Stored]] = []
        size = 0
        rows = self._write.connection.execute(
            f"SELECT slot, pk, sk, size, item {self._expired} ORDER BY {self._when} LIMIT ?",
            (*_between(now), STEP_ROWS),
        )
        with closing(rows):
            for slot, pk, sk, item_size, text in rows:
                found.append((RowKey(slot, pk, sk), Stored(item_size, text)))
                size += item_size
                if size >= STEP_BYTES:
                    break
        return found


def create_sql(attribute: str) -> str:
    """The statement that makes the index over an attribute, as SQLite keeps it."""
    number = number_sql(attribute)
    return f"CREATE INDEX {INDEX} ON item (CAST({number} AS REAL)) WHERE {number} IS NOT NULL"


def number_sql(attribute: str) -> str:
    """The number that an item has in an attribute, as text; NULL if it has none. Any name will do."""
    label = ujson.dumps(attribute, ensure_ascii=False, escape_forward_slashes=False)
    path = f"$.{label.replace(_NUL, _NO_NUL)}.N".replace("'", "''")
    return f"json_extract(replace(item, '{_NUL}', '{_NO_NUL}'), '{path}')"


def _between(now: float) -> tuple[Any, ...]:
    return now - MAX_AGE_SECONDS, now
