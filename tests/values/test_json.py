"""Text that no UTF-8 can carry is found in what was read of JSON."""

from __future__ import annotations

from typing import Any

import pytest

from alt.values.json import has_lone_surrogate


@pytest.mark.parametrize(
    ("parsed", "broken"),
    [
        ("plain", False),
        ("\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16"), False),
        ("\ud800", True),
        ({"a": [{"b": "x\udfff"}]}, True),
        ({"\ud800": 1}, True),
        ({"a": [1, None, True, 1.5, "é"]}, False),
    ],
)
def test_lone_surrogates_are_found_in_values_and_names(parsed: Any, broken: bool) -> None:
    assert has_lone_surrogate(parsed) is broken


def test_lone_surrogates_are_found_at_any_depth() -> None:
    deep: Any = "\ud800"
    for _ in range(5_000):
        deep = [deep]
    assert has_lone_surrogate(deep)
