"""kill -9 at every step of a transaction over several tables: all of it is there after a restart, or nothing.

That goes for items, indexes, counts, item collections and the ClientRequestToken, and
for a second kill -9 while the next start finishes the transaction.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from alt.storage.sqlite.maintenance.check import check
from alt.storage.sqlite.store import Store

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")

DYING = Path(__file__).with_name("dying_server.py")
TABLES = ("one", "two", "three")

UNDONE = ("prepared",)
DONE = ("journaled", "committed 1", "committed 2", "committed 3")

BEFORE: dict[str, list[dict[str, Any]]] = {
    "one": [],
    "two": [{"pk": {"S": "k"}, "sk": {"S": "s"}, "gk": {"S": "old"}, "n": {"N": "10"}}],
    "three": [{"pk": {"S": "k"}, "sk": {"S": "s"}, "gk": {"S": "x"}}],
}
AFTER: dict[str, list[dict[str, Any]]] = {
    "one": [
        {"pk": {"S": "k"}, "sk": {"S": "s"}, "gk": {"S": "new"}},
        {"pk": {"S": "k"}, "sk": {"S": "t"}, "lk": {"N": "1"}},
    ],
    "two": [{"pk": {"S": "k"}, "sk": {"S": "s"}, "gk": {"S": "new"}, "n": {"N": "11"}}],
    "three": [],
}
KEY = {"pk": {"S": "k"}, "sk": {"S": "s"}}
TRANSACTION: dict[str, Any] = {
    "ClientRequestToken": "once",
    "TransactItems": [
        {"Put": {"TableName": "one", "Item": AFTER["one"][0]}},
        {"Put": {"TableName": "one", "Item": AFTER["one"][1]}},
        {
            "Update": {
                "TableName": "two",
                "Key": KEY,
                "UpdateExpression": "SET gk = :new ADD n :one",
                "ExpressionAttributeValues": {":new": {"S": "new"}, ":one": {"N": "1"}},
            }
        },
        {"Delete": {"TableName": "three", "Key": KEY}},
    ],
}


def prepare(server: Any) -> None:
    """Three tables, each with a local and a global index, as BEFORE."""
    client = server.client()
    names = {"pk": "S", "sk": "S", "gk": "S", "lk": "N"}
    for table in TABLES:
        client.create_table(
            TableName=table,
            AttributeDefinitions=[{"AttributeName": n, "AttributeType": kind} for n, kind in names.items()],
            KeySchema=[
                {"AttributeName": "pk", "KeyType": "HASH"},
                {"AttributeName": "sk", "KeyType": "RANGE"},
            ],
            LocalSecondaryIndexes=[
                {
                    "IndexName": "local",
                    "KeySchema": [
                        {"AttributeName": "pk", "KeyType": "HASH"},
                        {"AttributeName": "lk", "KeyType": "RANGE"},
                    ],
                    "Projection": {"ProjectionType": "ALL"},
                }
            ],
            GlobalSecondaryIndexes=[
                {
                    "IndexName": "global",
                    "KeySchema": [{"AttributeName": "gk", "KeyType": "HASH"}],
                    "Projection": {"ProjectionType": "KEYS_ONLY"},
                }
            ],
            BillingMode="PAY_PER_REQUEST",
        )
        for item in BEFORE[table]:
            client.put_item(TableName=table, Item=item)
    assert server.stop() == 0


def die(step: str, directory: Path, start_server: Any) -> None:
    """Let a server begin the transaction and be killed at the step."""
    dying = start_server("--data-dir", directory, program=(str(DYING), step))
    with pytest.raises((BotoCoreError, ClientError)):
        dying.client().transact_write_items(**TRANSACTION)
    assert dying.process.wait(timeout=60) == -9


def check_state(client: Any, expected: dict[str, list[dict[str, Any]]]) -> None:
    for table in TABLES:
        assert client.scan(TableName=table)["Items"] == expected[table]
        indexed = [
            {name: item[name] for name in ("pk", "sk", "gk")} for item in expected[table] if "gk" in item
        ]
        assert client.scan(TableName=table, IndexName="global")["Items"] == indexed
        local = [item for item in expected[table] if "lk" in item]
        assert client.scan(TableName=table, IndexName="local")["Items"] == local
        described = client.describe_table(TableName=table)["Table"]
        assert described["ItemCount"] == len(expected[table])
        assert described["GlobalSecondaryIndexes"][0]["ItemCount"] == len(indexed)
        assert described["LocalSecondaryIndexes"][0]["ItemCount"] == len(local)


def check_token(client: Any) -> None:
    """Sent again, the transaction happens once in all; another one may not bear its token."""
    client.transact_write_items(**TRANSACTION)
    check_state(client, AFTER)
    with pytest.raises(client.exceptions.IdempotentParameterMismatchException):
        client.transact_write_items(**{**TRANSACTION, "TransactItems": TRANSACTION["TransactItems"][:1]})


def check_files(directory: Path) -> None:
    """Everything that is computed from the items agrees with them."""
    store = Store(directory)
    for table in TABLES:
        found = check(store, table, lambda *_: None)
        assert found is not None
        assert found.is_sound
    asyncio.run(store.close())


def check_whole(directory: Path, start_server: Any, expected: dict[str, list[dict[str, Any]]]) -> None:
    server = start_server("--data-dir", directory)
    check_files(directory)
    check_state(server.client(), expected)
    check_token(server.client())
    server.kill()
    server = start_server("--data-dir", directory)
    check_token(server.client())
    assert server.stop() == 0
    check_files(directory)


@pytest.mark.parametrize(
    "step", [*UNDONE, DONE[0], *(pytest.param(each, marks=pytest.mark.nightly) for each in DONE[1:])]
)
def test_all_or_nothing(step: str, start_server: Any, tmp_path: Path) -> None:
    prepare(start_server("--data-dir", tmp_path))
    die(step, tmp_path, start_server)
    check_whole(tmp_path, start_server, AFTER if step in DONE else BEFORE)


def test_a_token_in_files_that_were_long_untouched(start_server: Any, tmp_path: Path) -> None:
    """Only the journal has it: at start, no table's file looks as if it might."""
    prepare(start_server("--data-dir", tmp_path))
    die("journaled", tmp_path, start_server)
    for path in (tmp_path / "tables").iterdir():
        os.utime(path, (0, 0))
    server = start_server("--data-dir", tmp_path)
    check_state(server.client(), AFTER)
    check_token(server.client())


