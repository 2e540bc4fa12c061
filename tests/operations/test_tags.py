"""Tags: what is refused, in which words and which order, and what a change leaves."""

from __future__ import annotations

from typing import Any

import pytest

from alt.operations.tables import tags

ARN = "arn:aws:dynamodb:us-east-1:000000000000:table/Music"
INVALID = "One or more parameter values were invalid: "
TOO_MANY = "Number of Tags exceed the current limit for the provided ResourceArn"


def tag(key: str, value: str = "") -> dict[str, str]:
    return {"Key": key, "Value": value}


def listed(service: Any) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in service("ListTagsOfResource", ResourceArn=ARN)["Tags"]}


BAD_TAGS = [
    ([{}], "The Tag Key provided is invalid, Key: null"),
    ([{"Value": "v"}], "The Tag Key provided is invalid, Key: null"),
    ([tag("")], "The Tag Key provided is invalid, Key: "),
    ([tag("k" * 129)], f"The Tag Key provided is invalid, Key: {'k' * 129}"),
    ([tag("a#b")], "The Tag Key provided is invalid, Key: a#b"),
    ([tag("a\tb")], "The Tag Key provided is invalid, Key: a\tb"),
    ([tag("🔑")], "The Tag Key provided is invalid, Key: 🔑"),
    ([tag("aws:foo")], "Tag Key cannot be prefixed with aws:, Key: aws:foo"),
    ([tag("AWS:foo")], "Tag Key cannot be prefixed with aws:, Key: AWS:foo"),
    ([{"Key": "k"}], "The Tag Value provided is invalid, Value: null"),
    ([tag("k", "v" * 257)], f"The Tag Value provided is invalid, Value: {'v' * 257}"),
    *[
        ([tag("k", value)], f"The Tag Value provided is invalid, Value: {value}")
        for value in (
            "100%",
            "a,b",
            "it's",
            '"q"',
            "(x)",
            "a&b",
            "a*b",
            "a;b",
            "a?b",
            "a|b",
            "a\\b",
            "<a>",
            "~a",
        )
    ],
    (
        [tag("good"), tag("dup", "1"), tag("dup", "2")],
        "Duplicate Tag Keys provided as input: Duplicate Tag Key found dup",
    ),
    ([tag(f"k{number}") for number in range(51)], TOO_MANY),
    # The first that is wrong by itself is named, ahead of what is wrong with all together.
    ([tag("dup"), tag("dup"), tag("aws:foo"), tag("")], "Tag Key cannot be prefixed with aws:, Key: aws:foo"),
]


@pytest.mark.parametrize(("bad", "message"), BAD_TAGS)
def test_bad_tags(any_service: Any, bad: list[dict[str, str]], message: str) -> None:
    refused = ("ValidationException", message)
    # Before the table is looked up, and nothing of the request is done.
    assert any_service.refusal("TagResource", ResourceArn=ARN, Tags=bad) == refused
    any_service.create()
    any_service("TagResource", ResourceArn=ARN, Tags=[tag("old")])
    assert any_service.refusal("TagResource", ResourceArn=ARN, Tags=[tag("new"), *bad][-51:]) == refused
    assert listed(any_service) == {"old": ""}


@pytest.mark.parametrize(("bad", "message"), BAD_TAGS)
def test_bad_tags_create_no_table(any_service: Any, bad: list[dict[str, str]], message: str) -> None:
    request = {
        "TableName": "Music",
        "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
        "BillingMode": "PAY_PER_REQUEST",
        "Tags": bad,
    }
    assert any_service.refusal("CreateTable", **request) == ("ValidationException", message)
    assert any_service("ListTables")["TableNames"] == []


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ([], "Atleast one Tag Key needs to be provided as Input."),
        ([""], "The Tag Key provided is invalid, Key: "),
        (["k" * 129], f"The Tag Key provided is invalid, Key: {'k' * 129}"),
        (["team", "Aws:x"], "Tag Key cannot be prefixed with aws:, Key: Aws:x"),
        ([f"k{number}" for number in range(51)], TOO_MANY),
    ],
)
def test_bad_keys_to_untag(any_service: Any, keys: list[str], message: str) -> None:
    any_service.create(Tags=[tag("team", "jazz")])
    assert any_service.refusal("UntagResource", ResourceArn=ARN, TagKeys=keys) == (
        "ValidationException",
        message,
    )
    assert listed(any_service) == {"team": "jazz"}


