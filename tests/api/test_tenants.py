"""Tenants: keys that have tables of their own, in a data directory or in a database."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest
from alt.cli import main
from botocore.config import Config
from botocore.exceptions import ClientError
from click.testing import CliRunner

from alt import testing
from alt.auth.keys import account_of

TABLE = {
    "TableName": "Music",
    "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
    "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
    "BillingMode": "PAY_PER_REQUEST",
}
KEY = {"pk": {"S": "a"}}
STREAM = {"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"}
PATIENCE_SECONDS = 5.0


class Tenants:
    """Keys of two tenants, and one of nobody's; `settings` are those of a server that asks for them."""

    def __init__(self, options: tuple[str, ...], settings: dict[str, Any]) -> None:
        self._options = options
        self.settings = {**settings, "auth": "enforce", "sync": "off"}
        self._keys = [self.key(name, name) for name in ("acme", "beta")] + [self.key("nobody")]

    def key(self, name: str, tenant: str | None = None, role: str = "admin") -> dict[str, str]:
        whose = () if tenant is None else ("--tenant", tenant)
        command = ["keys", "create", name, "--role", role, *whose, *self._options, "--json"]
        done = CliRunner().invoke(main, command)
        assert done.exit_code == 0, done.output
        made: dict[str, str] = json.loads(done.output)
        return made

    def clients(self, url: str, service: str = "dynamodb") -> tuple[Any, Any, Any]:
        acme, beta, nobody = (client(url, key, service) for key in self._keys)
        return acme, beta, nobody


@pytest.fixture
def tenants(request: pytest.FixtureRequest, tmp_path: Path) -> Tenants:
    if request.config.getoption("--engine") == "postgres":
        dsn, file = request.getfixturevalue("new_database"), tmp_path / "keys.secret"
        return Tenants(
            ("--engine", dsn, "--keys-secret-file", str(file)), {"engine": dsn, "keys_secret_file": file}
        )
    return Tenants(("--data-dir", str(tmp_path)), {"data_dir": tmp_path})


def client(url: str, key: dict[str, str], service: str = "dynamodb") -> Any:
    return boto3.client(
        service,
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id=key["AccessKeyId"],
        aws_secret_access_key=key["SecretAccessKey"],
        config=Config(retries={"max_attempts": 0}),
    )


