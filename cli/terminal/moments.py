"""Moments as people write them."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import click

_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_UNIT = r"(s|sec|secs|seconds?|m|mins?|minutes?|h|hours?|d|days?)"
_AGO = re.compile(rf"((\d+(\.\d+)?\s*{_UNIT}\s*)+)ago")
_AMOUNT = re.compile(rf"(\d+(?:\.\d+)?)\s*{_UNIT}(?![a-z])")
_EPOCH = re.compile(r"\d+(\.\d+)?")


def parse_moment(text: str, now: float) -> float:
    """Epoch seconds of `10 minutes ago`, `1h 30m ago`, an ISO 8601 time (local if it does not say), or seconds.

    Raises click.ClickException for anything else.
    """
    trimmed = text.strip().lower()
    if (ago := _AGO.fullmatch(trimmed)) is not None:
        amounts = _AMOUNT.findall(ago.group(1))
        return now - sum(float(amount) * _UNITS[unit[0]] for amount, unit in amounts)
    if _EPOCH.fullmatch(trimmed):
        return float(trimmed)
    try:
        return datetime.fromisoformat(text.strip()).timestamp()
    except (ValueError, OverflowError, OSError):
        raise click.ClickException(
            f'"{text}" is no moment: write "10 minutes ago", 2026-11-24T12:00:00Z, or epoch seconds.'
        ) from None


def show_moment(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
