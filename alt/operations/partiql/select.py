"""SELECT: which rows a statement reads, and how its pages are answered.

An equality on the partition key, IN and OR over it included, makes it one or several Queries, one
after the other; anything else is a Scan. A whole key reads one item.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import ujson

from alt.capacity import Consumption, consumed_capacity, read_units
from alt.config import MAX_PAGE_BYTES
from alt.errors import validation
from alt.expressions import Condition
from alt.expressions.conditions import read_names
from alt.expressions.partiql import Select
from alt.expressions.partiql.select_list import SelectList
from alt.operations.caller import Caller
from alt.operations.context import Context
from alt.operations.partiql import tokens
from alt.operations.partiql.branches import (
    Branch,
    branches,
    filtered_names,
    ordered,
    readable,
    refuse_overlaps,
)
from alt.operations.partiql.keys import condition_of, nested_names, refuse_nested_keys
from alt.operations.partiql.readings import Reading, row_of
from alt.operations.partiql.tokens import Place
from alt.operations.queries.pages import consumption
from alt.operations.queries.source import Source, check_filter, must_fetch
from alt.operations.reply import body, members, optional
from alt.storage.engine import Answer, NotReadyError, Table, settled, then
from alt.storage.model.pages import PageFound, PageRead
from alt.storage.model.ranges import PartitionRange, SlotRange
from alt.storage.model.reads import Sized
from alt.values.json import dumps

if TYPE_CHECKING:
    from alt.validation.requests import ExecuteStatementInput

MAX_RANGES_OF_A_PAGE = 10  # documented for IN


def read_select(context: Context, statement: Select, *, is_consistent: bool) -> Reading:
    """Raises what is wrong with it on its table."""
    table = context.table(statement.table)
    source = _source(table, statement.index, is_consistent)
    if statement.refused is not None:
        raise validation(statement.refused)
    where, projection = statement.where, None
    if statement.paths is not None:
        projection = SelectList(statement.paths)
    keys = (*source.hash_keys, *source.range_keys)
    nested = nested_names(where) | (projection.nested_names if projection is not None else frozenset())
    refuse_nested_keys(keys, nested)
    names = [] if statement.paths is None else [str(path[0]) for path in statement.paths]
    fetch = must_fetch(source, None, names)
    found: Sequence[Branch] | None = branches(source, where, descending=_is_descending(source, statement))
    _check_order(source, statement, found)
    if found is None:
        condition = None if where is None else Condition(where)
        return Reading(table, source, [SlotRange(source.layout)], condition, projection, fetch, None)
    is_shared = refuse_overlaps(found)
    if all(source.unprojected(read_names(*branch.others)) for branch in found):
        check_filter(source, filtered_names(found))
    found = readable(found)
    if len(found) == 1:
        (branch,) = found
        is_one = source.index is None and len(branch.key) == len(keys)
        return Reading(
            table,
            source,
            [branch.range],
            condition_of(branch.others),
            projection,
            fetch,
            row_of(source, branch.key) if is_one else None,
            branch.key,
            branch.is_plain,
        )
    assert where is not None
    return Reading(
        table, source, _ranges(source, statement, found, is_shared), Condition(where), projection, fetch, None
    )


def _source(table: Table, name: str | None, is_consistent: bool) -> Source:
    definition = table.definition
    if name is None:
        return Source(definition, None)
    index = next((index for index in definition.indexes if index.name == name), None)
    if index is None or index.status == "DELETING":
        raise validation("The table does not have the specified index")
    if index.status == "CREATING":
        raise validation(f"Cannot read from backfilling global secondary index: {name}")
    if index.is_global and is_consistent:
        raise validation("Strongly consistent read is not supported on Global Secondary Indexes")
    if len(index.hash_keys) > 1 or len(index.range_keys) > 1:
        raise validation(
            "PartiQL statements cannot be executed on tables with multi-attribute HASH keys "
            "or multi-attribute RANGE keys."
        )
    return Source(definition, index)


# Ranges


def _ranges(
    source: Source, statement: Select, found: Sequence[Branch], is_shared: bool
) -> list[PartitionRange | SlotRange]:
    """What several branches read, one after the other: whole partitions where they share items."""
    term = next((term for term in statement.order if term.name == source.hash_keys[0].name), None)
    in_order = ordered(
        found, by_partition=term is not None, descending=term is not None and term.is_descending
    )
    if not is_shared:
        return [branch.range for branch in in_order]
    return list(
        dict.fromkeys(
            [
                branch.range._replace(prefix=branch.range.prefix[:2], low=None, high=None)
                for branch in in_order
            ]
        )
    )


def _is_descending(source: Source, statement: Select) -> bool:
    """Whether the sort key is to fall. Where the order is the partition key's alone it does, too (recorded)."""
    hash_name = source.hash_keys[0].name
    term = next((term for term in statement.order if term.name != hash_name), None)
    return bool(statement.order) if term is None else term.is_descending


def _check_order(source: Source, statement: Select, found: Sequence[Branch] | None) -> None:
    if not statement.order:
        return
    if statement.where is None:
        raise validation("Must have WHERE clause in the statement when using ORDER BY clause.")
    names = [key.name for key in (*source.hash_keys, *source.range_keys)]
    for term in statement.order:
        if term.name not in names:
            raise validation(f"Attribute {term.name} in ORDER BY clause must be part of the primary key")
    if found is None:
        raise validation(
            "Must have at least one non-optional hash key condition in WHERE clause when using ORDER BY clause."
        )
    is_one_partition = len({branch.range.prefix[1] for branch in found}) == 1
    if not is_one_partition and all(term.name != names[0] for term in statement.order):
        raise validation(
            "Must have hash key in ORDER BY clause when more than one hash key condition specified in WHERE clause."
        )


