"""The tables there are, as who answers requests tells them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..terminal.output import Description
    from .answering import Ask


def table_names(ask: Ask) -> Iterator[str]:
    """The names of all tables, in their order."""
    request: dict[str, Any] = {}
    while True:
        answer = ask("ListTables", dict(request))
        yield from answer["TableNames"]
        if "LastEvaluatedTableName" not in answer:
            return
        request = {"ExclusiveStartTableName": answer["LastEvaluatedTableName"]}


def describe_table(ask: Ask, name: str) -> Description:
    """A table's description. Raises ApiError where there is none."""
    description: Description = ask("DescribeTable", {"TableName": name})["Table"]
    return description


def full_description(ask: Ask, description: Description) -> Description:
    """A table's description with its tags and its TimeToLive."""
    tags: list[dict[str, str]] = []
    request = {"ResourceArn": description["TableArn"]}
    while True:
        answer = ask("ListTagsOfResource", dict(request))
        tags += answer.get("Tags", [])
        if not answer.get("NextToken"):
            break
        request["NextToken"] = answer["NextToken"]
    expiry = ask("DescribeTimeToLive", {"TableName": description["TableName"]})
    return {
        "DeletionProtectionEnabled": False,
        **description,
        "Tags": tags,
        "TimeToLiveDescription": expiry["TimeToLiveDescription"],
    }
