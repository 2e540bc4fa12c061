"""The exact item counts and sizes of a table and its indexes, kept as they change."""

from __future__ import annotations

import apsw

from alt.storage.sqlite.ranges import ITEM_COLUMNS


class Statistics:
    """What a group of writes adds to the stored counts: gathered in memory, stored once a group.

    Counts are by the name of the clustered table. `mark` and `undo` follow the
    SAVEPOINT of the write under way.
    """

    def __init__(self, cursor: apsw.Cursor) -> None:
        self._cursor = cursor
        self._added: dict[str, tuple[int, int]] = {}
        self._marked: dict[str, tuple[int, int]] = {}

    def add(self, table: str, items: int, size: int) -> None:
        old_items, old_size = self._added.get(table, (0, 0))
        self._added[table] = old_items + items, old_size + size

    def mark(self) -> None:
        self._marked = self._added.copy()

    def undo(self) -> None:
        self._added = self._marked

    def store(self, *, is_numbered: bool) -> int | None:
        """Add what has gathered to the stored counts, inside the group's transaction.

        Answers the group's number: it has one if it changes the items' counts, or if it is to have one.
        """
        items, size = self._added.pop(ITEM_COLUMNS.table, (0, 0))
        number: int | None = None
        if items or size or is_numbered:
            number = self._cursor.execute(
                "UPDATE statistics SET items = items + ?, bytes = bytes + ?, groups = groups + 1 "
                "WHERE source = 'item' RETURNING groups",
                (items, size),
            ).get
        for table, (items, size) in self._added.items():
            if items or size:
                self._cursor.execute(
                    "UPDATE statistics SET items = items + ?, bytes = bytes + ? WHERE source = ?",
                    (items, size, table),
                )
        self.discard()
        return number

    def groups(self) -> int:
        """The number of the last group."""
        number: int = self._cursor.execute("SELECT groups FROM statistics WHERE source = 'item'").get
        return number

    def discard(self) -> None:
        self._added = {}
