"""Tables from one who answers requests to another: definition, tags, items and TimeToLive, resumable and verified."""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click
import ujson

from alt.errors import ApiError
from alt.values.attribute import normalize_item

from ..asking.listing import describe_table, full_description
from .batches import in_batches, write_batch
from .definitions import create, creation_of, set_time_to_live, wait_for
from .files import writing
from .scanning import Page, scan_segments

if TYPE_CHECKING:
    from alt.values.types import Item

    from ..asking.answering import Ask
    from ..terminal.output import Description
    from ..terminal.progress import Report

SEGMENTS = 4
_DIGEST_BYTES = 16


class Content(NamedTuple):
    """What a table holds: the number of its items, and the sum of their digests."""

    items: int
    digest: int


class State:
    """How far tables have been copied, kept in a file if there is a `path`, so that a copy that ended early goes on.

    Of each table the key that each segment has come to, as Scan's LastEvaluatedKey.
    """

    def __init__(self, path: Path | None, source: str, target: str) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._said: dict[str, Any] = {"from": source, "to": target, "tables": {}}
        if path is not None and path.exists():
            self._resume(path)

    def _resume(self, path: Path) -> None:
        try:
            read = ujson.loads(path.read_text(encoding="utf-8"))
            ends = read["from"], read["to"]
            dict(read["tables"])
        except (OSError, ValueError, KeyError, TypeError):
            raise click.ClickException(
                f"{path} is no state of a copy: name another file with --state"
            ) from None
        if ends != (self._said["from"], self._said["to"]):
            raise click.ClickException(
                f"{path} is of a copy from {ends[0]} to {ends[1]}: finish that, or name another file with --state"
            )
        self._said = read

    def segments(self, table: str) -> list[dict[str, Any]] | None:
        """The segments of a table that was begun: `key`, `items` that were written, `done`."""
        found: list[dict[str, Any]] | None = self._said["tables"].get(table)
        return found

    def begin(self, table: str) -> list[dict[str, Any]]:
        begun = [{"key": None, "items": 0, "done": False} for _ in range(SEGMENTS)]
        with self._lock:
            self._said["tables"][table] = begun
            self._save()
        return begun

    def advance(self, segment: dict[str, Any], key: Item | None, items: int) -> None:
        with self._lock:
            segment.update(key=key, items=segment["items"] + items, done=key is None)
            self._save()

    def remove(self) -> None:
        """All is done."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)

    def _save(self) -> None:
        if self._path is not None:
            with writing(str(self._path)) as file:
                file.write(ujson.dumps(self._said, ensure_ascii=False).encode())


class Transfer:
    """Copies tables from `source` to `target`."""

    def __init__(self, source: Ask, target: Ask, state: State, report: Report) -> None:
        self._source = source
        self._target = target
        self._state = state
        self._report = report

    def copy(self, table: str, new_table: str, *, verify: bool) -> Content:
        """Make `new_table` like `table`, with its items. Raises ClickException if what it holds then is not the same.

        Items expire in the new table only once all are there and counted.
        """
        description = full_description(self._source, describe_table(self._source, table))
        segments = self._state.segments(table)
        if segments is None:
            segments = self._begin(description, table, new_table)
        else:
            wait_for(self._target, new_table)
        self._copy_items(table, new_table, segments, description.get("ItemCount", 0))
        written = sum(segment["items"] for segment in segments)
        content = self._verified(table, new_table, written) if verify else Content(written, 0)
        set_time_to_live(self._target, new_table, description)
        return content

    def _begin(self, description: Description, table: str, new_table: str) -> list[dict[str, Any]]:
        try:
            create(self._target, creation_of(description, new_table))
        except ApiError as error:
            if error.type != "ResourceInUseException":
                raise
            raise click.ClickException(
                f"there is a table {new_table} already: remove it, or go on with the --state file of its copy"
            ) from None
        return self._state.begin(table)

    def _copy_items(self, table: str, new_table: str, segments: list[dict[str, Any]], total: int) -> None:
        def use(number: int, page: Page) -> None:
            self._copy_page(page, new_table, segments[number])
            done = sum(segment["items"] for segment in segments)
            self._report(f"Copying {table}", done, max(done, total))

        keys = {number: segment["key"] for number, segment in enumerate(segments) if not segment["done"]}
        scan_segments(self._source, table, len(segments), keys, use)

    def _copy_page(self, page: Page, new_table: str, segment: dict[str, Any]) -> None:
        """Write what a page holds, and then that it is written."""
        for batch in in_batches({"PutRequest": {"Item": item}} for item in page["Items"]):
            write_batch(self._target, new_table, batch)
        self._state.advance(segment, page.get("LastEvaluatedKey"), len(page["Items"]))

    def _verified(self, table: str, new_table: str, items: int) -> Content:
        was = content_of(self._source, table, items, self._report)
        now = content_of(self._target, new_table, items, self._report)
        if was != now:
            difference = (
                f"{was.items:,} items and {now.items:,}" if was.items != now.items else "items that differ"
            )
            raise click.ClickException(
                f"{table} and its copy have {difference}: was it written to meanwhile? Remove the copy, and copy again"
            )
        return was


def content_of(ask: Ask, table: str, total: int, report: Report) -> Content:
    """How many items a table holds, and a digest that is the same for the same items in any order."""
    found = [Content(0, 0)] * SEGMENTS

    def use(number: int, page: Page) -> None:
        items, digest = found[number]
        found[number] = Content(items + len(page["Items"]), digest + sum(map(_digest, page["Items"])))
        done = sum(each.items for each in found)
        report(f"Verifying {table}", done, max(done, total))

    scan_segments(ask, table, SEGMENTS, dict.fromkeys(range(SEGMENTS)), use)
    modulus = 1 << (8 * _DIGEST_BYTES)
    return Content(sum(each.items for each in found), sum(each.digest for each in found) % modulus)


def _digest(item: Item) -> int:
    """Equal for equal items, however their numbers are written and their sets ordered."""
    normalize_item(item)
    text = ujson.dumps(item, sort_keys=True, ensure_ascii=False)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=_DIGEST_BYTES).digest(), "big")
