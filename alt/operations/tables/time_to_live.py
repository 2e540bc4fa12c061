"""UpdateTimeToLive and DescribeTimeToLive. What follows from them is alt/storage/sqlite/maintenance/expiring.py's.

A change is done before it is answered, so that a client sees ENABLED or DISABLED at once,
as from the service. A table so large that this takes longer is ENABLING or DISABLING for
the rest of it; that takes seconds for a million items.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from alt.errors import validation
from alt.operations.caller import Caller
from alt.operations.context import Context
from alt.operations.reply import body
from alt.operations.tables.tables import existing_table
from alt.storage.engine import Answer, then
from alt.storage.model.definition import TableDefinition, TimeToLive

if TYPE_CHECKING:
    from alt.validation.requests import DescribeTimeToLiveInput, UpdateTimeToLiveInput

# Well before clients give up, usually after a minute.
MAX_WAIT_SECONDS = 20.0


def update_time_to_live(context: Context, request: UpdateTimeToLiveInput, caller: Caller) -> Answer[bytes]:  # noqa: ARG001
    """UpdateTimeToLive (https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_UpdateTimeToLive.html)."""
    specification = request["TimeToLiveSpecification"]
    attribute, enable = specification["AttributeName"], specification["Enabled"]
    definition = existing_table(context, request["TableName"])
    _check(definition.time_to_live, attribute, context.clock(), context.ttl_change_interval, enable=enable)
    asked = TimeToLive("ENABLING" if enable else "DISABLING", attribute, context.clock())
    changed = replace(definition, time_to_live=asked)

    async def answer_when_settled() -> bytes:
        await asyncio.wait([context.engine.settled(changed)], timeout=MAX_WAIT_SECONDS)
        return body({"TimeToLiveSpecification": {"Enabled": enable, "AttributeName": attribute}})

    return then(context.engine.redefine(changed), lambda _: asyncio.ensure_future(answer_when_settled()))


def describe_time_to_live(context: Context, request: DescribeTimeToLiveInput, caller: Caller) -> bytes:  # noqa: ARG001
    """DescribeTimeToLive (https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_DescribeTimeToLive.html)."""
    return body({"TimeToLiveDescription": description(existing_table(context, request["TableName"]))})


def description(definition: TableDefinition) -> dict[str, str]:
    """The TimeToLiveDescription of a table: where it is off, it is as if it had never been on."""
    time_to_live = definition.time_to_live
    if time_to_live is None or time_to_live.status == "DISABLED":
        return {"TimeToLiveStatus": "DISABLED"}
    return {"TimeToLiveStatus": time_to_live.status, "AttributeName": time_to_live.attribute}


def _check(current: TimeToLive | None, attribute: str, now: float, interval: float, *, enable: bool) -> None:
    """Refuse what is no change, concerns another attribute, or comes too soon; in this order."""
    is_on = current is not None and current.status in ("ENABLING", "ENABLED")
    if current is not None and is_on and current.attribute != attribute:
        raise validation(
            f"TimeToLive is active on a different AttributeName: current AttributeName is {current.attribute}"
        )
    if is_on == enable:
        raise validation(f"TimeToLive is already {'enabled' if enable else 'disabled'}")
    if current is None:
        return
    # A change that is under way counts whatever the interval; one of the future was made by another clock.
    if current.status in ("ENABLING", "DISABLING") or current.changed <= now < current.changed + interval:
        raise validation("Time to live has been modified multiple times within a fixed interval")
