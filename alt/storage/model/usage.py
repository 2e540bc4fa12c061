"""What access keys consume, and what they may."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class KeyLimit(NamedTuple):
    """Units a second that an access key may consume; None for no limit."""

    read_units: float | None
    write_units: float | None


# What is counted: the units of reads and of writes.
READ_UNITS, WRITE_UNITS = range(2)

Units = tuple[float, float]  # by READ_UNITS and WRITE_UNITS


class Others(NamedTuple):
    """What others have consumed of the same data: by table and index ('' for the table itself), and by access key."""

    by_index: Mapping[tuple[str, str], Units]
    by_key: Mapping[str, Units]


NOBODY = Others({}, {})
