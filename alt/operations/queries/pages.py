"""A page of a Query or Scan: what to ask for, and how to answer it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import ujson

from alt.capacity import Consumption, consumed_capacity, read_units
from alt.expressions import Condition, Projection
from alt.operations.queries.source import Source
from alt.storage.model.pages import PageFound, PageRead
from alt.storage.model.ranges import KeyRange
from alt.values.json import dumps

if TYPE_CHECKING:
    from alt.validation.requests import QueryInput, ScanInput


def page_read(
    request: QueryInput | ScanInput,
    keys: KeyRange,
    condition: Condition | None,
    projection: Projection | None,
    *,
    fetch: bool,
    may_be_short: bool = False,
) -> PageRead:
    """The page that begins a range. `fetch`: see must_fetch in source.py."""
    return PageRead(
        keys,
        request.get("Limit"),
        condition,
        projection,
        request.get("Select") == "COUNT",
        fetch,
        request.get("ConsistentRead") is True,
        may_be_short,
    )


def consumption(source: Source, found: PageFound, *, is_consistent: bool) -> Consumption:
    """A page is one read of all that was looked at; what a local index lacks is fetched item by item."""
    units = read_units(found.size, is_consistent)
    if source.index is None:
        return Consumption(units)
    used = Consumption(found.fetched)
    used.add_index(source.index.name, source.is_global, units)
    return used


def reply(source: Source, request: QueryInput | ScanInput, found: PageFound, used: Consumption) -> bytes:
    """The answer, into which the items are spliced as they are stored."""
    answer = b'"Count":%d,"ScannedCount":%d' % (found.passed, found.scanned)
    if found.last is not None:
        last_key = source.last_key(ujson.loads(found.last))
        answer += b',"LastEvaluatedKey":%b' % dumps(last_key).encode()
    if (shown := request.get("ReturnConsumedCapacity")) is not None and (
        capacity := consumed_capacity(shown, request["TableName"], used)
    ):
        answer += b',"ConsumedCapacity":%b' % dumps(capacity).encode()
    return b"{%b}" % answer if found.items is None else b'{"Items":[%b],%b}' % (found.items, answer)
