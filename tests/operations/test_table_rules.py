"""CreateTable's rules on table class, stream and encryption, and the order of the groups of rules."""

from __future__ import annotations

from typing import Any

import pytest

from alt.errors import ApiError
from alt.operations.tables.rules import check_create_table

PREFIX = "One or more parameter values were invalid: "


def refusal(**members: Any) -> str | None:
    request = {
        "TableName": "Music",
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
    }
    try:
        check_create_table(request | members)
    except ApiError as error:
        return error.message
    return None


@pytest.mark.parametrize(
    ("stream", "message"),
    [
        ({"StreamEnabled": False}, None),
        ({"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"}, None),
        ({"StreamEnabled": True}, "Table is being created with a stream enabled, UpdateViewType is required"),
        (
            {"StreamEnabled": False, "StreamViewType": "NEW_IMAGE"},
            "Table is being created with a stream disabled, UpdateViewType should not be specified",
        ),
    ],
)
def test_streams(stream: dict[str, Any], message: str | None) -> None:
    assert refusal(StreamSpecification=stream) == (message and PREFIX + message)


@pytest.mark.parametrize(
    ("encryption", "message"),
    [
        ({}, None),
        ({"Enabled": False}, None),
        ({"Enabled": True}, None),
        ({"SSEType": "KMS"}, None),
        ({"SSEType": "KMS", "KMSMasterKeyId": "alias/mine"}, None),
        ({"Enabled": False, "SSEType": "KMS"}, "SSEType can not be specified if Enabled is false"),
        ({"Enabled": False, "SSEType": "AES256"}, "SSEType can not be specified if Enabled is false"),
        (
            {"Enabled": False, "KMSMasterKeyId": "k"},
            "KMSMasterKeyId can not be specified if Enabled is false",
        ),
        (
            {"Enabled": False, "SSEType": "KMS", "KMSMasterKeyId": "k"},
            "SSEType can not be specified if Enabled is false",
        ),
        ({"Enabled": True, "SSEType": "AES256"}, "SSEType AES256 is not supported"),
        ({"Enabled": True, "KMSMasterKeyId": "k"}, "SSEType KMS is required if KMSMasterKeyId is specified"),
    ],
)
def test_encryption(encryption: dict[str, Any], message: str | None) -> None:
    assert refusal(SSESpecification=encryption) == (message and PREFIX + message)


@pytest.mark.parametrize("table_class", ["standard", "", "GLACIER"])
def test_an_unknown_table_class(table_class: str) -> None:
    assert refusal(TableClass=table_class) == (
        "Invalid table-class parameter provided. Please try again with a valid table-class value: "
        "[STANDARD, STANDARD_INFREQUENT_ACCESS]."
    )


@pytest.mark.parametrize("table_class", ["STANDARD", "STANDARD_INFREQUENT_ACCESS", None])
def test_known_table_classes(table_class: str | None) -> None:
    assert refusal(TableClass=table_class) is None


def test_capacity_comes_before_keys_and_keys_before_streams() -> None:
    wrong_stream = {"StreamEnabled": False, "StreamViewType": "NEW_IMAGE"}
    wrong_keys: dict[str, Any] = {"AttributeDefinitions": [], "StreamSpecification": wrong_stream}
    no_definition = "Invalid KeySchema: Some index key attribute have no definition"
    assert refusal(**wrong_keys) == no_definition
    assert refusal(**wrong_keys, BillingMode="PROVISIONED") == (
        PREFIX
        + "ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is PROVISIONED"
    )
