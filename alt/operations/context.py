"""What every operation is given: the tables, the meter, the clock and the source of ids."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from alt.config import (
    DEFAULT_HOST,
    DEFAULT_PORT,
    DEFAULT_STREAM_SHARDS,
    DEFAULT_WRITE_ISOLATION,
    WRITE_ISOLATIONS,
)
from alt.errors import resource_not_found
from alt.expressions.rebinding import Kept
from alt.operations.arns import table_name
from alt.operations.capacity.metering import Meter
from alt.operations.observed import Observed
from alt.operations.partiql.readings import PointRead
from alt.operations.queries.plans import Plan
from alt.storage.engine import Engine, Table


class Context:
    """`clock` gives epoch seconds, `new_id` a fresh UUID's text; `address` is `host:port` as listened on.

    `elapsed` gives seconds since some moment; unlike the clock it can never be set.

    `enforce_throughput` holds tables to the capacity they are given; a new stream gets `stream_shards` shards,
    on a provisioned table at most.
    A table's TimeToLive may be changed once in `ttl_change_interval` seconds. `write_isolation` is the policy
    (alt/config.py) of tables without a tag that names one.
    """

    __slots__ = (
        "address",
        "clock",
        "engine",
        "meter",
        "new_id",
        "observed",
        "plans",
        "statements",
        "stream_shards",
        "ttl_change_interval",
        "write_isolation",
    )

    def __init__(
        self,
        engine: Engine,
        clock: Callable[[], float],
        new_id: Callable[[], str],
        address: str = f"{DEFAULT_HOST}:{DEFAULT_PORT}",
        *,
        elapsed: Callable[[], float] = time.monotonic,
        enforce_throughput: bool = False,
        stream_shards: int = DEFAULT_STREAM_SHARDS,
        ttl_change_interval: float = 0.0,
        write_isolation: str = WRITE_ISOLATIONS[DEFAULT_WRITE_ISOLATION],
    ) -> None:
        self.engine = engine
        self.clock = clock
        self.new_id = new_id
        self.address = address
        self.stream_shards = stream_shards
        self.ttl_change_interval = ttl_change_interval
        self.write_isolation = write_isolation
        self.plans: Kept[Plan] = Kept()
        self.statements: Kept[PointRead] = Kept()
        self.observed = Observed()
        self.meter = Meter(engine, elapsed, enforce_throughput)

    def table(self, name: str) -> Table:
        """The open table that `name`, a table's name or ARN, stands for."""
        table = self.engine.table(name)
        if table is None:
            table = self.engine.table(table_name(name))
            if table is None:
                raise resource_not_found()
        return table

    def tables(self, names: Iterable[str]) -> dict[str, Table]:
        """Several tables at once, by the names they were given."""
        found = self.engine.tables(names)
        return {name: table or self.table(name) for name, table in found.items()}
