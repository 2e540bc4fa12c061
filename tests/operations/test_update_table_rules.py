"""UpdateTable's rules on the request alone: what is required, what goes together, which message wins."""

from __future__ import annotations

from typing import Any

import pytest

from alt.errors import ApiError
from alt.operations.tables.update_table_rules import check_one_online_change, check_update_table

PREFIX = "One or more parameter values were invalid: "
REQUIRED = (
    "At least one of ProvisionedThroughput, BillingMode, UpdateStreamEnabled, GlobalSecondaryIndexUpdates, "
    "SSESpecification, ReplicaUpdates, MultiAccountReplicaReady, ReplicaTransitRoleArn, "
    "MultiRegionConsistency, "
    "DeletionProtectionEnabled, OnDemandThroughput, WarmThroughput or TableClass is required"
)

UNITS: dict[str, Any] = {"ProvisionedThroughput": {"ReadCapacityUnits": 1, "WriteCapacityUnits": 1}}
TO_PROVISIONED = {"BillingMode": "PROVISIONED", **UNITS}
TO_ON_DEMAND: dict[str, Any] = {"BillingMode": "PAY_PER_REQUEST"}
STREAM: dict[str, Any] = {"StreamSpecification": {"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"}}
ENCRYPTION: dict[str, Any] = {"SSESpecification": {"Enabled": True}}
TABLE_CLASS: dict[str, Any] = {"TableClass": "STANDARD"}
PROTECTION: dict[str, Any] = {"DeletionProtectionEnabled": False}
LIMITS: dict[str, Any] = {"OnDemandThroughput": {"MaxReadRequestUnits": 10}}
WARM: dict[str, Any] = {"WarmThroughput": {"ReadUnitsPerSecond": 12_000}}
REPLICAS: dict[str, Any] = {"ReplicaUpdates": [{"Create": {"RegionName": "eu-west-1"}}]}
NEW_INDEX = {
    "IndexName": "gsi",
    "KeySchema": [{"AttributeName": "a", "KeyType": "HASH"}],
    "Projection": {"ProjectionType": "ALL"},
}
CREATE = {
    "AttributeDefinitions": [{"AttributeName": "a", "AttributeType": "S"}],
    "GlobalSecondaryIndexUpdates": [{"Create": NEW_INDEX}],
}
DELETE: dict[str, Any] = {"GlobalSecondaryIndexUpdates": [{"Delete": {"IndexName": "gsi"}}]}
UPDATE: dict[str, Any] = {"GlobalSecondaryIndexUpdates": [{"Update": {"IndexName": "gsi", **UNITS}}]}


def refusal(*members: dict[str, Any]) -> str | None:
    request: dict[str, Any] = {"TableName": "Music"}
    for some in members:
        request |= some
    try:
        check_update_table(request)
    except ApiError as error:
        return error.message if error.type == "ValidationException" else error.type
    return None


@pytest.mark.parametrize(
    "nothing",
    [
        {},
        {"AttributeDefinitions": [{"AttributeName": "a", "AttributeType": "S"}]},
        {"GlobalSecondaryIndexUpdates": []},
        {"WarmThroughput": {}},
        {"OnDemandThroughput": {"MaxReadRequestUnits": None}},
        {"KeySchema": [{"AttributeName": "a", "KeyType": "HASH"}]},
    ],
)
def test_something_must_change(nothing: dict[str, Any]) -> None:
    assert refusal(nothing) == REQUIRED


def test_multi_region_consistency_changes_nothing_by_itself_and_is_not_asked_for_again() -> None:
    assert refusal({"MultiRegionConsistency": "EVENTUAL"}) == REQUIRED.replace("MultiRegionConsistency, ", "")


@pytest.mark.parametrize(
    "alone",
    [
        *(UNITS, TO_PROVISIONED, TO_ON_DEMAND, STREAM, ENCRYPTION, TABLE_CLASS, PROTECTION, LIMITS, WARM),
        *(REPLICAS, CREATE, DELETE, UPDATE, {"SSESpecification": {}}),
    ],
)
def test_every_change_is_accepted_alone(alone: dict[str, Any]) -> None:
    assert refusal(alone) is None


@pytest.mark.parametrize(
    "together",
    [
        (TO_ON_DEMAND, LIMITS),
        (TO_ON_DEMAND, STREAM),
        (TO_PROVISIONED, UPDATE),
        (UNITS, UPDATE),
        (CREATE, TO_ON_DEMAND),
        # An empty structure counts as absent.
        (TABLE_CLASS, {"WarmThroughput": {}}),
        (PROTECTION, {"OnDemandThroughput": {}}),
    ],
)
def test_what_goes_together(together: tuple[dict[str, Any], ...]) -> None:
    assert refusal(*together) is None


ENCRYPTION_ALONE = "Server-Side Encryption modification must be the only operation in the request"
TABLE_CLASS_ALONE = "TableClass modification must be the only operation in the request"
PROTECTION_ALONE = "DeletionProtection modification must be the only operation in the request"
WARM_ALONE = "WarmThroughput must be the only operation in the request"
LIMITS_WITH_BILLING = "OnDemandThroughput can only be combined with BillingMode in an UpdateTable request"
STREAM_AND_UNITS = "You cannot modify stream status while updating table IOPS"


