"""Several servers on one database: what one changes the others go by, at once where they write and soon where they read."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from alt.errors import ApiError
from alt.storage.postgres import group_writes
from alt.storage.postgres.maintenance import lease
from tests.operations.conftest import Service
from tests.storage.postgres.conftest import knows, until

BY_OWNER = {
    "IndexName": "by-owner",
    "KeySchema": [{"AttributeName": "owner", "KeyType": "HASH"}],
    "Projection": {"ProjectionType": "ALL"},
}
OWNER = [{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "owner")]
STREAM = {"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"}


def put(service: Service, key: str, **attributes: Any) -> None:
    service("PutItem", TableName="Music", Item={"pk": {"S": key}, **attributes})


def owned(service: Service, owner: str) -> list[str]:
    values = {":owner": {"S": owner}}
    found = service(
        "Query",
        TableName="Music",
        IndexName="by-owner",
        KeyConditionExpression="#o = :owner",
        ExpressionAttributeNames={"#o": "owner"},
        ExpressionAttributeValues=values,
    )
    return sorted(item["pk"]["S"] for item in found["Items"])


def test_a_table_is_known_everywhere_soon(both: tuple[Service, Service]) -> None:
    one, other = both
    put(one, "a")
    assert other("GetItem", TableName="Music", Key={"pk": {"S": "a"}})["Item"] == {"pk": {"S": "a"}}
    one("DeleteTable", TableName="Music")
    knows(other)
    assert other("ListTables")["TableNames"] == []


def test_a_write_goes_by_an_index_that_its_server_has_not_heard_of(both: tuple[Service, Service]) -> None:
    one, other = both
    put(one, "a", owner={"S": "x"})
    one.update(AttributeDefinitions=OWNER, GlobalSecondaryIndexUpdates=[{"Create": BY_OWNER}])
    one.run(one.store.work())
    put(other, "b", owner={"S": "x"})
    put(other, "a", owner={"S": "y"})
    assert (owned(one, "x"), owned(one, "y")) == (["b"], ["a"])


def test_a_write_goes_by_an_index_that_its_server_hears_of_as_it_begins(
    both: tuple[Service, Service], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = both
    put(one, "a", owner={"S": "x"})
    begin_group = group_writes.begin

    async def begin_late(*arguments: Any) -> Any:
        monkeypatch.setattr(group_writes, "begin", begin_group)
        create = {"AttributeDefinitions": OWNER, "GlobalSecondaryIndexUpdates": [{"Create": BY_OWNER}]}
        await asyncio.to_thread(lambda: other.update(**create))
        await one.store.catalog.refresh()
        return await begin_group(*arguments)

    monkeypatch.setattr(group_writes, "begin", begin_late)
    put(one, "a", owner={"S": "y"})
    one.run(one.store.work())
    (index,) = one.describe()["GlobalSecondaryIndexes"]
    assert (index["IndexStatus"], index["ItemCount"], owned(one, "y")) == ("ACTIVE", 1, ["a"])


def test_an_index_is_built_while_another_server_writes(both: tuple[Service, Service]) -> None:
    one, other = both
    for number in range(450):  # an index is built in steps of 200
        put(one, f"{number}", owner={"S": "x"})
    one.update(AttributeDefinitions=OWNER, GlobalSecondaryIndexUpdates=[{"Create": BY_OWNER}])
    writing = threading.Thread(
        target=lambda: [put(other, f"{number}", owner={"S": "y"}) for number in range(0, 600, 5)]
    )
    writing.start()
    one.run(one.store.work())
    writing.join()
    one.run(one.store.work())
    expected = sorted(str(number) for number in range(0, 600, 5))
    assert owned(one, "y") == expected
    (index,) = one.describe()["GlobalSecondaryIndexes"]
    assert index["IndexStatus"] == "ACTIVE"
    assert index["ItemCount"] == one.describe()["ItemCount"] == 450 + sum(int(key) >= 450 for key in expected)


def test_a_write_is_logged_for_a_stream_that_its_server_has_not_heard_of(
    both: tuple[Service, Service],
) -> None:
    one, other = both
    arn = one.update(StreamSpecification=STREAM)["LatestStreamArn"]
    put(other, "a")
    shards = one("DescribeStream", StreamArn=arn)["StreamDescription"]["Shards"]
    found = []
    for shard in shards:
        where = {"StreamArn": arn, "ShardId": shard["ShardId"], "ShardIteratorType": "TRIM_HORIZON"}
        iterator = one("GetShardIterator", **where)["ShardIterator"]
        found += one("GetRecords", ShardIterator=iterator)["Records"]
    assert [record["dynamodb"]["Keys"] for record in found] == [{"pk": {"S": "a"}}]


def test_nothing_is_written_to_a_table_that_is_gone(both: tuple[Service, Service]) -> None:
    one, other = both
    one("DeleteTable", TableName="Music")
    assert (
        other.refused("PutItem", TableName="Music", Item={"pk": {"S": "a"}}).type
        == "ResourceNotFoundException"
    )
    one.create()
    assert one.describe()["ItemCount"] == 0


def test_a_definition_that_was_changed_meanwhile_is_not_overwritten(both: tuple[Service, Service]) -> None:
    one, other = both
    one.update(DeletionProtectionEnabled=True)
    refused = other.refused("UpdateTable", TableName="Music", TableClass="STANDARD_INFREQUENT_ACCESS")
    assert refused.type == "ResourceInUseException"
    assert other.update(TableClass="STANDARD_INFREQUENT_ACCESS")["DeletionProtectionEnabled"] is True


def test_one_name_is_given_once(begin: Callable[[], Service]) -> None:
    one, other = begin(), begin()
    one.create()
    assert other.refused("CreateTable", **MUSIC).type == "ResourceInUseException"


MUSIC = {
    "TableName": "Music",
    "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
    "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
    "BillingMode": "PAY_PER_REQUEST",
}


def test_every_addition_counts(both: tuple[Service, Service]) -> None:
    async def add(service: Service) -> None:
        request = {
            "TableName": "Music",
            "Key": {"pk": {"S": "counter"}},
            "UpdateExpression": "ADD n :one",
            "ExpressionAttributeValues": {":one": {"N": "1"}},
        }
        for _ in range(10):
            await asyncio.gather(*(service.begin("UpdateItem", **request) for _ in range(10)))

    threads = [threading.Thread(target=service.run, args=(add(service),)) for service in both]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = both[0]("GetItem", TableName="Music", Key={"pk": {"S": "counter"}}, ConsistentRead=True)
    assert found["Item"]["n"] == {"N": "200"}


def test_of_two_that_put_what_must_not_exist_one_succeeds(both: tuple[Service, Service]) -> None:
    outcomes: list[str] = []

    async def insert(service: Service) -> None:
        for number in range(30):
            item = {"pk": {"S": f"{number}"}}
            try:
                await service.begin(
                    "PutItem", TableName="Music", Item=item, ConditionExpression="attribute_not_exists(pk)"
                )
                outcomes.append("stored")
            except ApiError as error:
                outcomes.append(error.type)

    threads = [threading.Thread(target=service.run, args=(insert(service),)) for service in both]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["ConditionalCheckFailedException"] * 30 + ["stored"] * 30


def test_a_transaction_is_done_once_whichever_server_is_sent_its_token(both: tuple[Service, Service]) -> None:
    one, other = both
    update = {
        "TableName": "Music",
        "Key": {"pk": {"S": "a"}},
        "UpdateExpression": "ADD n :one",
        "ExpressionAttributeValues": {":one": {"N": "1"}},
    }
    for service in (one, other, one):
        service("TransactWriteItems", TransactItems=[{"Update": update}], ClientRequestToken="once")
    assert one("GetItem", TableName="Music", Key={"pk": {"S": "a"}})["Item"]["n"] == {"N": "1"}


def test_the_work_of_a_dead_server_is_taken_over(
    begin: Callable[[], Service], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "LEASE_SECONDS", 0.5)
    one, other = begin(), begin()
    one.create(AttributeDefinitions=OWNER, GlobalSecondaryIndexes=[BY_OWNER])
    one.run(one.store.work())  # has the lease, and does nothing more
    knows(other, "Music")
    specification = {"AttributeName": "expires", "Enabled": True}
    other("UpdateTimeToLive", TableName="Music", TimeToLiveSpecification=specification)
    described = other("DescribeTimeToLive", TableName="Music")["TimeToLiveDescription"]
    assert described["TimeToLiveStatus"] == "ENABLED"


def test_a_restore_is_taken_over_from_a_dead_server(
    begin: Callable[[], Service], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "LEASE_SECONDS", 0.5)
    one, other = begin(), begin()
    one.create(AttributeDefinitions=OWNER, GlobalSecondaryIndexes=[BY_OWNER])
    for number in range(300):
        put(one, f"{number}", owner={"S": "x"})
    arn = one("CreateBackup", TableName="Music", BackupName="Everything")["BackupDetails"]["BackupArn"]
    one("DeleteTable", TableName="Music")
    one("RestoreTableFromBackup", TargetTableName="Music", BackupArn=arn)
    # Whatever it has begun, it does nothing more.
    until(other, lambda: other.store.table("Music") is not None)
    other.run(other.store.work())
    assert other.describe()["TableStatus"] == "ACTIVE"
    assert other.describe()["ItemCount"] == len(owned(other, "x")) == 300
    until(one, lambda: one.store.table("Music") is not None)
    one.run(one.store.work())
    assert one.describe()["ItemCount"] == 300


def heard(*services: Service) -> None:
    """Let each store what it has let in, and then hear of the others."""
    for _ in range(2):
        for service in services:
            service.run(service.context.meter.store())


def is_let_in(service: Service, **item: Any) -> bool:
    try:
        put(service, "a", **item)
    except ApiError as error:
        if error.type not in ("ProvisionedThroughputExceededException", "RequestLimitExceeded"):
            raise
        return False
    return True


def test_a_tables_throughput_is_that_of_all_servers_together(begin: Callable[..., Service]) -> None:
    one, other = begin(enforce_throughput=True), begin(enforce_throughput=True)
    one.create(ProvisionedThroughput={"ReadCapacityUnits": 1, "WriteCapacityUnits": 1})
    knows(other, "Music")
    heard(one, other)
    put(one, "large", text={"S": "x" * 200 * 1024})  # 201 of the 300 units that a table of one has saved
    assert is_let_in(other, text={"S": "x" * 90 * 1024})  # 91 of them
    heard(one, other)
    assert is_let_in(other, text={"S": "x" * 60 * 1024})
    # What was too much is owed by all: nobody is let in until it is paid.
    heard(one, other)
    assert not is_let_in(one)
    assert not is_let_in(other)
    for service in (one, other):
        service.now += 90
    assert is_let_in(one)
    assert is_let_in(other)


def test_an_indexs_throughput_is_that_of_all_servers_together(begin: Callable[..., Service]) -> None:
    one, other = begin(enforce_throughput=True), begin(enforce_throughput=True)
    few, many = ({"ReadCapacityUnits": 1, "WriteCapacityUnits": units} for units in (1, 1_000))
    one.create(
        AttributeDefinitions=OWNER,
        GlobalSecondaryIndexes=[{**BY_OWNER, "ProvisionedThroughput": few}],
        ProvisionedThroughput=many,
    )
    knows(other, "Music")
    heard(one, other)
    put(one, "large", owner={"S": "x"}, text={"S": "x" * 310 * 1024})
    assert is_let_in(other)
    heard(one, other)
    assert not is_let_in(other)


def test_what_was_consumed_before_a_server_began_is_not_counted(begin: Callable[..., Service]) -> None:
    one = begin(enforce_throughput=True)
    one.create(ProvisionedThroughput={"ReadCapacityUnits": 1, "WriteCapacityUnits": 1})
    put(one, "large", text={"S": "x" * 310 * 1024})
    heard(one)
    other = begin(enforce_throughput=True)
    heard(other)
    assert is_let_in(other)
    assert not is_let_in(one)


def test_an_access_keys_limit_is_that_of_all_servers_together(both: tuple[Service, Service]) -> None:
    one, other = both
    one.run(one.store._database.fetch("INSERT INTO alt.key_limit VALUES ('AKID', NULL, 5)"))
    heard(one, other)
    assert is_let_in(one)
    heard(one, other)  # its units count from when it has some
    put(one, "large", text={"S": "x" * 20 * 1024})
    assert is_let_in(other)
    heard(one, other)
    assert not is_let_in(other)
    other.now += 5
    assert is_let_in(other)
