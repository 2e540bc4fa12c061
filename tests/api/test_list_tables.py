"""ListTables: all names in byte order, in pages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

# In the order of their bytes, whatever a locale makes of it.
NAMES = ["...", "Zappa", "_under", "a-dash", "a.dot", "a_under", "abc"]


@pytest.fixture
def client(start_server: Any) -> Any:
    """A client of a server with the tables NAMES and no others."""
    client = start_server("--memory").client()
    for name in reversed(NAMES):
        client.create_table(
            TableName=name,
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
    return client


def listed(client: Any, **parameters: Any) -> tuple[list[str], str | None]:
    answer = client.list_tables(**parameters)
    return answer["TableNames"], answer.get("LastEvaluatedTableName")


def test_pages(client: Any) -> None:
    assert listed(client) == (NAMES, None)
    assert listed(client, Limit=100) == (NAMES, None)
    assert listed(client, Limit=len(NAMES)) == (NAMES, None)
    assert listed(client, Limit=2) == (NAMES[:2], "Zappa")
    assert listed(client, Limit=2, ExclusiveStartTableName="Zappa") == (NAMES[2:4], "a-dash")
    # The start need not exist, and may have been deleted meanwhile.
    assert listed(client, ExclusiveStartTableName="a.a") == (NAMES[4:], None)
    client.delete_table(TableName="a.dot")
    assert listed(client, ExclusiveStartTableName="a.dot") == (NAMES[5:], None)
    assert listed(client, ExclusiveStartTableName="zzz") == ([], None)


def test_a_page_has_at_most_a_hundred_names(start_server: Any) -> None:
    client = start_server("--memory").client()
    assert listed(client) == ([], None)
    names = [f"table{number:03}" for number in range(101)]
    for name in names:
        client.create_table(
            TableName=name,
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
    assert listed(client) == (names[:100], "table099")
    assert [
        name for page in client.get_paginator("list_tables").paginate() for name in page["TableNames"]
    ] == names


@pytest.mark.parametrize(
    ("parameters", "member", "constraint"),
    [
        ({"Limit": 0}, "limit", "Member must have value greater than or equal to 1"),
        ({"Limit": 101}, "limit", "Member must have value less than or equal to 100"),
        (
            {"ExclusiveStartTableName": "a" * 256},
            "exclusiveStartTableName",
            "Member must have length less than or equal to 255",
        ),
    ],
)
def test_constraints(
    dynamodb: Any, refusal: Callable[..., Any], parameters: dict[str, Any], member: str, constraint: str
) -> None:
    (value,) = parameters.values()
    assert refusal(dynamodb.list_tables, **parameters) == (
        "ValidationException",
        f"1 validation error detected: Value '{value}' at '{member}' "
        f"failed to satisfy constraint: {constraint}",
    )
