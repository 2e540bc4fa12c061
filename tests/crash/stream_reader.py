"""A reader of the stream of one table that goes on where it stood, over restarts of the server.

The model. The images of an item are a chain: each change begins where the one before it
ended, the first where the item stood when the reader began, and the last is how the item
stands. No value is written twice, so a record that is lost or told twice breaks the
chain. Loading a snapshot begins the table's log anew; then the reader does so, too.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from tests.crash.client import Client, Refused
from tests.crash.load import Ledger, value_of
from tests.crash.worlds import Value

TABLE = "streamed"


class StreamReader:
    """Begins at the end of the stream, with the values that its items have then."""

    def __init__(self, client: Client, values: dict[str, Value]) -> None:
        self.begin(client, values)

    def begin(self, client: Client, values: dict[str, Value]) -> None:
        self._values = values
        self._records: list[dict[str, Any]] = []
        arn = client.call("DescribeTable", TableName=TABLE)["Table"]["LatestStreamArn"]
        shards = client.call("DescribeStream", StreamArn=arn)["StreamDescription"]["Shards"]
        self._iterators = [
            client.call(
                "GetShardIterator", StreamArn=arn, ShardId=shard["ShardId"], ShardIteratorType="LATEST"
            )["ShardIterator"]
            for shard in shards
        ]

    def read(self, client: Client) -> None:
        """All there is now. What was answered counts; what was not is read again next time."""
        for shard, iterator in enumerate(self._iterators):
            while True:
                answer = client.call("GetRecords", ShardIterator=iterator)
                iterator = self._iterators[shard] = answer["NextShardIterator"]
                self._records += answer["Records"]
                if not answer["Records"]:
                    break

    def check(self, client: Client, ledger: Ledger, values: dict[str, Value], *, loaded: bool) -> list[str]:
        """Read on to the end and say what is wrong, given the values the items have.

        Where a snapshot may have been `loaded` the reader begins anew.
        """
        acknowledged, ledger.streamed = ledger.streamed, []
        try:
            self.read(client)
        except Refused as refused:
            if not (loaded and refused.code == "TrimmedDataAccessException"):
                raise
        wrong = self._wrong_numbers()
        if loaded:
            self.begin(client, values)
            return wrong
        wrong += self._wrong_chains(values)
        told = {(name, value) for name, _, value in self._changes()}
        wrong += [f"the stream lacks {each}" for each in acknowledged if each not in told]
        self._values, self._records = values, []
        return wrong

    def _wrong_numbers(self) -> list[str]:
        """No record comes twice."""
        numbers = Counter(record["dynamodb"]["SequenceNumber"] for record in self._records)
        return [f"record {number} came {times} times" for number, times in numbers.items() if times > 1]

    def _wrong_chains(self, values: dict[str, Value]) -> list[str]:
        wrong = []
        stands = dict(self._values)
        for name, before, after in self._changes():
            if stands.get(name) != before:
                wrong.append(f"{name} was {stands.get(name)} and its next change begins with {before}")
            stands[name] = after
        return wrong + [
            f"{name} is {values.get(name)} and its last change ends with {stands.get(name)}"
            for name in stands.keys() | values.keys()
            if stands.get(name) != values.get(name)
        ]

    def _changes(self) -> list[tuple[str, Value, Value]]:
        """Of each record the item's name and its value before and after."""
        records = (record["dynamodb"] for record in self._records)
        return [
            (each["Keys"]["pk"]["S"], *(_value(each.get(image)) for image in ("OldImage", "NewImage")))
            for each in records
        ]


def _value(image: dict[str, Any] | None) -> Value:
    return None if image is None else value_of(image)
