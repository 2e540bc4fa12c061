"""DeleteTable: its answer, that the table and its file are gone, and what is refused."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

TABLE = {
    "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
    "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
    "BillingMode": "PAY_PER_REQUEST",
}


def test_the_answer_describes_the_table_without_its_schema(dynamodb: Any, name: str) -> None:
    dynamodb.create_table(TableName=name, **TABLE)
    described = dynamodb.describe_table(TableName=name)["Table"]
    answer = dynamodb.delete_table(TableName=name)["TableDescription"]
    assert answer["TableStatus"] == "DELETING"
    gone = {"TableStatus", "KeySchema", "AttributeDefinitions", "CreationDateTime", "WarmThroughput"}
    assert answer == {"TableStatus": "DELETING"} | {
        member: value for member, value in described.items() if member not in gone
    }


def test_the_table_is_gone_for_every_operation(dynamodb: Any, name: str, refusal: Callable[..., Any]) -> None:
    dynamodb.create_table(TableName=name, **TABLE)
    dynamodb.delete_table(TableName=name)
    dynamodb.get_waiter("table_not_exists").wait(TableName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 1})
    assert name not in dynamodb.list_tables()["TableNames"]
    missing = f"Requested resource not found: Table: {name} not found"
    assert refusal(dynamodb.delete_table, TableName=name) == ("ResourceNotFoundException", missing)
    assert refusal(dynamodb.get_item, TableName=name, Key={"pk": {"S": "a"}}) == (
        "ResourceNotFoundException",
        "Requested resource not found",
    )


def test_a_new_table_of_the_name_is_empty(dynamodb: Any, name: str) -> None:
    dynamodb.create_table(TableName=name, **TABLE)
    dynamodb.put_item(TableName=name, Item={"pk": {"S": "old"}})
    deleted = dynamodb.delete_table(TableName=name)["TableDescription"]
    assert deleted["ItemCount"] == 1
    created = dynamodb.create_table(TableName=name, **TABLE)["TableDescription"]
    assert created["TableId"] != deleted["TableId"]
    assert dynamodb.scan(TableName=name)["Items"] == []


def test_its_file_is_removed(start_server: Any, tmp_path: Path, name: str) -> None:
    client = start_server("--data-dir", tmp_path).client()
    client.create_table(TableName=name, **TABLE)
    client.describe_table(TableName=name)
    assert list((tmp_path / "tables").iterdir())
    client.delete_table(TableName=name)
    assert not list((tmp_path / "tables").iterdir())


def test_a_protected_table(dynamodb: Any, name: str, refusal: Callable[..., Any]) -> None:
    dynamodb.create_table(TableName=name, **TABLE, DeletionProtectionEnabled=True)
    assert refusal(dynamodb.delete_table, TableName=name) == (
        "ValidationException",
        "Resource cannot be deleted as it is currently protected against deletion. "
        "Disable deletion protection first.",
    )
    dynamodb.update_table(TableName=name, DeletionProtectionEnabled=False)
    dynamodb.delete_table(TableName=name)


def test_creating_writing_and_deleting_at_once_never_fails_otherwise(server: Any, name: str) -> None:
    """Whatever the order turns out to be, each call succeeds or says that the table is, or is not, there."""
    unexpected: list[Exception] = []

    def repeat(call: Callable[[Any], Any]) -> None:
        client = server.client()
        for _ in range(25):
            try:
                call(client)
            except ClientError as error:
                if error.response["Error"]["Code"] not in (
                    "ResourceInUseException",
                    "ResourceNotFoundException",
                ):
                    unexpected.append(error)

    calls: list[Callable[[Any], Any]] = [
        lambda client: client.create_table(TableName=name, **TABLE),
        lambda client: client.delete_table(TableName=name),
        lambda client: client.delete_table(TableName=name),
        lambda client: client.put_item(TableName=name, Item={"pk": {"S": "a"}}),
        lambda client: client.describe_table(TableName=name),
    ]
    threads = [threading.Thread(target=repeat, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert unexpected == []


@pytest.mark.parametrize("name", ["ab", "no spaces"])
def test_impossible_names(dynamodb: Any, refusal: Callable[..., Any], name: str) -> None:
    error, message = refusal(dynamodb.delete_table, TableName=name)
    assert error == "ValidationException"
    assert f"Value '{name}' at 'tableName' failed to satisfy constraint" in message
