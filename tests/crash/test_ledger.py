"""The ledger tells what may follow from what was acknowledged from what may not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.crash.ledger import TABLES, Found, Ledger, Rewind, Step

A, B, OTHER = ("T", "a"), ("T", "b"), ("U", "a")


def step(cells: tuple[tuple[str, str], ...], state: int | None, began: int, done: int | None) -> Step:
    return Step("stream", cells, state, False, False, began, done)


def failed(step: Step) -> Step:
    return replace(step, done=None, failed=True)


PUTS = [step((A,), 1, 1, 2), step((B,), 2, 3, 4), step((A,), 3, 5, 6)]
BOTH = [step((A, OTHER), 1, 1, 2), step((A, OTHER), 2, 3, None)]
ADDS = [replace(step((A,), None, begun, begun + 1), adds=True) for begun in (1, 3, 5)]
TABLE = [step(((TABLES, "T"),), 1, 1, 2), step(((TABLES, "T"),), None, 3, 4)]
VANISHING = [replace(step((A,), 1, 1, 2), vanishes=True)]


@pytest.mark.parametrize(
    ("steps", "found", "cut", "durable", "is_right"),
    [
        (PUTS, {A: 3, B: 2}, 6, 6, True),
        (PUTS, {A: 1, B: 2}, 6, 6, False),  # an acknowledged write is lost
        (PUTS, {A: 1, B: 2}, 6, 5, True),  # it need not have been durable
        (PUTS, {A: 3}, 6, 0, False),  # a write is there and the one before is not
        (PUTS, {A: 1, B: 2}, 5, 5, True),  # the third was under way
        (PUTS, {A: 3, B: 2}, 5, 5, True),
        (PUTS, {A: 3, B: 2}, 4, 4, False),  # it had not begun
        (PUTS, {A: 2, B: 2}, 6, 6, False),  # nobody wrote that
        ([PUTS[0], failed(PUTS[1]), PUTS[2]], {A: 3, B: 2}, 6, 6, True),
        ([PUTS[0], failed(PUTS[1]), PUTS[2]], {A: 3}, 6, 6, True),
        ([PUTS[0], failed(PUTS[1]), PUTS[2]], {A: 1, B: 2}, 6, 6, False),
        (BOTH, {A: 1, OTHER: 1}, 4, 4, True),
        (BOTH, {A: 2, OTHER: 2}, 4, 4, True),
        (BOTH, {A: 2, OTHER: 1}, 4, 4, False),  # half a transaction
        (BOTH, {}, 4, 0, False),  # several tables: decided by the journal, whatever a table's file lost
        (ADDS, {A: 3}, 6, 6, True),
        (ADDS, {A: 2}, 6, 6, False),
        (ADDS, {A: 2}, 6, 5, True),
        (ADDS, {A: 4}, 6, 6, False),
        (TABLE, {}, 4, 0, True),
        (TABLE, {(TABLES, "T"): 1}, 3, 0, True),
        (TABLE, {(TABLES, "T"): 1}, 4, 0, False),
        (TABLE[:1], {}, 4, 0, False),
        (VANISHING, {}, 2, 2, True),
    ],
)
def test_what_may_be_found(steps: list[Step], found: Found, cut: int, durable: int, is_right: bool) -> None:
    problems = Ledger(lambda: 0, steps).problems(found, cut, lambda _table: durable)
    assert (problems == []) is is_right, problems


@pytest.mark.parametrize(
    ("found", "cut", "is_right"),
    [
        ({A: 2}, 5, True),  # not loaded yet
        ({A: 1}, 5, False),
        ({A: 1}, 6, True),  # under way: one or the other
        ({A: 2}, 6, True),
        ({A: 1}, 7, True),  # loaded
        ({A: 2}, 7, False),
        ({A: 3}, 9, True),
        ({A: 2}, 9, False),
    ],
)
def test_a_snapshot_is_loaded(found: Found, cut: int, is_right: bool) -> None:
    steps = [step((A,), 1, 0, 1), step((A,), 2, 3, 4), step((A,), 3, 8, 9)]
    ledger = Ledger(lambda: 0, steps, [Rewind(saved=2, began=6, done=7)])
    problems = ledger.problems(found, cut, lambda _table: cut)
    assert (problems == []) is is_right, problems
