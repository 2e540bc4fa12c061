"""The small parts: limits, base64, lone surrogates, and values as Java prints them."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alt.validation import blobs, policy, shapes
from alt.validation.limits import Limits
from alt.validation.shapes import Shape
from alt.validation.wording import java_text, json_text

NAME = "[a-zA-Z0-9_.-]+"


@pytest.mark.parametrize(
    ("limits", "value", "breaches"),
    [
        (Limits(3, 5), "abc", []),
        (Limits(3, 5), "ab", ["Member must have length greater than or equal to 3"]),
        (Limits(3, 5), "abcdef", ["Member must have length less than or equal to 5"]),
        (Limits(1), [], ["Member must have length greater than or equal to 1"]),
        (Limits(None, 1), {"a": 1, "b": 2}, ["Member must have length less than or equal to 1"]),
        (Limits(0, 9, is_number=True), -1, ["Member must have value greater than or equal to 0"]),
        (Limits(0, 9, is_number=True), 10, ["Member must have value less than or equal to 9"]),
        (Limits(enum=("A", "B")), "C", ["Member must satisfy enum value set: [A, B]"]),
        (Limits(enum=("A", "B")), "B", []),
        (Limits(pattern=NAME), "a\n", [f"Member must satisfy regular expression pattern: {NAME}"]),
        (Limits(3, 255, NAME, arn=True), "arn:anything at all", []),
    ],
)
def test_limits_say_what_is_broken(limits: Limits, value: Any, breaches: list[str]) -> None:
    assert [breach.text for breach in limits.breaches(value)] == breaches


def test_patterns_are_javas() -> None:
    assert not Limits(pattern=r"\p{Print}+").breaches("a policy (1)")
    assert Limits(pattern=r"\p{Print}+").breaches("a\tb")
    assert Limits(pattern=r"\w+").breaches("é")
    arn = r"[\u0020-\uD7FF\uE000-\uFFFD\uD800\uDC00-\uDBFF\uDFFF\r\n\t]*"
    assert not Limits(pattern=arn).breaches("role \U0001f600\n")
    assert Limits(pattern=arn).breaches("\x00")


@given(st.text(max_size=12) | st.sampled_from(["arn:" + "x" * n for n in (0, 1020, 1021)]))
def test_the_quick_test_of_a_text_agrees_with_its_limits(text: str) -> None:
    for limits in (
        Limits(3, 6),
        Limits(1, 5, NAME, matches="[a-zA-Z0-9_.-]*", arn=True),
        Limits(pattern="[0-9]{12}"),
        Limits(enum=("a", "b")),
    ):
        assert limits.text_test()(text) is not bool(limits.breaches(text))


@given(st.binary(max_size=40))
def test_base64_of_anything_is_base64(data: bytes) -> None:
    assert blobs.fault(base64.b64encode(data).decode()) is None


@given(st.text(alphabet="AQgw0+/=\n-é", max_size=12))
def test_only_what_encodes_back_to_itself_is_base64(text: str) -> None:
    try:
        canonical = base64.b64encode(base64.b64decode(text, validate=True)).decode()
    except ValueError:
        canonical = None
    assert (blobs.fault(text) is None) is (canonical == text)


def member(operation: str, name: str) -> Shape:
    shape = shapes.request_shape("dynamodb", operation)
    assert shape is not None
    return shape.members[name]


@pytest.mark.parametrize(
    ("operation", "name", "value", "printed"),
    [
        ("CreateTable", "TableName", "abc", "abc"),
        ("Scan", "Limit", 5, "5"),
        ("Scan", "ConsistentRead", True, "true"),
        ("Scan", "AttributesToGet", ["a", "b"], "[a, b]"),
        ("Scan", "ExpressionAttributeNames", {"#a": "a", "#b": "b"}, "{#a=a, #b=b}"),
        (
            "CreateTable",
            "ProvisionedThroughput",
            {"ReadCapacityUnits": 1},
            "ProvisionedThroughput(readCapacityUnits=1, writeCapacityUnits=null)",
        ),
    ],
)
def test_values_are_printed_as_java_does(operation: str, name: str, value: Any, printed: str) -> None:
    assert java_text(value, member(operation, name)) == printed


def test_attribute_values_are_printed_as_java_does() -> None:
    value = {"B": "YWI="}
    printed = java_text({"a": {"L": [value]}}, member("GetItem", "Key"))
    assert "l=[AttributeValue(s=null, n=null, b=java.nio.HeapByteBuffer[pos=0 lim=2 cap=2], iNT" in printed


def test_json_is_compact_and_readable() -> None:
    assert json_text({"a/b": ["é", 1, None]}) == '{"a/b":["é",1,null]}'


@pytest.mark.parametrize("levels", [100, 100_000])
def test_deep_values_are_printed_with_dots(levels: int) -> None:
    value: dict[str, Any] = {"S": "x"}
    for _ in range(levels):
        value = {"L": [value]}
    assert "..." in java_text([value], member("GetItem", "Key"))
    while "L" in value:
        value = value.pop("L").pop()


def test_the_policy_names_only_what_the_model_has() -> None:
    operations = shapes.operations("dynamodb")
    for operation, name in {*policy.NAMES_WITH_LENGTH, policy.LATE_MAP, *policy.BARE}:
        assert operation in operations
        assert member(operation, name)
    for operation in policy.REQUIRES_TABLE_NAME:
        assert member(operation, "TableName")
    for operation, stages in policy.STAGES.items():
        for name in {name for stage in stages for name in stage} - {policy.REST}:
            assert member(operation, name)
