"""The rules of attribute values as recorded from DynamoDB, and what a value becomes when it keeps them."""

from __future__ import annotations

import copy
import time
from typing import Any

import pytest

from alt.errors import ApiError
from alt.values import sizes
from alt.values.attribute import check_nesting, normalize, normalize_item

INVALID = "One or more parameter values were invalid: "
NO_TYPE = "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes"
MANY_TYPES = (
    "Supplied AttributeValue has more than one datatypes set, "
    "must contain exactly one of the supported datatypes"
)
NOT_NUMERIC = "The parameter cannot be converted to a numeric value"
NEST = (
    "Nesting Levels have exceeded supported limits: "
    "Attributes in the item have nested levels beyond supported limit"
)
EMPTY_NAME = "Empty attribute name"
LONG_NAME = "Attribute name is too large, must be less than 65536 bytes"


def refusal(value: Any, older: bool = False) -> str | None:
    with pytest.raises(ApiError) as caught:
        normalize(value, older)
    assert caught.value.type == "ValidationException"
    return caught.value.message


def item_refusal(item: Any) -> str | None:
    with pytest.raises(ApiError) as caught:
        normalize_item(item)
    return caught.value.message


def wrapped(wrappers: int, leaf: Any = None, kind: str = "M") -> dict[str, Any]:
    value = {"S": "leaf"} if leaf is None else leaf
    for _ in range(wrappers):
        value = {"M": {"n": value}} if kind == "M" else {"L": [value]}
    return value


@pytest.mark.parametrize(
    ("value", "canonical", "size"),
    [
        ({"S": "abc"}, {"S": "abc"}, 3),
        ({"S": ""}, {"S": ""}, 0),
        ({"S": "é€😀"}, {"S": "é€😀"}, 2 + 3 + 4),
        ({"S": "a\x00b"}, {"S": "a\x00b"}, 3),
        ({"N": "0042.1200"}, {"N": "42.12"}, 3),
        ({"N": "1E125"}, {"N": "1" + "0" * 125}, 2),
        ({"N": "-0"}, {"N": "0"}, 1),
        ({"B": ""}, {"B": ""}, 0),
        ({"B": "AAEC"}, {"B": "AAEC"}, 3),
        ({"B": "AAE="}, {"B": "AAE="}, 2),
        ({"BOOL": True}, {"BOOL": True}, 1),
        ({"BOOL": False}, {"BOOL": False}, 1),
        ({"NULL": True}, {"NULL": True}, 1),
        ({"SS": ["b", "a", ""]}, {"SS": ["", "a", "b"]}, 2),
        ({"SS": ["\uffff", "\U00010000", "é"]}, {"SS": ["é", "\uffff", "\U00010000"]}, 9),
        ({"NS": ["10", "9", "-1", "1.0", "0.5"]}, {"NS": ["-1", "0.5", "1", "9", "10"]}, 3 + 2 + 2 + 2 + 2),
        ({"BS": ["/w==", "AA==", ""]}, {"BS": ["", "AA==", "/w=="]}, 2),
        ({"L": []}, {"L": []}, 3),
        ({"M": {}}, {"M": {}}, 3),
        ({"L": [{"S": "ab"}, {"N": "1.0"}]}, {"L": [{"S": "ab"}, {"N": "1"}]}, 3 + 1 + 2 + 1 + 2),
        ({"M": {"é": {"S": "ab"}, "k": {"M": {}}}}, {"M": {"é": {"S": "ab"}, "k": {"M": {}}}}, 3 + 5 + 5),
        # Null and unknown members do not count, and go.
        ({"S": "a", "N": None}, {"S": "a"}, 1),
        ({"N": None, "M": {"x": {"L": None, "N": "01"}}}, {"M": {"x": {"N": "1"}}}, 3 + 1 + 1 + 2),
        ({"X": "1", "S": "a"}, {"S": "a"}, 1),
    ],
)
def test_canonical_form_and_size(value: Any, canonical: Any, size: int) -> None:
    assert normalize(value) == size
    assert value == canonical
    assert sizes.value_size(value) == size


def test_an_item_costs_its_names_and_values() -> None:
    item = {"pk": {"S": "a"}, "naïve": {"N": "1.0"}}
    assert normalize_item(item) == 2 + 1 + 6 + 2
    assert item == {"pk": {"S": "a"}, "naïve": {"N": "1"}}


