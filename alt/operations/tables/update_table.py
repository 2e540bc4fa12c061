"""UpdateTable.

A change is made at once, yet answered as the service answers it while it is at work:
UPDATING, and where the service still shows the old values, the old values.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from alt import errors
from alt.errors import invalid_parameters, validation
from alt.operations.arns import Place
from alt.operations.caller import Caller
from alt.operations.context import Context
from alt.operations.reply import body
from alt.operations.streams.settings import with_new_stream
from alt.operations.tables import quotas
from alt.operations.tables.description import describe
from alt.operations.tables.settings import (
    Settings,
    encryption_description,
    is_enabled,
    is_on_demand,
    least_warm,
    merged_limits,
    on_demand_limits,
    stream_shards,
    warmed,
)
from alt.operations.tables.tables import existing_table
from alt.operations.tables.throughput_rules import (
    CAPACITY_UNITS,
    NO_UNITS_ON_DEMAND,
    ON_DEMAND,
    PROVISIONED,
    check_on_demand_update,
    check_throughput_changes,
    check_warm_update,
)
from alt.operations.tables.update_indexes import change_indexes, follow_billing_mode
from alt.operations.tables.update_table_rules import (
    changed_members,
    check_one_online_change,
    check_update_table,
)
from alt.storage.engine import Answer, then
from alt.storage.model.definition import IndexDefinition, TableDefinition
from alt.storage.model.reads import Counts

if TYPE_CHECKING:
    from alt.validation.requests import (
        GlobalSecondaryIndexUpdate,
        ProvisionedThroughput,
        StreamSpecification,
        UpdateTableInput,
    )

INDEX_ID_LENGTH = 8  # of a fresh UUID; within one table that is plenty

# Parameters of features that are not there yet.
NOT_BUILT = {
    "ReplicaUpdates",
    "GlobalTableWitnessUpdates",
    "GlobalTableSettingsReplicationMode",
    "DisassociationProtectionEnabled",
    "VectorIndexUpdates",
}


def update_table(context: Context, request: UpdateTableInput, caller: Caller) -> Answer[bytes]:
    """UpdateTable (https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_UpdateTable.html)."""
    check_update_table(request)
    definition = existing_table(context, request["TableName"])
    changes = changed_members(request)
    check_one_online_change(request.get("GlobalSecondaryIndexUpdates") or [])
    if changes & NOT_BUILT:
        raise errors.unknown_operation()
    update = _Update(definition.settings, round(context.clock(), 3), caller.place)
    was_on_demand = is_on_demand(update.stored)
    for members, change in _CHANGES:
        if changes & members:
            change(update, request)
    changed = replace(definition, settings=update.stored)
    table = context.table(definition.name)  # before anything is changed: there may be no room to open it

    def store(changed: TableDefinition) -> Answer[bytes]:
        changed = _change_indexes(context, changed, update, request, was_on_demand)
        return then(
            context.engine.redefine(changed), lambda _: then(table.counts(), partial(answer, changed))
        )

    def answer(changed: TableDefinition, counts: Counts) -> Answer[bytes]:
        indexes = _indexes_as_shown(changed, request.get("GlobalSecondaryIndexUpdates") or [])
        shown = replace(changed, settings=update.shown, indexes=indexes)
        status = "UPDATING" if update.updating else "ACTIVE"
        text = body(
            {
                "TableDescription": describe(
                    shown, caller.place, update.now, counts, status, is_encrypted=context.engine.is_encrypted
                )
            }
        )
        if "StreamSpecification" not in changes:
            return text
        # Once this is durable, so is every write that began before the stream: none is missed by a reader
        # who scans the table now and goes on with the stream.
        return then(table.written(), lambda _: text)

    if "StreamSpecification" not in changes:
        return store(changed)
    update.updating = True
    specification = request["StreamSpecification"]
    shards = stream_shards(changed.settings, context.stream_shards)
    return then(
        table.positions(),
        lambda log: store(_change_stream(changed, specification, update.now, log.last, shards)),
    )


def _change_indexes(
    context: Context,
    changed: TableDefinition,
    update: _Update,
    request: UpdateTableInput,
    was_on_demand: bool,
) -> TableDefinition:
    index_updates = request.get("GlobalSecondaryIndexUpdates") or []
    on_demand = is_on_demand(update.stored)
    if on_demand != was_on_demand:
        changed = follow_billing_mode(changed, index_updates, on_demand=on_demand)
    if not index_updates:
        return changed
    update.updating = True
    defined = request.get("AttributeDefinitions") or []
    new_id = context.new_id()[:INDEX_ID_LENGTH]
    return change_indexes(changed, index_updates, defined, on_demand=on_demand, new_id=new_id)


def _indexes_as_shown(
    changed: TableDefinition, updates: list[GlobalSecondaryIndexUpdate]
) -> tuple[IndexDefinition, ...]:
    """An index whose settings change is UPDATING in the answer."""
    updated = {update["Update"]["IndexName"] for update in updates if update.get("Update") is not None}
    return tuple(
        replace(index, status="UPDATING") if index.name in updated else index for index in changed.indexes
    )


class _Update:
    """A table's settings on their way: as they will be stored, and as the answer shows them.

    Both are copies one level deep, so a setting is replaced and never changed in place.
    """

    def __init__(self, settings: Settings, now: float, place: Place) -> None:
        self.stored = dict(settings)
        self.shown = dict(settings)
        self.now = now
        self.place = place
        self.updating = False

    def set(self, member: str, value: Any) -> None:
        """Change a setting that the answer shows as it will be."""
        self.stored[member] = self.shown[member] = value


def _change_capacity(update: _Update, request: UpdateTableInput) -> None:
    """BillingMode, ProvisionedThroughput, or both: the one decides what the other means."""
    mode, requested = request.get("BillingMode"), request.get("ProvisionedThroughput")
    update.updating = True
    if mode == ON_DEMAND:
        if not is_on_demand(update.stored):
            _to_on_demand(update)
    elif mode == PROVISIONED and is_on_demand(update.stored):
        _to_provisioned(update, request["ProvisionedThroughput"])
    elif requested is not None:
        if is_on_demand(update.stored):
            raise invalid_parameters(NO_UNITS_ON_DEMAND)
        _change_throughput(update, requested)


def _to_on_demand(update: _Update) -> None:
    summary = update.stored.get("BillingModeSummary", {}) | {"BillingMode": ON_DEMAND}
    update.shown["BillingModeSummary"] = summary
    update.stored["BillingModeSummary"] = summary | {"LastUpdateToPayPerRequestDateTime": update.now}
    throughput = update.stored["ProvisionedThroughput"] | dict.fromkeys(CAPACITY_UNITS, 0)
    update.set("ProvisionedThroughput", throughput)
    update.set("WarmThroughput", warmed(update.stored["WarmThroughput"], least_warm(throughput, True)))


def _to_provisioned(update: _Update, requested: ProvisionedThroughput) -> None:
    update.set("BillingModeSummary", update.stored["BillingModeSummary"] | {"BillingMode": PROVISIONED})
    throughput = update.stored["ProvisionedThroughput"] | {
        member: requested[member] for member in CAPACITY_UNITS
    }
    update.set("ProvisionedThroughput", throughput)
    update.set("WarmThroughput", warmed(update.stored["WarmThroughput"], least_warm(throughput, False)))
    update.stored.pop("OnDemandThroughput", None)
    update.shown.pop("OnDemandThroughput", None)


def _change_throughput(update: _Update, requested: ProvisionedThroughput) -> None:
    """The answer has the old units, and already the time of the change."""
    current = update.stored["ProvisionedThroughput"]
    check_throughput_changes(current, requested)
    times = {}
    if any(requested[member] > current[member] for member in CAPACITY_UNITS):
        times["LastIncreaseDateTime"] = update.now
    count = quotas.decreases_today(current, update.now)
    changed: dict[str, int] = {member: requested[member] for member in CAPACITY_UNITS}
    if any(requested[member] < current[member] for member in CAPACITY_UNITS):
        quotas.admit_decrease(current, update.now)
        times["LastDecreaseDateTime"] = update.now
        changed["NumberOfDecreasesToday"] = count + 1
    update.shown["ProvisionedThroughput"] = current | times | {"NumberOfDecreasesToday": count}
    update.stored["ProvisionedThroughput"] = current | times | changed
    update.stored["WarmThroughput"] = warmed(update.stored["WarmThroughput"], least_warm(changed, False))


def _change_on_demand_throughput(update: _Update, request: UpdateTableInput) -> None:
    given = request["OnDemandThroughput"]
    check_on_demand_update(given, ON_DEMAND if is_on_demand(update.stored) else PROVISIONED)
    current = update.stored.get("OnDemandThroughput", {})
    update.shown["OnDemandThroughput"] = merged_limits(current, given)
    if limits := on_demand_limits(current, given):
        update.stored["OnDemandThroughput"] = limits
    else:
        update.stored.pop("OnDemandThroughput", None)


def _change_warm_throughput(update: _Update, request: UpdateTableInput) -> None:
    """The table stays ACTIVE; only WarmThroughput says that it is UPDATING."""
    current, given = update.stored["WarmThroughput"], request["WarmThroughput"]
    check_warm_update(given, current)
    update.shown["WarmThroughput"] = current | {"Status": "UPDATING"}
    update.stored["WarmThroughput"] = warmed(current, given)


def _change_deletion_protection(update: _Update, request: UpdateTableInput) -> None:
    update.set("DeletionProtectionEnabled", request["DeletionProtectionEnabled"] is True)


def _change_table_class(update: _Update, request: UpdateTableInput) -> None:
    """The answer has the old class. Asking for the class there is is no change, but needs quota left."""
    table_class = request["TableClass"]
    current = update.stored.get("TableClassSummary", {"TableClass": "STANDARD"})
    counted = quotas.admit_table_class_change(update.stored.get("TableClassChanges", []), update.now)
    update.updating = True
    if table_class != current["TableClass"]:
        update.stored["TableClassChanges"] = [*counted, update.now]
        update.stored["TableClassSummary"] = {"TableClass": table_class, "LastUpdateDateTime": update.now}


def _change_stream(
    definition: TableDefinition, specification: StreamSpecification, now: float, last_change: int, shards: int
) -> TableDefinition:
    """A stream that is disabled keeps its label and ARN; a new one gets its own."""
    if specification["StreamEnabled"]:
        if definition.stream is not None:
            raise validation(f"Table already has an enabled stream: TableName: {definition.name}")
        view_type = specification["StreamViewType"]
        streams = with_new_stream(definition.streams, view_type, shards, now, last_change)
        return replace(definition, streams=streams)
    if definition.stream is None:
        raise validation(f"Table has no stream to disable: TableName: {definition.name}")
    return definition.without_stream(now, last_change)


def _change_encryption(update: _Update, request: UpdateTableInput) -> None:
    """The table stays ACTIVE; SSEDescription shows the old key and that it is UPDATING."""
    specification = request["SSESpecification"]
    current = update.stored.get("SSEDescription")
    enabled = is_enabled(specification)
    if not enabled and current is None:
        raise invalid_parameters("Table is already encrypted by default")
    counted = quotas.admit_encryption_change(update.stored.get("EncryptionChanges", []), update.now)
    if enabled and current is not None and specification.get("KMSMasterKeyId") == current["KMSMasterKeyArn"]:
        raise invalid_parameters(
            "Table is already encrypted with given KMSMasterKeyId. "
            "Use KMSMasterKeyId parameter if you want to change Master Key"
        )
    update.stored["EncryptionChanges"] = [*counted, update.now]
    update.shown["SSEDescription"] = (current or {}) | {"Status": "UPDATING"}
    if enabled:
        update.stored["SSEDescription"] = encryption_description(specification, update.place)
    else:
        del update.stored["SSEDescription"]


# In the order they are applied; OnDemandThroughput goes by the billing mode there is afterwards.
_CHANGES = (
    ({"BillingMode", "ProvisionedThroughput"}, _change_capacity),
    ({"OnDemandThroughput"}, _change_on_demand_throughput),
    ({"WarmThroughput"}, _change_warm_throughput),
    ({"DeletionProtectionEnabled"}, _change_deletion_protection),
    ({"TableClass"}, _change_table_class),
    ({"SSESpecification"}, _change_encryption),
)