@pytest.mark.parametrize(
    ("together", "message"),
    [
        ((ENCRYPTION, PROTECTION), ENCRYPTION_ALONE),
        ((ENCRYPTION, TABLE_CLASS), ENCRYPTION_ALONE),
        ((ENCRYPTION, TO_ON_DEMAND), ENCRYPTION_ALONE),
        ((TABLE_CLASS, PROTECTION), TABLE_CLASS_ALONE),
        ((TABLE_CLASS, WARM), TABLE_CLASS_ALONE),
        ((TABLE_CLASS, CREATE), TABLE_CLASS_ALONE),
        ((PROTECTION, STREAM), PROTECTION_ALONE),
        ((PROTECTION, LIMITS), PROTECTION_ALONE),
        ((PROTECTION, TO_ON_DEMAND), PROTECTION_ALONE),
        ((PROTECTION, WARM), PROTECTION_ALONE),
        ((STREAM, LIMITS), LIMITS_WITH_BILLING),
        ((WARM, LIMITS), LIMITS_WITH_BILLING),
        ((WARM, UNITS), WARM_ALONE),
        ((WARM, STREAM), WARM_ALONE),
        ((WARM, CREATE), "Create global secondary index cannot be specified when updating WarmThroughput"),
        ((REPLICAS, STREAM), "Replica modification must be the only operation in the request"),
        ((STREAM, UNITS), STREAM_AND_UNITS),
        ((STREAM, TO_PROVISIONED), STREAM_AND_UNITS),
        ((CREATE, UNITS), "You cannot create or delete index while updating table IOPS"),
        ((DELETE, UNITS), "You cannot create or delete index while updating table IOPS"),
        ((CREATE, STREAM), "You cannot create or delete index while changing stream status"),
        (({"GlobalSecondaryIndexUpdates": []}, PROTECTION), "List of GlobalSecondaryIndexUpdates is empty"),
        (({"GlobalSecondaryIndexUpdates": []}, TO_ON_DEMAND), "List of GlobalSecondaryIndexUpdates is empty"),
        (
            (TO_ON_DEMAND, UNITS),
            "ProvisionedThroughput cannot be specified when BillingMode is PAY_PER_REQUEST",
        ),
        (
            ({"BillingMode": "PROVISIONED"},),
            "ProvisionedThroughput must be specified when BillingMode is PROVISIONED",
        ),
        (
            ({"StreamSpecification": {"StreamEnabled": True}},),
            "If stream is being enabled then UpdateViewType is required",
        ),
        (
            ({"StreamSpecification": {"StreamEnabled": False, "StreamViewType": "KEYS_ONLY"}},),
            "If stream is being disabled, then UpdateViewType must not be specified",
        ),
        (({"SSESpecification": {"Enabled": True, "SSEType": "AES256"}},), "SSEType AES256 is not supported"),
        (
            ({"GlobalSecondaryIndexUpdates": [{}]},),
            "One of GlobalSecondaryIndexUpdate.Update, GlobalSecondaryIndexUpdate.Create, "
            "GlobalSecondaryIndexUpdate.Delete must not be null",
        ),
        (
            ({"GlobalSecondaryIndexUpdates": [{"Delete": {"IndexName": "gsi"}, "Create": NEW_INDEX}]},),
            "Only one global secondary index action is allowed per GlobalSecondaryIndexUpdate object",
        ),
        (
            ({"GlobalSecondaryIndexUpdates": [{"Delete": {"IndexName": "gsi"}}, {"Create": NEW_INDEX}]},),
            "Only one global secondary index update per index is allowed simultaneously. Index: gsi",
        ),
        (
            ({"GlobalSecondaryIndexUpdates": [{"Create": NEW_INDEX}]},),
            "AttributeDefinitions is not specified for index: gsi",
        ),
        (
            (CREATE, {"GlobalSecondaryIndexUpdates": [{"Create": NEW_INDEX | {"Projection": {}}}]}),
            "Unknown ProjectionType: null",
        ),
    ],
)
def test_refusals(together: tuple[dict[str, Any], ...], message: str) -> None:
    assert refusal(*together) == PREFIX + message


def test_units_out_of_bounds() -> None:
    units = {"ReadCapacityUnits": 1_000_000_000_001, "WriteCapacityUnits": 1}
    assert refusal({"ProvisionedThroughput": units}) == (
        "Given value 1000000000001 for ReadCapacityUnits is out of bounds"
    )


def test_one_index_is_created_or_deleted_at_a_time() -> None:
    other = {"Delete": {"IndexName": "other"}}
    check_one_online_change([*DELETE["GlobalSecondaryIndexUpdates"], *UPDATE["GlobalSecondaryIndexUpdates"]])
    with pytest.raises(ApiError) as refused:
        check_one_online_change([{"Create": NEW_INDEX}, other])
    assert refused.value.type == "LimitExceededException"
    assert refused.value.message == (
        "Subscriber limit exceeded: Only 1 online index can be created or deleted simultaneously per table"
    )