BAD_ARNS = [
    ("", INVALID + "ARNs must start with 'arn:': "),
    ("Music", INVALID + "ARNs must start with 'arn:': Music"),
    ("arn:aws:s3:::Music", INVALID + "Provided Arn is not a DynamoDB resource arn: arn:aws:s3:::Music"),
    ("arn:not/a/good/format", INVALID + "Provided Arn is not a DynamoDB resource arn: arn:not/a/good/format"),
    (f"{ARN}/backup/0170", INVALID + f"Provided Arn is not a DynamoDB resource arn: {ARN}/backup/0170"),
    (
        f"{ARN}/index/ByTitle",
        INVALID
        + "Invalid resource arn provided, only table or stream is accepted. "
        + f"Provided resource arn: {ARN}/index/ByTitle",
    ),
    (f"{ARN[:-5]}ab", f"Invalid TableArn: Invalid ResourceArn provided as input {ARN[:-5]}ab"),
    (f"{ARN}!", f"Invalid TableArn: Invalid ResourceArn provided as input {ARN}!"),
]


@pytest.mark.parametrize(("arn", "message"), BAD_ARNS)
def test_bad_arns(any_service: Any, arn: str, message: str) -> None:
    any_service.create()
    refused = ("ValidationException", message)
    # Ahead of what is wrong with the tags.
    assert any_service.refusal("TagResource", ResourceArn=arn, Tags=[]) == refused
    assert any_service.refusal("UntagResource", ResourceArn=arn, TagKeys=[]) == refused
    assert any_service.refusal("ListTagsOfResource", ResourceArn=arn) == refused


def test_no_such_table(any_service: Any) -> None:
    refused = ("ResourceNotFoundException", f"Requested resource not found: ResourcArn: {ARN} not found")
    assert any_service.refusal("TagResource", ResourceArn=ARN, Tags=[tag("a")]) == refused
    assert any_service.refusal("UntagResource", ResourceArn=ARN, TagKeys=["a"]) == refused
    assert any_service.refusal("ListTagsOfResource", ResourceArn=ARN) == refused
    assert any_service.refusal("TagResource", ResourceArn=ARN, Tags=[]) == (
        "ValidationException",
        "Atleast one Tag needs to be provided as Input.",
    )


def test_what_tags_may_hold(any_service: Any) -> None:
    any_service.create()
    good = {
        "x" * 128: "y" * 256,
        "א" * 128: "א" * 256,
        "ключ": "café 表\u00a0\u3000",
        " ": "",
        "a+b-c=d.e_f:g/h@i": "a+b-c=d.e_f:g/h@i",
        "myaws:foo": "7",
        "Team": "upper",
        "team": "lower",
    }
    any_service("TagResource", ResourceArn=ARN, Tags=[tag(key, value) for key, value in good.items()])
    assert listed(any_service) == good


def test_at_most_fifty_tags(any_service: Any) -> None:
    any_service.create(Tags=[tag(f"k{number}") for number in range(49)])
    any_service("TagResource", ResourceArn=ARN, Tags=[tag("k49")])
    before = listed(any_service)
    for more in ([tag("k50")], [tag("k0", "new"), tag("k50")], [tag(f"n{number}") for number in range(50)]):
        assert any_service.refusal("TagResource", ResourceArn=ARN, Tags=more) == (
            "ValidationException",
            TOO_MANY,
        )
    assert listed(any_service) == before
    any_service("TagResource", ResourceArn=ARN, Tags=[tag(key, "new") for key in before])
    assert listed(any_service) == dict.fromkeys(before, "new")
    any_service("UntagResource", ResourceArn=ARN, TagKeys=["k7", "k7", "absent"])
    any_service("TagResource", ResourceArn=ARN, Tags=[tag("k50")])
    assert len(listed(any_service)) == 50


def test_tags_go_with_their_table(any_service: Any) -> None:
    any_service.create(Tags=[tag("team", "jazz")])
    any_service.create("Films", Tags=[])
    assert listed(any_service) == {"team": "jazz"}
    any_service("DeleteTable", TableName="Music")
    any_service.create()
    assert listed(any_service) == {}


def test_a_tag_change_leaves_the_rest_of_the_table_alone(any_service: Any) -> None:
    any_service.create(DeletionProtectionEnabled=True)
    described = any_service.describe()
    any_service("TagResource", ResourceArn=ARN, Tags=[tag("team", "jazz")])
    assert any_service.describe() == described
    any_service.update(DeletionProtectionEnabled=False)
    assert listed(any_service) == {"team": "jazz"}


def test_pages(service: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    service.create(Tags=[tag(f"k{number:02}") for number in range(50)])
    answer = service("ListTagsOfResource", ResourceArn=ARN)
    assert len(answer["Tags"]) == 50
    assert "NextToken" not in answer
    monkeypatch.setattr(tags, "TAGS_A_PAGE", 20)
    pages, token = [], {}
    while True:
        page = service("ListTagsOfResource", ResourceArn=ARN, **token)
        pages.append(page["Tags"])
        if "NextToken" not in page:
            break
        token = {"NextToken": page["NextToken"]}
    assert [len(page) for page in pages] == [20, 20, 10]
    assert [each for page in pages for each in page] == answer["Tags"]
    refused = service.refusal("ListTagsOfResource", ResourceArn=ARN, NextToken="x")
    assert refused == ("ValidationException", "The provided NextToken is invalid")
