"""What holds for every number, value and key, tried on generated ones."""

from __future__ import annotations

import base64
import copy
import random
from decimal import Context, Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Any

import apsw
from hypothesis import assume, given
from hypothesis import strategies as st

from alt.errors import ApiError
from alt.values import comparison, keys, numbers, sizes
from alt.values.attribute import normalize, normalize_item

EXACT = Context(prec=400)


@st.composite
def literals(draw: st.DrawFn) -> str:
    """Number text of every shape that DynamoDB accepts."""
    digits = draw(st.text("0123456789", min_size=1, max_size=38))
    point = draw(st.integers(0, len(digits)))
    sign = draw(st.sampled_from(["", "", "-", "+"]))
    text = sign + "0" * draw(st.integers(0, 2)) + digits[:point] + "." + digits[point:]
    if draw(st.booleans()):
        text = text.replace(".", "") if draw(st.booleans()) else text
    else:
        text += draw(st.sampled_from("eE")) + str(draw(st.integers(-85, 85)))
    return text


canonicals = st.one_of(
    literals().map(numbers.canonical),
    st.integers(-1000, 1000).map(str),
    st.decimals(-100, 100, places=2).map(lambda d: numbers.canonical(format(d, "f"))),
)

texts = st.text(st.characters(codec="utf-8"), max_size=5)
names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=5)
binaries = st.binary(max_size=5).map(lambda raw: base64.b64encode(raw).decode())


def by_value(text: str) -> Fraction:
    return Fraction(text)


scalars = st.one_of(
    texts.map(lambda v: {"S": v}),
    literals().map(lambda v: {"N": v}),
    binaries.map(lambda v: {"B": v}),
    st.booleans().map(lambda v: {"BOOL": v}),
    st.just({"NULL": True}),
    st.lists(texts, min_size=1, max_size=4, unique=True).map(lambda v: {"SS": v}),
    st.lists(literals(), min_size=1, max_size=4, unique_by=by_value).map(lambda v: {"NS": v}),
    st.lists(binaries, min_size=1, max_size=4, unique=True).map(lambda v: {"BS": v}),
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda v: {"L": v}),
        st.dictionaries(names, inner, max_size=3).map(lambda v: {"M": v}),
    ),
    max_leaves=8,
)


@given(literals())
def test_canonical_text_has_the_same_value_and_one_form(text: str) -> None:
    canonical = numbers.canonical(text)
    assert Fraction(canonical) == Fraction(text)
    assert numbers.canonical(canonical) == canonical
    assert numbers.canonical(text, older=True) == canonical
    reduced = Decimal(text).normalize(EXACT)
    assert canonical == (format(reduced, "f") if reduced else "0")


@given(st.text("0123456789.+-eE ", max_size=12))
def test_text_is_a_number_or_refused(text: str) -> None:
    try:
        canonical = numbers.canonical(text)
    except ApiError:
        return
    assert Fraction(text) == Fraction(canonical)


@given(canonicals, canonicals)
def test_arithmetic_is_exact_or_refused(a: str, b: str) -> None:
    for operation, exact in (
        (numbers.add, EXACT.add(Decimal(a), Decimal(b))),
        (numbers.subtract, EXACT.subtract(Decimal(a), Decimal(b))),
    ):
        try:
            answer = operation(a, b)
        except ApiError:
            digits = exact.normalize(EXACT).as_tuple().digits
            assert len(digits) > 38 or not -130 <= exact.adjusted() <= 125
        else:
            assert Decimal(answer) == exact
            assert numbers.canonical(answer) == answer


@given(canonicals, canonicals)
def test_numbers_compare_by_value(a: str, b: str) -> None:
    left, right = Fraction(a), Fraction(b)
    assert numbers.compare(a, b) == (left > right) - (left < right)


@given(canonicals, canonicals)
def test_encoded_numbers_sort_by_value(a: str, b: str) -> None:
    left, right = keys.encode_number(a), keys.encode_number(b)
    assert (left > right) - (left < right) == numbers.compare(a, b)
    assert keys.decode_number(left) == a


@given(values)
def test_normalising_twice_changes_nothing(value: Any) -> None:
    size = normalize(value)
    once = copy.deepcopy(value)
    assert normalize(value) == size
    assert value == once


@given(st.dictionaries(names, values, max_size=4))
def test_sizes_agree(item: Any) -> None:
    parts = {name: normalize(copy.deepcopy(value)) for name, value in item.items()}
    size = normalize_item(item)
    assert size == sizes.item_size(item)
    assert size == sum(sizes.text_size(name) + part for name, part in parts.items())


@given(scalars, st.randoms(use_true_random=False))
def test_the_order_of_a_set_does_not_matter(value: Any, shuffler: random.Random) -> None:
    ((_, content),) = value.items()
    assume(isinstance(content, list))
    shuffled = copy.deepcopy(value)
    shuffler.shuffle(next(iter(shuffled.values())))
    normalize(value)
    normalize(shuffled)
    assert value == shuffled
    assert comparison.equal(value, shuffled)


@given(st.lists(st.one_of(texts.map(lambda v: {"S": v}), binaries.map(lambda v: {"B": v})), min_size=2))
def test_order_is_antisymmetric_and_zero_only_for_equals(members: list[Any]) -> None:
    for a, b in pairwise(members):
        order, back = comparison.order(a, b), comparison.order(b, a)
        if next(iter(a)) != next(iter(b)):
            assert order is back is None
        else:
            assert order is not None
            assert back == -order
            assert (order == 0) == comparison.equal(a, b)


@given(
    st.one_of(
        st.lists(canonicals.map(lambda v: {"N": v}), min_size=1, max_size=8),
        st.lists(texts.map(lambda v: {"S": v}), min_size=1, max_size=8),
        st.lists(binaries.map(lambda v: {"B": v}), min_size=1, max_size=8),
    )
)
def test_sqlite_sorts_keys_as_values_compare(members: list[Any]) -> None:
    database = apsw.Connection(":memory:")
    database.execute("CREATE TABLE t (k, i INTEGER)")
    database.executemany("INSERT INTO t VALUES (?, ?)", [(keys.encode(m), i) for i, m in enumerate(members)])
    ranked = [members[i] for (i,) in database.execute("SELECT i FROM t ORDER BY k")]
    for a, b in pairwise(ranked):
        order = comparison.order(a, b)
        assert order is not None
        assert order <= 0
        assert (order == 0) == (keys.encode(a) == keys.encode(b))


EDGES = "\x00a\ud7ff\ue000\uffff\U0010ffff"


@given(
    st.one_of(
        st.tuples(st.text(EDGES, max_size=4), st.text(EDGES, max_size=5)),
        st.tuples(
            st.lists(st.sampled_from([0, 1, 254, 255]), max_size=4).map(bytes),
            st.lists(st.sampled_from([0, 1, 254, 255]), max_size=5).map(bytes),
        ),
    )
)
def test_the_bound_of_a_prefix_parts_what_begins_with_it_from_what_follows(pair: tuple[Any, Any]) -> None:
    prefix, other = pair
    bound = keys.prefix_upper_bound(prefix)
    assert (prefix <= other and (bound is None or other < bound)) == other.startswith(prefix)
    if isinstance(bound, str):
        bound.encode()
