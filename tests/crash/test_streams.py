"""kill -9 while a table with a stream is written: nothing is lost from the stream, and nothing is in it twice."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import botocore.exceptions

WRITERS = 4
ROUNDS = 3
SECONDS = 0.3  # at least, before a reading and after it
WRITES = 5  # likewise, of each writer
PATIENCE_SECONDS = 60.0


def _write(client: Any, writer: int, first: int, acknowledged: list[int]) -> None:
    """Overwrite one item again and again, alone and in transactions over two tables."""
    number = first
    while True:
        item = {"pk": {"S": f"writer-{writer}"}, "number": {"N": str(number)}}
        try:
            if number % 3:
                client.put_item(TableName="One", Item=item)
            else:
                actions = [{"Put": {"TableName": name, "Item": item}} for name in ("One", "Two")]
                client.transact_write_items(TransactItems=actions)
        except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError):
            return
        acknowledged.append(number)
        number += 1


class _Reader:
    """Reads all shards of a stream, and goes on where it stood after a restart."""

    def __init__(self, streams: Any, arn: str) -> None:
        shards = streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]
        self.iterators = [
            streams.get_shard_iterator(
                StreamArn=arn, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
            )["ShardIterator"]
            for shard in shards
        ]
        self.records: list[dict[str, Any]] = []

    def read(self, streams: Any) -> None:
        for shard, token in enumerate(self.iterators):
            while True:
                answer = streams.get_records(ShardIterator=token)
                token = answer["NextShardIterator"]
                self.records += answer["Records"]
                if not answer["Records"]:
                    break
            self.iterators[shard] = token


def test_nothing_is_lost_or_repeated(start_server: Any, tmp_path: Path) -> None:
    server = start_server("--data-dir", tmp_path)
    client, streams = server.client(), server.client("dynamodbstreams")
    readers = {}
    for name in ("One", "Two"):
        table = client.create_table(
            TableName=name,
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
        )["TableDescription"]
        readers[name] = _Reader(streams, table["LatestStreamArn"])
    acknowledged: list[list[int]] = [[] for _ in range(WRITERS)]
    for round_ in range(ROUNDS):
        threads = [
            threading.Thread(
                target=_write, args=(server.client(), writer, round_ * 1_000_000, acknowledged[writer])
            )
            for writer in range(WRITERS)
        ]
        for thread in threads:
            thread.start()
        _work(acknowledged)
        for reader in readers.values():
            reader.read(streams)
        _work(acknowledged)
        server.kill()
        for thread in threads:
            thread.join()
        server = start_server("--data-dir", tmp_path)
        streams = server.client("dynamodbstreams")
        for reader in readers.values():
            reader.read(streams)
        _check(readers, acknowledged, server.client())


def _work(acknowledged: list[list[int]]) -> None:
    """Let the writers work."""
    wanted, end = [len(written) + WRITES for written in acknowledged], time.monotonic() + PATIENCE_SECONDS
    time.sleep(SECONDS)
    while any(len(written) < least for written, least in zip(acknowledged, wanted, strict=True)):
        assert time.monotonic() < end, "writers do not go on"
        time.sleep(0.01)


def _check(readers: dict[str, _Reader], acknowledged: list[list[int]], client: Any) -> None:
    for name, reader in readers.items():
        numbers = [record["dynamodb"]["SequenceNumber"] for record in reader.records]
        assert len(set(numbers)) == len(numbers)
        items = {item["pk"]["S"]: item for item in client.scan(TableName=name)["Items"]}
        for writer, written in enumerate(acknowledged):
            own = [
                record["dynamodb"]
                for record in reader.records
                if record["dynamodb"]["Keys"]["pk"]["S"] == f"writer-{writer}"
            ]
            told = [int(change["NewImage"]["number"]["N"]) for change in own]
            wanted = {number for number in written if name == "One" or number % 3 == 0}
            assert wanted <= set(told)
            # One write each round may have had no answer.
            assert len(set(told) - wanted) <= ROUNDS
            assert told == sorted(set(told))
            # Each change begins where the one before it ended, and the last is how the item stands.
            assert [change.get("OldImage") for change in own[1:]] == [
                change["NewImage"] for change in own[:-1]
            ]
            assert own[-1]["NewImage"] == items[f"writer-{writer}"]
