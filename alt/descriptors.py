"""File descriptors: how many the process may have open, and how many of them are for what.

Tables and connections share what the system grants; a server with few of them works all the same, and closes
tables more often.
"""

from __future__ import annotations

import sys
from typing import NamedTuple

# Two connections to SQLite: the file and its -wal twice, their -shm once; the table's mark (durable_mark.py); and the file
# once more, which a third connection has left, since to close it would drop the locks of the other two.
TABLE_DESCRIPTORS = 7
# Catalog, journal, accounting, lock, listener, event loop, log, and long reads and copies under way.
SERVER_DESCRIPTORS = 64
# Of the others, so much is for tables and the rest for connections.
TABLES_SHARE = 0.75
# An open table takes some 0.4 MB of memory, and its caches up to 32 MB more.
MAX_OPEN_TABLES = 1_000
# More than any server of ours needs; the system may grant any number.
MAX_DESCRIPTORS = 65_536


class Budget(NamedTuple):
    """How many tables and how many connections may be open at once."""

    tables: int
    connections: int


def budget() -> Budget:
    """How the descriptors that the process may have now are shared out."""
    free = max(_limit() - SERVER_DESCRIPTORS, 2 * TABLE_DESCRIPTORS)
    tables = min(MAX_OPEN_TABLES, int(free * TABLES_SHARE) // TABLE_DESCRIPTORS)
    return Budget(tables, free - tables * TABLE_DESCRIPTORS)


def raise_limit() -> None:
    """Take as many descriptors as the system grants: the usual soft limit is low."""
    if sys.platform == "win32":
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, MAX_DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _limit() -> int:
    if sys.platform == "win32":  # which has no such limit
        return MAX_DESCRIPTORS
    import resource

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MAX_DESCRIPTORS if soft == resource.RLIM_INFINITY else min(soft, MAX_DESCRIPTORS)
