"""What the model of the kill rounds lets pass and what it refuses."""

from __future__ import annotations

from contextlib import suppress

import pytest

from tests.crash.client import Refused, Unanswered
from tests.crash.worlds import Register, Value, Worlds, becomes

A, B = Register("table", "a"), Register("table", "b")


def write(worlds: Worlds, register: Register, value: int, fails: Exception | None = None) -> None:
    with suppress(Refused, Unanswered), worlds.writing({register: becomes(value)}):
        if fails is not None:
            raise fails


def allowed(worlds: Worlds, *seen: dict[Register, Value]) -> list[bool]:
    """For each of what may be seen whether it is allowed; observing changes nothing here."""
    result = []
    for each in seen:
        before = worlds._worlds
        result.append(worlds.observe(each) == [])
        worlds._worlds = before
    return result


def test_what_was_acknowledged_is_there() -> None:
    worlds = Worlds()
    write(worlds, A, 1)
    write(worlds, A, 2)
    assert allowed(worlds, {A: 2}, {A: 1}, {}, {A: 2, B: 1}) == [True, False, False, False]


@pytest.mark.parametrize(
    ("fails", "expected"),
    [(Unanswered(), [True, True, False]), (Refused("Put", {}), [True, False, False])],
)
def test_what_was_not(fails: Exception, expected: list[bool]) -> None:
    worlds = Worlds()
    write(worlds, A, 1)
    write(worlds, A, 2, fails)
    assert allowed(worlds, {A: 1}, {A: 2}, {}) == expected


def test_a_counter_is_between_acknowledged_and_attempted() -> None:
    worlds = Worlds()

    def count(value: Value) -> Value:
        return (value or 0) + 1  # type: ignore[operator]

    for fails in (None, Unanswered(), None, Unanswered()):
        with suppress(Unanswered), worlds.writing({A: count}):
            if fails:
                raise fails
    assert allowed(worlds, *({A: n} for n in (1, 2, 3, 4, 5))) == [False, True, True, True, False]


def test_what_was_seen_is_known() -> None:
    worlds = Worlds()
    write(worlds, A, 1, Unanswered())
    assert worlds.observe({A: 1}) == []
    assert allowed(worlds, {A: 1}, {}) == [True, False]


def test_a_loaded_snapshot() -> None:
    """Everything is what it was when the snapshot was saved, but for what was written during the load."""
    worlds = Worlds()
    write(worlds, A, 1)
    with worlds.recording() as snapshot:
        write(worlds, A, 2)
    write(worlds, A, 3)
    write(worlds, B, 1)
    worlds.begin_load(snapshot)
    write(worlds, B, 2)
    during = allowed(worlds, {A: 3, B: 2}, {A: 2, B: 2}, {A: 1}, {A: 3}, {A: 1, B: 1})
    assert during == [True, True, True, False, False]
    worlds.end_load(is_known=True)
    assert allowed(worlds, {A: 3, B: 2}, {A: 2, B: 2}, {A: 1}) == [False, True, True]
    write(worlds, B, 3)
    assert allowed(worlds, {A: 1}, {A: 1, B: 3}) == [False, True]


@pytest.mark.parametrize("is_known", [True, False])
def test_a_write_that_overlaps_a_load_came_before_or_after_it(is_known: bool) -> None:
    worlds = Worlds()
    with worlds.recording() as snapshot:
        pass
    with worlds.writing({A: becomes(1)}):
        worlds.begin_load(snapshot)
        worlds.end_load(is_known=is_known)
    assert allowed(worlds, {A: 1}, {}) == [True, True]


def test_all_registers_agree_on_whether_a_load_that_was_cut_short_was_done() -> None:
    worlds = Worlds()
    with worlds.recording() as snapshot:
        pass
    write(worlds, A, 1)
    write(worlds, B, 1)
    worlds.begin_load(snapshot)
    worlds.end_load(is_known=False)
    assert allowed(worlds, {A: 1, B: 1}, {}, {A: 1}) == [True, True, False]
