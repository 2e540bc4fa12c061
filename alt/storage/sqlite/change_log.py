"""The change log: every change of a table's items, in order, written in the same commit as the change.

It is kept in the table's own file while the table's definition asks for it, and is the
one source of streams and of point-in-time recovery. Changes are numbered from 1 on
without gaps, since a number is given back with whatever else a write undoes; so a
position (the number of the last change someone has seen) tells whether anything after
it was trimmed.

A change is never recorded as made before the one before it: where the clock was set back,
its moment is that one's until the clock has passed it. So moments are in the order of the
numbers, and none is passed twice. What is written together has one moment: no restore to a moment shows half of it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import apsw

from alt.config import MAX_PAGE_BYTES
from alt.storage.model.changes import Change, ChangesFound, ChangesRead, Positions
from alt.storage.model.items import Stored, same_items
from alt.storage.model.keys import RowKey
from alt.storage.model.ranges import SlotRange
from alt.storage.sqlite.checksums import DamagedItemError, checksum, is_sound

# Bound a step of trimming: about 5 ms.
TRIM_ROWS = 500
TRIM_BYTES = 1024 * 1024

_RECORD = (
    "INSERT INTO change (at, slot, pk, sk, by_ttl, old_size, new_size, old, new, old_checksum, new_checksum) "
    "VALUES (max(?, coalesce((SELECT at FROM change ORDER BY seq DESC LIMIT 1), 0)), ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)


class ChangeLog:
    """The log of one table: `write` is the cursor of its writes, `read` sees what is committed.

    `label` is what errors call the table.
    """

    def __init__(self, write: apsw.Cursor, read: apsw.Cursor, clock: Callable[[], float], label: str) -> None:
        self._write = write
        self._read = read
        self._clock = clock
        self._label = label
        self._moment: float | None = None  # of what is being written

    def begin(self) -> None:
        """What is recorded from now on is written together."""
        self._moment = None

    def record(self, key: RowKey, old: Stored | None, new: Stored | None, *, by_ttl: bool = False) -> None:
        """Note a change, inside the write that makes it. A write that changes nothing leaves no record."""
        if old is not None and new is not None and same_items(old, new):
            return
        old_size, old_text = old or (None, None)
        new_size, new_text = new or (None, None)
        checksums = [None if text is None else checksum(text) for text in (old_text, new_text)]
        if self._moment is None:
            self._moment = self._clock()
        self._write.execute(
            _RECORD, (self._moment, *key, by_ttl, old_size, new_size, old_text, new_text, *checksums)
        )

    def last(self) -> int:
        """The number of the last change ever committed; 0 before the first."""
        number: int | None = self._read.execute("SELECT seq FROM sqlite_sequence WHERE name = 'change'").get
        return number or 0

    def trimmed(self) -> int:
        """The number of the last change that is gone; 0 while all are there."""
        first: int | None = self._read.execute("SELECT min(seq) FROM change").get
        return self.last() if first is None else first - 1

    def last_before(self, at: float) -> int:
        """The number of the last change before the moment `at`."""
        return self.last_until(math.nextafter(at, -math.inf))

    def last_until(self, at: float) -> int:
        """The number of the last change up to and including the moment `at`, found by halving."""
        low, high = self.trimmed(), self.last()
        while low < high:
            middle = (low + high + 1) // 2
            moment = self._read.execute("SELECT at FROM change WHERE seq = ?", (middle,)).get
            if moment is None or moment <= at:  # None: trimmed meanwhile
                low = middle
            else:
                high = middle - 1
        return low

    def changes(
        self, after: int, last: int, slots: SlotRange, *, old: bool = True, new: bool = True
    ) -> Iterator[Change]:
        """The changes numbered above `after` and up to `last` of the items in these slots, in order.

        `old` and `new`: whether to read these images. Rows are read as they are taken. Raises DamagedItemError.
        """
        images = [_image("old") if old else _NO_IMAGE, _image("new") if new else _NO_IMAGE]
        cursor = self._read.connection.execute(
            f"SELECT seq, at, slot, pk, sk, by_ttl, old_size, new_size, {', '.join(images)} FROM change "
            "WHERE seq > ? AND seq <= ? AND slot >= ? AND slot < ? ORDER BY seq",
            (after, last, slots.first, slots.end),
        )
        try:
            for seq, at, slot, pk, sk, by_ttl, old_size, new_size, *found in cursor:
                before, after_it = self._sound(*found[:2]), self._sound(*found[2:])
                key = RowKey(slot, pk, sk)
                yield Change(seq, at, key, bool(by_ttl), old_size, new_size, before, after_it)
        finally:
            cursor.close()

    def page(self, read: ChangesRead) -> ChangesFound:
        """A page of changes, from one state of the log."""
        last, trimmed = self.last(), self.trimmed()
        end = last if read.last is None else read.last
        if read.after >= end:
            return ChangesFound((), read.after, last, trimmed)
        seen = min(end, read.after + read.scanned)
        changes: list[Change] = []
        size = 0
        for change in self.changes(read.after, seen, read.slots, old=read.old, new=read.new):
            size += (change.old_size or 0) * read.old + (change.new_size or 0) * read.new
            if changes and size > MAX_PAGE_BYTES:
                return ChangesFound(changes, changes[-1].seq, last, trimmed)
            changes.append(change)
            if len(changes) == read.limit:
                return ChangesFound(changes, change.seq, last, trimmed)
        return ChangesFound(changes, seen, last, trimmed)

    def positions(self, *moments: float) -> Positions:
        """Where the log begins and ends, and the last changes up to and including these moments."""
        return Positions(self.last(), self.trimmed(), self.newest(), [*map(self.last_until, moments)])

    def old_images(self, after: int, newest: int) -> Iterator[tuple[int, RowKey, Stored | None]]:
        """Of the changes numbered above `after` and up to `newest`, the newest first: number, key, item before.

        Raises DamagedItemError.
        """
        cursor = self._read.connection.execute(
            f"SELECT seq, slot, pk, sk, old_size, {_image('old')} FROM change "
            "WHERE seq > ? AND seq <= ? ORDER BY seq DESC",
            (after, newest),
        )
        try:
            for seq, slot, pk, sk, size, *found in cursor:
                old = self._sound(*found)
                yield seq, RowKey(slot, pk, sk), None if old is None else Stored(size, old)
        finally:
            cursor.close()

    def _sound(self, image: bytes | None, stored: int | None) -> str | None:
        if image is None:
            return None
        if stored is None or not is_sound(image, stored):
            raise DamagedItemError(self._label, "a change in its log")
        return image.decode()

    def newest(self) -> float:
        """The moment of the newest change that is there; of no time where there is none."""
        moment: float | None = self._read.execute("SELECT at FROM change ORDER BY seq DESC LIMIT 1").get
        return -math.inf if moment is None else moment

    def begins_before(self, at: float) -> bool:
        """Whether the oldest change that is there was made before the moment `at`."""
        oldest = self._read.execute("SELECT at FROM change ORDER BY seq LIMIT 1").get
        return oldest is not None and oldest < at

    def trim(self, before: float) -> bool:
        """Inside a write: remove some of the changes made before this moment; False once all are gone."""
        last = None
        size = 0
        rows: list[Any] = self._write.execute(
            "SELECT seq, at, coalesce(old_size, 0) + coalesce(new_size, 0) FROM change ORDER BY seq LIMIT ?",
            (TRIM_ROWS,),
        ).fetchall()
        for seq, at, row_size in rows:
            if at >= before:
                break
            last = seq
            size += row_size
            if size >= TRIM_BYTES:
                break
        if last is None:
            return False
        self._write.execute("DELETE FROM change WHERE seq <= ?", (last,))
        return True

    def bring_back(self, to: float) -> None:
        """Inside a write: of the changes after this moment some, the oldest, count as made at it."""
        after = self.last_until(to)
        self._write.execute(
            "UPDATE change SET at = ? WHERE seq > ? AND seq <= ?", (to, after, after + TRIM_ROWS)
        )


_NO_IMAGE = "NULL, NULL"


def _image(name: str) -> str:
    """The columns of an image and its checksum. As bytes: what is damaged may not even be UTF-8."""
    return f"CAST({name} AS BLOB), {name}_checksum"
