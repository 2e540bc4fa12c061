"""What access keys consume, and what they may."""

from __future__ import annotations

from typing import NamedTuple


class KeyLimit(NamedTuple):
    """Units a second that an access key may consume; None for no limit."""

    read_units: float | None
    write_units: float | None


# What is counted: the units of reads and of writes.
READ_UNITS, WRITE_UNITS = range(2)
