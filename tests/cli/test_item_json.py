"""Plain JSON: what it looks like, and that nothing is lost in it."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

import pytest
from alt.cli.transfer.item_json import read_item, write_item
from hypothesis import given
from hypothesis import strategies as st

PAIRS = [
    ({"S": "x"}, '"x"'),
    ({"N": "1234567890123456789012345678901234567.8"}, "1234567890123456789012345678901234567.8"),
    ({"BOOL": False}, "false"),
    ({"NULL": True}, "null"),
    ({"L": [{"N": "1"}, {"S": "1"}]}, '[1,"1"]'),
    ({"M": {"a": {"M": {}}}}, '{"a":{}}'),
    ({"B": "AAE="}, '{"$B":"AAE="}'),
    ({"SS": ["a", "b"]}, '{"$SS":["a","b"]}'),
    ({"NS": ["1", "2.5"]}, '{"$NS":[1,2.5]}'),
    ({"BS": ["AA=="]}, '{"$BS":["AA=="]}'),
    ({"M": {"$B": {"S": "AAE="}}}, '{"$M":{"$B":"AAE="}}'),
    ({"M": {"$M": {"M": {"$M": {"N": "1"}}}}}, '{"$M":{"$M":{"$M":{"$M":1}}}}'),
    ({"M": {"$B": {"S": "x"}, "b": {"N": "1"}}}, '{"$B":"x","b":1}'),
    ({"M": {"$X": {"S": "x"}}}, '{"$X":"x"}'),
]

_numbers = st.decimals(allow_nan=False, allow_infinity=False, places=3).map(lambda each: f"{each:f}")
_binaries = st.binary().map(lambda raw: base64.b64encode(raw).decode())
_names = st.sampled_from(["$B", "$SS", "$NS", "$BS", "$M", "$", "a"]) | st.text()
_scalars = st.one_of(
    st.text().map(lambda text: {"S": text}),
    _numbers.map(lambda text: {"N": text}),
    _binaries.map(lambda text: {"B": text}),
    st.booleans().map(lambda flag: {"BOOL": flag}),
    st.just({"NULL": True}),
    st.lists(st.text(), min_size=1).map(lambda texts: {"SS": texts}),
    st.lists(_numbers, min_size=1).map(lambda texts: {"NS": texts}),
    st.lists(_binaries, min_size=1).map(lambda texts: {"BS": texts}),
)
_values: Any = st.recursive(
    _scalars,
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda values: {"L": values})
        | st.dictionaries(_names, inner, max_size=3).map(lambda values: {"M": values})
    ),
    max_leaves=8,
)


@given(st.dictionaries(_names, _values, max_size=3), st.booleans())
def test_an_item_comes_back_as_it_was(item: Any, plain: bool) -> None:
    text = write_item(item, plain=plain)
    assert "\n" not in text
    assert json.loads(text) is not None
    assert read_item(text, plain=plain) == item


@pytest.mark.parametrize(("value", "text"), PAIRS)
def test_what_plain_json_looks_like(value: Any, text: str) -> None:
    assert write_item({"a": value}, plain=True) == f'{{"a":{text}}}'
    assert read_item(f'{{"a":{text}}}', plain=True) == {"a": value}


# Half a surrogate pair: escaped, as bytes, and as Python has a byte of an argument that is no UTF-8.
BROKEN = {
    False: [rb'{"a": {"S": "\ud800"}}', b'{"a": {"S": "\xed\xa0\x80"}}', '{"a": {"S": "\udcff"}}'],
    True: [rb'{"a": "\uDfff"}', rb'{"\ud83d": 1}', b'{"a": "\xed\xa0\x80"}', '{"a": "\udcff"}'],
}


@pytest.mark.parametrize(
    ("text", "plain", "problem"),
    [
        ("[1]", True, "no JSON object"),
        ("{", True, "no JSON: "),
        ("{", False, "no JSON: "),
        ('{"a": NaN}', True, "no JSON: NaN is no number"),
        ('{"a": {"$B": 1}}', True, '"$B" takes base64 text'),
        ('{"a": {"$NS": ["1"]}}', True, '"$NS" takes an array of numbers'),
        ('{"a": {"$SS": "x"}}', True, '"$SS" takes an array of texts'),
        ('{"a": {"$M": 1}}', True, '"$M" takes an object'),
        ('{"a": "x"}', False, '"a" is no value like {"S": "text"}: --plain takes JSON\'s own types'),
        ('{"a": {"X": "x"}}', False, '"a" is no value like'),
        ('{"a":' * 100_000, True, "nested too deeply"),
        (b'{"a": "\xff"}', True, "no UTF-8 text"),
        (b'{"a": {"S": "\xff"}}', False, "no JSON: "),
        *((text, plain, "no UTF-8 text") for plain, texts in BROKEN.items() for text in texts),
    ],
)
def test_what_is_no_item(text: Any, plain: bool, problem: str) -> None:
    with pytest.raises(ValueError, match="^" + re.escape(problem)):
        read_item(text, plain=plain)
