"""The generated types of requests: one for each operation, with the members that the check lets through."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal, NotRequired, get_args, get_origin, get_type_hints, is_typeddict

import pytest

from alt.operations import OPERATIONS
from alt.validation import checker, policy, requests
from alt.values.types import AttributeValue, Item

SHAPES = Path(__file__).parents[2] / "alt" / "validation" / "shapes.json"

table: dict[str, Any] = json.loads(SHAPES.read_text(encoding="utf-8"))
types: dict[str, type] = {name: kind for name, kind in vars(requests).items() if is_typeddict(kind)}


def members(name: str) -> dict[str, Any]:
    return get_type_hints(types[name], include_extras=True)


def plain(kind: Any) -> Any:
    return get_args(kind)[0] if get_origin(kind) is NotRequired else kind


def required(name: str) -> set[str]:
    return {member for member, kind in members(name).items() if get_origin(kind) is not NotRequired}


def inputs() -> set[str]:
    return {table["operations"][service][operation] for service, operation in OPERATIONS}


def named_structures(kind: Any) -> set[str]:
    """The TypedDicts that a member's type is made of."""
    if is_typeddict(kind):
        return {kind.__name__}
    return {name for part in get_args(kind) for name in named_structures(part)}


@pytest.mark.parametrize(("service", "operation"), sorted(OPERATIONS))
def test_an_operation_has_a_type_that_says_which_it_is(service: str, operation: str) -> None:
    kind = types[table["operations"][service][operation]]
    assert kind.__doc__ is not None
    assert kind.__doc__.removesuffix(".").split()[3] == operation


@pytest.mark.parametrize("name", sorted(types))
def test_a_type_has_the_members_of_its_shape_and_requires_what_the_check_does(name: str) -> None:
    shape = table["shapes"][name]
    assert list(members(name)) == list(shape["members"])
    assert required(name) == set(policy.required_of(name, tuple(shape.get("required", ()))))


def test_nothing_is_there_that_no_operation_is_asked_with() -> None:
    used = inputs()
    for name in types:
        for kind in members(name).values():
            used |= named_structures(kind)
    assert set(types) == used


def test_an_enum_is_a_literal_only_where_the_check_holds_to_it() -> None:
    create = members("CreateTableInput")
    assert set(get_args(plain(create["BillingMode"]))) == {"PAY_PER_REQUEST", "PROVISIONED"}
    assert get_origin(plain(create["BillingMode"])) is Literal
    assert plain(create["TableClass"]) is str


def test_keys_items_and_values_are_those_of_values() -> None:
    update, put = members("UpdateItemInput"), members("PutItemInput")
    assert update["Key"] == put["Item"] == plain(members("ScanInput")["ExclusiveStartKey"]) == Item
    assert plain(update["ExpressionAttributeValues"]) == dict[str, AttributeValue]


# What the module's docstring says of nulls, unknown members, numbers and times.


def checked(service: str, operation: str, request: dict[str, Any]) -> dict[str, Any]:
    check = checker(service, operation)
    assert check is not None
    check(request)
    return request


def test_nulls_are_gone_but_from_what_is_unknown() -> None:
    request = {
        "TableName": "books",
        "Item": {"a": {"S": "x"}, "b": {"L": [None]}, "c": {"S": None}},
        "Expected": {"a": {"Exists": False, "Value": None}},
        "ReturnValues": None,
        "Unknown": None,
    }
    assert checked("dynamodb", "PutItem", request) == {
        "TableName": "books",
        "Item": {"a": {"S": "x"}, "b": {"L": [{}]}, "c": {}},
        "Expected": {"a": {"Exists": False}},
        "Unknown": None,
    }


def test_whole_numbers_are_ints_and_times_are_as_they_came() -> None:
    request = {"Limit": 2.9, "TimeRangeLowerBound": 1.5, "TimeRangeUpperBound": 2}
    read = checked("dynamodb", "ListBackups", request)
    assert read == {"Limit": 2, "TimeRangeLowerBound": 1.5, "TimeRangeUpperBound": 2}
    assert type(read["Limit"]) is type(read["TimeRangeUpperBound"]) is int
