"""Keys as bytes are in the order of the keys, and what begins with a value is an interval."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alt.storage.model.definition import KeyAttribute, TableDefinition
from alt.storage.model.keys import ITEMS, Layout, RowKey, row_key
from alt.storage.model.ranges import PartitionRange
from alt.storage.postgres import keys
from alt.values.types import Item

VALUES = st.binary(max_size=4) | st.lists(st.sampled_from([0, 1, 2, 255]), max_size=4).map(bytes)
KEYS = st.tuples(VALUES, VALUES)
LOWS = st.none() | st.tuples(st.sampled_from([">", ">="]), VALUES)
HIGHS = st.none() | st.tuples(st.sampled_from(["<", "<="]), VALUES)


LONG = st.sampled_from([b"x" * 65, b"x" * 66, b"\x00" * 65])


@given(one=KEYS, other=KEYS)
def test_the_order_is_that_of_the_values(one: tuple[bytes, bytes], other: tuple[bytes, bytes]) -> None:
    assert (keys.composed(ITEMS, one) < keys.composed(ITEMS, other)) == (one < other)


@given(one=st.tuples(VALUES | LONG, VALUES | LONG), other=st.tuples(VALUES | LONG, VALUES | LONG))
def test_long_partition_keys_are_told_apart_and_sort_keys_keep_their_order(
    one: tuple[bytes, bytes], other: tuple[bytes, bytes]
) -> None:
    made, others = keys.composed(ITEMS, one), keys.composed(ITEMS, other)
    assert (made == others) == (one == other)
    if one[0] == other[0]:
        assert (made < others) == (one[1] < other[1])


@pytest.mark.parametrize("byte", [b"x", b"\x00"])
def test_no_key_is_too_long_for_an_index(byte: bytes) -> None:
    pk, sk = byte * 2_048, byte * 1_024
    entry = keys.composed(Layout("index", 4, 4), (*[byte * 512] * 4, *[byte * 256] * 4, pk, sk))
    item = keys.place(1, RowKey(0, pk, sk))[2]
    assert max(len(entry), len(item)) < 2_704 - 32


@given(key=KEYS, hash_value=VALUES, low=LOWS, high=HIGHS, start=st.none() | VALUES, descending=st.booleans())
def test_an_interval_has_what_its_range_has(
    key: tuple[bytes, bytes], hash_value: bytes, low: Any, high: Any, start: bytes | None, descending: bool
) -> None:
    wanted = PartitionRange(
        ITEMS, (7, hash_value), low, high, descending, None if start is None else (start,)
    )
    is_in = wanted.contains((7, *key))
    if start is not None and key[0] == hash_value:
        is_in = is_in and (key[1] < start if descending else key[1] > start)
    slot, least, end = keys.interval(wanted)
    assert slot == 7
    assert (least <= keys.composed(ITEMS, key) < end) == is_in


@given(pk=st.text(min_size=1, max_size=4) | st.just("x" * 99), sk=VALUES)
def test_an_items_key_comes_back_in_its_types(pk: str, sk: bytes) -> None:
    definition = TableDefinition("t", "id", 0.0, KeyAttribute("pk", "S"), KeyAttribute("sk", "B"))
    key = row_key(pk, sk)
    assert keys.whole_key(definition, key.slot, keys.whole(key)) == key
    item: Item = {"pk": {"S": pk}, "sk": {"B": b64encode(sk).decode()}}
    assert keys.key_of(definition, item) == key


def test_a_table_without_a_sort_key() -> None:
    definition = TableDefinition("t", "id", 0.0, KeyAttribute("pk", "S"), None)
    key = row_key("p")
    assert keys.whole_key(definition, key.slot, keys.whole(key)) == key == RowKey(key.slot, "p", b"")
    assert keys.key_of(definition, {"pk": {"S": "p"}}) == key