def test_a_table_that_cannot_be_used_gets_its_part_as_soon_as_it_can(
    start_server: Any, tmp_path: Path
) -> None:
    """The other tables get theirs at start, and are served."""
    prepare(start_server("--data-dir", tmp_path))
    die("journaled", tmp_path, start_server)
    (path,) = (tmp_path / "tables").glob("two-*.db")
    contents = path.read_bytes()
    path.write_bytes(b"\xa5" * len(contents))
    server = start_server("--data-dir", tmp_path)
    client = server.client()
    assert client.scan(TableName="one")["Items"] == AFTER["one"]
    for _ in range(2):
        with pytest.raises(ClientError, match="InternalServerError"):
            client.put_item(TableName="two", Item=KEY)
    path.write_bytes(contents)
    assert client.scan(TableName="two")["Items"] == AFTER["two"]
    assert server.stop() == 0
    check_whole(tmp_path, start_server, AFTER)


@pytest.mark.nightly
@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("journaled", "redone 1"),
        ("journaled", "redone 2"),
        ("journaled", "redone 3"),
        ("committed 1", "redone 1"),
        ("committed 2", "redone 1"),
    ],
)
def test_killed_again_while_it_is_finished(
    first: str, second: str, start_server: Any, tmp_path: Path
) -> None:
    prepare(start_server("--data-dir", tmp_path))
    die(first, tmp_path, start_server)
    died = subprocess.run(
        [sys.executable, str(DYING), second, "--port", "0", "--data-dir", str(tmp_path)],
        timeout=60,
        check=False,
    )
    assert died.returncode == -9
    check_whole(tmp_path, start_server, AFTER)
