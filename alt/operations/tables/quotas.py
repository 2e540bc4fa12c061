"""How often a table's settings may change, by DynamoDB's documented quotas.

Times are epoch seconds; texts are as recorded from the service.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from alt.errors import limit_exceeded

MAX_TABLES = 2_500
MAX_RESTORES = 50  # at a time, of any kind

FREE_DECREASES_A_DAY = 4
SECONDS_BETWEEN_DECREASES = 3_600

MAX_TABLE_CLASS_CHANGES = 2
TABLE_CLASS_WINDOW_DAYS = 30

FREE_ENCRYPTION_CHANGES = 4
ENCRYPTION_WINDOW_SECONDS = 24 * 3_600
SECONDS_BETWEEN_ENCRYPTION_CHANGES = 6 * 3_600

_DAY = 24 * 3_600


def admit_table(tables: int) -> None:
    """Refuse one more than `tables` tables where that is too many."""
    if tables >= MAX_TABLES:
        raise limit_exceeded(
            f"Subscriber limit exceeded: There is a limit of {MAX_TABLES} tables per subscriber"
        )


def admit_restore(restores: int) -> None:
    """Refuse one more than `restores` that are under way where that is too many."""
    if restores >= MAX_RESTORES:
        raise limit_exceeded(
            f"Subscriber limit exceeded: Only {MAX_RESTORES} restore operations can be done simultaneously"
        )


def decreases_today(throughput: Mapping[str, Any], now: float) -> int:
    """How often the capacity was decreased in the UTC day of `now`."""
    last = throughput.get("LastDecreaseDateTime")
    if last is None or last // _DAY != now // _DAY:
        return 0
    count: int = throughput["NumberOfDecreasesToday"]
    return count


def admit_decrease(throughput: Mapping[str, Any], now: float) -> None:
    """Four decreases a UTC day, then one an hour after the last."""
    count = decreases_today(throughput, now)
    if count < FREE_DECREASES_A_DAY:
        return
    last = throughput["LastDecreaseDateTime"]
    free_again = min(last + SECONDS_BETWEEN_DECREASES, (now // _DAY + 1) * _DAY)
    if now < free_again:
        raise limit_exceeded(
            "Subscriber limit exceeded: Provisioned throughput decreases are limited within a given UTC day. "
            f"After the first {FREE_DECREASES_A_DAY} decreases, each subsequent decrease in the same UTC day "
            f"can be performed at most once every {SECONDS_BETWEEN_DECREASES} seconds. "
            f"Number of decreases today: {count}. Last decrease at {_in_words(last)}. "
            f"Next decrease can be made at {_in_words(free_again)}"
        )


def admit_table_class_change(changes: Sequence[float], now: float) -> list[float]:
    """The earlier changes that still count, or a refusal: two changes in thirty days."""
    counted = [change for change in changes if change > now - TABLE_CLASS_WINDOW_DAYS * _DAY]
    if len(counted) >= MAX_TABLE_CLASS_CHANGES:
        raise limit_exceeded(
            "Subscriber limit exceeded: Updates to TableClass are limited to "
            f"{MAX_TABLE_CLASS_CHANGES} times in {TABLE_CLASS_WINDOW_DAYS} day(s)."
        )
    return counted


def admit_encryption_change(changes: Sequence[float], now: float) -> list[float]:
    """The earlier changes of the window that `changes` began, or a refusal.

    A window lasts 24 hours from its first change: four changes, then one every six hours.
    """
    if not changes or now >= changes[0] + ENCRYPTION_WINDOW_SECONDS:
        return []
    free_again = min(changes[-1] + SECONDS_BETWEEN_ENCRYPTION_CHANGES, changes[0] + ENCRYPTION_WINDOW_SECONDS)
    if len(changes) >= FREE_ENCRYPTION_CHANGES and now < free_again:
        raise limit_exceeded(
            "Subscriber limit exceeded: Encryption mode changes are limited in the 24h window ending at "
            f"{iso_time(changes[0] + ENCRYPTION_WINDOW_SECONDS)}. "
            f"After the first {FREE_ENCRYPTION_CHANGES} change, "
            "each subsequent change in the same window can be performed at most once every "
            f"{SECONDS_BETWEEN_ENCRYPTION_CHANGES} seconds. Number of updates today: {len(changes)}. "
            f"Last change at {iso_time(changes[-1])}. Next changes can be made at {iso_time(free_again)}"
        )
    return list(changes)


def _in_words(seconds: float) -> str:
    at = datetime.fromtimestamp(seconds, UTC)
    return f"{at:%A, %B} {at.day}, {at.year} at {at.hour % 12 or 12}:{at:%M:%S %p} Coordinated Universal Time"


def iso_time(seconds: float) -> str:
    """As the service writes a time into a message."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
