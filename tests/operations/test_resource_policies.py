"""Policies of tables and streams: what is refused, in which words (as recorded), and what a change leaves."""

from __future__ import annotations

import json
from typing import Any

import pytest

ARN = "arn:aws:dynamodb:us-east-1:000000000000:table/Music"
STATEMENT = {"Effect": "Allow", "Principal": "*", "Action": "dynamodb:GetItem", "Resource": ARN}
TABLE = {
    "TableName": "Music",
    "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
    "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
    "BillingMode": "PAY_PER_REQUEST",
}
INVALID = "One or more parameter values were invalid: "
DOCUMENT = f"{INVALID}Invalid policy document: "
NOT_FOUND = "Resource-based policy not found for the provided ResourceArn: "


def policy(**elements: Any) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [STATEMENT | elements]})


def without(element: str) -> str:
    left = {name: each for name, each in STATEMENT.items() if name != element}
    return json.dumps({"Version": "2012-10-17", "Statement": left})


def put(service: Any, text: str, arn: str = ARN, **members: Any) -> str:
    revision: str = service("PutResourcePolicy", ResourceArn=arn, Policy=text, **members)["RevisionId"]
    return revision


def test_a_policy_is_kept_until_it_is_deleted(any_service: Any) -> None:
    any_service.create()
    assert any_service.refusal("GetResourcePolicy", ResourceArn=ARN) == (
        "PolicyNotFoundException",
        NOT_FOUND + ARN,
    )
    assert any_service("DeleteResourcePolicy", ResourceArn=ARN) == {}
    text = policy()
    revision = put(any_service, json.dumps(json.loads(text), indent=4))
    kept = any_service("GetResourcePolicy", ResourceArn=ARN)
    assert kept == {"Policy": text.replace(" ", ""), "RevisionId": revision}
    assert any_service("DeleteResourcePolicy", ResourceArn=ARN) == {"RevisionId": revision}
    assert any_service.refusal("GetResourcePolicy", ResourceArn=ARN)[0] == "PolicyNotFoundException"
    after = any_service("DeleteResourcePolicy", ResourceArn=ARN)["RevisionId"]  # of the deletion
    assert int(after) > int(revision)
    assert "ResourcePolicy" not in str(any_service.describe())


def test_a_revision_is_the_time_of_a_change_and_the_same_in_other_words_is_none(any_service: Any) -> None:
    any_service.create()
    first = put(any_service, policy(Principal={"AWS": "000000000000"}))
    assert first == str(int(any_service.now * 1_000))
    any_service.now += 60
    same = {"Resource": [ARN], "Action": ["dynamodb:GetItem"]}
    root = {"AWS": ["arn:aws:iam::000000000000:root"]}
    assert put(any_service, policy(Principal=root, **same)) == first
    second = put(any_service, policy(Action="dynamodb:PutItem"))
    assert second == str(int(any_service.now * 1_000))
    assert int(put(any_service, policy())) == int(second) + 1


def test_a_change_may_expect_a_revision(any_service: Any) -> None:
    any_service.create()
    expects = {"ExpectedRevisionId": "1"}
    none = (
        "PolicyNotFoundException",
        f"{NOT_FOUND}Requested update for policy with revision id 1, but table Music has no associated policy.",
    )
    assert any_service.refusal("PutResourcePolicy", ResourceArn=ARN, Policy=policy(), **expects) == none
    assert any_service.refusal("DeleteResourcePolicy", ResourceArn=ARN, **expects) == none
    revision = put(any_service, policy(), ExpectedRevisionId="NO_POLICY")
    other = policy(Action="dynamodb:Query")
    assert any_service.refusal(
        "PutResourcePolicy", ResourceArn=ARN, Policy=other, ExpectedRevisionId="NO_POLICY"
    ) == (
        "PolicyNotFoundException",
        f"{NOT_FOUND}Requested policy update expecting none to be present for table Music, but a policy exists with revision id {revision}.",
    )
    assert any_service.refusal("DeleteResourcePolicy", ResourceArn=ARN, **expects) == (
        "PolicyNotFoundException",
        f"{NOT_FOUND}Requested update for policy with revision id 1, but the policy associated to target table Music has revision id {revision}.",
    )
    changed = put(any_service, other, ExpectedRevisionId=revision)
    assert any_service("DeleteResourcePolicy", ResourceArn=ARN, ExpectedRevisionId=changed) == {
        "RevisionId": changed
    }
    assert (
        any_service.refusal("DeleteResourcePolicy", ResourceArn=ARN, ExpectedRevisionId=changed)[0]
        == "PolicyNotFoundException"
    )
    put(any_service, policy(), ExpectedRevisionId="NO_POLICY")


