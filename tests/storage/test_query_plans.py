"""SQLite seeks to where a range begins and stops where it ends: on tables and indexes, both ways, paged."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import apsw
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alt.storage.model.definition import IndexDefinition, KeyAttribute, TableDefinition, TimeToLive
from alt.storage.model.keys import ITEMS, Layout, layout_of
from alt.storage.model.ranges import Bound, PartitionRange, SlotRange
from alt.storage.sqlite import connections
from alt.storage.sqlite.expiry import Expiry
from alt.storage.sqlite.indexes import Index
from alt.storage.sqlite.ranges import columns_of, rows_of

TABLE = TableDefinition("Music", "id", 0.0, KeyAttribute("pk", "S"), KeyAttribute("sk", "S"))


def index(name: str, hash_keys: int, range_keys: int, *, is_global: bool = True) -> Index:
    hashes = [KeyAttribute(f"h{position}", "S") for position in range(hash_keys)]
    ranges = [KeyAttribute(f"r{position}", "S") for position in range(range_keys)]
    return Index(
        IndexDefinition(name, "1", is_global, tuple(hashes), tuple(ranges), "ALL"),
        TABLE,
    )


INDEXES = [
    index("local", 1, 1, is_global=False),
    *[index(f"global-{hashes}-{ranges}", hashes, ranges) for hashes in (1, 4) for ranges in (0, 1, 4)],
]
LAYOUTS = [ITEMS, *(layout_of(each.definition) for each in INDEXES)]

BOUNDS: list[tuple[Bound | None, Bound | None]] = [
    (None, None),
    ((">=", "b"), None),
    ((">", "b"), None),
    (None, ("<", "y")),
    (None, ("<=", "y")),
    ((">=", "b"), ("<=", "y")),
    ((">=", "b"), ("<", "y")),
]


@pytest.fixture(scope="module")
def connection() -> apsw.Connection:
    opened = connections.connect(connections.MEMORY)
    connections.create(opened, "table", 1)
    for each in INDEXES:
        each.create(opened.cursor())
    return opened


def partition_ranges(layout: Layout) -> Iterator[PartitionRange]:
    """Every form of key condition, from the beginning and after a row, forward and backward."""
    columns = columns_of(layout)
    for equal, (low, high), descending in itertools.product(
        range(len(columns.range) + 1), BOUNDS, (False, True)
    ):
        if (low or high) and equal == len(columns.range):
            continue
        prefix = (7, *["h"] * len(columns.hash), *["e"] * equal)
        rows = PartitionRange(layout, prefix, low, high, descending)
        yield rows
        yield rows.after((*prefix, *["m"] * (len(columns.key) - len(prefix))))


def plan(connection: apsw.Connection, rows: PartitionRange | SlotRange) -> list[str]:
    clause, values = rows_of(rows)
    sql = f"SELECT size FROM {clause} LIMIT ?"
    steps = connection.execute(f"EXPLAIN QUERY PLAN {sql}", (*values, 10))
    return [detail for _, _, _, detail in steps]


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: str(layout.source))
def test_a_query_seeks(connection: apsw.Connection, layout: Layout) -> None:
    columns = columns_of(layout)
    for rows in partition_ranges(layout):
        (step,) = plan(connection, rows)  # a second one would be a sort
        assert step.startswith(f"SEARCH {columns.table.strip(chr(34))} USING PRIMARY KEY ("), rows
        for column in columns.key[: len(rows.prefix)]:
            assert f"{column}=?" in step, (rows, step)
        free = columns.key[len(rows.prefix) :]
        if rows.start is None:
            assert (rows.low is not None) == (f"{free[0] if free else None}>?" in step), (rows, step)
            assert (rows.high is not None) == (f"{free[0] if free else None}<?" in step), (rows, step)
        elif len(free) > 1:
            holes = ",".join("?" * len(free))
            assert f"({','.join(free)}){'<' if rows.descending else '>'}({holes})" in step, (rows, step)


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: str(layout.source))
def test_a_scan_and_its_segments_seek(connection: apsw.Connection, layout: Layout) -> None:
    columns = columns_of(layout)
    for rows in (SlotRange(layout), SlotRange.segment(layout, 3, 7)):
        (step,) = plan(connection, rows)
        assert "USING PRIMARY KEY (slot>? AND slot<?)" in step
        (step,) = plan(connection, rows.after((9, *["m"] * (len(columns.key) - 1))))
        assert f"({','.join(columns.key)})>(" in step
        assert "slot<?" in step


@pytest.mark.parametrize("attribute", ["expires", "it's", 'a"b', "a\0b", "ключ"])
def test_expired_items_are_found_by_their_index(attribute: str) -> None:
    opened = connections.connect(connections.MEMORY)
    connections.create(opened, "table", 1)
    expiry = Expiry(opened.cursor(), opened.cursor())
    expiry.redefine(replace(TABLE, time_to_live=TimeToLive("ENABLED", attribute, 0.0)))
    expiry.build()
    plans: list[list[str]] = []

    def explain(_cursor: apsw.Cursor, sql: str, bindings: Any) -> bool:
        if sql.startswith("SELECT") and "FROM item" in sql:
            steps = opened.execute(f"EXPLAIN QUERY PLAN {sql}", bindings)
            plans.append([detail for _, _, _, detail in steps])
        return True

    opened.exec_trace = explain
    assert not expiry.has_expired(0.0)
    assert not expiry.expired(0.0)
    # A second step would be a sort.
    step = "USING INDEX expiry (<expr>>? AND <expr><?)"
    assert [[each.replace("COVERING ", "") for each in plan] for plan in plans] == [
        [f"SEARCH item {step}"]
    ] * 2


# What the seeks find is what the range means.

VALUES = st.sampled_from("bcdex")
DATA = st.sets(st.tuples(VALUES, VALUES, VALUES, VALUES), max_size=40)  # r0, r1, pk, sk


@st.composite
def ranges(draw: st.DrawFn, layout: Layout) -> PartitionRange:
    columns = columns_of(layout)
    equal = draw(st.integers(0, len(columns.range)))
    prefix = (7, *["h"] * len(columns.hash), *draw(st.tuples(*[VALUES] * equal)))
    low = high = None
    if equal < len(columns.range):
        low = draw(st.none() | st.tuples(st.sampled_from((">", ">=")), VALUES))
        high = draw(st.none() | st.tuples(st.sampled_from(("<", "<=")), VALUES))
    return PartitionRange(layout, prefix, low, high, draw(st.booleans()))


@settings(max_examples=150, deadline=None)
@given(st.data(), DATA)
def test_pages_of_any_range_are_its_rows_in_order(data: st.DataObject, keys: set[tuple[str, ...]]) -> None:
    opened = apsw.Connection(":memory:")
    opened.execute("CREATE TABLE statistics (source TEXT PRIMARY KEY, items, bytes)")
    two_ranges = index("any", 1, 2)
    two_ranges.create(opened.cursor())
    columns = two_ranges.columns
    for other in (6, 7, 8):  # slots
        for key in keys:
            opened.execute(
                f"INSERT INTO {columns.table} VALUES (?, 'h', ?, ?, ?, ?, 1, '{{}}')", (other, *key)
            )
    rows = data.draw(ranges(layout_of(two_ranges.definition)))
    expected = [key for key in sorted((7, "h", *key) for key in keys) if rows.contains(key)]
    if rows.descending:
        expected.reverse()
    length = data.draw(st.integers(1, 5))
    found: list[Any] = []
    while page := opened.execute(
        f"SELECT {', '.join(columns.key)} FROM {rows_of(rows).clause} LIMIT ?",
        (*rows_of(rows).values, length),
    ).fetchall():
        found += page
        rows = rows.after(page[-1])
    assert found == expected
