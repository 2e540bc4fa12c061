"""Write isolation: which writes need their item as it is, and whose word counts."""

from __future__ import annotations

from typing import Any

import pytest

ARN = "arn:aws:dynamodb:us-east-1:000000000000:table/Music"
KEY = {"pk": {"S": "k"}}
NEW = {":v": {"N": "1"}, ":l": {"L": []}}
ALLOWED = "a, always, always_use_lwt, o, only_rmw_uses_lwt, f, forbid, forbid_rmw, u, unsafe, unsafe_rmw"


def tag(value: str) -> dict[str, str]:
    return {"Key": "system:write_isolation", "Value": value}


def update(expression: str | None = None, **members: Any) -> tuple[str, dict[str, Any]]:
    request: dict[str, Any] = {"Key": KEY, **members}
    if expression is not None:
        request["UpdateExpression"] = expression
        used = {name: value for name, value in NEW.items() if name in expression}
        if used:
            request["ExpressionAttributeValues"] = used
    return "UpdateItem", request


def change(action: str | None, value: Any = None) -> tuple[str, dict[str, Any]]:
    given = {"Action": action, "Value": value}
    return update(AttributeUpdates={"a": {name: each for name, each in given.items() if each is not None}})


def put(**members: Any) -> tuple[str, dict[str, Any]]:
    return "PutItem", {"Item": {**KEY, "a": {"N": "1"}}, **members}


def delete(**members: Any) -> tuple[str, dict[str, Any]]:
    return "DeleteItem", {"Key": KEY, **members}


CONDITION = {"ConditionExpression": "attribute_not_exists(pk)"}
EXPECTED = {"Expected": {"b": {"Exists": False}}}

BLIND = [
    put(),
    put(ReturnValues="NONE"),
    put(ReturnConsumedCapacity="INDEXES", ReturnItemCollectionMetrics="SIZE"),
    put(Expected={}),
    delete(),
    delete(ReturnValues="NONE"),
    update(),
    update("SET a = :v"),
    update("SET a = :v + :v"),
    update("SET a = list_append(:l, :l)"),
    update("SET a = :v REMOVE b"),
    update("REMOVE a"),
    update("SET a = :v", ReturnValues="UPDATED_NEW"),
    change("PUT", {"N": "1"}),
    change(None, {"N": "1"}),
    change("DELETE"),
]
A_CONDITION = "a condition"
MORE = "an update that does more than set whole attributes to given values and remove them"
READING = [
    *[
        (kind, {**request, **condition}, A_CONDITION)
        for kind, request in (put(), delete(), update())
        for condition in (CONDITION, EXPECTED)
    ],
    (*update("SET a = :v", **CONDITION), A_CONDITION),
    *[(*write(ReturnValues="ALL_OLD"), "ReturnValues ALL_OLD") for write in (put, delete, update)],
    *[
        (*update("SET a = :v", ReturnValues=values), f"ReturnValues {values}")
        for values in ("ALL_OLD", "UPDATED_OLD", "ALL_NEW")
    ],
    *[
        (*update(expression), MORE)
        for expression in (
            "SET a = b",
            "SET a = a + :v",
            "SET a = :v - b",
            "SET a = if_not_exists(a, :v)",
            "SET a = list_append(a, :l)",
            "SET a = list_append(:l, if_not_exists(a, :l))",
            "SET b = :v, a.b = :v",
            "SET a[0] = :v",
            "REMOVE a.b",
            "REMOVE b, a[1]",
            "ADD a :v",
            "ADD a.b :v",
        )
    ],
    (*update("DELETE a :s", ExpressionAttributeValues={":s": {"SS": ["x"]}}), MORE),
    (*change("ADD", {"N": "1"}), MORE),
    (*change("DELETE", {"SS": ["x"]}), MORE),
]


def sentence(reader: str) -> str:
    return (
        "Read-modify-write operations are disabled by 'forbid_rmw' write isolation policy, "
        f"and {reader} needs the item as it is. Write without it, or allow it on this table with TagResource: "
        "tag system:write_isolation, value always."
    )


def in_transaction(kind: str, request: dict[str, Any]) -> dict[str, Any] | None:
    """The same write as an action of a transaction, where there is such an action."""
    members = {"Key", "Item", "UpdateExpression", "ConditionExpression", "ExpressionAttributeValues"}
    if not request.keys() <= members or (kind == "UpdateItem" and "UpdateExpression" not in request):
        return None
    return {"TransactItems": [{kind.removesuffix("Item"): {"TableName": "Music", **request}}]}


