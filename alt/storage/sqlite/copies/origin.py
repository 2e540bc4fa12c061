"""What a table is restored from."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import apsw

from alt.storage.engine import Progress
from alt.storage.model.definition import TableDefinition
from alt.storage.sqlite.table import Table


@dataclass(frozen=True, slots=True)
class Origin:
    """Contents to be copied.

    `contents` is pinned, and `release` is called once it is copied. `definition` is that of
    the table they belong to; its indexes are matched with the new table's by their ids.
    `rewind` is called with the new table, open and seen by nobody else, before it becomes
    ACTIVE: it may submit any number of writes, each of bounded length, and reports its own
    progress. The change log is the source's until then, and empty afterwards.
    """

    contents: apsw.Connection
    release: Callable[[], None]
    definition: TableDefinition
    rewind: Callable[[Table, Progress], Awaitable[None]] | None = None


class OriginLostError(Exception):
    """What a table was to be restored from is not there any more."""
