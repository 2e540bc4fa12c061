"""What the black-box tests share: table names of their own, and tables made for one test."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

Refusal = Callable[..., tuple[str, str]]


@pytest.fixture
def name() -> str:
    """A table name no other test uses."""
    return f"test-{uuid.uuid4()}"


@pytest.fixture
def refusal() -> Refusal:
    """Call a client's method that must be refused: the error's type and message."""

    def refused(method: Callable[..., Any], **parameters: Any) -> tuple[str, str]:
        with pytest.raises(ClientError) as caught:
            method(**parameters)
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
        error = caught.value.response["Error"]
        return error["Code"], error.get("Message", "")

    return refused


@pytest.fixture
def pk() -> str:
    """A partition key no other test uses."""
    return uuid.uuid4().hex


@pytest.fixture(scope="session")
def table_of(dynamodb: Any) -> Callable[..., str]:
    """The name of a table that all of a worker's tests share.

    `table_of("S")` has the partition key `pk`, `table_of("S", "N")` also the sort key
    `sk`. Its items tell tests apart by their partition keys.
    """
    made: dict[tuple[str, ...], str] = {}

    def name_of(*types: str) -> str:
        if types not in made:
            keys = list(zip(("pk", "sk"), types, ("HASH", "RANGE"), strict=False))
            made[types] = f"shared-{'-'.join(types)}-{uuid.uuid4()}"
            dynamodb.create_table(
                TableName=made[types],
                AttributeDefinitions=[{"AttributeName": key, "AttributeType": kind} for key, kind, _ in keys],
                KeySchema=[{"AttributeName": key, "KeyType": role} for key, _, role in keys],
                BillingMode="PAY_PER_REQUEST",
            )
        return made[types]

    return name_of


@pytest.fixture(scope="session")
def table(table_of: Callable[..., str]) -> str:
    """The shared table with the partition key `pk`, a string."""
    return table_of("S")