def refused(call: Callable[..., Any], **request: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        call(**request)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def put(client: Any, value: str) -> None:
    client.put_item(TableName="Music", Item={**KEY, "whose": {"S": value}})


def get(client: Any) -> str:
    found: str = client.get_item(TableName="Music", Key=KEY)["Item"]["whose"]["S"]
    return found


def test_a_tenant_sees_names_and_counts_nothing_of_anothers(tenants: Tenants) -> None:
    with testing.serve(**tenants.settings) as server:
        acme, beta, nobody = tenants.clients(server.url)
        arn = acme.create_table(**TABLE)["TableDescription"]["TableArn"]
        assert arn.split(":")[4] == account_of("acme")
        put(acme, "acme")
        backup = acme.create_backup(TableName="Music", BackupName="backup")["BackupDetails"]["BackupArn"]
        for other in (beta, nobody):
            assert other.list_tables()["TableNames"] == []
            assert other.list_backups()["BackupSummaries"] == []
            missing = refused(other.get_item, TableName="Nothing", Key=KEY)
            assert refused(other.get_item, TableName="Music", Key=KEY) == missing
            assert refused(other.delete_table, TableName="Music")[0] == "ResourceNotFoundException"
        beta.create_table(**TABLE)
        put(beta, "beta")
        assert (get(acme), get(beta)) == ("acme", "beta")
        assert refused(beta.get_item, TableName=arn, Key=KEY) == (
            "AccessDeniedException",
            f"User: arn:aws:iam::{account_of('beta')}:user/beta is not authorized to perform: dynamodb:GetItem on resource: "
            f"{arn} because no resource-based policy allows the dynamodb:GetItem action",
        )
        assert refused(beta.describe_backup, BackupArn=backup)[0] == "AccessDeniedException"
        assert refused(nobody.describe_backup, BackupArn=backup)[0] == "BackupNotFoundException"
        beta.delete_table(TableName="Music")
        assert get(acme) == "acme"
    with testing.serve(**tenants.settings) as server:
        acme, beta, nobody = tenants.clients(server.url)
        assert [each.list_tables()["TableNames"] for each in (acme, beta, nobody)] == [["Music"], [], []]
        assert get(acme) == "acme"
    if (directory := tenants.settings.get("data_dir")) is not None:
        kept = [path.name for path in (directory / "tenants" / "acme" / "tables").iterdir()]
        assert any(name.startswith("Music-") for name in kept)
        assert not list((directory / "tables").iterdir())


def test_a_tenants_stream_has_the_tenants_changes_alone(tenants: Tenants) -> None:
    with testing.serve(**tenants.settings) as server:
        acme, beta, _ = tenants.clients(server.url)
        for each, name in ((acme, "acme"), (beta, "beta")):
            each.create_table(**TABLE, StreamSpecification=STREAM)
            put(each, name)
        streams = tenants.clients(server.url, "dynamodbstreams")
        found = [each.list_streams()["Streams"] for each in streams]
        assert [len(each) for each in found] == [1, 1, 0]
        arn = found[0][0]["StreamArn"]
        assert arn.split(":")[4] == account_of("acme")
        assert refused(streams[1].describe_stream, StreamArn=arn)[0] == "AccessDeniedException"
        assert refused(streams[2].describe_stream, StreamArn=arn)[0] == "ResourceNotFoundException"
        changed = []
        for shard in streams[0].describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]:
            where = {"StreamArn": arn, "ShardId": shard["ShardId"], "ShardIteratorType": "TRIM_HORIZON"}
            iterator = streams[0].get_shard_iterator(**where)["ShardIterator"]
            changed += streams[0].get_records(ShardIterator=iterator)["Records"]
        assert [each["dynamodb"]["NewImage"]["whose"]["S"] for each in changed] == ["acme"]


def test_a_refusal_names_the_tenants_own_account(tenants: Tenants) -> None:
    reader = tenants.key("reader", "acme", "readonly")
    with testing.serve(**tenants.settings) as server:
        code, message = refused(client(server.url, reader).put_item, TableName="Music", Item=KEY)
        account = account_of("acme")
        assert code == "AccessDeniedException"
        assert message.startswith(
            f"User: arn:aws:iam::{account}:user/reader is not authorized to perform: dynamodb:PutItem on resource: "
            f"arn:aws:dynamodb:us-east-1:{account}:table/Music "
        )


def test_a_tenant_may_come_while_servers_run(tenants: Tenants) -> None:
    with testing.serve(**tenants.settings) as server:
        acme, *_ = tenants.clients(server.url)
        acme.create_table(**TABLE)
        newcomer = client(server.url, tenants.key("app", "new-comer"))
        end = time.monotonic() + PATIENCE_SECONDS
        answers: set[str] = set()
        while time.monotonic() < end:
            try:
                found = newcomer.list_tables()["TableNames"]
                break
            except ClientError as error:
                answers.add(error.response["Error"]["Code"])
        assert found == []
        assert answers <= {"UnrecognizedClientException", "ServiceUnavailable"}
        newcomer.create_table(**TABLE)
        put(newcomer, "new-comer")
        second = client(server.url, tenants.key("reader", "new-comer", "readonly"))
        time.sleep(1.0)
        assert get(second) == "new-comer"


def test_tenants_that_hammer_each_others_names_find_their_own(tenants: Tenants) -> None:
    wrong: list[str] = []

    def hammer(mine: Any, name: str) -> None:
        for number in range(12):
            mine.create_table(**TABLE)
            put(mine, f"{name} {number}")
            if get(mine) != f"{name} {number}" or mine.scan(TableName="Music")["Count"] != 1:
                wrong.append(name)
            mine.delete_table(TableName="Music")

    with testing.serve(**tenants.settings) as server:
        names = zip(tenants.clients(server.url), ("acme", "beta", "nobody"), strict=True)
        threads = [threading.Thread(target=hammer, args=each) for each in names]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not wrong