@pytest.mark.parametrize("older", [False, True])
@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({}, NO_TYPE),
        (None, NO_TYPE),
        ({"X": "1"}, NO_TYPE),
        ({"S": None}, NO_TYPE),
        ({"M": None}, NO_TYPE),
        ({"S": None, "N": None}, NO_TYPE),
        ({"M": {"a": {}}}, NO_TYPE),
        ({"M": {"a": None}}, NO_TYPE),
        ({"L": [{}]}, NO_TYPE),
        ({"L": [{"a": {}}]}, NO_TYPE),
        ({"L": [None]}, NO_TYPE),
        ({"S": "a", "N": "1"}, MANY_TYPES),
        ({"L": [], "M": {}}, MANY_TYPES),
        ({"S": "a", "N": "b"}, f"{NOT_NUMERIC}: b"),
        ({"S": "a", "SS": []}, f"{INVALID}An string set  may not be empty"),
        ({"NULL": False}, f"{INVALID}Null attribute value types must have the value of true"),
        ({"NULL": "no"}, f"{INVALID}Null attribute value types must have the value of true"),
        ({"SS": []}, f"{INVALID}An string set  may not be empty"),
        ({"NS": []}, f"{INVALID}An number set  may not be empty"),
        ({"BS": []}, f"{INVALID}Binary sets should not be empty"),
        ({"SS": ["a", None]}, f"{INVALID}An string set may not have a null string as a member"),
        ({"BS": ["AA==", None]}, f"{INVALID}Binary sets may not contain null or empty values"),
        ({"N": "abc"}, f"{NOT_NUMERIC}: abc"),
        ({"NS": ["1", "b"]}, f"{NOT_NUMERIC}: b"),
        ({"NS": ["1", "1", "b"]}, f"{NOT_NUMERIC}: b"),
        ({"M": {"x": {"L": [{"N": "abc"}]}}}, f"{NOT_NUMERIC}: abc"),
        ({"M": {"": {"S": "x"}}}, EMPTY_NAME),
        ({"L": [{"M": {"": {"S": "x"}}}]}, EMPTY_NAME),
        ({"M": {"n" * 65536: {"S": "x"}}}, LONG_NAME),
        ({"M": {"é" * 32768: {"S": "x"}}}, LONG_NAME),
    ],
)
def test_a_refused_value(value: Any, message: str, older: bool) -> None:
    assert refusal(value, older) == message


@pytest.mark.parametrize("value", [{"N": ""}, {"NS": ["1", ""]}, {"NS": ["1", None]}, {"S": "a", "N": ""}])
def test_an_empty_number_is_worded_by_the_layer(value: Any) -> None:
    assert refusal(copy.deepcopy(value)) == f"{NOT_NUMERIC}: "
    assert refusal(value, older=True) == NOT_NUMERIC


@pytest.mark.parametrize(
    ("value", "current", "older"),
    [
        (
            {"SS": ["b", "a", "b"]},
            f'{INVALID}Input collection ["a", "b", "b"] contains duplicates.',
            f"{INVALID}Input collection [b, a, b] contains duplicates.",
        ),
        (
            {"SS": ["d", "c", "d", "b", "a"]},
            f'{INVALID}Input collection ["c", "d", "d", "b", "a"] contains duplicates.',
            f"{INVALID}Input collection [d, c, d, b, a] contains duplicates.",
        ),
        (
            {"SS": ["", ""]},
            f'{INVALID}Input collection ["", ""] contains duplicates.',
            f"{INVALID}Input collection [, ] contains duplicates.",
        ),
        (
            {"BS": ["/w==", "AA==", "AA=="]},
            f'{INVALID}Input collection ["AA==","/w==","AA=="]of type BS contains duplicates.',
            f"{INVALID}Input collection [/w==, AA==, AA==]of type BS contains duplicates.",
        ),
        (
            {"NS": ["2", "1", "2"]},
            f"{INVALID}Input collection contains duplicates.",
            "Input collection contains duplicates",
        ),
        (
            {"NS": ["1", "1.0"]},
            f"{INVALID}Input collection contains duplicates.",
            "Input collection contains duplicates",
        ),
    ],
)
def test_duplicates_in_a_set(value: Any, current: str, older: str) -> None:
    assert refusal(copy.deepcopy(value)) == current
    assert refusal(value, older=True) == older


