"""How often settings may change: what the service admits, and its refusals word for word."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alt.errors import ApiError
from alt.operations.tables.quotas import (
    admit_decrease,
    admit_encryption_change,
    admit_table,
    admit_table_class_change,
    decreases_today,
)

DAY = 86_400.0


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def refusal(check: Any, *arguments: Any) -> str | None:
    try:
        check(*arguments)
    except ApiError as error:
        return error.message if error.type == "LimitExceededException" else error.type
    return None


def decreased(count: int, last: float) -> dict[str, Any]:
    return {"NumberOfDecreasesToday": count, "LastDecreaseDateTime": last}


def test_decreases_are_counted_by_utc_day() -> None:
    last = at("2026-10-08T23:20:48")
    assert decreases_today({}, last) == 0
    assert decreases_today(decreased(4, last), at("2026-10-08T23:59:59")) == 4
    assert decreases_today(decreased(4, last), at("2026-10-09T00:00:00")) == 0


def test_the_fifth_decrease_waits_for_midnight_when_that_is_nearer() -> None:
    throughput = decreased(4, at("2026-10-08T23:20:48"))
    assert refusal(admit_decrease, throughput, at("2026-10-08T23:21:00")) == (
        "Subscriber limit exceeded: Provisioned throughput decreases are limited within a given UTC day. "
        "After the first 4 decreases, each subsequent decrease in the same UTC day can be performed at "
        "most once "
        "every 3600 seconds. Number of decreases today: 4. "
        "Last decrease at Thursday, October 8, 2026 at 11:20:48 PM Coordinated Universal Time. "
        "Next decrease can be made at Friday, October 9, 2026 at 12:00:00 AM Coordinated Universal Time"
    )
    assert refusal(admit_decrease, throughput, at("2026-10-09T00:00:00")) is None


def test_the_fifth_decrease_waits_an_hour_after_the_last() -> None:
    throughput = decreased(4, at("2026-10-09T00:21:34"))
    message = refusal(admit_decrease, throughput, at("2026-10-09T01:20:34"))
    assert message is not None
    assert message.endswith("at Friday, October 9, 2026 at 1:21:34 AM Coordinated Universal Time")
    assert refusal(admit_decrease, throughput, at("2026-10-09T01:21:34")) is None


@given(st.integers(0, 3), st.floats(0, DAY))
def test_four_decreases_a_day_are_free(count: int, elapsed: float) -> None:
    assert refusal(admit_decrease, decreased(count, 10 * DAY), 10 * DAY + elapsed) is None


def test_two_table_class_changes_in_thirty_days() -> None:
    now = 100 * DAY
    assert admit_table_class_change([], now) == []
    assert admit_table_class_change([now - 31 * DAY, now - 1], now) == [now - 1]
    assert refusal(admit_table_class_change, [now - 29 * DAY, now - 1], now) == (
        "Subscriber limit exceeded: Updates to TableClass are limited to 2 times in 30 day(s)."
    )


def test_four_encryption_changes_in_a_window_then_one_every_six_hours() -> None:
    first = at("2026-10-08T23:13:00.402")
    changes = [first, first + 10, first + 20, first + 30]
    assert admit_encryption_change(changes[:3], first + 25) == changes[:3]
    assert refusal(admit_encryption_change, changes, first + 40) == (
        "Subscriber limit exceeded: Encryption mode changes are limited in the 24h window ending at "
        "2026-10-09T23:13:00.402Z. After the first 4 change, each subsequent change in the same window "
        "can be "
        "performed at most once every 21600 seconds. Number of updates today: 4. "
        "Last change at 2026-10-08T23:13:30.402Z. Next changes can be made at 2026-10-09T05:13:30.402Z"
    )
    assert admit_encryption_change(changes, changes[-1] + 21_600) == changes
    assert admit_encryption_change(changes, first + DAY) == []


@pytest.mark.parametrize(("tables", "admitted"), [(2_499, True), (2_500, False), (2_501, False)])
def test_the_number_of_tables(tables: int, admitted: bool) -> None:
    message = "Subscriber limit exceeded: There is a limit of 2500 tables per subscriber"
    assert refusal(admit_table, tables) == (None if admitted else message)
