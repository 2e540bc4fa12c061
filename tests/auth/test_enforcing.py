"""A server that asks who calls, through boto3: roles, streams, large bodies, warnings, accounting."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from alt.auth.keys import AccessKey
from alt.auth.permissions import Circumstances, require
from alt.auth.policies import Wanted
from alt.config import ROLES
from alt.errors import ApiError
from alt.operations import OPERATIONS, TwoSteps
from alt.operations.arns import DEFAULT_PLACE
from alt.operations.authorization.actions import asked

ITEM = {"pk": {"S": "x"}}
ACCOUNT = "000000000000"
ARN = f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/Music"
BACKUP = f"{ARN}/backup/01700000000000-0123abcd"
STREAM = f"{ARN}/stream/2026-11-26T00:00:00.000"
SCHEMA = {
    "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
    "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
    "BillingMode": "PAY_PER_REQUEST",
}


def make_key(directory: Path, name: str, *rights: str) -> dict[str, str]:
    command = [sys.executable, "-m", "alt.cli", "keys", "create", name, *rights, "--json"]
    done = subprocess.run(
        [*command, "--data-dir", str(directory)], check=True, capture_output=True, text=True
    )
    made: dict[str, str] = json.loads(done.stdout)
    return made


class Enforcing:
    """A server on a directory with a key of each role."""

    def __init__(self, server_type: Any, directory: Path, *options: str, **more: Any) -> None:
        self.directory = directory
        self.keys = {role: make_key(directory, f"the-{role}", "--role", role) for role in ROLES}
        self.server = server_type("--data-dir", str(directory), *options, **more)

    def client(self, role: str, service: str = "dynamodb", region: str = "us-east-1") -> Any:
        return boto3.client(
            service,
            endpoint_url=self.server.url,
            region_name=region,
            aws_access_key_id=self.keys[role]["AccessKeyId"],
            aws_secret_access_key=self.keys[role]["SecretAccessKey"],
            config=Config(retries={"max_attempts": 0}, parameter_validation=False),
        )


@pytest.fixture(scope="module")
def enforcing(tmp_path_factory: pytest.TempPathFactory, server_type: Any) -> Iterator[Enforcing]:
    made = Enforcing(server_type, tmp_path_factory.mktemp("enforcing"), "--auth", "enforce")
    made.client("admin").create_table(
        TableName="Music",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"},
        **SCHEMA,
    )
    yield made
    made.server.kill()


def refused(call: Callable[..., Any], **request: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        call(**request)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def denied(user: str, action: str, resource: str) -> tuple[str, str]:
    return (
        "AccessDeniedException",
        f"User: arn:aws:iam::{ACCOUNT}:user/{user} is not authorized to perform: dynamodb:{action} on resource: "
        f"{resource} because no identity-based policy allows the dynamodb:{action} action",
    )


def test_who_may_write_writes_and_who_may_read_reads(enforcing: Enforcing) -> None:
    writer, reader = enforcing.client("readwrite"), enforcing.client("readonly")
    item = {**ITEM, "text": {"S": "é" * 100_000}}  # a body that is read beside the event loop
    writer.put_item(TableName="Music", Item=item)
    assert reader.get_item(TableName="Music", Key=ITEM)["Item"] == item
    assert reader.query(
        TableName="Music", KeyConditionExpression="pk = :x", ExpressionAttributeValues={":x": {"S": "x"}}
    )["Items"] == [item]
    assert reader.scan(TableName=ARN)["Count"] == 1
    assert reader.list_tables()["TableNames"] == ["Music"]
    assert reader.describe_table(TableName="Music")["Table"]["TableArn"] == ARN


def test_a_refusal_says_who_may_not_do_what_to_what(enforcing: Enforcing) -> None:
    reader = enforcing.client("readonly")
    assert refused(reader.put_item, TableName="Music", Item={"pk": {"S": "new"}}) == denied(
        "the-readonly", "PutItem", ARN
    )
    abroad = enforcing.client("readonly", region="eu-west-1")
    assert refused(abroad.delete_table, TableName="Music") == denied(
        "the-readonly", "DeleteTable", ARN.replace("us-east-1", "eu-west-1")
    )
    large = {"pk": {"S": "new"}, "text": {"S": "x" * 100_000}}
    assert refused(reader.put_item, TableName=ARN, Item=large) == denied("the-readonly", "PutItem", ARN)
    transaction = [
        {"ConditionCheck": {"TableName": "Music", "Key": ITEM, "ConditionExpression": "attribute_exists(pk)"}}
    ]
    assert refused(reader.transact_write_items, TransactItems=transaction) == denied(
        "the-readonly", "ConditionCheckItem", ARN
    )
    batch = {"Music": [{"DeleteRequest": {"Key": ITEM}}]}
    assert refused(reader.batch_write_item, RequestItems=batch) == denied(
        "the-readonly", "BatchWriteItem", ARN
    )
    writer = enforcing.client("readwrite")
    assert refused(writer.create_backup, TableName="Music", BackupName="backup") == denied(
        "the-readwrite", "CreateBackup", ARN
    )
    assert "Item" not in reader.get_item(TableName="Music", Key={"pk": {"S": "new"}})


def test_a_request_that_says_nothing_sensible_is_told_so_before_whether_it_may(enforcing: Enforcing) -> None:
    number = {"pk": {"N": "many"}}
    assert (
        refused(enforcing.client("readonly").put_item, TableName="Music", Item=number)[0]
        == "ValidationException"
    )
    assert refused(enforcing.client("readonly").delete_item, TableName="Music")[0] == "ValidationException"


def test_streams_are_signed_for_the_same_service(enforcing: Enforcing) -> None:
    enforcing.client("readwrite").put_item(TableName="Music", Item={"pk": {"S": "streamed"}})
    streams = enforcing.client("readonly", "dynamodbstreams")
    (stream,) = streams.list_streams(TableName="Music")["Streams"]
    shards = streams.describe_stream(StreamArn=stream["StreamArn"])["StreamDescription"]["Shards"]
    records = []
    for shard in shards:
        iterator = streams.get_shard_iterator(
            StreamArn=stream["StreamArn"], ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        records += streams.get_records(ShardIterator=iterator)["Records"]
    assert {"pk": {"S": "streamed"}} in [record["dynamodb"]["Keys"] for record in records]


def test_who_signed_is_who_consumed(enforcing: Enforcing) -> None:
    enforcing.client("readwrite").put_item(TableName="Music", Item=ITEM)
    command = [sys.executable, "-m", "alt.cli", "usage", "--json", "--data-dir", str(enforcing.directory)]
    deadline = time.monotonic() + 60
    used: set[str] = set()
    while enforcing.keys["readwrite"]["AccessKeyId"] not in used:
        assert time.monotonic() < deadline
        time.sleep(0.1)
        used = {
            each["AccessKey"]
            for each in json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
        }
    assert used <= {key["AccessKeyId"] for key in enforcing.keys.values()}


def test_warnings(tmp_path: Path, server_type: Any) -> None:
    """What would be refused is answered as ever, and logged in one line for all of it in a minute."""
    log = tmp_path / "log"
    warning = Enforcing(server_type, tmp_path / "data", "--auth", "warn", log=log)
    try:
        stranger = warning.server.client()
        stranger.create_table(TableName="Music", **SCHEMA)
        for _ in range(3):
            stranger.put_item(TableName="Music", Item=ITEM)
        warning.client("readonly").put_item(TableName="Music", Item=ITEM)
        warning.client("readwrite").put_item(TableName="Music", Item=ITEM)
        assert stranger.get_item(TableName="Music", Key=ITEM)["Item"] == ITEM
        (line,) = log.read_text().splitlines()
        assert line.endswith(
            "WARNING alt.http.authentication: requests that --auth enforce would refuse: 1; the last, of key test: "
            "UnrecognizedClientException"
        )
    finally:
        warning.server.kill()


def test_a_reader_that_writes_is_warned_of(tmp_path: Path, server_type: Any) -> None:
    log = tmp_path / "log"
    warning = Enforcing(server_type, tmp_path / "data", "--auth", "warn", log=log)
    try:
        warning.client("admin").create_table(TableName="Music", **SCHEMA)
        assert log.read_text() == ""
        warning.client("readonly").put_item(TableName="Music", Item=ITEM)
        key = warning.keys["readonly"]["AccessKeyId"]
        assert log.read_text().endswith(f"would refuse: 1; the last, of key {key}: AccessDeniedException\n")
    finally:
        warning.server.kill()


def test_who_enforces_without_keys_is_told_what_to_do(tmp_path: Path, server_type: Any) -> None:
    log = tmp_path / "log"
    server = server_type(
        "--data-dir", str(tmp_path / "data"), "--auth", "enforce", "--host", "0.0.0.0", log=log
    )
    assert refused(server.client().list_tables)[0] == "UnrecognizedClientException"
    server.kill()
    (line,) = log.read_text().splitlines()  # and not that others can reach it
    assert line.endswith("there are no access keys, so every request is refused: `alt keys create` makes one")


# What a request of each operation asks for, and who may.
ALL, WRITERS, ADMINS = set(ROLES), {"admin", "readwrite"}, {"admin"}
ACTIONS: dict[tuple[str, str], tuple[dict[str, Any], list[tuple[str, str]], set[str]]] = {
    ("dynamodb", "BatchExecuteStatement"): ({"Statements": [{"Statement": "DELETE FROM Music WHERE pk = 'a'"}, {"Statement": "SELECT"}]}, [("PartiQLDelete", ARN)], WRITERS),
    ("dynamodb", "BatchGetItem"): ({"RequestItems": {"Music": {}, "Other": {}}}, [("BatchGetItem", ARN), ("BatchGetItem", ARN.replace("Music", "Other"))], ALL),
    ("dynamodb", "BatchWriteItem"): ({"RequestItems": {"Music": []}}, [("BatchWriteItem", ARN)], WRITERS),
    ("dynamodb", "CreateBackup"): ({"TableName": "Music"}, [("CreateBackup", ARN)], ADMINS),
    ("dynamodb", "CreateTable"): ({"TableName": "Music"}, [("CreateTable", ARN)], WRITERS),
    ("dynamodb", "DeleteBackup"): ({"BackupArn": BACKUP}, [("DeleteBackup", BACKUP)], ADMINS),
    ("dynamodb", "DeleteItem"): ({"TableName": "Music"}, [("DeleteItem", ARN)], WRITERS),
    ("dynamodb", "DeleteResourcePolicy"): ({"ResourceArn": ARN}, [("DeleteResourcePolicy", ARN)], ADMINS),
    ("dynamodb", "DeleteTable"): ({"TableName": ARN}, [("DeleteTable", ARN)], WRITERS),
    ("dynamodb", "DescribeBackup"): ({"BackupArn": BACKUP}, [("DescribeBackup", BACKUP)], ALL),
    ("dynamodb", "DescribeContinuousBackups"): ({"TableName": "Music"}, [("DescribeContinuousBackups", ARN)], ALL),
    ("dynamodb", "DescribeEndpoints"): ({}, [("DescribeEndpoints", "*")], ALL),
    ("dynamodb", "DescribeLimits"): ({}, [("DescribeLimits", "*")], ALL),
    ("dynamodb", "DescribeTable"): ({"TableName": "Music"}, [("DescribeTable", ARN)], ALL),
    ("dynamodb", "DescribeTimeToLive"): ({"TableName": "Music"}, [("DescribeTimeToLive", ARN)], ALL),
    ("dynamodb", "ExecuteStatement"): ({"Statement": 'SELECT * FROM Music."by-year"'}, [("PartiQLSelect", f"{ARN}/index/by-year")], ALL),
    ("dynamodb", "ExecuteTransaction"): ({"TransactStatements": [{"Statement": "INSERT INTO Music VALUE {'pk': 'a'}"}, {"Statement": f'UPDATE "{ARN}" SET a = 1 WHERE pk = 1'}, {"Statement": "EXISTS(SELECT * FROM Music WHERE pk = 'a' AND b = 1)"}]}, [("PartiQLInsert", ARN), ("PartiQLUpdate", ARN), ("PartiQLSelect", ARN)], WRITERS),
    ("dynamodb", "GetItem"): ({"TableName": "Music"}, [("GetItem", ARN)], ALL),
    ("dynamodb", "GetResourcePolicy"): ({"ResourceArn": ARN}, [("GetResourcePolicy", ARN)], ALL),
    ("dynamodb", "ListBackups"): ({}, [("ListBackups", ARN.replace("Music", "*"))], ALL),
    ("dynamodb", "ListTables"): ({}, [("ListTables", ARN.replace("Music", "*"))], ALL),
    ("dynamodb", "ListTagsOfResource"): ({"ResourceArn": ARN}, [("ListTagsOfResource", ARN)], ALL),
    ("dynamodb", "PutItem"): ({"TableName": "Music"}, [("PutItem", ARN)], WRITERS),
    ("dynamodb", "PutResourcePolicy"): ({"ResourceArn": STREAM}, [("PutResourcePolicy", STREAM)], ADMINS),
    ("dynamodb", "Query"): ({"TableName": "Music", "IndexName": "by-year"}, [("Query", f"{ARN}/index/by-year")], ALL),
    ("dynamodb", "RestoreTableFromBackup"): ({"BackupArn": BACKUP, "TargetTableName": "Music"}, [("RestoreTableFromBackup", BACKUP), ("RestoreTableFromBackup", ARN)], ADMINS),
    ("dynamodb", "RestoreTableToPointInTime"): ({"SourceTableArn": f"{ARN}2", "TargetTableName": "Music"}, [("RestoreTableToPointInTime", f"{ARN}2"), ("RestoreTableToPointInTime", ARN)], ADMINS),
    ("dynamodb", "Scan"): ({"TableName": "Music"}, [("Scan", ARN)], ALL),
    ("dynamodb", "TagResource"): ({"ResourceArn": ARN}, [("TagResource", ARN)], WRITERS),
    ("dynamodb", "TransactGetItems"): ({"TransactItems": [{"Get": {"TableName": "Music"}}]}, [("GetItem", ARN)], ALL),
    ("dynamodb", "TransactWriteItems"): ({"TransactItems": [{"Put": {"TableName": "Music"}}, {"Update": {"TableName": ARN}}, {"Delete": {"TableName": "Music"}}, {"ConditionCheck": {"TableName": "Music"}}, {"Get": {}}]}, [("PutItem", ARN), ("UpdateItem", ARN), ("DeleteItem", ARN), ("ConditionCheckItem", ARN)], WRITERS),
    ("dynamodb", "UntagResource"): ({"ResourceArn": ARN}, [("UntagResource", ARN)], WRITERS),
    ("dynamodb", "UpdateContinuousBackups"): ({"TableName": "Music"}, [("UpdateContinuousBackups", ARN)], ADMINS),
    ("dynamodb", "UpdateItem"): ({"TableName": "Music"}, [("UpdateItem", ARN)], WRITERS),
    ("dynamodb", "UpdateTable"): ({"TableName": "Music"}, [("UpdateTable", ARN)], WRITERS),
    ("dynamodb", "UpdateTimeToLive"): ({"TableName": "Music"}, [("UpdateTimeToLive", ARN)], WRITERS),
    ("dynamodbstreams", "DescribeStream"): ({"StreamArn": STREAM}, [("DescribeStream", STREAM)], ALL),
    ("dynamodbstreams", "GetRecords"): ({"ShardIterator": f"{STREAM}|1|x"}, [("GetRecords", STREAM)], ALL),
    ("dynamodbstreams", "GetShardIterator"): ({"StreamArn": STREAM}, [("GetShardIterator", STREAM)], ALL),
    ("dynamodbstreams", "ListStreams"): ({"TableName": "Music"}, [("ListStreams", f"{ARN}/stream/*")], ALL),
}  # fmt: skip


def may(role: Any, wanted: list[tuple[str, str]]) -> bool:
    try:
        for action, resource in wanted:
            wanted = Wanted(action, resource, lambda _: None)
            require(AccessKey("AKIA", "app", role, ""), wanted, None, Circumstances("us-east-1", 0.0, None))
    except ApiError:
        return False
    return True


def read(operation: tuple[str, str], request: dict[str, Any]) -> Any:
    """The statements of a request."""
    statements = OPERATIONS[operation]
    is_stated = isinstance(statements, TwoSteps) and "Statement" in str(request)
    return statements.read(request) if is_stated else None


@pytest.mark.parametrize("operation", OPERATIONS)
def test_what_every_operation_asks_for_and_who_may(operation: tuple[str, str]) -> None:
    request, wanted, roles = ACTIONS[operation]
    found = asked(operation)(request, DEFAULT_PLACE, read(operation, request))
    assert [(action, resource) for action, resource, _ in found] == wanted
    assert {role for role in ROLES if may(role, wanted)} == roles


def test_an_arn_of_another_region_or_account_is_asked_for_as_the_callers_own() -> None:
    abroad = ARN.replace("us-east-1", "eu-west-1").replace(ACCOUNT, "123456789012")
    for operation, member in (("GetItem", "TableName"), ("TagResource", "ResourceArn")):
        ((_, resource, _),) = asked(("dynamodb", operation))({member: abroad}, DEFAULT_PLACE, None)
        assert resource == ARN


def test_an_action_that_no_role_names_is_the_admins() -> None:
    assert [role for role in ROLES if may(role, [("ExportTableToPointInTime", ARN)])] == ["admin"]
