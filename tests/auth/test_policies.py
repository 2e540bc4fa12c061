"""Policy documents: what they allow and deny, and which are refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from alt.auth.keys import AccessKey
from alt.auth.permissions import Circumstances, decide
from alt.auth.policies import MalformedPolicyError, Wanted, read_policy

ACCOUNT = "000000000000"
TABLE = f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/Music"
NOW = 1_795_521_600.0  # 2026-11-24 12:00:00 UTC
ALLOW = {"Effect": "Allow", "Action": "dynamodb:*", "Resource": "*"}
DENY = {"Effect": "Deny", "Action": "*", "Resource": "*"}


def policy(*statements: dict[str, Any], **members: Any) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements), **members})


def decision(
    text: str,
    action: str = "GetItem",
    resource: str = TABLE,
    attached: str | None = None,
    **values: list[str],
) -> tuple[bool, str | None]:
    """`values` are of condition keys, without their prefix."""
    key = AccessKey("AKIA", "bob", None, "", read_policy(text))
    wanted = Wanted(action, resource, {f"dynamodb:{name.lower()}": each for name, each in values.items()}.get)
    its = None if attached is None else read_policy(attached, is_of_resource=True)
    found = decide(key, wanted, its, Circumstances("us-east-1", NOW, "10.1.2.3"))
    return found.is_allowed, found.by


ELEMENTS = [
    ({"Action": "dynamodb:GetItem"}, True),
    ({"Action": "dynamodb:getitem"}, True),
    ({"Action": "dynamodb:Get*"}, True),
    ({"Action": "dynamodb:Get?tem"}, True),
    ({"Action": "*"}, True),
    ({"Action": ["dynamodb:PutItem", "dynamodb:GetItem"]}, True),
    ({"Action": "dynamodb:PutItem"}, False),
    ({"Action": "s3:GetItem"}, False),
    ({"Action": "dynamodb:GetItems"}, False),
    ({"NotAction": "dynamodb:PutItem"}, True),
    ({"NotAction": "dynamodb:Get*"}, False),
    ({"Resource": TABLE}, True),
    ({"Resource": "arn:aws:dynamodb:*:*:table/Music"}, True),
    ({"Resource": "arn:aws:dynamodb:us-east-1:*:table/M*"}, True),
    ({"Resource": "arn:*"}, True),
    ({"Resource": f"{TABLE}/index/*"}, False),
    ({"Resource": f"{TABLE}s"}, False),
    ({"Resource": "arn:aws:dynamodb:eu-west-1:*:table/Music"}, False),
    ({"Resource": f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/${{aws:username}}"}, False),
    ({"Resource": ["arn:aws:dynamodb:*:*:table/Other", TABLE]}, True),
    ({"NotResource": "arn:aws:dynamodb:*:*:table/Other"}, True),
    ({"NotResource": TABLE}, False),
]


@pytest.mark.parametrize(("elements", "is_allowed"), ELEMENTS)
def test_a_statement_is_about_actions_and_resources(elements: dict[str, Any], is_allowed: bool) -> None:
    left = {name: each for name, each in ALLOW.items() if f"Not{name}" not in elements}
    assert decision(policy(left | elements))[0] is is_allowed


def test_a_variable_stands_for_what_the_caller_is() -> None:
    mine = policy(ALLOW | {"Resource": "arn:aws:dynamodb:*:*:table/of-${aws:username}"})
    assert decision(mine, resource=TABLE.replace("Music", "of-bob"))[0]
    assert not decision(mine, resource=TABLE.replace("Music", "of-*"))[0]
    older = policy(
        ALLOW | {"Resource": "arn:aws:dynamodb:*:*:table/of-${aws:username}"}, Version="2008-10-17"
    )
    assert not decision(older, resource=TABLE.replace("Music", "of-bob"))[0]


def test_what_is_denied_is_denied_whatever_allows_it() -> None:
    assert decision(policy(ALLOW, DENY | {"Sid": "No"})) == (False, "No")
    assert decision(policy(DENY, ALLOW)) == (False, "statement 1")
    assert decision(policy(ALLOW | {"Sid": "All"})) == (True, "All")
    assert decision(policy(ALLOW | {"Action": "dynamodb:PutItem"})) == (False, None)


def test_what_is_denied_in_one_region_is_denied_in_all_since_they_have_the_same_tables() -> None:
    text = policy(ALLOW, DENY | {"Resource": TABLE.replace("us-east-1", "eu-west-1")})
    assert not decision(text)[0]


CONDITIONS: list[tuple[dict[str, Any], dict[str, list[str]], bool]] = [
    ({"StringEquals": {"dynamodb:Select": "COUNT"}}, {"Select": ["COUNT"]}, True),
    ({"StringEquals": {"dynamodb:Select": "COUNT"}}, {"Select": ["ALL_ATTRIBUTES"]}, False),
    ({"StringEquals": {"dynamodb:Select": "COUNT"}}, {}, False),
    ({"StringEquals": {"DynamoDB:select": ["A", "COUNT"]}}, {"Select": ["COUNT"]}, True),
    ({"StringEquals": {"dynamodb:Select": "C*"}}, {"Select": ["COUNT"]}, False),
    ({"StringEqualsIfExists": {"dynamodb:Select": "COUNT"}}, {}, True),
    ({"StringEqualsIfExists": {"dynamodb:Select": "COUNT"}}, {"Select": ["A"]}, False),
    ({"StringNotEquals": {"dynamodb:Select": "COUNT"}}, {"Select": ["A"]}, True),
    ({"StringNotEquals": {"dynamodb:Select": ["A", "COUNT"]}}, {"Select": ["A"]}, False),
    ({"StringNotEquals": {"dynamodb:Select": "COUNT"}}, {}, True),
    ({"StringEqualsIgnoreCase": {"dynamodb:Select": "count"}}, {"Select": ["COUNT"]}, True),
    ({"StringNotEqualsIgnoreCase": {"dynamodb:Select": "count"}}, {"Select": ["COUNT"]}, False),
    ({"StringLike": {"dynamodb:Select": "C*T"}}, {"Select": ["COUNT"]}, True),
    ({"StringLike": {"dynamodb:Select": "C?T"}}, {"Select": ["COUNT"]}, False),
    ({"StringNotLike": {"dynamodb:Select": "C*T"}}, {"Select": ["COUNT"]}, False),
    ({"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": ["a", "b"]}}, {"LeadingKeys": ["a", "b"]}, True),
    ({"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": ["a", "b"]}}, {"LeadingKeys": ["a", "c"]}, False),
    ({"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": "a"}}, {}, True),
    ({"ForAnyValue:StringEquals": {"dynamodb:LeadingKeys": "a"}}, {"LeadingKeys": ["a", "c"]}, True),
    ({"ForAnyValue:StringEquals": {"dynamodb:LeadingKeys": "a"}}, {"LeadingKeys": ["c"]}, False),
    ({"ForAnyValue:StringEquals": {"dynamodb:LeadingKeys": "a"}}, {}, False),
    ({"ForAllValues:StringNotEquals": {"dynamodb:Attributes": "secret"}}, {"Attributes": ["a", "b"]}, True),
    ({"ForAllValues:StringNotEquals": {"dynamodb:Attributes": "secret"}}, {"Attributes": ["a", "secret"]}, False),
    ({"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": "${aws:username}"}}, {"LeadingKeys": ["bob"]}, True),
    ({"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": "${aws:username}"}}, {"LeadingKeys": ["eve"]}, False),
    ({"ForAllValues:StringLike": {"dynamodb:LeadingKeys": "${aws:username}#*"}}, {"LeadingKeys": ["bob#1"]}, True),
    ({"ForAllValues:StringLike": {"dynamodb:LeadingKeys": "${no:such}*"}}, {"LeadingKeys": ["x"]}, False),
    ({"ForAllValues:StringLike": {"dynamodb:LeadingKeys": "${no:such, 'x'}*"}}, {"LeadingKeys": ["xy"]}, True),
    ({"StringEquals": {"dynamodb:LeadingKeys": "a"}}, {"LeadingKeys": ["a", "c"]}, False),
    ({"NumericLessThan": {"dynamodb:LeadingKeys": "10"}}, {"LeadingKeys": ["9.5"]}, True),
    ({"NumericLessThan": {"dynamodb:LeadingKeys": 10}}, {"LeadingKeys": ["10"]}, False),
    ({"NumericLessThanEquals": {"dynamodb:LeadingKeys": 10}}, {"LeadingKeys": ["10"]}, True),
    ({"NumericGreaterThan": {"dynamodb:LeadingKeys": 10}}, {"LeadingKeys": ["11"]}, True),
    ({"NumericGreaterThanEquals": {"dynamodb:LeadingKeys": 10}}, {"LeadingKeys": ["9"]}, False),
    ({"NumericEquals": {"dynamodb:LeadingKeys": "1.0"}}, {"LeadingKeys": ["1"]}, True),
    ({"NumericNotEquals": {"dynamodb:LeadingKeys": "1"}}, {"LeadingKeys": ["1"]}, False),
    ({"NumericEquals": {"dynamodb:LeadingKeys": "1"}}, {"LeadingKeys": ["one"]}, False),
    ({"Bool": {"dynamodb:FullTableScan": "false"}}, {"FullTableScan": ["false"]}, True),
    ({"Bool": {"dynamodb:FullTableScan": False}}, {"FullTableScan": ["true"]}, False),
    ({"Null": {"dynamodb:LeadingKeys": "true"}}, {}, True),
    ({"Null": {"dynamodb:LeadingKeys": "false"}}, {}, False),
    ({"Null": {"dynamodb:LeadingKeys": False}}, {"LeadingKeys": ["a"]}, True),
    ({"BinaryEquals": {"dynamodb:LeadingKeys": "AAE="}}, {"LeadingKeys": ["AAE="]}, True),
    ({"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}, {}, True),
    ({"IpAddress": {"aws:SourceIp": ["192.168.0.0/16", "10.1.2.3"]}}, {}, True),
    ({"IpAddress": {"aws:SourceIp": "10.2.0.0/16"}}, {}, False),
    ({"NotIpAddress": {"aws:SourceIp": "10.0.0.0/8"}}, {}, False),
    ({"DateLessThan": {"aws:CurrentTime": "2026-11-24T12:00:01Z"}}, {}, True),
    ({"DateGreaterThan": {"aws:CurrentTime": "2026-11-24T12:00:01Z"}}, {}, False),
    ({"DateGreaterThanEquals": {"aws:CurrentTime": "2026-11-24"}}, {}, True),
    ({"DateLessThanEquals": {"aws:EpochTime": "1795521600"}}, {}, True),
    ({"NumericLessThan": {"aws:EpochTime": "1795521600"}}, {}, False),
    ({"StringEquals": {"aws:username": "bob", "aws:userid": "AKIA"}}, {}, True),
    ({"StringEquals": {"aws:username": "bob", "aws:userid": "other"}}, {}, False),
    ({"StringEquals": {"aws:username": "bob"}, "StringLike": {"aws:userid": "B*"}}, {}, False),
    ({"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:user/b*"}}, {}, True),
    ({"ArnEquals": {"aws:PrincipalArn": "arn:*:iam::0:*"}}, {}, False),
    ({"ArnNotLike": {"aws:PrincipalArn": f"arn:aws:iam::{ACCOUNT}:user/bob"}}, {}, False),
    ({"StringEquals": {"aws:RequestedRegion": "us-east-1"}}, {}, True),
    ({"StringEquals": {"aws:PrincipalAccount": ACCOUNT}}, {}, True),
]  # fmt: skip


@pytest.mark.parametrize(("condition", "values", "holds"), CONDITIONS)
def test_a_condition(condition: dict[str, Any], values: dict[str, list[str]], holds: bool) -> None:
    assert decision(policy(ALLOW | {"Condition": condition}), **values)[0] is holds


def test_of_several_values_without_a_qualifier_one_is_enough_to_deny() -> None:
    denying = policy(ALLOW, DENY | {"Condition": {"StringEquals": {"dynamodb:LeadingKeys": "secret"}}})
    assert decision(denying, LeadingKeys=["a"])[0]
    assert not decision(denying, LeadingKeys=["a", "secret"])[0]


MALFORMED = [
    ("", "the policy is no JSON"),
    ("[]", "the policy is not an object"),
    ("{}", "there is no Statement"),
    (policy(Version="2020-01-01"), "Version must be one of 2012-10-17, 2008-10-17"),
    (policy(), "there is no Statement"),
    (policy(ALLOW, Statements=[]), "the policy has the unknown member Statements"),
    (policy(ALLOW | {"Action": None}), "statement 1: Action must be a text or a list of texts"),
    (policy(ALLOW | {"Action": []}), "statement 1: Action must be a text or a list of texts"),
    (policy(ALLOW | {"Action": "GetItem"}), "statement 1: 'GetItem' is no action, such as dynamodb:GetItem"),
    (policy(ALLOW | {"NotAction": "*"}), "statement 1 must have either Action or NotAction"),
    (policy({"Effect": "Allow", "Action": "*"}), "statement 1 must have either Resource or NotResource"),
    (policy(ALLOW | {"Resource": "Music"}), "statement 1: 'Music' is no resource: give an ARN, or *"),
    (policy(ALLOW | {"Effect": "allow"}), "statement 1: Effect must be Allow or Deny"),
    (policy(ALLOW | {"Principal": "*"}), "statement 1 must not name a Principal: the policy is a user's"),
    (policy(ALLOW | {"Sid": 1}), "statement 1 has a Sid that is none"),
    (policy(ALLOW | {"Sid": "a"}, ALLOW | {"Sid": "a"}), "two statements have the same Sid"),
    (policy(ALLOW | {"Conditions": {}}), "statement 1 has the unknown member Conditions"),
    (policy(ALLOW | {"Condition": []}), "statement 1: Condition is not an object"),
    (policy(ALLOW | {"Condition": {"Equals": {"a": "b"}}}), "statement 1: there is no condition operator Equals"),
    (policy(ALLOW | {"Condition": {"NullIfExists": {"a": "true"}}}), "statement 1: there is no condition operator NullIfExists"),
    (policy(ALLOW | {"Condition": {"Bool": {"a": "yes"}}}), "statement 1: Bool a cannot have the value 'yes'"),
    (policy(ALLOW | {"Condition": {"NumericEquals": {"a": "b"}}}), "statement 1: NumericEquals a cannot have the value 'b'"),
    (policy(ALLOW | {"Condition": {"DateEquals": {"a": "today"}}}), "statement 1: DateEquals a cannot have the value 'today'"),
    (policy(ALLOW | {"Condition": {"IpAddress": {"a": "home"}}}), "statement 1: IpAddress a cannot have the value 'home'"),
    (policy(ALLOW | {"Condition": {"ArnLike": {"a": "b"}}}), "statement 1: ArnLike a cannot have the value 'b'"),
    (policy(ALLOW | {"Condition": {"StringEquals": {"a": {}}}}), "statement 1: the values of StringEquals a are no texts"),
    (policy(ALLOW | {"Sid": "x" * 21_000}), "the policy has more than 20480 bytes"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "problem"), MALFORMED)
def test_a_malformed_policy_is_refused(text: str, problem: str) -> None:
    with pytest.raises(MalformedPolicyError) as refused:
        read_policy(text)
    assert str(refused.value) == problem


BOB = f"arn:aws:iam::{ACCOUNT}:user/bob"
EVE = f"arn:aws:iam::{ACCOUNT}:user/eve"
PRINCIPALS: list[tuple[dict[str, Any], bool]] = [
    ({"Principal": "*"}, True),
    ({"Principal": {"AWS": "*"}}, True),
    ({"Principal": {"AWS": BOB}}, True),
    ({"Principal": {"AWS": [EVE, BOB]}}, True),
    ({"Principal": {"AWS": EVE}}, False),
    ({"Principal": {"AWS": ACCOUNT}}, True),
    ({"Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}}, True),
    ({"Principal": {"AWS": "123456789012"}}, False),
    ({"Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:user/b*"}}, False),
    ({"Principal": {"Service": "replication.dynamodb.amazonaws.com"}}, False),
    ({"NotPrincipal": {"AWS": EVE}}, True),
    ({"NotPrincipal": {"AWS": BOB}}, False),
    ({"NotPrincipal": {"AWS": ACCOUNT}}, False),
]


@pytest.mark.parametrize(("principal", "is_allowed"), PRINCIPALS)
def test_a_resource_allows_who_is_named(principal: dict[str, Any], is_allowed: bool) -> None:
    nothing = policy(ALLOW | {"Action": "dynamodb:PutItem"})
    assert decision(nothing, attached=policy(ALLOW | principal))[0] is is_allowed


def test_a_resource_denies_what_a_user_is_allowed_and_the_other_way_about() -> None:
    everybody = {"Principal": "*"}
    assert decision(policy(ALLOW), attached=policy(DENY | everybody)) == (False, "statement 1")
    assert decision(policy(DENY), attached=policy(ALLOW | everybody)) == (False, "statement 1")
    assert decision(policy(ALLOW | {"Sid": "mine"}), attached=policy(ALLOW | everybody)) == (True, "mine")


def test_a_pattern_of_many_stars_is_compared_at_once() -> None:
    text = policy(ALLOW | {"Condition": {"StringLike": {"dynamodb:LeadingKeys": "*a" * 2_000 + "*b"}}})
    assert not decision(text, LeadingKeys=["a" * 2_048])[0]
