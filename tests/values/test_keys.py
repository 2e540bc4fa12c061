"""Key values as SQLite columns."""

from __future__ import annotations

import time
from itertools import pairwise
from typing import Any

import apsw
import pytest

from alt.values import keys
from alt.values.numbers import canonical


@pytest.mark.parametrize(
    ("value", "column"),
    [
        ({"S": "a\x00é"}, "a\x00é"),
        ({"B": "AP8="}, b"\x00\xff"),
        ({"N": "0"}, bytes.fromhex("80")),
        ({"N": "1"}, bytes((0xC1, 2))),
        ({"N": "42"}, bytes((0xC1, 43))),
        ({"N": "100"}, bytes((0xC2, 2))),
        ({"N": "12345"}, bytes((0xC3, 2, 24, 46))),
        ({"N": "0.5"}, bytes((0xC0, 51))),
        ({"N": "0.05"}, bytes((0xC0, 6))),
        ({"N": "0.005"}, bytes((0xBF, 51))),
        ({"N": "-42"}, bytes((0x3E, 59, 102))),
        ({"N": "1" * 38}, bytes((0xD3, *[12] * 19))),
        ({"N": "-" + "1" * 38}, bytes((0x2C, *[90] * 19, 102))),
        ({"N": "-" + "1" * 37 + ".1"}, bytes((0x2C, 100, *[90] * 18, 91))),
    ],
)
def test_encoding(value: Any, column: Any) -> None:
    assert keys.encode(value) == column
    assert keys.decode(column, next(iter(value))) == value


def test_the_largest_and_smallest_magnitudes_keep_their_place() -> None:
    ascending = [
        "-9.9999999999999999999999999999999999999E+125", "-9.9E125", "-1E125", "-10000.5", "-10000",
        "-100.5", "-100", "-99", "-10", "-1.01", "-1", "-0.1", "-1E-129", "-1E-130", "0", "1E-130",
        "1.1E-130", "1E-129", "0.1", "1", "1.01", "10", "99", "100", "100.5", "10000", "10000.5", "1E125",
        "9.9E125", "9.9999999999999999999999999999999999999E+125",
    ]  # fmt: skip
    for a, b in pairwise(keys.encode_number(canonical(text)) for text in ascending):
        assert a < b
    for text in ascending:
        assert keys.decode_number(keys.encode_number(canonical(text))) == canonical(text)


@pytest.mark.parametrize("kind", ["BOOL", "NULL", "SS", "NS", "BS", "L", "M"])
def test_other_types_are_no_keys(kind: str) -> None:
    for function in (keys.encode, keys.key_size):
        with pytest.raises(ValueError, match=kind):
            function({kind: []})


@pytest.mark.parametrize(
    ("value", "size"),
    [
        ({"S": "a"}, 1), ({"S": "é€"}, 5), ({"S": ""}, 0), ({"B": ""}, 0), ({"B": "AA=="}, 1),
        ({"B": "AAA="}, 2), ({"B": "AAAA"}, 3), ({"N": "0"}, 1), ({"N": "3.14159"}, 5), ({"N": "-42"}, 3),
    ],
)  # fmt: skip
def test_key_size(value: Any, size: int) -> None:
    assert keys.key_size(value) == size


@pytest.mark.parametrize(
    ("prefix", "bound"),
    [
        ("user#", "user$"),
        ("a\x00", "a\x01"),
        ("a\ud7ff", "a\ue000"),
        ("a\U0010ffff\U0010ffff", "b"),
        ("\U0010ffff", None),
        ("", None),
        (b"a", b"b"),
        (b"a\xff\xff", b"b"),
        (b"\xff", None),
        (b"", None),
    ],
)
def test_the_bound_of_a_prefix(prefix: str | bytes, bound: str | bytes | None) -> None:
    assert keys.prefix_upper_bound(prefix) == bound


def test_sqlite_ranges_over_a_prefix_as_text_and_as_blob() -> None:
    database = apsw.Connection(":memory:")
    database.execute("CREATE TABLE t (k)")
    members = ["a", "ab", "ab\x00", "ab\U0010ffff", "ac", "b"]
    for rows in (members, [member.encode() for member in members]):
        database.execute("DELETE FROM t")
        database.executemany("INSERT INTO t VALUES (?)", [(row,) for row in rows])
        bounds = (rows[1], keys.prefix_upper_bound(rows[1]))
        found = database.execute("SELECT k FROM t WHERE k >= ? AND k < ? ORDER BY k", bounds)
        assert [key for (key,) in found] == rows[1:4]


def test_a_long_prefix_costs_no_more_than_its_length() -> None:
    started = time.perf_counter()
    assert keys.prefix_upper_bound("a" + "\U0010ffff" * 1_000_000) == "b"
    assert keys.prefix_upper_bound(b"\xff" * 1_000_000) is None
    assert time.perf_counter() - started < 60  # one that grew with its square would take far longer
