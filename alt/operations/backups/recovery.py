"""UpdateContinuousBackups, DescribeContinuousBackups, RestoreTableToPointInTime.

A table can be restored to any moment up to now. DynamoDB gives a latest moment five
minutes ago, because its log takes that long; whoever has just deleted the wrong items
wants those five minutes too.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from alt import errors
from alt.errors import ApiError, validation
from alt.operations.arns import Place, parse_table_arn, table_arn, table_name
from alt.operations.backups.restore_rules import check_region, restored_definition
from alt.operations.backups.restore_table import begin_restore, check_target
from alt.operations.caller import Caller
from alt.operations.context import Context
from alt.operations.reply import body
from alt.storage.engine import Answer, Table, then
from alt.storage.model.changes import Past, Positions, earliest, latest
from alt.storage.model.definition import RecoveryDefinition, Restore, TableDefinition

if TYPE_CHECKING:
    from alt.validation.requests import (
        DescribeContinuousBackupsInput,
        RestoreTableToPointInTimeInput,
        UpdateContinuousBackupsInput,
    )

DEFAULT_PERIOD_DAYS = 35


def update_continuous_backups(
    context: Context,
    request: UpdateContinuousBackupsInput,
    caller: Caller,  # noqa: ARG001
) -> Answer[bytes]:
    """UpdateContinuousBackups (https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_UpdateContinuousBackups.html)."""
    table = _existing(context, request["TableName"])
    specification = request["PointInTimeRecoverySpecification"]
    days = specification.get("RecoveryPeriodInDays") or DEFAULT_PERIOD_DAYS

    def change(log: Positions) -> Answer[bytes]:
        definition = table.definition
        recovery = definition.recovery
        now = latest(recovery, log.newest, context.clock())
        since = earliest(recovery, now)
        if specification["PointInTimeRecoveryEnabled"]:
            # A longer period does not bring back what a shorter one let go.
            recovery = RecoveryDefinition(_milliseconds(now) if since is None else since, days)
        elif recovery is not None:
            recovery = replace(recovery, enabled=None)
        stored = context.engine.redefine(replace(definition, recovery=recovery))
        return then(stored, lambda _: _describe(recovery, now))

    return then(table.positions(), change)


def describe_continuous_backups(
    context: Context,
    request: DescribeContinuousBackupsInput,
    caller: Caller,  # noqa: ARG001
) -> Answer[bytes]:
    """DescribeContinuousBackups (https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_DescribeContinuousBackups.html)."""
    table = _existing(context, request["TableName"])

    def answer(log: Positions) -> bytes:
        recovery = table.definition.recovery
        return _describe(recovery, latest(recovery, log.newest, context.clock()))

    return then(table.positions(), answer)


def restore_table_to_point_in_time(
    context: Context, request: RestoreTableToPointInTimeInput, caller: Caller
) -> Answer[bytes]:
    """RestoreTableToPointInTime (https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_RestoreTableToPointInTime.html)."""
    wanted = definition_from_past(context, request, caller)
    return then(wanted, lambda definition: begin_restore(context, definition, caller))


def definition_from_past(
    context: Context, request: RestoreTableToPointInTimeInput, caller: Caller
) -> Answer[TableDefinition]:
    """The table that a RestoreTableToPointInTime asks for, once nothing speaks against it."""
    place, source = _source(request, caller)
    now = context.clock()
    wanted, is_latest = request.get("RestoreDateTime"), request.get("UseLatestRestorableTime") is True
    if (wanted is not None) == is_latest:
        raise validation("Exactly one of RestoreDateTime and UseLatestRestorableTime must be specified")
    table = _existing(context, source)

    def define(log: Positions) -> TableDefinition:
        newest = latest(table.definition.recovery, log.newest, now)
        at: float = newest if wanted is None else wanted
        past = past_of(table.definition, at, newest, log.last if wanted is None else log.until[0])
        check_region(request, place.region, caller.region)
        summary = {
            "SourceTableArn": table_arn(place, table.definition.name),
            "RestoreDateTime": round(at, 3),
        }
        definition = restored_definition(
            table.definition,
            request,
            context.new_id(),
            round(now, 3),
            caller.place,
            Restore(past.origin(), summary),
        )
        check_target(context, definition.name)
        return definition

    return then(table.positions() if wanted is None else table.positions(wanted), define)


def past_of(definition: TableDefinition, at: float, now: float, last: int) -> Past:
    """The table as it was at the moment `at`, after its change number `last`.

    Raises the API's errors where that cannot be had.
    """
    since = earliest(definition.recovery, now)
    if since is None:
        raise ApiError(
            "PointInTimeRecoveryUnavailableException",
            f"Point in time recovery is not enabled for table '{definition.name}'",
        )
    if not since <= at <= now:
        raise ApiError(
            "InvalidRestoreTimeException",
            "An invalid restore time was specified. RestoreDateTime must be between "
            "EarliestRestorableDateTime and LatestRestorableDateTime.",
        )
    return Past(definition.name, definition.id, at, last)


def _existing(context: Context, name_or_arn: str) -> Table:
    name = table_name(name_or_arn)
    table = context.engine.table(name)
    if table is None:
        raise errors.no_such_table(name)
    return table


def _source(request: RestoreTableToPointInTimeInput, caller: Caller) -> tuple[Place, str]:
    """Where the source table is, and its name."""
    name, arn = request.get("SourceTableName"), request.get("SourceTableArn")
    if (name is None) == (arn is None):
        raise validation("Exactly one of SourceTableName and SourceTableArn must be specified")
    if arn is None:
        return caller.place, str(name)
    return parse_table_arn(arn)


def _describe(recovery: RecoveryDefinition | None, now: float) -> bytes:
    """Clients often cut times to whole seconds, so the earliest moment is rounded up to one."""
    since = earliest(recovery, now)
    described: dict[str, Any] = {"PointInTimeRecoveryStatus": "DISABLED"}
    if recovery is not None and since is not None:
        newest = round(now, 3)
        described = {
            "PointInTimeRecoveryStatus": "ENABLED",
            "RecoveryPeriodInDays": recovery.days,
            "EarliestRestorableDateTime": min(math.ceil(since), newest),
            "LatestRestorableDateTime": newest,
        }
    return body(
        {
            "ContinuousBackupsDescription": {
                "ContinuousBackupsStatus": "ENABLED",
                "PointInTimeRecoveryDescription": described,
            }
        }
    )


def _milliseconds(now: float) -> float:
    """Rounded up: before `now` there may have been changes that were not logged."""
    return math.ceil(now * 1000) / 1000