BAD_POLICIES = [
    ("", f"{DOCUMENT}This policy contains invalid Json"),
    ("{not json", f"{DOCUMENT}This policy contains invalid Json"),
    (json.dumps({"Version": "2012-10-17", "Statement": []}), f"{DOCUMENT}Could not parse the policy: Statement is empty!"),
    *[(without(element), f"{DOCUMENT}Missing required field {element}") for element in STATEMENT],
    (policy() + " " * 20_480, f"{INVALID}Maximum policy size of 20480 bytes exceeded"),
    (
        policy(Action=["dynamodb:GetRecords", "dynamodb:DescribeStream", "dynamodb:GetItem"]),
        f'{DOCUMENT}The following action names are invalid: "dynamodb:GetRecords", "dynamodb:DescribeStream"',
    ),
    (policy(Action="dynamodb:RestoreTableFromBackup"), f'{DOCUMENT}The following action names are invalid: "dynamodb:RestoreTableFromBackup"'),
    (policy(Resource=f"{ARN}/stream/now"), f'{DOCUMENT}The relative-id "table/Music/stream/now" is invalid for ARN "{ARN}/stream/now"'),
]  # fmt: skip


@pytest.mark.parametrize(("text", "message"), BAD_POLICIES)
def test_a_bad_policy_is_refused_by_itself_and_with_a_new_table(
    any_service: Any, text: str, message: str
) -> None:
    refused = ("ValidationException", message)
    assert any_service.refusal("CreateTable", **TABLE, ResourcePolicy=text) == refused
    any_service.create()
    assert any_service.refusal("PutResourcePolicy", ResourceArn=ARN, Policy=text) == refused


@pytest.mark.parametrize(
    "elements",
    [{"Resource": "*"}, {"Resource": f"{ARN}/index/*"}, {"Resource": f"{ARN}s"}, {"Action": "dynamodb:*"}],
)
def test_a_policy_may_name_what_is_not_there(any_service: Any, elements: dict[str, Any]) -> None:
    any_service.create()
    put(any_service, policy(**elements))


BAD_ARNS = [
    ("Music", "ValidationException", f"{INVALID}ARNs must start with 'arn:': Music"),
    (f"{ARN}s", "ResourceNotFoundException", "Requested resource not found: Table: Musics not found"),
    (f"{ARN}/index/by", "ValidationException", f"{INVALID}Invalid resource arn provided, only table or stream is accepted. Provided resource arn: {ARN}/index/by"),
    (f"{ARN}/backup/1", "ValidationException", f"{INVALID}Provided Arn is not a DynamoDB resource arn: {ARN}/backup/1"),
    (f"{ARN}/stream/then", "ResourceNotFoundException", "Requested resource not found: Stream: then not found for Table: Music"),
]  # fmt: skip


@pytest.mark.parametrize(("arn", "code", "message"), BAD_ARNS)
def test_a_policy_is_of_a_table_or_a_stream(any_service: Any, arn: str, code: str, message: str) -> None:
    any_service.create()
    assert any_service.refusal("GetResourcePolicy", ResourceArn=arn) == (code, message)


def test_a_table_may_be_created_with_one_and_a_stream_has_its_own(any_service: Any) -> None:
    any_service.create(
        ResourcePolicy=policy(),
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"},
    )
    assert any_service("GetResourcePolicy", ResourceArn=ARN)["RevisionId"] == str(
        int(any_service.now * 1_000)
    )
    stream = any_service.describe()["LatestStreamArn"]
    assert any_service.refusal("GetResourcePolicy", ResourceArn=stream) == (
        "PolicyNotFoundException",
        NOT_FOUND + stream,
    )
    assert any_service.refusal("PutResourcePolicy", ResourceArn=stream, Policy=policy())[1].startswith(
        DOCUMENT
    )
    revision = put(any_service, policy(Action="dynamodb:GetRecords", Resource=stream), stream)
    assert any_service("GetResourcePolicy", ResourceArn=stream)["RevisionId"] == revision
    any_service("DeleteResourcePolicy", ResourceArn=ARN)
    assert "Policy" in any_service("GetResourcePolicy", ResourceArn=stream)
