"""Tables and items that a test begins with, as data.

A table is what CreateTable takes, with its items beside that as `Items`, in DynamoDB JSON. Without a `KeySchema` it
has the partition key `pk`, a string; without a `BillingMode` it is on demand.

    {"Music": {"KeySchema": [...], "AttributeDefinitions": [...], "Items": [{"pk": {"S": "a"}}]}}
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

BATCH_ITEMS = 25
_KEYS = {
    "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
    "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
}


def seed(client: Any, data: Mapping[str, Mapping[str, Any]]) -> None:
    """Create the tables, and put the items."""
    for name, described in data.items():
        table = {member: value for member, value in described.items() if member != "Items"}
        if "KeySchema" not in table:
            table |= _KEYS
        if "ProvisionedThroughput" not in table:
            table.setdefault("BillingMode", "PAY_PER_REQUEST")
        client.create_table(TableName=name, **table)
        items = described.get("Items", [])
        for first in range(0, len(items), BATCH_ITEMS):
            puts = [{"PutRequest": {"Item": item}} for item in items[first : first + BATCH_ITEMS]]
            client.batch_write_item(RequestItems={name: puts})
