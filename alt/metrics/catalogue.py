"""Every metric there is, by the names and units of Prometheus' conventions (docs/metrics.md shows them)."""

from __future__ import annotations

from typing import Literal, NamedTuple

Kind = Literal["counter", "gauge", "histogram"]


class Metric(NamedTuple):
    """`cloudwatch` is what tells the like of DynamoDB itself, None where nothing does."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    cloudwatch: str | None = None


REQUESTS = Metric(
    "alt_requests_total",
    "counter",
    "Requests by operation and outcome: ok, or the type of the error.",
    ("operation", "outcome"),
    "SuccessfulRequestLatency (SampleCount), UserErrors, SystemErrors, ConditionalCheckFailedRequests, "
    "TransactionConflict, ThrottledRequests",
)
LATENCY = Metric(
    "alt_request_duration_seconds",
    "histogram",
    "How long requests took that succeeded, from their last byte to the answer.",
    ("operation",),
    "SuccessfulRequestLatency",
)
CANCELLATIONS = Metric(
    "alt_transaction_cancellation_reasons_total",
    "counter",
    "Actions of transactions that were cancelled, by the reason that each gave.",
    ("operation", "reason"),
    "ConditionalCheckFailedRequests, TransactionConflict",
)
RETURNED_ITEMS = Metric(
    "alt_returned_items_total",
    "counter",
    "Items that Query, Scan and SELECT returned.",
    ("operation",),
    "ReturnedItemCount",
)
READ_UNITS = Metric(
    "alt_consumed_read_capacity_units_total",
    "counter",
    "Read units that were consumed of a table and its indexes.",
    ("table",),
    "ConsumedReadCapacityUnits",
)
WRITE_UNITS = Metric(
    "alt_consumed_write_capacity_units_total",
    "counter",
    "Write units that were consumed of a table and its indexes.",
    ("table",),
    "ConsumedWriteCapacityUnits",
)
THROTTLED = Metric(
    "alt_throttled_requests_total",
    "counter",
    "Requests, or parts of batches and transactions, for which a table or an access key had no capacity.",
    ("table",),
    "ThrottledRequests, ReadThrottleEvents, WriteThrottleEvents",
)
EXPIRED = Metric(
    "alt_ttl_deleted_items_total",
    "counter",
    "Items that TimeToLive deleted.",
    (),
    "TimeToLiveDeletedItemCount",
)
STREAM_LAG = Metric(
    "alt_stream_lag_seconds",
    "gauge",
    "How old the last record was that GetRecords read of a table's shard where others follow it; 0 at the end.",
    ("table",),
    "IteratorAge (of Lambda)",
)
GROUP_WRITES = Metric("alt_commit_group_writes", "histogram", "Writes that one COMMIT made durable.")
COMMIT_SECONDS = Metric("alt_commit_duration_seconds", "histogram", "How long a COMMIT waited for the disk.")
TABLES = Metric("alt_tables", "gauge", "Tables that there are.", (), "AccountProvisionedTables")
OPEN_TABLES = Metric("alt_open_tables", "gauge", "Tables whose files are open.")
TABLE_BYTES = Metric(
    "alt_table_file_bytes", "gauge", "Size of a table's file.", ("table",), "TableSizeBytes (DescribeTable)"
)
WAL_BYTES = Metric("alt_table_wal_bytes", "gauge", "Size of a table's write-ahead log.", ("table",))
CACHE_BYTES = Metric(
    "alt_sqlite_memory_bytes", "gauge", "Memory that SQLite has, its page caches for the most."
)
BACKGROUND = Metric(
    "alt_background_tasks",
    "gauge",
    "Work under way beside the requests: index_building, expiring, backup, restore, table_deletion.",
    ("work",),
    "OnlineIndexPercentageProgress",
)
CONNECTIONS = Metric("alt_connections", "gauge", "Connections that are open.")
HELD_BYTES = Metric("alt_held_body_bytes", "gauge", "Bytes of bodies that are being received, or wait.")
# The connections to a database that keeps the data (`--engine`), and what had to be repeated there. `server`: primary, or
# replica where reads that may be old go to one.
_SERVER = ("server",)
DATABASE_CONNECTIONS = Metric(
    "alt_database_connections", "gauge", "Connections to the database that are open.", _SERVER
)
DATABASE_CONNECTIONS_IN_USE = Metric(
    "alt_database_connections_in_use",
    "gauge",
    "Connections to the database that are in use, or being made.",
    _SERVER,
)
DATABASE_MAX_CONNECTIONS = Metric(
    "alt_database_max_connections", "gauge", "How many connections to the database there may be.", _SERVER
)
DATABASE_CONNECTIONS_MADE = Metric(
    "alt_database_connections_made_total", "counter", "Connections to the database that were made.", _SERVER
)
DATABASE_CONNECTIONS_FAILED = Metric(
    "alt_database_connections_failed_total",
    "counter",
    "Connections to the database that could not be made.",
    _SERVER,
)
DATABASE_CONNECTIONS_CUT = Metric(
    "alt_database_connections_cut_total",
    "counter",
    "Connections that the database has cut, or that did not answer any more.",
    _SERVER,
)
DATABASE_WAIT_SECONDS = Metric(
    "alt_database_connection_wait_seconds",
    "histogram",
    "How long those waited for a connection who found all in use.",
    _SERVER,
)
DATABASE_REFUSALS = Metric(
    "alt_database_connection_refusals_total",
    "counter",
    "Uses of the database that were refused, as all connections stayed in use.",
    _SERVER,
)
DATABASE_REPLICA_IS_CURRENT = Metric(
    "alt_database_replica_current",
    "gauge",
    "1 while reads that may be old go to the replica, 0 while it is away or does not know the tables as they are.",
)
DATABASE_GROUP_RETRIES = Metric(
    "alt_database_group_retries_total",
    "counter",
    "Groups of writes that were done again: lost_race, serialization_failure, deadlock, lock_timeout, connection_cut.",
    ("cause",),
)
DATABASE_READ_RETRIES = Metric(
    "alt_database_read_retries_total",
    "counter",
    "Reads that were asked again over a new connection, as theirs was cut.",
)
DATABASE_UNKNOWN_OUTCOMES = Metric(
    "alt_database_unknown_outcomes_total",
    "counter",
    "Commits of which nobody knows whether they were done, as there was no answer.",
)
DATABASE_CONFLICTS = Metric(
    "alt_database_transaction_conflicts_total",
    "counter",
    "Transactions that were given up with TransactionConflict, as others were in their way for seconds.",
    (),
    "TransactionConflict",
)
INFO = Metric("alt_build_info", "gauge", "1, labelled with the version.", ("version",))
MEMORY = Metric("process_resident_memory_bytes", "gauge", "Memory of the process.")
CPU = Metric("process_cpu_seconds_total", "counter", "Processor time of the process.")
OPEN_FDS = Metric("process_open_fds", "gauge", "Open file descriptors.")
MAX_FDS = Metric("process_max_fds", "gauge", "How many file descriptors there may be.")
START = Metric("process_start_time_seconds", "gauge", "When the server began, in seconds since 1970.")

CATALOGUE = tuple(each for each in dict(globals()).values() if isinstance(each, Metric))
