"""Policies on a server that enforces them, through boto3: what a request asks for, and what its conditions see."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from alt import testing
from alt.auth.keys import AccessKey
from alt.auth.policies import read_policy
from alt.storage.sqlite.access_keys import AccessKeys

ARN = "arn:aws:dynamodb:us-east-1:000000000000:table/Music"
READS = ["dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Query", "dynamodb:Scan", "dynamodb:PartiQL*"]
WRITES = ["dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem", "dynamodb:BatchWriteItem"]
MINE = {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["${aws:username}#*"]}}
SOME = {
    "ForAllValues:StringEquals": {"dynamodb:Attributes": ["pk", "name"]},
    "StringEqualsIfExists": {"dynamodb:Select": "SPECIFIC_ATTRIBUTES", "dynamodb:ReturnValues": "NONE"},
}
NO_SCANS = {
    "Effect": "Deny",
    "Action": "dynamodb:PartiQLSelect",
    "Resource": "*",
    "Condition": {"Bool": {"dynamodb:FullTableScan": "true"}},
}


def allow(actions: list[str], condition: dict[str, Any], resource: str = f"{ARN}*") -> dict[str, Any]:
    return {"Effect": "Allow", "Action": actions, "Resource": resource, "Condition": condition}


POLICIES: dict[str, list[dict[str, Any]]] = {
    "bob": [allow(READS + WRITES + ["dynamodb:ConditionCheckItem"], MINE), NO_SCANS],
    "amy": [allow(["dynamodb:GetItem", "dynamodb:Query", *WRITES], SOME)],
    "far": [allow(["*"], {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}, "*")],
    "eve": [],
}


class Server:
    def __init__(self, url: str, keys: dict[str, AccessKey]) -> None:
        self._url = url
        self._keys = keys

    def client(self, name: str, region: str = "us-east-1") -> Any:
        return boto3.client(
            "dynamodb",
            endpoint_url=self._url,
            region_name=region,
            aws_access_key_id=self._keys[name].id,
            aws_secret_access_key=self._keys[name].secret,
            config=Config(retries={"max_attempts": 0}),
        )


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    directory = tmp_path_factory.mktemp("data")
    stored = AccessKeys(directory)
    keys = {"admin": stored.create("admin", "admin", 0.0)}
    nothing = allow(["dynamodb:DescribeLimits"], {}, "*")
    for name, statements in POLICIES.items():
        text = json.dumps({"Version": "2012-10-17", "Statement": statements or nothing})
        keys[name] = stored.create(name, read_policy(text), 0.0)
    stored.close()
    with testing.serve(data_dir=directory, auth="enforce", sync="off") as running:
        made = Server(running.url, keys)
        admin = made.client("admin")
        admin.create_table(
            TableName="Music",
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "holder")],
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
            GlobalSecondaryIndexes=[
                {
                    "IndexName": "by-holder",
                    "KeySchema": [{"AttributeName": "holder", "KeyType": "HASH"}],
                    "Projection": {"ProjectionType": "ALL"},
                }
            ],
            BillingMode="PAY_PER_REQUEST",
        )
        for pk in ("bob#1", "bob#2", "eve#1"):
            admin.put_item(TableName="Music", Item={"pk": {"S": pk}, "holder": {"S": pk}, "name": {"S": "n"}})
        yield made


def key(pk: str) -> dict[str, Any]:
    return {"pk": {"S": pk}}


def get(pk: str, **members: Any) -> tuple[str, dict[str, Any]]:
    return "get_item", {"TableName": "Music", "Key": key(pk), **members}


def query(condition: str, pk: str, **members: Any) -> tuple[str, dict[str, Any]]:
    values = {":pk": {"S": pk}}
    request = {"KeyConditionExpression": condition, "ExpressionAttributeValues": values, **members}
    return "query", {"TableName": "Music", **request}


def stated(text: str, *values: str) -> tuple[str, dict[str, Any]]:
    request: dict[str, Any] = {"Statement": text}
    if values:
        request["Parameters"] = [{"S": value} for value in values]
    return "execute_statement", request


def transact(**action: Any) -> tuple[str, dict[str, Any]]:
    return "transact_write_items", {
        "TransactItems": [{name: {"TableName": "Music", **given}} for name, given in action.items()]
    }


def put(pk: str, **attributes: Any) -> tuple[str, dict[str, Any]]:
    return "put_item", {
        "TableName": "Music",
        "Item": key(pk) | {name: {"S": each} for name, each in attributes.items()},
    }


def update(pk: str, expression: str, **members: Any) -> tuple[str, dict[str, Any]]:
    values = {} if ":" not in expression else {"ExpressionAttributeValues": {":v": {"S": "v"}}}
    return "update_item", {
        "TableName": "Music",
        "Key": key(pk),
        "UpdateExpression": expression,
        **values,
        **members,
    }


LEGACY = {"holder": {"ComparisonOperator": "EQ", "AttributeValueList": [{"S": "eve#1"}]}}
CASES: list[tuple[str, tuple[str, dict[str, Any]], str | None]] = [
    ("bob", get("bob#1"), None),
    ("bob", get("eve#1"), "GetItem"),
    ("bob", ("get_item", {"TableName": ARN.replace("us-east-1", "eu-west-1"), "Key": key("eve#1")}), "GetItem"),
    ("bob", ("batch_get_item", {"RequestItems": {"Music": {"Keys": [key("bob#1"), key("bob#2")]}}}), None),
    ("bob", ("batch_get_item", {"RequestItems": {"Music": {"Keys": [key("bob#1"), key("eve#1")]}}}), "BatchGetItem"),
    ("bob", query("pk = :pk", "bob#1"), None),
    ("bob", query(":pk = pk", "eve#1"), "Query"),
    ("bob", query("(#k = :pk)", "eve#1", ExpressionAttributeNames={"#k": "pk"}), "Query"),
    ("bob", query("holder = :pk", "bob#1", IndexName="by-holder"), None),
    ("bob", query("holder = :pk", "eve#1", IndexName="by-holder"), "Query"),
    ("bob", ("query", {"TableName": "Music", "IndexName": "by-holder", "KeyConditions": LEGACY}), "Query"),
    ("bob", put("bob#3"), None),
    ("bob", put("eve#3"), "PutItem"),
    ("bob", update("eve#1", "SET x = :v"), "UpdateItem"),
    ("bob", ("delete_item", {"TableName": "Music", "Key": key("eve#1")}), "DeleteItem"),
    ("bob", ("batch_write_item", {"RequestItems": {"Music": [{"PutRequest": {"Item": key("bob#3")}}]}}), None),
    ("bob", ("batch_write_item", {"RequestItems": {"Music": [{"PutRequest": {"Item": key("bob#3")}}, {"DeleteRequest": {"Key": key("eve#1")}}]}}), "BatchWriteItem"),
    ("bob", transact(Put={"Item": key("bob#4")}), None),
    ("bob", transact(Put={"Item": key("eve#4")}), "PutItem"),
    ("bob", transact(ConditionCheck={"Key": key("eve#1"), "ConditionExpression": "attribute_exists(pk)"}), "ConditionCheckItem"),
    ("bob", transact(Delete={"Key": key("eve#1")}), "DeleteItem"),
    ("bob", ("transact_get_items", {"TransactItems": [{"Get": {"TableName": "Music", "Key": key("eve#1")}}]}), "GetItem"),
    ("bob", stated("SELECT * FROM Music WHERE pk = 'bob#1'"), None),
    ("bob", stated("SELECT * FROM Music WHERE pk = ?", "bob#1"), None),
    ("bob", stated("SELECT * FROM Music WHERE pk = ?", "eve#1"), "PartiQLSelect"),
    ("bob", stated("SELECT * FROM Music WHERE pk IN ['bob#1', 'bob#2']"), None),
    ("bob", stated("SELECT * FROM Music WHERE pk IN ['bob#1', 'eve#1']"), "PartiQLSelect"),
    ("bob", stated("SELECT * FROM Music WHERE pk = 'bob#1' OR pk = 'eve#1'"), "PartiQLSelect"),
    ("bob", stated("SELECT * FROM Music WHERE pk = 'bob#1' OR name = 'n'"), "PartiQLSelect"),
    ("bob", stated("SELECT * FROM Music WHERE NOT pk = 'bob#1'"), "PartiQLSelect"),
    ("bob", stated("SELECT * FROM Music"), "PartiQLSelect"),
    ("bob", stated("SELECT * FROM Music.\"by-holder\" WHERE holder = 'eve#1'"), "PartiQLSelect"),
    ("bob", stated("INSERT INTO Music VALUE {'pk': 'bob#9'}"), None),
    ("bob", stated("INSERT INTO Music VALUE {'pk': ?}", "eve#9"), "PartiQLInsert"),
    ("bob", stated("UPDATE Music SET x = 1 WHERE pk = 'eve#1'"), "PartiQLUpdate"),
    ("bob", stated("DELETE FROM Music WHERE pk = ?", "eve#1"), "PartiQLDelete"),
    ("bob", ("describe_table", {"TableName": "Music"}), "DescribeTable"),
    ("amy", get("eve#1", ProjectionExpression="pk, #n", ExpressionAttributeNames={"#n": "name"}), None),
    ("amy", get("eve#1", AttributesToGet=["pk", "name"]), None),
    ("amy", get("eve#1", ProjectionExpression="pk, #o", ExpressionAttributeNames={"#o": "holder"}), "GetItem"),
    ("amy", get("eve#1", AttributesToGet=["holder"]), "GetItem"),
    ("amy", get("eve#1"), "GetItem"),
    ("amy", query("pk = :pk", "eve#1", Select="COUNT"), "Query"),
    ("amy", query("pk = :pk", "eve#1", ProjectionExpression="pk", FilterExpression="attribute_exists(secret.a)"), "Query"),
    ("amy", put("amy", name="a"), None),
    ("amy", put("amy", holder="a"), "PutItem"),
    ("amy", ("put_item", put("amy")[1] | {"ReturnValues": "ALL_OLD"}), "PutItem"),
    ("amy", update("amy", "SET #n = :v", ExpressionAttributeNames={"#n": "name"}), None),
    ("amy", update("amy", "REMOVE secret"), "UpdateItem"),
    ("amy", update("amy", "SET #n = if_not_exists(secret, :v)", ExpressionAttributeNames={"#n": "name"}), "UpdateItem"),
    ("amy", update("amy", "SET #n = :v", ExpressionAttributeNames={"#n": "name"}, ReturnValues="ALL_NEW"), "UpdateItem"),
    ("far", get("eve#1"), "GetItem"),
    ("eve", get("eve#1"), "GetItem"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "call", "denied"), CASES)
def test_what_a_policy_allows(
    server: Server, name: str, call: tuple[str, dict[str, Any]], denied: str | None
) -> None:
    operation, request = call
    assert refused_action(lambda: getattr(server.client(name), operation)(**request)) == denied


def refused_action(call: Callable[[], Any]) -> str | None:
    """The action that is not allowed; None where all is."""
    try:
        call()
    except ClientError as refused:
        error = refused.response["Error"]
        assert error["Code"] == "AccessDeniedException", error
        return str(error["Message"].split("dynamodb:")[1].split(" ")[0])
    return None


def test_a_tables_policy_lets_in_and_keeps_out(server: Server) -> None:
    """And whoever it would lock out has to say that this is meant."""
    admin, eve = server.client("admin"), server.client("eve")

    def attach(effect: str, user: str, action: str = "dynamodb:GetItem", **members: Any) -> None:
        principal = {"AWS": f"arn:aws:iam::000000000000:user/{user}"}
        statement = {"Effect": effect, "Principal": principal, "Action": action, "Resource": ARN, "Sid": "s"}
        document = json.dumps({"Version": "2012-10-17", "Statement": statement})
        admin.put_resource_policy(ResourceArn=ARN, Policy=document, **members)

    call = get("bob#1")[1]
    attach("Allow", "eve")
    assert eve.get_item(**call)["Item"]["pk"] == {"S": "bob#1"}
    attach("Allow", "bob")
    assert refused_action(lambda: eve.get_item(**call)) == "GetItem"
    attach("Deny", "bob")
    with pytest.raises(ClientError, match="with an explicit deny in a resource-based policy"):
        server.client("bob").get_item(**call)
    with pytest.raises(ClientError, match="will not allow you to update the policy"):
        attach("Deny", "admin", "dynamodb:PutResourcePolicy")
    attach("Deny", "admin", "dynamodb:PutResourcePolicy", ConfirmRemoveSelfResourceAccess=True)
    assert refused_action(lambda: attach("Allow", "eve")) == "PutResourcePolicy"
    admin.delete_resource_policy(ResourceArn=ARN)


def test_a_refusal_by_a_users_own_policy_says_so(server: Server) -> None:
    with pytest.raises(ClientError, match="with an explicit deny in an identity-based policy"):
        server.client("bob").execute_statement(Statement="SELECT * FROM Music")
