"""Pages of a Query or Scan: what is asked for, and what was found."""

from __future__ import annotations

from typing import NamedTuple

from alt.expressions import Condition, Projection
from alt.storage.model.ranges import KeyRange


class PageRead(NamedTuple):
    """The page that begins `keys`: up to `limit` items, ending with the one that fills 1 MB.

    Of those that pass the condition it has what the projection leaves, or with `is_count` only their number.
    `fetch`: the items of a local index's entries are read from the table; what that costs goes by `is_consistent`.
    Not `is_consistent`: all may be as it was.
    `may_be_short`: a page like this is expected to have few and small items.
    """

    keys: KeyRange
    limit: int | None = None
    condition: Condition | None = None
    projection: Projection | None = None
    is_count: bool = False
    fetch: bool = False
    is_consistent: bool = False
    may_be_short: bool = False


class PageFound(NamedTuple):
    """A page: how many items passed of how many that were looked at, and the bytes of these.

    `items` is the JSON of those that passed, with commas, None where only their number was asked for. `last` is the
    JSON of the last that was looked at, where the range may go on after it. `fetched` are the read units of what was
    fetched from the table. `is_short`: it had few and small items.
    """

    passed: int
    scanned: int
    size: int
    items: bytes | None
    last: str | None
    fetched: float
    is_short: bool
