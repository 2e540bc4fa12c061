"""`GET /metrics`: what Prometheus reads of a server.

What costs something is looked at when it is asked for: the sizes of files and what the operating system says on another
thread, where the text is made, too. Per-table figures are of tables that there are, so a removed one leaves none.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence

from alt import __version__
from alt.errors import unknown_operation
from alt.http.connections import Connections
from alt.http.local import refuse_others
from alt.http.request import Request
from alt.metrics import catalogue
from alt.metrics.catalogue import Metric
from alt.metrics.exposition import CONTENT_TYPE, Samples, Value, exposed, one
from alt.metrics.process import process_state
from alt.metrics.requests import RequestMetrics
from alt.operations import Reply
from alt.operations.context import Context
from alt.storage.engine import settled
from alt.storage.model.activity import Activity, Consumed, DatabaseActivity, FileSize

METRICS_PATH = b"/metrics"
# So many tables have figures of their own, the first by their names.
MAX_TABLES = 1_000

Measured = tuple[Metric, Samples]

# What is told of the connections to each server of a database.
_CONNECTIONS: Mapping[Metric, Callable[[DatabaseActivity], Value]] = {
    catalogue.DATABASE_CONNECTIONS: lambda each: each.open,
    catalogue.DATABASE_CONNECTIONS_IN_USE: lambda each: each.in_use,
    catalogue.DATABASE_MAX_CONNECTIONS: lambda each: each.limit,
    catalogue.DATABASE_CONNECTIONS_MADE: lambda each: each.totals.connections_made,
    catalogue.DATABASE_CONNECTIONS_FAILED: lambda each: each.totals.connections_failed,
    catalogue.DATABASE_CONNECTIONS_CUT: lambda each: each.totals.connections_cut,
    catalogue.DATABASE_WAIT_SECONDS: lambda each: each.totals.wait_seconds.copy(),
    catalogue.DATABASE_REFUSALS: lambda each: each.totals.refused,
}


class MetricsPage:
    """`context` and `connections` are asked for each time. `is_private`: for programs of the same machine alone."""

    def __init__(
        self,
        requests: RequestMetrics,
        context: Callable[[], Context],
        connections: Callable[[], Connections],
        *,
        is_private: bool,
    ) -> None:
        self._requests = requests
        self._context = context
        self._connections = connections
        self._is_private = is_private
        self._begun = time.time()

    def __call__(self, request: Request) -> tuple[bytes, Reply]:
        if request.method not in (b"GET", b"HEAD"):
            raise unknown_operation()
        if self._is_private:
            refuse_others(request)
        return CONTENT_TYPE, asyncio.ensure_future(self.text())

    async def text(self) -> bytes:
        """All of it, for whoever may see it."""
        context, connections = self._context(), self._connections()
        files = await settled(context.engine.file_sizes(MAX_TABLES))
        activity, observed = context.engine.activity(MAX_TABLES), context.observed
        lags: dict[str, float] = {}
        for (table, table_id, shard), lag in list(observed.stream_lags.items()):
            definition = context.engine.definition(table)
            if definition is None or definition.id != table_id:  # its name may be another table's now
                del observed.stream_lags[table, table_id, shard]
            else:
                lags[table] = max(lag, lags.get(table, 0.0))
        measured = [
            *_of_requests(self._requests),
            (catalogue.RETURNED_ITEMS, _by("operation", observed.returned_items)),
            *_of_engine(activity),
            *_of_database(activity),
            (catalogue.STREAM_LAG, _by("table", {name: lags[name] for name in sorted(lags)[:MAX_TABLES]})),
            (catalogue.CONNECTIONS, one(len(connections.open))),
            (catalogue.HELD_BYTES, one(connections.held_bytes)),
            (catalogue.INFO, [({"version": __version__}, 1)]),
            (catalogue.START, one(self._begun)),
        ]
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(None, _rendered, measured, activity.consumed, files)


def _rendered(measured: list[Measured], consumed: Mapping[str, Consumed], files: Sequence[FileSize]) -> bytes:
    return exposed([*measured, *_of_tables(consumed, files), *_of_process()]).encode()


def _of_requests(requests: RequestMetrics) -> Iterable[Measured]:
    operations = list(requests.operations.items())
    outcomes = [
        ({"operation": name, "outcome": outcome}, count)
        for name, each in operations
        for outcome, count in [("ok", sum(each.latency.counts)), *each.failures.items()]
        if count
    ]
    latencies = [
        ({"operation": name}, each.latency.copy()) for name, each in operations if any(each.latency.counts)
    ]
    reasons = [
        ({"operation": name, "reason": reason}, count)
        for name, each in operations
        for reason, count in each.reasons.items()
    ]
    return (
        (catalogue.REQUESTS, outcomes),
        (catalogue.LATENCY, latencies),
        (catalogue.CANCELLATIONS, reasons),
    )


def _of_engine(activity: Activity) -> Iterable[Measured]:
    totals = activity.totals
    return (
        (catalogue.GROUP_WRITES, one(totals.group_writes.copy())),
        (catalogue.COMMIT_SECONDS, one(totals.commit_seconds.copy())),
        (catalogue.EXPIRED, one(totals.expired_items)),
        (catalogue.TABLES, one(activity.tables)),
        (catalogue.OPEN_TABLES, one(activity.open_tables)),
        (catalogue.CACHE_BYTES, one(activity.cache_bytes)),
        (catalogue.BACKGROUND, _by("work", activity.background)),
    )


def _of_database(activity: Activity) -> Iterable[Measured]:
    if activity.database is None:
        return ()
    totals = activity.database.totals
    servers = {"primary": activity.database}
    is_current: Samples = []
    if activity.replica is not None:
        servers["replica"] = activity.replica.database
        is_current = one(int(activity.replica.is_current))
    return (
        *_of_connections(servers),
        (catalogue.DATABASE_REPLICA_IS_CURRENT, is_current),
        (catalogue.DATABASE_GROUP_RETRIES, _by("cause", totals.group_retries)),
        (catalogue.DATABASE_READ_RETRIES, one(totals.read_retries)),
        (catalogue.DATABASE_UNKNOWN_OUTCOMES, one(totals.unknown_outcomes)),
        (catalogue.DATABASE_CONFLICTS, one(totals.conflicts)),
    )


def _of_connections(servers: Mapping[str, DatabaseActivity]) -> Iterable[Measured]:
    for metric, told in _CONNECTIONS.items():
        yield metric, [({"server": name}, told(each)) for name, each in servers.items()]


def _of_tables(consumed: Mapping[str, Consumed], files: Sequence[FileSize]) -> Iterable[Measured]:
    return (
        (catalogue.READ_UNITS, _by("table", {name: each.read_units for name, each in consumed.items()})),
        (catalogue.WRITE_UNITS, _by("table", {name: each.write_units for name, each in consumed.items()})),
        (catalogue.THROTTLED, _by("table", {name: each.throttled for name, each in consumed.items()})),
        (catalogue.TABLE_BYTES, _by("table", {each.table: each.size for each in files})),
        (catalogue.WAL_BYTES, _by("table", {each.table: each.wal for each in files})),
    )


def _of_process() -> Iterable[Measured]:
    state = process_state()
    yield catalogue.CPU, one(time.process_time())
    for metric, value in (
        (catalogue.MEMORY, state.resident_bytes),
        (catalogue.OPEN_FDS, state.open_fds),
        (catalogue.MAX_FDS, state.max_fds),
    ):
        if value is not None:
            yield metric, one(value)


def _by(label: str, values: Mapping[str, float]) -> Samples:
    return [({label: name}, value) for name, value in values.items()]
