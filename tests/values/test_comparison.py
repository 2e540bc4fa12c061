"""Equality and order of canonical values."""

from __future__ import annotations

from typing import Any

import pytest

from alt.values.comparison import equal, order


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ({"S": "a"}, {"S": "b"}, -1),
        ({"S": "b"}, {"S": "a"}, 1),
        ({"S": "a"}, {"S": "a"}, 0),
        ({"S": "a"}, {"S": "aa"}, -1),
        ({"S": ""}, {"S": "\x00"}, -1),
        ({"S": "Z"}, {"S": "a"}, -1),
        # UTF-8 order, where UTF-16 would have it the other way.
        ({"S": "\uffff"}, {"S": "\U00010000"}, -1),
        ({"N": "9"}, {"N": "10"}, -1),
        ({"N": "-9"}, {"N": "-10"}, 1),
        ({"N": "0"}, {"N": "0"}, 0),
        # Bytes, not the letters of base64: 0x00 against 0xFF.
        ({"B": "AA=="}, {"B": "/w=="}, -1),
        ({"B": ""}, {"B": "AA=="}, -1),
        ({"B": "/w=="}, {"B": "/w=="}, 0),
    ],
)
def test_ordered_types(a: Any, b: Any, expected: int) -> None:
    assert order(a, b) == expected


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ({"S": "1"}, {"N": "1"}),
        ({"S": "AA=="}, {"B": "AA=="}),
        ({"BOOL": True}, {"BOOL": True}),
        ({"NULL": True}, {"NULL": True}),
        ({"L": []}, {"L": []}),
        ({"M": {}}, {"M": {}}),
        ({"SS": ["a"]}, {"SS": ["a"]}),
        ({"NS": ["1"]}, {"NS": ["1"]}),
        ({"BS": ["AA=="]}, {"BS": ["AA=="]}),
    ],
)
def test_values_without_an_order(a: Any, b: Any) -> None:
    assert order(a, b) is None


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ({"S": "a"}, {"S": "a"}, True),
        ({"S": "1"}, {"N": "1"}, False),
        ({"BOOL": True}, {"BOOL": True}, True),
        ({"BOOL": True}, {"BOOL": False}, False),
        ({"BOOL": True}, {"N": "1"}, False),
        ({"BOOL": True}, {"NULL": True}, False),
        ({"L": [{"N": "1"}, {"N": "2"}]}, {"L": [{"N": "2"}, {"N": "1"}]}, False),
        ({"M": {"a": {"N": "1"}, "b": {"N": "2"}}}, {"M": {"b": {"N": "2"}, "a": {"N": "1"}}}, True),
        ({"SS": ["a", "b"]}, {"SS": ["a", "b"]}, True),
        ({"SS": ["a"]}, {"SS": ["a", "b"]}, False),
        ({"NS": ["1"]}, {"SS": ["1"]}, False),
    ],
)
def test_equality(a: Any, b: Any, expected: bool) -> None:
    assert equal(a, b) is expected
    assert equal(b, a) is expected
