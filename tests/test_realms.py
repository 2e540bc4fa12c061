"""Tables that are an account's or a region's own. Those of tenants are in tests/api/test_tenants.py."""

from __future__ import annotations

import urllib.error
import urllib.request
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from alt import realms, testing
from alt.auth.keys import account_of

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
