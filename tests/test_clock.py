"""A clock that small steps move at once, and jumps only when they last."""

from __future__ import annotations

import pytest

from alt.clock import BELIEVED_AFTER_SECONDS, TOLERANCE_SECONDS, SteadyClock, elapsed_clock

NOON = 1_795_521_600.0
DAY = 86_400.0


class Times:
    """A wall clock that can be set, the time that passes, and the clock over both."""

    def __init__(self) -> None:
        self.passed = 0.0
        self.error = 0.0
        self.steady = SteadyClock(lambda: NOON + self.passed + self.error, lambda: self.passed)

    def after(self, seconds: float) -> float:
        """What the clock says so much later, beyond noon."""
        self.passed += seconds
        return self.steady() - NOON


def test_it_follows_the_wall_clock() -> None:
    times = Times()
    assert times.after(5) == 5
    for step in range(1, 11):  # as NTP adjusts
        times.error -= TOLERANCE_SECONDS / 2
        assert times.after(1) == pytest.approx(5 + step / 2)


@pytest.mark.parametrize("error", [-30 * DAY, 30 * DAY])
def test_a_jump_that_is_undone_is_not_seen(error: float) -> None:
    times = Times()
    for _ in range(3):
        times.error = error
        assert times.after(0) == times.passed
        assert times.after(BELIEVED_AFTER_SECONDS - 1) == times.passed
        times.error = 0.0
        assert times.after(1) == times.passed


@pytest.mark.parametrize("error", [-30 * DAY, 30 * DAY])
def test_a_jump_that_lasts_is_believed(error: float) -> None:
    times = Times()
    times.error = error
    times.after(0)
    assert times.after(BELIEVED_AFTER_SECONDS - 1) == times.passed
    assert times.after(1) == times.passed + error
    assert times.after(1000) == times.passed + error


def test_of_several_jumps_the_last_must_last() -> None:
    times = Times()
    for error in (DAY, 2 * DAY, -DAY):
        times.error = error
        times.after(0)
        assert times.after(BELIEVED_AFTER_SECONDS - 1) == times.passed
    assert times.after(1) == times.passed - DAY


def test_elapsed_time_grows() -> None:
    elapsed = elapsed_clock()
    first = elapsed()
    assert elapsed() >= first > 0
