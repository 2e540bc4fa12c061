"""A page of a Query or Scan: filtered inside SQLite wherever that is exact, and in steps where it may take long.

What no expression touches is never decoded. Most pages are read at once. One that may take long, as
is told from its rows and from what is asked of each of them, is read in steps (long_reads.py).
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import NamedTuple

import ujson

from alt.capacity import read_units
from alt.expressions import Condition, Projection
from alt.storage.model.costs import evaluation_cost
from alt.storage.model.pages import PageFound, PageRead
from alt.storage.sqlite import filters
from alt.storage.sqlite.page_reads import (
    LARGE_ITEM_BYTES,
    SHORT_PAGE_ROWS,
    Extent,
    Filter,
    PageReads,
    Selection,
)
from alt.storage.sqlite.ranges import Rows, rows_of
from alt.values.json import dumps
from alt.values.types import Item

# What parts of a page take at most, in microseconds, as measured (DESIGN.md).
ROW_COST = 1.0  # to find a row and join it
FETCH_COST = 15.0  # to find its item in the table
SQL_CHARACTER_COST = 0.01  # of a filter, and for each of its values:
SQL_VALUE_COST = 0.1
FILTERED_BYTES = 1_000  # so many bytes cost a filter as much as another row

# A page that may take longer is read in steps of about this length.
STEP_COST = 20_000.0
# How often a page of few and small items pays at most for what a filter costs.
SHORT_PAGE_TERMS = SHORT_PAGE_ROWS * (1 + LARGE_ITEM_BYTES / FILTERED_BYTES)


class _Work(NamedTuple):
    """A condition as SQL, or else as a test of decoded items; neither where there is none."""

    only: Filter | None = None
    test: Callable[[Item], bool] | None = None


class _Passed(NamedTuple):
    """Of a page's rows those that pass: how many, their JSON, and the read units of what was fetched for them."""

    number: int
    items: bytes | None
    units: float


def page_at_once(pages: PageReads, read: PageRead, nul_free: bool) -> PageFound | None:
    """None for a page that may take long: `page_in_steps` reads it. `nul_free`: no item holds a NUL."""
    rows = rows_of(read.keys)
    work = _compiled(read.condition, nul_free)
    may_be_short = read.may_be_short if read.limit is None else read.limit <= SHORT_PAGE_ROWS
    was_short = may_be_short and not read.fetch and not read.is_count and _is_cheap(work)
    if was_short and (short := pages.short_page(rows, read.limit, work.only)) is not None:
        return _short_page(pages, read, rows, *short)
    # Of one state: the last row must be the last that was read.
    return pages.snapshot(lambda: _page(pages, read, rows, work, was_short))


def _is_cheap(work: _Work) -> bool:
    """Whether a page of few and small items may be filtered before it is known to be one."""
    return work.test is None and (work.only is None or _terms(work.only) * SHORT_PAGE_TERMS <= STEP_COST)


def _short_page(
    pages: PageReads, read: PageRead, rows: Rows, extent: Extent, passed: int, items: bytes
) -> PageFound | None:
    if read.projection is not None:
        if _cost(read, _Work(), extent) > STEP_COST:
            return None
        items = _projected(ujson.loads(b"[%b]" % items), read.projection)
    last = pages.item_at(rows, extent.rows - 1) if extent.more else None
    return PageFound(passed, extent.rows, extent.size, items, last, 0.0, extent.rows < SHORT_PAGE_ROWS)


def _page(pages: PageReads, read: PageRead, rows: Rows, work: _Work, was_short: bool) -> PageFound | None:
    extent = pages.extent(rows, read.limit, most=int(STEP_COST / ROW_COST))
    if extent is None:
        return None
    if _cost(read, work, extent) > STEP_COST:
        return None
    passed = _passed(pages, read, work, Selection(rows, extent.rows, read.fetch))
    is_short = extent.rows < SHORT_PAGE_ROWS and not was_short
    return _found(pages, rows, extent, passed, is_short=is_short)


def page_in_steps(
    pages: PageReads, read: PageRead, is_nul_free: Callable[[], bool]
) -> Generator[None, None, PageFound]:
    """The same, from `pages` that are of one state from the first step to the last.

    Whether that state may hold a NUL is asked once it is read from.
    """
    rows = rows_of(read.keys)
    extent = pages.extent(rows, read.limit)
    assert extent is not None
    yield
    work = _compiled(read.condition, is_nul_free())
    steps = int(_cost(read, work, extent) / STEP_COST) + 1
    length = -(-extent.rows // steps)
    count, units, items = 0, 0.0, []
    for skipped in range(0, extent.rows, length or 1):
        selection = Selection(rows, min(length, extent.rows - skipped), read.fetch, skipped)
        passed = _passed(pages, read, work, selection)
        count += passed.number
        units += passed.units
        if passed.items:
            items.append(passed.items)
        yield
    joined = None if read.is_count else b",".join(items)
    return _found(pages, rows, extent, _Passed(count, joined, units), is_short=False)


def _found(pages: PageReads, rows: Rows, extent: Extent, passed: _Passed, *, is_short: bool) -> PageFound:
    last = pages.item_at(rows, extent.rows - 1) if extent.more else None
    return PageFound(passed.number, extent.rows, extent.size, passed.items, last, passed.units, is_short)


def _compiled(condition: Condition | None, nul_free: bool) -> _Work:
    if condition is None:
        return _Work()
    compiled = filters.compile_condition(condition, nul_free)
    return _Work(None, condition.matches) if compiled is None else _Work(Filter(*compiled))


def _cost(read: PageRead, work: _Work, extent: Extent) -> float:
    """How long a page may take, in microseconds."""
    cost = ROW_COST * extent.rows
    if read.fetch:
        cost += FETCH_COST * extent.rows
    if work.only is not None:
        cost += _terms(work.only) * (extent.rows + extent.size / FILTERED_BYTES)
    if work.test is not None or read.projection is not None:
        cost += evaluation_cost(extent.rows, extent.size, None if work.test is None else read.condition)
    return cost


def _terms(only: Filter) -> float:
    """What a filter costs for each row."""
    return SQL_CHARACTER_COST * len(only.sql) + SQL_VALUE_COST * len(only.values)


def _projected(items: list[Item], projection: Projection) -> bytes:
    return ",".join([dumps(projection.apply(item)) for item in items]).encode()


def _passed(pages: PageReads, read: PageRead, work: _Work, selection: Selection) -> _Passed:
    units = 0.0
    if read.fetch:
        units = sum([read_units(size, read.is_consistent) for size in pages.fetched_sizes(selection)])
    only, test = work
    if read.is_count:
        if test is not None:
            return _Passed(sum(test(ujson.loads(text)) for text in pages.items(selection, None)), None, units)
        return _Passed(selection.length if only is None else pages.count(selection, only), None, units)
    if test is None and read.projection is None:
        return _Passed(*pages.joined(selection, only), units)
    found = [ujson.loads(text) for text in pages.items(selection, only)]
    if test is not None:
        found = [item for item in found if test(item)]
    if read.projection is not None:
        return _Passed(len(found), _projected(found, read.projection), units)
    return _Passed(len(found), ",".join(map(dumps, found)).encode(), units)
