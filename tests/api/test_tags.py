"""Tags through an SDK: at CreateTable, changed later, and kept across a restart."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

KEY = {
    "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
    "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
    "BillingMode": "PAY_PER_REQUEST",
}


def tags_of(client: Any, arn: str) -> dict[str, str]:
    pages = client.get_paginator("list_tags_of_resource").paginate(ResourceArn=arn)
    return {tag["Key"]: tag["Value"] for page in pages for tag in page["Tags"]}


def test_tags_are_given_changed_and_taken(dynamodb: Any, name: str) -> None:
    created = dynamodb.create_table(TableName=name, Tags=[{"Key": "team", "Value": "jazz"}], **KEY)
    arn = created["TableDescription"]["TableArn"]
    assert tags_of(dynamodb, arn) == {"team": "jazz"}
    answer = dynamodb.tag_resource(
        ResourceArn=arn, Tags=[{"Key": "team", "Value": "blues"}, {"Key": "ключ", "Value": ""}]
    )
    assert set(answer) == {"ResponseMetadata"}
    assert answer["ResponseMetadata"]["HTTPHeaders"]["content-length"] == "0"
    assert tags_of(dynamodb, arn) == {"team": "blues", "ключ": ""}
    dynamodb.untag_resource(ResourceArn=arn, TagKeys=["team", "absent"])
    assert tags_of(dynamodb, arn) == {"ключ": ""}


def test_members_that_are_missing(dynamodb: Any, refusal: Callable[..., tuple[str, str]]) -> None:
    null = "1 validation error detected: Value null at '{}' failed to satisfy constraint: Member must not be null"
    arn = "arn:aws:dynamodb:us-east-1:000000000000:table/absent"
    assert refusal(dynamodb.tag_resource, ResourceArn=arn) == ("ValidationException", null.format("tags"))
    assert refusal(dynamodb.untag_resource, ResourceArn=arn) == (
        "ValidationException",
        null.format("tagKeys"),
    )
    assert refusal(dynamodb.list_tags_of_resource) == ("ValidationException", null.format("resourceArn"))


def test_tags_outlive_the_server(start_server: Any, tmp_path: Path) -> None:
    server = start_server("--data-dir", tmp_path)
    created = server.client().create_table(TableName="Music", Tags=[{"Key": "a", "Value": "1"}], **KEY)
    arn = created["TableDescription"]["TableArn"]
    server.client().tag_resource(ResourceArn=arn, Tags=[{"Key": "b", "Value": "2"}])
    server.kill()
    assert tags_of(start_server("--data-dir", tmp_path).client(), arn) == {"a": "1", "b": "2"}