@pytest.mark.parametrize("kind", ["M", "L"])
def test_a_leaf_at_level_32_is_the_deepest(kind: str) -> None:
    normalize(wrapped(31, kind=kind))
    normalize_item({"pk": {"S": "a"}, "deep": wrapped(31, kind=kind)})
    check_nesting(wrapped(31, kind=kind))
    assert refusal(wrapped(32, kind=kind)) == NEST
    assert item_refusal({"pk": {"S": "a"}, "deep": wrapped(32, kind=kind)}) == NEST
    with pytest.raises(ApiError, match=NEST):
        check_nesting(wrapped(32, kind=kind))


def test_levels_count_from_where_the_value_stands() -> None:
    normalize(wrapped(29), level=3)
    check_nesting(wrapped(29), level=3)
    for check in (normalize, check_nesting):
        with pytest.raises(ApiError, match=NEST):
            check(wrapped(30), level=3)


@pytest.mark.parametrize("kind", [pytest.param("M", marks=pytest.mark.nightly), "L"])
def test_any_depth_is_refused_without_deep_recursion(kind: str) -> None:
    assert refusal(wrapped(500_000, kind=kind)) == NEST


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ({"": {"S": "x"}, "d": wrapped(40)}, EMPTY_NAME),
        ({"d": wrapped(40), "": {"S": "x"}}, EMPTY_NAME),
        ({"n": {"N": "abc"}, "": {"S": "x"}}, EMPTY_NAME),
        ({"m": {"M": {"": {"S": "x"}}}, "d": wrapped(40)}, NEST),
        ({"m": {"M": {"": {"S": "x"}}}, "n": {"N": "abc"}}, f"{NOT_NUMERIC}: abc"),
        ({"m": {"M": {"": {"S": "x"}}}, "s": {"S": "x"}}, EMPTY_NAME),
        ({"n" * 65536: {"S": "x"}}, LONG_NAME),
        ({"d": wrapped(40), "n": {"N": "abc"}}, NEST),
        ({"n": {"N": "abc"}, "d": wrapped(40)}, f"{NOT_NUMERIC}: abc"),
        ({"d": wrapped(40, {"N": "abc"})}, NEST),
        ({"m": {"M": {"d": wrapped(40), "n": {"N": "abc"}}}}, NEST),
        ({"m": {"M": {"n": {"N": "abc"}, "d": wrapped(40)}}}, f"{NOT_NUMERIC}: abc"),
    ],
)
def test_which_problem_is_reported(item: Any, message: str) -> None:
    assert item_refusal(item) == message


def test_the_longest_attribute_name_is_accepted() -> None:
    assert normalize_item({"n" * 65535: {"M": {"é" * 32767: {"S": ""}}}}) == 65535 + 3 + 1 + 65534


@pytest.mark.parametrize(
    "text",
    [
        *("A", "AA", "AAA", "AA=A", "====", "AA==AA==", "A===", "AAA\n", "AA-_", "é===", "AAAA=", "AAAA===="),
        *("AAF=", "AP9=", "AAECAB==", "AB=="),  # unused bits that are not 0
    ],
)
def test_text_that_is_not_base64_is_refused(text: str) -> None:
    for value in ({"B": text}, {"BS": ["AA==", text]}):
        with pytest.raises(ApiError) as caught:
            normalize(value)
        assert caught.value.type == "SerializationException"


@pytest.mark.parametrize(
    "item",
    [
        {"a": {"S": "\ud800"}},
        {"\udfff": {"S": "a"}},
        {"a": {"SS": ["\ud800", "\ud800"]}},
        {"a": {"M": {"\ud800": {"S": "a"}}}},
    ],
)
def test_text_without_a_utf8_form_is_refused(item: Any) -> None:
    assert item_refusal(item) == f"{INVALID}Text holds an unpaired surrogate and has no UTF-8 form"
    with pytest.raises(ApiError):
        normalize({"M": item})


@pytest.mark.parametrize(
    "value",
    [
        {"NS": [str(n) for n in range(100_000)]},
        {"SS": [str(n) for n in range(100_000)]},
        {"L": [{"N": "1e1"} for _ in range(100_000)]},
        {"S": "é" * 4_000_000},
        {"B": "AAAA" * 1_000_000},
    ],
    ids=lambda value: next(iter(value)),
)
def test_a_large_value_costs_no_more_than_its_length(value: Any) -> None:
    started = time.perf_counter()
    normalize(value)
    assert time.perf_counter() - started < 60  # one that grew with its square would take hours
