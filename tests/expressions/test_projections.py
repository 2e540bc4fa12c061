"""What a projection takes of an item."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

Bound = Callable[..., Any]

S = {letter: {"S": letter} for letter in "uvwxyz"}
ITEM = {
    "a": {"S": "1"},
    "m": {"M": {"x": S["x"], "y": S["y"], "in": {"M": {"z": S["z"], "w": S["w"]}}}},
    "l": {"L": [S["u"], {"M": {"x": S["x"], "y": S["y"]}}, {"L": [S["v"], S["w"]]}, S["z"]]},
    "hollow": {"M": {}},
    "blank": {"L": []},
    "[0]": {"N": "1"},
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a", {"a": {"S": "1"}}),
        ("a, b", {"a": {"S": "1"}}),
        ("b", {}),
        ("m", {"m": ITEM["m"]}),
        ("m.x", {"m": {"M": {"x": S["x"]}}}),
        ("m.y, a, m.x", {"m": {"M": {"x": S["x"], "y": S["y"]}}, "a": {"S": "1"}}),
        (
            "m.#in.z, m.y",
            {"m": {"M": {"in": {"M": {"z": S["z"]}}, "y": S["y"]}}},
        ),
        # Elements come close together, in the order of the list.
        ("l[0]", {"l": {"L": [S["u"]]}}),
        ("l[3], l[0]", {"l": {"L": [S["u"], S["z"]]}}),
        ("l[1].y", {"l": {"L": [{"M": {"y": S["y"]}}]}}),
        ("l[2][1], l[1].x, l[2][0]", {"l": {"L": [{"M": {"x": S["x"]}}, {"L": [S["v"], S["w"]]}]}}),
        ("l[9], l[3]", {"l": {"L": [S["z"]]}}),
        # What is not there leaves no trace, nor does the container it is not in.
        ("m.q", {}),
        ("l[9]", {}),
        ("l[0].x", {}),
        ("m.x.y", {}),
        ("m[0]", {}),
        ("l.x", {}),
        ("a.x", {}),
        ("m.#in.q, m.x", {"m": {"M": {"x": S["x"]}}}),
        ("hollow, blank", {"hollow": {"M": {}}, "blank": {"L": []}}),
        ("hollow.x, blank[0]", {}),
        ("#dotted", {"[0]": {"N": "1"}}),
    ],
)
def test_of_one_item(bound: Bound, text: str, expected: Any) -> None:
    names = {"#in": "in", "#dotted": "[0]"}
    before = copy.deepcopy(ITEM)
    assert bound("ProjectionExpression", text, names).apply(ITEM) == expected
    assert before == ITEM


def test_names_that_a_projection_reads(bound: Bound) -> None:
    projection = bound("ProjectionExpression", "a, #m.x, l[0], l[1].b", {"#m": "m"})
    assert projection.attribute_names == frozenset({"a", "m", "l"})
    assert projection.nested_names == frozenset({"m", "l"})
    assert projection.paths == (("a",), ("m", "x"), ("l", 0), ("l", 1, "b"))
