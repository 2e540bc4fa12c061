"""Clients that do all kinds of things to a server, each with a number that says which step it is.

KINDS is the load: a kind is a function that does one step of one client, and records it
in the ledger. Whoever adds a kind adds a function and a line.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from alt.cli import main
from botocore.exceptions import BotoCoreError, ClientError
from click.testing import CliRunner

from tests.crash.ledger import BACKUPS, INDEXES, TABLES, Ledger, State, Step

ONE, TWO, THREE = PLAIN = ("One", "Two", "Three")
EXPIRING, INDEXED, PASSING = "Expiring", "Indexed", "Passing"
WAIT_SECONDS = 120  # for what takes moments, or is tried again after 30 seconds, on a busy machine
KEYS = 12  # of a client on a table
MAX_TEXT = 3_000
LARGE_BYTES = 300_000  # some 50 of them, and SQLite takes what is in the -wal over to the file
LARGE_SECONDS = 0.05  # from one to the next
INDEXED_ITEMS = 600  # an index is built in steps of 200
BATCH = 25

STREAM = {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}


def text(number: int) -> str:
    """Of any length: a step's number tells which."""
    return f"{number}." * (number * 37 % MAX_TEXT // 5)


def item(key: str, number: int, **more: Any) -> dict[str, Any]:
    return {
        "pk": {"S": key},
        "group": {"S": f"g{number % 5}"},
        "n": {"N": str(number)},
        "text": {"S": text(number)},
        **more,
    }


def keys(attribute: str) -> list[dict[str, str]]:
    return [{"AttributeName": attribute, "KeyType": "HASH"}]


def index(name: str) -> dict[str, Any]:
    return {"IndexName": name, "KeySchema": keys("group"), "Projection": {"ProjectionType": "ALL"}}


def named(*names: str) -> list[dict[str, str]]:
    return [{"AttributeName": name, "AttributeType": "S"} for name in names]


@dataclass
class Client:
    """One of those that make up the load. `dynamodb` may be another after a restart."""

    name: str
    kind: Callable[[Client], None]
    dynamodb: Any
    ledger: Ledger
    number: int = 0  # of the last step
    succeeded: int = 0  # steps
    stop: threading.Event = field(default_factory=threading.Event)
    errors: list[Exception] = field(default_factory=list)
    state: dict[str, Any] = field(default_factory=dict)  # what a kind remembers

    def next(self) -> int:
        self.number += 1
        return self.number

    def run(self) -> None:
        while not self.stop.is_set():
            try:
                self.kind(self)
                self.succeeded += 1
            except (ClientError, BotoCoreError) as error:
                self.errors.append(error)

    def key(self) -> str:
        return f"{self.name}-{self.number % KEYS}"


# The kinds of load


def puts(table: str) -> Callable[[Client], None]:
    """Puts of a few keys; each fifth step deletes."""

    def step(client: Client) -> None:
        number = client.next()
        key = client.key()
        is_delete = number % 5 == 0
        with client.ledger.step(client.name, [(table, key)], None if is_delete else number):
            if is_delete:
                client.dynamodb.delete_item(TableName=table, Key={"pk": {"S": key}})
            else:
                client.dynamodb.put_item(TableName=table, Item=item(key, number))

    return step


def large(*tables: str) -> Callable[[Client], None]:
    """A large item to each table, in one transaction if there are several."""

    def step(client: Client) -> None:
        number = client.next()
        key = f"{client.name}-{number % 3}"
        content = item(key, number, padding={"S": "x" * LARGE_BYTES})
        with client.ledger.step(client.name, [(table, key) for table in tables], number):
            if len(tables) == 1:
                client.dynamodb.put_item(TableName=tables[0], Item=content)
            else:
                actions = [{"Put": {"TableName": table, "Item": content}} for table in tables]
                client.dynamodb.transact_write_items(TransactItems=actions)
        time.sleep(LARGE_SECONDS)

    return step


ADD = {"UpdateExpression": "ADD n :one", "ExpressionAttributeValues": {":one": {"N": "1"}}}


def adds(client: Client) -> None:
    """A counter that several clients share."""
    with client.ledger.step("counter", [(TWO, "counter")], adds=True):
        client.dynamodb.update_item(TableName=TWO, Key={"pk": {"S": "counter"}}, **ADD)


def batches(client: Client) -> None:
    """A batch over two tables, each of whose items is a write of its own, in no order."""
    number = client.next()
    cells = [(table, f"{client.name}-{each}") for table in (ONE, TWO) for each in range(4)]
    steps = {cell: client.ledger.begin("-".join(cell), [cell], number) for cell in cells}
    puts = {
        table: [{"PutRequest": {"Item": item(key, number)}} for other, key in cells if other == table]
        for table in (ONE, TWO)
    }
    try:
        answer = client.dynamodb.batch_write_item(RequestItems=puts)
    except (ClientError, BotoCoreError):
        _fail(steps.values())
        raise
    left = {
        (table, request["PutRequest"]["Item"]["pk"]["S"])
        for table, requests in answer["UnprocessedItems"].items()
        for request in requests
    }
    _fail(steps.pop(cell) for cell in left)
    for step in steps.values():
        client.ledger.end(step)


def _fail(steps: Iterable[Step]) -> None:
    for step in steps:
        step.failed = True


def transactions(*cells: tuple[str, str]) -> Callable[[Client], None]:
    """Transactions that put the same number to a table each, under a key with the given beginning."""

    def step(client: Client) -> None:
        number = client.next()
        written = [(table, f"{prefix}-{client.key()}") for table, prefix in cells]
        actions = [{"Put": {"TableName": table, "Item": item(key, number)}} for table, key in written]
        with client.ledger.step(client.name, written, number):
            client.dynamodb.transact_write_items(
                TransactItems=actions, ClientRequestToken=f"{client.name}-{number}"
            )

    return step


def adds_in_transactions(client: Client) -> None:
    written = [(table, "both") for table in (ONE, TWO)]
    actions = [{"Update": {"TableName": table, "Key": {"pk": {"S": key}}, **ADD}} for table, key in written]
    with client.ledger.step(client.name, written, adds=True):
        client.dynamodb.transact_write_items(TransactItems=actions)


def tables(client: Client) -> None:
    """Create a table, write to it, and delete the oldest where there are more than two."""
    name = f"{PASSING}{client.next():04}"
    with client.ledger.step(client.name, [(TABLES, name)], 1):
        create_table(client.dynamodb, name)
    for each in range(3):
        with client.ledger.step(client.name, [(name, "key")], each):
            client.dynamodb.put_item(TableName=name, Item=item("key", each))
    names = client.dynamodb.list_tables(ExclusiveStartTableName=PASSING)["TableNames"]
    passing = [name for name in names if name.startswith(PASSING)]
    if len(passing) > 2:
        with client.ledger.step(client.name, [(TABLES, passing[0])]):
            client.dynamodb.delete_table(TableName=passing[0])


def indexes(client: Client) -> None:
    """Build an index of a table that has items, delete it again, and so on."""
    described = client.dynamodb.describe_table(TableName=INDEXED)["Table"]
    present = described.get("GlobalSecondaryIndexes", [])
    if any(each["IndexStatus"] != "ACTIVE" for each in present):
        time.sleep(0.02)
        return
    if present:
        change, name, state = "Delete", present[0]["IndexName"], None
        parameters: dict[str, Any] = {"IndexName": name}
    else:
        change, name, state = "Create", f"built-{client.next()}", 1
        parameters = index(name)
    with client.ledger.step(client.name, [(INDEXES, name)], state):
        client.dynamodb.update_table(
            TableName=INDEXED,
            AttributeDefinitions=named("pk", "group"),
            GlobalSecondaryIndexUpdates=[{change: parameters}],
        )


def expiring(client: Client) -> None:
    """Items that the server deletes a moment later."""
    number = client.next()
    key = client.key()
    with client.ledger.step(f"{client.name}-{key}", [(EXPIRING, key)], number, vanishes=True):
        expires = {"N": str(int(time.time()) - 1)}
        client.dynamodb.put_item(TableName=EXPIRING, Item=item(key, number, expires=expires))


def backups(client: Client) -> None:
    """Backups, of which two are kept. One counts as acknowledged once it is said to be there."""
    name = f"backup-{client.next()}"
    kept = client.state.setdefault("kept", [])
    with client.ledger.step(f"{client.name}-{name}", [(BACKUPS, name)], 1):
        answer = client.dynamodb.create_backup(TableName=TWO, BackupName=name)
        arn = answer["BackupDetails"]["BackupArn"]
        status = "CREATING"
        while status == "CREATING":
            time.sleep(0.01)
            described = client.dynamodb.describe_backup(BackupArn=arn)["BackupDescription"]
            status = described["BackupDetails"]["BackupStatus"]
    kept.append((name, arn))
    if len(kept) > 2:
        name, arn = kept.pop(0)
        with client.ledger.step(f"{client.name}-{name}", [(BACKUPS, name)]):
            client.dynamodb.delete_backup(BackupArn=arn)


KINDS: dict[str, Callable[[Client], None]] = {
    "puts-one": puts(ONE),
    "puts-two": puts(TWO),
    "large": large(TWO),
    "large-over": large(TWO, THREE),
    "adds-a": adds,
    "adds-b": adds,
    "batches": batches,
    "within": transactions((ONE, "a"), (ONE, "b")),
    "over": transactions((ONE, "over"), (TWO, "over"), (THREE, "over")),
    "adds-over": adds_in_transactions,
    "tables": tables,
    "indexes": indexes,
    "expiring": expiring,
    "backups": backups,
}


# A run


def create_table(dynamodb: Any, name: str, **more: Any) -> None:
    attributes = named("pk", "group") if "GlobalSecondaryIndexes" in more else named("pk")
    dynamodb.create_table(
        TableName=name,
        AttributeDefinitions=attributes,
        KeySchema=keys("pk"),
        BillingMode="PAY_PER_REQUEST",
        **more,
    )


def prepare(dynamodb: Any, ledger: Ledger) -> None:
    """The tables of the load; as steps, since they are to be there later."""
    wanted: dict[str, dict[str, Any]] = {
        ONE: {"GlobalSecondaryIndexes": [index("by-group")], "StreamSpecification": STREAM},
        TWO: {},
        THREE: {},
        EXPIRING: {},
        INDEXED: {},
    }
    for name, more in wanted.items():
        with ledger.step("prepare", [(TABLES, name)], 1):
            create_table(dynamodb, name, **more)
    dynamodb.update_time_to_live(
        TableName=EXPIRING, TimeToLiveSpecification={"Enabled": True, "AttributeName": "expires"}
    )
    for first in range(0, INDEXED_ITEMS, BATCH):
        requests = [{"PutRequest": {"Item": item(f"i{n}", n)}} for n in range(first, first + BATCH)]
        dynamodb.batch_write_item(RequestItems={INDEXED: requests})


def clients(dynamodb: Any, ledger: Ledger, kinds: Iterable[str] = KINDS) -> list[Client]:
    return [Client(name, KINDS[name], dynamodb, ledger) for name in kinds]


def run(load: list[Client], during: Callable[[], object]) -> None:
    """Let all clients work until `during` returns."""
    threads = [threading.Thread(target=client.run, daemon=True) for client in load]
    for client in load:
        client.stop.clear()
    for thread in threads:
        thread.start()
    try:
        during()
    finally:
        for client in load:
            client.stop.set()
        for thread in threads:
            thread.join(timeout=WAIT_SECONDS)
    assert not any(thread.is_alive() for thread in threads), "a request hangs"


# What is there


def scan(dynamodb: Any, table: str) -> dict[str, dict[str, Any]]:
    """A table's items by key."""
    pages = dynamodb.get_paginator("scan").paginate(TableName=table)
    return {found["pk"]["S"]: found for page in pages for found in page["Items"]}


def found_state(dynamodb: Any) -> tuple[dict[tuple[str, str], State], dict[str, dict[str, Any]]]:
    """All cells of the ledger, and the items of each table by key."""
    names = [name for page in dynamodb.get_paginator("list_tables").paginate() for name in page["TableNames"]]
    cells: dict[tuple[str, str], State] = {(TABLES, name): 1 for name in names}
    items = {name: scan(dynamodb, name) for name in names}
    for name, of_table in items.items():
        for key, each in of_table.items():
            cells[name, key] = int(each["n"]["N"])
    if INDEXED in names:
        described = dynamodb.describe_table(TableName=INDEXED)["Table"]
        for each in described.get("GlobalSecondaryIndexes", []):
            if each["IndexStatus"] != "DELETING":
                cells[INDEXES, each["IndexName"]] = 1
    for backup in dynamodb.list_backups(BackupType="ALL")["BackupSummaries"]:
        if backup["BackupStatus"] == "AVAILABLE":
            cells[BACKUPS, backup["BackupName"]] = 1
    return cells, items


def broken_items(items: dict[str, dict[str, Any]]) -> list[str]:
    """Items that are not as any step wrote them."""
    return [
        f"{table}/{key} is torn"
        for table, of_table in items.items()
        for key, found in of_table.items()
        if "text" in found and found["text"]["S"] != text(int(found["n"]["N"]))
    ]


def stream_problems(streams: Any, items: dict[str, Any]) -> list[str]:
    """Where the stream is not the story of its table's items: each change begins as the one before left it."""
    table = ONE
    (stream,) = streams.list_streams(TableName=table)["Streams"]
    arn = stream["StreamArn"]
    last: dict[str, Any] = {}
    problems = []
    for record in stream_records(streams, arn):
        key = record["Keys"]["pk"]["S"]
        if key in last and record.get("OldImage") != last[key]:
            problems.append(
                f"{table}/{key}: record {record['SequenceNumber']} does not follow the one before"
            )
        last[key] = record.get("NewImage")
    return problems + [
        f"{table}/{key}: the stream ends with {image}, the item is {items.get(key)}"
        for key, image in last.items()
        if image != items.get(key)
    ]


def stream_records(streams: Any, arn: str) -> list[dict[str, Any]]:
    records = []
    for shard in streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]:
        token = streams.get_shard_iterator(
            StreamArn=arn, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        while True:
            answer = streams.get_records(ShardIterator=token)
            records += [record["dynamodb"] for record in answer["Records"]]
            token = answer.get("NextShardIterator")
            if not answer["Records"] or token is None:
                break
    return records


def wait_until(is_so: Callable[[], object], what: Callable[[], str], seconds: float = WAIT_SECONDS) -> None:
    """Fails with `what` where it is not so after some time."""
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, what()
        time.sleep(0.01)


def wait_for_index(dynamodb: Any) -> None:
    """Let the index of the indexed table be built or dropped, so that it can be compared with the items."""

    def statuses() -> list[str]:
        described = dynamodb.describe_table(TableName=INDEXED)["Table"]
        return [each["IndexStatus"] for each in described.get("GlobalSecondaryIndexes", [])]

    wait_until(lambda: set(statuses()) <= {"ACTIVE"}, lambda: f"an index stays {statuses()}")


def unsound(directory: Path) -> list[str]:
    """What `alt tables check` finds, on a directory that may be served."""
    checked = CliRunner().invoke(main, ["tables", "check", "--json", "--data-dir", str(directory)])
    return [] if checked.exit_code == 0 else [f"alt tables check: {checked.output}"]


def unrestorable(dynamodb: Any) -> list[str]:
    """A backup that is said to be there and cannot be restored: the last one is tried."""
    backups = dynamodb.list_backups(BackupType="ALL")["BackupSummaries"]
    available = [backup for backup in backups if backup["BackupStatus"] == "AVAILABLE"]
    if not available:
        return []
    target = "Restored"
    dynamodb.restore_table_from_backup(BackupArn=available[-1]["BackupArn"], TargetTableName=target)

    def status() -> str:
        try:
            described: str = dynamodb.describe_table(TableName=target)["Table"]["TableStatus"]
        except dynamodb.exceptions.ResourceNotFoundException:
            described = "gone"
        return described

    wait_until(lambda: status() != "CREATING", lambda: "a restore does not end")
    return [] if status() == "ACTIVE" else [f"{available[-1]['BackupName']} cannot be restored"]
