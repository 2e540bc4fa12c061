"""JSON read in steps is what ujson reads at once."""

from __future__ import annotations

import json
from typing import Any

import pytest
import ujson
from hypothesis import given
from hypothesis import strategies as st

from alt.http import long_json

NAMES = st.sampled_from(["", "a", "b", '"', "\\", "[{", "é", "x" * 40])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(max_size=50) | NAMES,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(NAMES, inner, max_size=5),
    max_leaves=60,
)
DAMAGE = st.lists(
    st.tuples(st.floats(0, 1), st.sampled_from([b"", *map(bytes, zip(b'{}[]",:\\ 1a'))])), max_size=3
)


@pytest.fixture(autouse=True)
def _short_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(long_json, "STEP_BYTES", 30)


def outcome(read: Any, text: bytes) -> Any:
    try:
        return repr(read(text))
    except ValueError:
        return ValueError


@given(VALUES, st.booleans(), st.sampled_from([None, 1]), DAMAGE)
def test_whole_and_damaged_texts(value: Any, ascii_only: bool, indent: int | None, damage: Any) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent).encode("utf-8", "replace")
    for place, replacement in damage:
        at = int(place * len(text))
        text = text[:at] + replacement + text[at + 1 :]
    assert outcome(long_json.loads, text) == outcome(ujson.loads, text)


LONG = "x" * 100


@pytest.mark.parametrize(
    "text",
    [
        f'{{"{LONG}":null}}',
        f'{{"{LONG}":}}',
        f'{{"{LONG}"}}',
        f'{{"{LONG}":"{LONG}",}}',
        f'["{LONG}",]',
        f'["{LONG}"',
        f'["{LONG}"] x',
        f'["{LONG}\\\\", "{LONG}\\""]',
        f'["{LONG}\\\\\\"]',
        f"[{LONG}]",
        f'["{LONG}" "{LONG}"]',
        f'["{LONG}":1]',
        f'{{"a":["{LONG}"}}]',
        f'["{LONG}\0"]',
        f"[{' ' * 100}]",
        f"{{{' ' * 100}}}",
        f'{" " * 100}"{LONG}"{" " * 100}',
        f"[1{' ' * 100},{' ' * 100}2]",
        f'["{LONG}",{" " * 100}',
        "[" * 300 + "]" * 300,
        "[" * 100_000,
    ],
    ids=range(21),
)
def test_what_does_not_fit_in_a_step(text: str) -> None:
    assert outcome(long_json.loads, text.encode()) == outcome(ujson.loads, text.encode())


def test_a_tree_is_taken_apart() -> None:
    inner: list[Any] = [{"a": 1}]
    tree = {"L": [inner, {"M": inner[0]}]}
    long_json.take_apart(tree)
    assert tree == {}
    assert inner == []