@pytest.mark.parametrize(("kind", "request_"), BLIND)
def test_blind_writes_are_allowed(any_service: Any, kind: str, request_: dict[str, Any]) -> None:
    any_service.create(Tags=[tag("f")])
    any_service(kind, TableName="Music", **request_)
    transaction = in_transaction(kind, request_)
    if transaction is not None:
        any_service("TransactWriteItems", **transaction)


@pytest.mark.parametrize(("kind", "request_", "reader"), READING)
def test_writes_that_read_are_refused(
    any_service: Any, kind: str, request_: dict[str, Any], reader: str
) -> None:
    any_service.create(Tags=[tag("forbid_rmw")])
    refused = ("ValidationException", sentence(reader))
    assert any_service.refusal(kind, TableName="Music", **request_) == refused
    transaction = in_transaction(kind, request_)
    if transaction is not None:
        # Not cancelled: it could never be done.
        assert any_service.refusal("TransactWriteItems", **transaction) == refused
    assert any_service("Scan", TableName="Music", Select="COUNT")["Count"] == 0


@pytest.mark.parametrize("value", ["a", "always_use_lwt", "o", "only_rmw_uses_lwt", "u", "unsafe_rmw"])
@pytest.mark.parametrize(
    ("kind", "request_"), [*BLIND, *[(kind, request) for kind, request, _ in READING[:3]]]
)
def test_other_policies_allow_all(any_service: Any, value: str, kind: str, request_: dict[str, Any]) -> None:
    any_service.create(Tags=[tag(value)])
    any_service(kind, TableName="Music", **request_)


def test_what_writes_without_reading_goes_on(any_service: Any) -> None:
    any_service.create(Tags=[tag("f")])
    any_service("BatchWriteItem", RequestItems={"Music": [{"PutRequest": {"Item": KEY}}]})
    assert any_service("GetItem", TableName="Music", Key=KEY)["Item"] == KEY
    check = {"TableName": "Music", "Key": KEY, "ConditionExpression": "attribute_exists(pk)"}
    assert any_service.refusal("TransactWriteItems", TransactItems=[{"ConditionCheck": check}]) == (
        "ValidationException",
        sentence(A_CONDITION),
    )
    any_service.create("Films")
    both = [
        {"Put": {"TableName": "Films", "Item": KEY, **CONDITION}},
        {"Put": {"TableName": "Music", "Item": KEY}},
    ]
    any_service("TransactWriteItems", TransactItems=both)


def test_the_tag_goes_before_the_setting(service: Any) -> None:
    kind, request = update("ADD a :v")
    request["TableName"] = "Music"
    service.create()
    service(kind, **request)
    service.context.write_isolation = "forbid_rmw"
    refused = ("ValidationException", sentence(MORE))
    assert service.refusal(kind, **request) == refused
    for value in ("a", "always", "always_use_lwt", "o", "only_rmw_uses_lwt", "u", "unsafe", "unsafe_rmw"):
        service("TagResource", ResourceArn=ARN, Tags=[tag(value)])
        service(kind, **request)
    service("UntagResource", ResourceArn=ARN, TagKeys=["system:write_isolation"])
    assert service.refusal(kind, **request) == refused
    service.context.write_isolation = "always_use_lwt"
    for value in ("f", "forbid", "forbid_rmw"):
        service("TagResource", ResourceArn=ARN, Tags=[tag(value)])
        assert service.refusal(kind, **request) == refused


@pytest.mark.parametrize("value", ["", "dog", "Always", "forbid "])
def test_other_values_are_refused(any_service: Any, value: str) -> None:
    refused = ("ValidationException", f"Incorrect write isolation tag {value}. Allowed values: {ALLOWED}")
    any_service.create(Tags=[tag("f")])
    assert (
        any_service.refusal("TagResource", ResourceArn=ARN, Tags=[{"Key": "a", "Value": ""}, tag(value)])
        == refused
    )
    assert any_service("ListTagsOfResource", ResourceArn=ARN)["Tags"] == [tag("f")]
    any_service("DeleteTable", TableName="Music")
    request = {
        "TableName": "Music",
        "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
        "BillingMode": "PAY_PER_REQUEST",
        "Tags": [tag(value)],
    }
    assert any_service.refusal("CreateTable", **request) == refused
    assert any_service("ListTables")["TableNames"] == []


def test_it_is_said_after_what_else_is_wrong(any_service: Any) -> None:
    any_service.create(Tags=[tag("f")])
    kind, request = update("SET a = b", ReturnValues="ALL_OLD")
    assert any_service.refusal(kind, TableName="Absent", **request)[0] == "ResourceNotFoundException"
    assert (
        "part of the key"
        in any_service.refusal(kind, TableName="Music", **(request | {"UpdateExpression": "SET pk = b"}))[1]
    )
