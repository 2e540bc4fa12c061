"""Tables that are a tenant's, an account's or a region's own."""

from __future__ import annotations

import threading
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from alt import realms, testing
from alt.auth.keys import AccessKey, account_of
from alt.storage.sqlite.access_keys import AccessKeys

TABLE = {
    "TableName": "Music",
    "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
    "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
    "BillingMode": "PAY_PER_REQUEST",
}
KEY = {"pk": {"S": "a"}}


def client(url: str, access_key: str = "test", region: str = "us-east-1", secret: str = "test") -> Any:
    return boto3.client(
        "dynamodb",
        endpoint_url=url,
        region_name=region,
        aws_access_key_id=access_key,
        aws_secret_access_key=secret,
        config=Config(retries={"max_attempts": 0}),
    )


def refused(call: Any, **request: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        call(**request)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def put(client: Any, value: str) -> None:
    client.put_item(TableName="Music", Item={**KEY, "whose": {"S": value}})


def get(client: Any, table: str = "Music") -> str:
    found: str = client.get_item(TableName=table, Key=KEY)["Item"]["whose"]["S"]
    return found


NOT_FOUND = ("ResourceNotFoundException", "Requested resource not found")


def test_a_region_has_tables_of_its_own(caplog: pytest.LogCaptureFixture) -> None:
    """And who asks for them in another one finds in the log where they are."""
    with testing.serve(isolate="region") as server:
        east, west = client(server.url), client(server.url, region="EU-West-1")
        assert "us-east-1" in east.create_table(**TABLE)["TableDescription"]["TableArn"]
        put(east, "east")
        assert west.list_tables()["TableNames"] == []
        assert refused(west.get_item, TableName="Music", Key=KEY) == NOT_FOUND
        assert refused(west.get_item, TableName="Music", Key=KEY) == NOT_FOUND
        (line,) = [each for each in caplog.messages if "Music" in each]
        assert line == "table Music was asked for eu-west-1 and is not there; it is there us-east-1"
        west.create_table(**TABLE)
        put(west, "west")
        assert (get(east), get(west)) == ("east", "west")
        assert get(client(server.url, "other")) == "east"


def test_an_account_has_tables_of_its_own_in_each_region() -> None:
    with testing.serve(isolate="account") as server:
        mine, yours = client(server.url, "123456789012"), client(server.url, "AKIAEXAMPLE")
        arns = [each.create_table(**TABLE)["TableDescription"]["TableArn"] for each in (mine, yours)]
        assert [arn.split(":")[4] for arn in arns] == ["123456789012", account_of("AKIAEXAMPLE")]
        put(mine, "mine")
        put(yours, "yours")
        assert (get(mine), get(yours)) == ("mine", "yours")
        assert get(mine, arns[0]) == "mine"
        elsewhere = client(server.url, "123456789012", "eu-west-1")
        assert elsewhere.list_tables()["TableNames"] == []


def test_without_being_told_all_see_the_same() -> None:
    with testing.serve() as server:
        client(server.url, "a", "us-east-1").create_table(**TABLE)
        assert client(server.url, "b", "eu-west-1").list_tables()["TableNames"] == ["Music"]


def test_there_are_only_so_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(realms, "MAX_REALMS", 2)
    with testing.serve(isolate="region") as server:
        for region in ("eu-west-1", "eu-west-2"):
            client(server.url, region=region).create_table(**TABLE)
        third = client(server.url, region="eu-west-3")
        assert refused(third.list_tables)[0] == "ServiceUnavailable"
        assert client(server.url, region="eu-west-1").list_tables()["TableNames"] == ["Music"]


def test_what_is_no_region_has_no_tables() -> None:
    with testing.serve(isolate="region") as server:
        for region in ("x" * 65, "a-"):  # the second is none to boto3 alone
            request = urllib.request.Request(
                server.url,
                b"{}",
                {
                    "Authorization": f"AWS4-HMAC-SHA256 Credential=a/20261124/{region}/dynamodb/aws4_request",
                    "Content-Type": "application/x-amz-json-1.0",
                    "X-Amz-Target": "DynamoDB_20120810.ListTables",
                },
            )
            if region == "a-":
                assert urllib.request.urlopen(request).status == 200
            else:
                with pytest.raises(urllib.error.HTTPError, match="400"):
                    urllib.request.urlopen(request)


class Tenants:
    """A server with two tenants, and everybody's tables beside theirs."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        stored = AccessKeys(directory)
        self._keys: dict[str, AccessKey] = {
            name: stored.create(name, "admin", 0.0, None if name == "nobody" else name)
            for name in ("acme", "beta", "nobody")
        }
        stored.close()

    def clients(self, url: str) -> tuple[Any, Any, Any]:
        acme, beta, nobody = (client(url, key.id, secret=key.secret) for key in self._keys.values())
        return acme, beta, nobody


@pytest.fixture
def tenants(tmp_path: Path) -> Tenants:
    return Tenants(tmp_path)


def test_a_tenant_sees_names_and_counts_nothing_of_anothers(tenants: Tenants) -> None:
    with testing.serve(data_dir=tenants.directory, auth="enforce", sync="off") as server:
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
    with testing.serve(data_dir=tenants.directory, auth="enforce", sync="off") as server:
        acme, beta, nobody = tenants.clients(server.url)
        assert [each.list_tables()["TableNames"] for each in (acme, beta, nobody)] == [["Music"], [], []]
    kept = [path.name for path in (tenants.directory / "tenants" / "acme" / "tables").iterdir()]
    assert any(name.startswith("Music-") for name in kept)
    assert not list((tenants.directory / "tables").iterdir())


def test_a_refusal_names_the_tenants_own_account(tenants: Tenants) -> None:
    stored = AccessKeys(tenants.directory)
    reader = stored.create("reader", "readonly", 0.0, "acme")
    stored.close()
    with testing.serve(data_dir=tenants.directory, auth="enforce", sync="off") as server:
        code, message = refused(
            client(server.url, reader.id, secret=reader.secret).put_item, TableName="Music", Item=KEY
        )
        account = account_of("acme")
        assert code == "AccessDeniedException"
        assert message.startswith(
            f"User: arn:aws:iam::{account}:user/reader is not authorized to perform: dynamodb:PutItem on resource: "
            f"arn:aws:dynamodb:us-east-1:{account}:table/Music "
        )


def test_tenants_that_hammer_each_others_names_find_their_own(tenants: Tenants) -> None:
    wrong: list[str] = []

    def hammer(mine: Any, name: str) -> None:
        for number in range(12):
            mine.create_table(**TABLE)
            put(mine, f"{name} {number}")
            if get(mine) != f"{name} {number}" or mine.scan(TableName="Music")["Count"] != 1:
                wrong.append(name)
            mine.delete_table(TableName="Music")

    with testing.serve(data_dir=tenants.directory, auth="enforce", sync="off") as server:
        names = zip(tenants.clients(server.url), ("acme", "beta", "nobody"), strict=True)
        threads = [threading.Thread(target=hammer, args=each) for each in names]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not wrong
