"""What requests consume: let in, counted for whoever sent them, and answered as ConsumedCapacity."""

from __future__ import annotations

from collections.abc import Callable

from alt.capacity import READ, WRITE, Consumption, entry_units, write_units
from alt.errors import ApiError
from alt.operations.caller import Caller
from alt.operations.capacity.throttling import Throttle
from alt.storage.engine import Engine, Table, settled
from alt.storage.model.definition import IndexDefinition
from alt.storage.model.items import Written
from alt.storage.model.usage import READ_UNITS, WRITE_UNITS

# How often what was consumed is stored and changed limits are noticed.
STORE_SECONDS = 1.0


class Meter:
    """Counts into the engine's `usage`. `elapsed` and `enforced`: see Throttle."""

    def __init__(self, engine: Engine, elapsed: Callable[[], float], enforced: bool) -> None:
        self._usage = engine.usage
        self._say = engine.say
        self._definition = engine.definition
        self._add = engine.usage.add
        self._throttle = Throttle(elapsed, enforced)
        self.take_over_limits()

    def take_over_limits(self) -> None:
        """Hold access keys to the limits as they are stored now."""
        self._throttle.key_limits = self._usage.limits()
        self.is_idle = self._throttle.is_idle  # nothing and nobody is limited

    def admit_read(self, caller: Caller, table: Table, index: IndexDefinition | None = None) -> None:
        """Raises what a request that is too much is answered."""
        if not self.is_idle:
            self._admit(caller, table, index, READ)

    def admit_write(self, caller: Caller, table: Table, foreseen: Consumption | None = None) -> None:
        """Raises what a request that is too much is answered, once what is `foreseen` has been paid."""
        if not self.is_idle:
            self._admit(caller, table, None, WRITE, foreseen)

    def _admit(
        self,
        caller: Caller,
        table: Table,
        index: IndexDefinition | None,
        kind: str,
        foreseen: Consumption | None = None,
    ) -> None:
        try:
            self._throttle.admit(caller, table.definition, index, kind, foreseen)
        except ApiError:
            self.throttled(caller, table)
            raise

    def throttled(self, caller: Caller, table: Table) -> None:
        """Count a request that was too much."""
        self._usage.add_throttled(caller.access_key, table.definition.name)

    def read(self, caller: Caller, table: Table, used: Consumption) -> None:
        """Count a request that read."""
        self._count(caller, table, used, READ_UNITS)
        if not self.is_idle:
            self._throttle.pay(caller, table.definition, used, READ)

    def write(self, caller: Caller, table: Table, used: Consumption) -> None:
        """Count a request that wrote, or would have but for its condition."""
        self._count(caller, table, used, WRITE_UNITS)
        if not self.is_idle:
            self._throttle.pay(caller, table.definition, used, WRITE)

    def _count(self, caller: Caller, table: Table, used: Consumption, kind: int) -> None:
        access_key, name = caller.access_key, table.definition.name
        self._add(access_key, name, "", kind, used.table)
        for indexes in (used.local_indexes, used.global_indexes):
            for index, units in indexes.items():
                self._add(access_key, name, index, kind, units)

    async def store(self) -> None:
        """Store what has gathered, and hear what others consumed of what all may consume together.

        What gathers after the last time is stored when the engine closes.
        """
        self._throttle.forget_full()
        try:
            await settled(self._usage.store())
            self.take_over_limits()
            if not self.is_idle:
                self._throttle.pay_for(await settled(self._usage.others()), self._definition)
        except Exception as fault:
            fault.add_note("what requests consumed could not be stored, and is tried again")
            if not self._say(fault):
                raise


def written(write: Written) -> Consumption:
    """What a write consumed."""
    used = Consumption(write_units(max(write.new_size, write.old_size)))
    for definition, old_size, new_size, is_moved in write.changes:
        used.add_index(definition.name, definition.is_global, entry_units(old_size, new_size, is_moved))
    return used
