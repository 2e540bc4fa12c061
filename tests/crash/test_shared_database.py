"""Two servers on one database answer as if they were one that does one request at a time, and one of them is killed.

What a killed server had sent, the database may still do: it is done, or gone, by the time that the items are read again.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from tests.crash.client import Client, Failed, Refused, Unanswered, scan
from tests.crash.history import Request, find_violation
from tests.crash.test_linearizable import HOT, create_tables, read_all, record

KILLS = 50
SECONDS = 1.0  # at most, until a kill
ACCOUNTS = 8
BALANCE = 100
TRANSFERS = 10  # before each kill, and after it
PATIENCE_SECONDS = 60.0


@pytest.mark.nightly
def test_as_if_one_by_one(start_server: Any, new_database: str) -> None:
    seed = int(os.environ.get("ALT_KILL_SEED", time.time_ns() % 1_000_000))
    print(f"ALT_KILL_SEED={seed}")
    random = Random(seed)
    servers = [start_server("--engine", new_database) for _ in range(2)]
    create_tables(servers[0])
    wait_for(lambda: Client(servers[1].port).call("DescribeTable", TableName="two"))
    state = dict.fromkeys(HOT)
    for last in [False] * KILLS + [True]:
        history = record(servers, random, SECONDS * random.uniform(0.5, 1), kill=not last)
        if not last:
            servers = [servers[1], start_server("--engine", new_database)]
        closing = read_all(servers[0])
        history = [
            each if each.is_answered else Request(each.begin, closing.end, each.accesses, each.outcome)
            for each in history
        ]
        violation = find_violation([*history, closing], state)
        assert violation is None, f"ALT_KILL_SEED={seed}: {violation}"
        state = {access.key: access.answer for access in closing.accesses}


def wait_for(work: Callable[[], Any]) -> Any:
    """Its answer, as soon as another server knows what has just been changed."""
    end = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return work()
        except Refused:
            assert time.monotonic() < end
            time.sleep(0.02)


class _Teller:
    """Moves money between accounts, and counts what it was told is done."""

    def __init__(self, port: int, random: Random) -> None:
        self._client = Client(port)
        self._random = random
        self.done = 0

    def run(self, stopped: threading.Event) -> None:
        try:
            while not stopped.is_set():
                self._transfer()
        except (Failed, Unanswered):
            pass  # its server was killed

    def _transfer(self) -> None:
        one, other = self._random.sample(range(ACCOUNTS), 2)
        amount = {":n": {"N": str(self._random.randint(1, 20))}}
        actions = [
            {
                "Update": {
                    "TableName": "bank",
                    "Key": {"pk": {"S": f"account-{one}"}},
                    "UpdateExpression": "SET v = v - :n",
                    "ConditionExpression": "v >= :n",
                    "ExpressionAttributeValues": amount,
                }
            },
            {
                "Update": {
                    "TableName": "bank",
                    "Key": {"pk": {"S": f"account-{other}"}},
                    "UpdateExpression": "ADD v :n",
                    "ExpressionAttributeValues": amount,
                }
            },
        ]
        try:
            self._client.call("TransactWriteItems", TransactItems=actions)
            count = {":one": {"N": "1"}}
            key = {"pk": {"S": "transfers"}}
            self._client.call(
                "UpdateItem",
                TableName="bank",
                Key=key,
                UpdateExpression="ADD v :one",
                ExpressionAttributeValues=count,
            )
        except Refused as refused:
            if refused.code not in ("TransactionCanceledException", "TransactionConflictException"):
                raise
        else:
            self.done += 1


def work(tellers: list[_Teller]) -> None:
    """Let them work for a second, and for as long as it takes them to have done some transfers more."""
    wanted, end = sum(teller.done for teller in tellers) + TRANSFERS, time.monotonic() + PATIENCE_SECONDS
    time.sleep(1)
    while sum(teller.done for teller in tellers) < wanted:
        assert time.monotonic() < end, "no transfers are done"
        time.sleep(0.01)


def create_bank(client: Client) -> None:
    client.call(
        "CreateTable",
        TableName="bank",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    )
    for number in range(ACCOUNTS):
        item = {"pk": {"S": f"account-{number}"}, "v": {"N": str(BALANCE)}}
        client.call("PutItem", TableName="bank", Item=item)


def replayed(client: Client) -> dict[str, Any]:
    """The items that the stream's records lead to; each record has the image that the one before it left."""
    arn = client.call("DescribeTable", TableName="bank")["Table"]["LatestStreamArn"]
    items: dict[str, Any] = {}
    described = client.call("DescribeStream", StreamArn=arn)["StreamDescription"]
    for shard in described["Shards"]:
        where = {"StreamArn": arn, "ShardId": shard["ShardId"], "ShardIteratorType": "TRIM_HORIZON"}
        iterator = client.call("GetShardIterator", **where)["ShardIterator"]
        last = 0
        while True:
            page = client.call("GetRecords", ShardIterator=iterator)
            for change in (each["dynamodb"] for each in page["Records"]):
                assert int(change["SequenceNumber"]) > last
                last = int(change["SequenceNumber"])
                key = change["Keys"]["pk"]["S"]
                assert change.get("OldImage") == items.get(key)
                items[key] = change.get("NewImage")
            if not page["Records"]:
                break
            iterator = page["NextShardIterator"]
    return items


@pytest.mark.nightly
def test_money_is_conserved_and_streams_are_whole(start_server: Any, new_database: str) -> None:
    servers = [start_server("--engine", new_database) for _ in range(2)]
    create_bank(Client(servers[0].port))
    wait_for(lambda: Client(servers[1].port).call("DescribeTable", TableName="bank"))
    done = 0
    for _ in range(5):
        tellers = [_Teller(servers[number % 2].port, Random(number)) for number in range(6)]
        stopped = threading.Event()
        threads = [threading.Thread(target=teller.run, args=(stopped,)) for teller in tellers]
        for thread in threads:
            thread.start()
        try:
            work(tellers)
            servers[0].kill()
            work(tellers[1::2])  # the other server's
        finally:
            stopped.set()
            for thread in threads:
                thread.join()
        done += sum(teller.done for teller in tellers)
        servers = [servers[1], start_server("--engine", new_database)]
    client = Client(servers[0].port)
    found = {item["pk"]["S"]: item for item in scan(client, "bank")}
    counted = int(found["transfers"]["v"]["N"])
    assert counted >= done
    assert (
        sum(int(item["v"]["N"]) for name, item in found.items() if name != "transfers") == ACCOUNTS * BALANCE
    )
    assert replayed(client) == found
    described = client.call("DescribeTable", TableName="bank")["Table"]
    assert described["ItemCount"] == len(found)