# Pages


class _Page(NamedTuple):
    """What a page of a statement found: items, what it cost, and where the next one goes on."""

    items: list[bytes]
    used: Consumption
    following: Place | None
    passed: int


def execute_select(
    context: Context, request: ExecuteStatementInput, caller: Caller, reading: Reading, name: str
) -> Answer[bytes]:
    """The next page of what is read from the table that the statement calls `name`."""
    is_consistent = request.get("ConsistentRead") is True
    token = request.get("NextToken")
    text, parameters = request["Statement"], request.get("Parameters")
    place = tokens.BEGINNING if token is None else tokens.read_token(token, text, parameters)
    if place.number >= (len(reading.ranges) or 1):
        raise validation("Invalid NextToken")
    context.meter.admit_read(caller, reading.table, reading.source.index)

    def reply(page: _Page) -> bytes:
        context.meter.read(caller, reading.table, page.used)
        context.observed.returned_items["ExecuteStatement"] += page.passed
        wanted = request.get("ReturnConsumedCapacity")
        following = page.following
        if wanted is None and following is None:
            return b'{"Items":[%b]}' % b",".join(page.items)
        return members(
            Items=b"[%b]" % b",".join(page.items),
            NextToken=None if following is None else dumps(tokens.next_token(following, text, parameters)),
            LastEvaluatedKey=optional(None if following is None else following.start),
            ConsumedCapacity=None if wanted is None else optional(consumed_capacity(wanted, name, page.used)),
        )

    if reading.row is not None:
        found = reading.table.get(reading.row, is_consistent=is_consistent)
        return then(found, lambda item: reply(_page_of_one(reading, item, is_consistent)))
    first = reading.table.page(_page_read(reading, place, is_consistent, request.get("Limit")))
    pages = _Pages(context, reading, is_consistent, request.get("Limit"))

    def go_on(found: PageFound) -> Answer[bytes]:
        following = pages.take(place.number, found)
        if following is None or pages.is_full:
            return reply(pages.page(following))
        return asyncio.ensure_future(pages.others(name, following, reply))

    return then(first, go_on)


def _page_of_one(reading: Reading, found: Sized | None, is_consistent: bool) -> _Page:
    size, item = found or (0, None)
    used = Consumption(read_units(size, is_consistent))
    shown = None if item is None else shown_item(reading, item)
    items = [] if shown is None else [shown]
    return _Page(items, used, None, len(items))


def shown_item(reading: Reading, item: bytes) -> bytes | None:
    """What a SELECT answers of an item, None where its condition is false."""
    if reading.condition is None and reading.projection is None:
        return item
    decoded = ujson.loads(item)
    if reading.condition is not None and not reading.condition.matches(decoded):
        return None
    return item if reading.projection is None else body(reading.projection.apply(decoded))


def _page_read(reading: Reading, place: Place, is_consistent: bool, limit: int | None) -> PageRead:
    rows = reading.ranges[place.number]
    if place.start is not None:
        rows = rows.after(_start(reading.source, rows, place.start))
    return PageRead(
        rows,
        limit,
        reading.condition,
        reading.projection,
        fetch=reading.fetch,
        is_consistent=is_consistent,
        may_be_short=True,
    )


class _Pages:
    """A statement's page in the making: range after range, until its limit, or the bytes of a page, are looked at."""

    def __init__(self, context: Context, reading: Reading, is_consistent: bool, limit: int | None) -> None:
        self.items: list[bytes] = []
        self.used = Consumption()
        self.is_full = False
        self._passed = 0
        self._context = context
        self._reading = reading
        self._is_consistent = is_consistent
        self._limit = limit
        self._size = 0

    def take(self, number: int, found: PageFound) -> Place | None:
        """Take in what was found of a range; where the next page goes on."""
        source = self._reading.source
        if found.items:
            self.items.append(found.items)
        self._passed += found.passed
        self.used.add(consumption(source, found, is_consistent=self._is_consistent))
        self._size += found.size
        if self._limit is not None:
            self._limit -= found.scanned
        self.is_full = found.last is not None or self._size >= MAX_PAGE_BYTES or self._limit == 0
        if found.last is not None and not source.is_one_row:
            return Place(number, source.last_key(ujson.loads(found.last)))
        return Place(number + 1, None) if number + 1 < len(self._reading.ranges) else None

    def page(self, following: Place | None) -> _Page:
        return _Page(self.items, self.used, following, self._passed)

    async def others(self, name: str, following: Place, reply: Callable[[_Page], bytes]) -> bytes:
        """The ranges after the first. A table that cannot be used just now ends the page."""
        place: Place | None = following
        end = following.number - 1 + MAX_RANGES_OF_A_PAGE
        while place is not None and place.number < end and not self.is_full:
            try:
                table = self._context.table(name)
            except NotReadyError:
                break
            read = _page_read(self._reading, place, self._is_consistent, self._limit)
            place = self.take(place.number, await settled(table.page(read)))
        return reply(self.page(place))


def _start(
    source: Source, rows: PartitionRange | SlotRange, start: dict[str, dict[str, object]]
) -> tuple[object, ...]:
    key = source.start_key(start)
    if not rows.contains(key):
        raise validation("Invalid NextToken")
    return key
