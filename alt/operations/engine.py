"""What every operation is given: the tables, the meter, the clock and the source of ids."""

from __future__ import annotations

from collections.abc import Callable

from alt.config import DEFAULT_HOST, DEFAULT_PORT, DEFAULT_STREAM_SHARDS
from alt.errors import resource_not_found
from alt.operations.arns import table_name
from alt.operations.metering import Meter
from alt.storage.store import Store
from alt.storage.table import Table


class Engine:
    """`clock` gives epoch seconds, `new_id` a fresh UUID's text; `address` is `host:port` as listened on.

    `enforce_throughput` holds tables to the capacity they are given; a new stream gets `stream_shards` shards.
    A table's TimeToLive may be changed once in `ttl_change_interval` seconds.
    """

    __slots__ = ("address", "clock", "meter", "new_id", "store", "stream_shards", "ttl_change_interval")

    def __init__(
        self,
        store: Store,
        clock: Callable[[], float],
        new_id: Callable[[], str],
        address: str = f"{DEFAULT_HOST}:{DEFAULT_PORT}",
        *,
        enforce_throughput: bool = False,
        stream_shards: int = DEFAULT_STREAM_SHARDS,
        ttl_change_interval: float = 0.0,
    ) -> None:
        self.store = store
        self.clock = clock
        self.new_id = new_id
        self.address = address
        self.stream_shards = stream_shards
        self.ttl_change_interval = ttl_change_interval
        self.meter = Meter(store.usage, clock, enforce_throughput)

    def table(self, name: str) -> Table:
        """The open table that `name`, a table's name or ARN, stands for."""
        table = self.store.table(name)
        if table is None:
            table = self.store.table(table_name(name))
            if table is None:
                raise resource_not_found()
        return table
