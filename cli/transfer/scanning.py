"""All items of a table, each page asked for while the one before it is used."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from alt.values.types import Item

    from ..asking.answering import Ask

Page = dict[str, Any]


def pages(ask: Ask, request: Mapping[str, Any]) -> Iterator[Page]:
    """What Scan answers, page by page from its ExclusiveStartKey on."""
    with ThreadPoolExecutor(1) as ahead:
        next_page = ahead.submit(ask, "Scan", dict(request))
        while True:
            page = next_page.result()
            last = page.get("LastEvaluatedKey")
            if last is None:
                yield page
                return
            next_page = ahead.submit(ask, "Scan", {**request, "ExclusiveStartKey": last})
            yield page


def all_items(ask: Ask, table: str) -> Iterator[Item]:
    """The items of a table, in the order of a Scan."""
    for page in pages(ask, {"TableName": table, "ConsistentRead": True}):
        yield from page["Items"]


def scan_segments(
    ask: Ask, table: str, total: int, keys: Mapping[int, Item | None], use: Callable[[int, Page], None]
) -> None:
    """Read segments of a table beside each other, `total` being all of them, each from its key on.

    `use` is given the number of a segment and each of its pages, on a thread of the segment's own. Should one fail, the
    others end with their page.
    """
    stopped = threading.Event()

    def read(number: int, key: Item | None) -> None:
        request = {"TableName": table, "Segment": number, "TotalSegments": total, "ConsistentRead": True}
        for page in pages(ask, request if key is None else {**request, "ExclusiveStartKey": key}):
            if stopped.is_set():
                return
            use(number, page)

    with ThreadPoolExecutor(total) as threads:
        running = [threads.submit(read, number, key) for number, key in keys.items()]
        try:
            for each in as_completed(running):
                each.result()
        except BaseException:
            stopped.set()
            raise
