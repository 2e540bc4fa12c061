"""What happens often is told once in a while."""

from __future__ import annotations

from alt.tally import SECONDS, Tally


class Stopwatch:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_it_is_told_at_once_and_then_once_in_a_while() -> None:
    elapsed = Stopwatch()
    tally = Tally(elapsed)
    assert tally.due() == 0
    tally.add()
    assert tally.due() == 1
    tally.add()
    tally.add(2)
    assert tally.due() == 0
    elapsed.now = SECONDS
    assert tally.due() == 3
    elapsed.now += SECONDS
    assert tally.due() == 0  # nothing has happened


def test_the_end_does_not_wait() -> None:
    tally = Tally(Stopwatch())
    tally.add()
    assert tally.due() == 1
    tally.add()
    assert tally.due(at_once=True) == 1
    assert tally.due(at_once=True) == 0
