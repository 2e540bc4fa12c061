"""Numbers as recorded from DynamoDB: what is accepted, what is refused and in which words."""

from __future__ import annotations

import time

import pytest

from alt.errors import ApiError
from alt.values import numbers

NOT_NUMERIC = "The parameter cannot be converted to a numeric value"
OVERFLOW = "Number overflow. Attempting to store a number with magnitude larger than supported range"
UNDERFLOW = "Number underflow. Attempting to store a number with magnitude smaller than supported range"
TOO_PRECISE = "Attempting to store more than 38 significant digits in a Number"

LARGEST = "9" * 38 + "0" * 88


def refusal(text: str, older: bool = False) -> str | None:
    with pytest.raises(ApiError) as caught:
        numbers.canonical(text, older)
    assert caught.value.type == "ValidationException"
    return caught.value.message


@pytest.mark.parametrize("older", [False, True])
@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("5", "5"),
        ("+5", "5"),
        (".5", "0.5"),
        ("5.", "5"),
        ("1.e5", "100000"),
        ("00042", "42"),
        ("1.0", "1"),
        ("3.1400", "3.14"),
        ("1.5E2", "150"),
        ("-0", "0"),
        ("+0", "0"),
        ("00", "0"),
        ("-0.00", "0"),
        ("0042.1200", "42.12"),
        ("-.5", "-0.5"),
        ("1e+5", "100000"),
        ("123e-2", "1.23"),
        ("1.23e-1", "0.123"),
        ("1e-3", "0.001"),
        ("9.9e10", "99000000000"),
        ("0e125", "0"),
        ("0.0e126", "0"),
        ("1E125", "1" + "0" * 125),
        ("0.1e126", "1" + "0" * 125),
        ("1e-130", "0." + "0" * 129 + "1"),
        ("9.9999999999999999999999999999999999999E+125", LARGEST),
        ("-9.9999999999999999999999999999999999999E+125", "-" + LARGEST),
        ("1e0000000000000000000000000000003", "1000"),
        ("1" + "0" * 100 + "e-100", "1"),
        ("0" * 100 + "1" * 38, "1" * 38),
        ("1." + "0" * 100, "1"),
    ],
)
def test_an_accepted_number_is_stored_expanded(text: str, stored: str, older: bool) -> None:
    assert numbers.canonical(text, older) == stored


@pytest.mark.parametrize("older", [False, True])
@pytest.mark.parametrize(
    "text",
    [
        "abc", "1.2.3", " 1", "1 ", "0x10", "1e", "+e2", "e2", "1+2", "NaN", "Infinity", "-Infinity", " ",
        "\t", "1\n", "\n1", "1\x00", "-", "+", ".", "+.", "--1", "+-1", "1e1.5", "1e+", "1,000", "1_000",
        "1f", "²", "٣", "\uff11", "1e²",
    ],
)  # fmt: skip
def test_text_that_is_not_a_number_is_echoed(text: str, older: bool) -> None:
    assert refusal(text, older) == f"{NOT_NUMERIC}: {text}"


def test_an_empty_text_keeps_its_colon_in_the_current_layer_only() -> None:
    assert refusal("") == f"{NOT_NUMERIC}: "
    assert refusal("", older=True) == NOT_NUMERIC


@pytest.mark.parametrize(
    ("text", "current", "older"),
    [
        ("1e126", OVERFLOW, OVERFLOW),
        ("-1e126", OVERFLOW, OVERFLOW),
        ("11e125", OVERFLOW, OVERFLOW),
        ("1" + "0" * 126, OVERFLOW, OVERFLOW),
        ("1e-131", UNDERFLOW, UNDERFLOW),
        ("0.9e-130", UNDERFLOW, UNDERFLOW),
        ("0e126", OVERFLOW, OVERFLOW),
        ("0e-131", UNDERFLOW, UNDERFLOW),
        # The older layer computes with 32 bits and wraps ...
        ("1e2147483646", OVERFLOW, OVERFLOW),
        ("1e2147483647", OVERFLOW, UNDERFLOW),
        ("12e2147483646", OVERFLOW, UNDERFLOW),
        ("1e-2147483647", UNDERFLOW, UNDERFLOW),
        # ... and reads no exponent or scale outside them.
        ("1e2147483648", OVERFLOW, None),
        ("1e-2147483648", UNDERFLOW, None),
        ("0.1e-2147483647", UNDERFLOW, None),
        ("1e99999999999", OVERFLOW, None),
        ("-1e99999999999", OVERFLOW, None),
        ("1e-99999999999", UNDERFLOW, None),
        ("1e9223372036854775807", OVERFLOW, None),
        ("1e-9223372036854775808", UNDERFLOW, None),
        ("1e9223372036854775808", None, None),
        ("1e-9223372036854775809", None, None),
        ("1e99999999999999999999", None, None),
    ],
)
def test_a_number_out_of_range(text: str, current: str | None, older: str | None) -> None:
    unreadable = f"{NOT_NUMERIC}: {text}"
    assert refusal(text) == (current or unreadable)
    assert refusal(text, older=True) == (older or unreadable)


@pytest.mark.parametrize("older", [False, True])
@pytest.mark.parametrize(
    "text",
    [
        "123456789012345678901234567890123456789",
        "1234567890123456789012345678901234567890",
        "-1.23456789012345678901234567890123456789",
        "314159265358979323846264338327950288419e30",
        "1" + "0" * 37 + ".1",
    ],
)
def test_more_than_38_digits_are_too_precise(text: str, older: bool) -> None:
    assert refusal(text, older) == TOO_PRECISE


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("9" * 1_000_000, OVERFLOW),
        ("1e999999999", OVERFLOW),
        ("1e-999999999", UNDERFLOW),
        ("0." + "0" * 1_000_000 + "1", UNDERFLOW),
        ("1." + "1" * 1_000_000, TOO_PRECISE),
        ("9" * 1_000_000 + "x", None),
        ("9." * 500_000, None),
        ("1e" + "9" * 1_000_000, None),
        ("1e" + "0" * 1_000_000, "1"),
        ("0" * 1_000_000 + "7", "7"),
        ("-" * 1_000_000, None),
    ],
    ids=lambda text: str(text)[:12],
)
def test_hostile_text_costs_no_more_than_its_length(text: str, expected: str | None) -> None:
    started = time.perf_counter()
    try:
        answer = numbers.canonical(text)
    except ApiError as error:
        answer = str(error)
    assert answer == (expected or f"{NOT_NUMERIC}: {text}")
    assert time.perf_counter() - started < 60  # one that grew with its square would take far longer


def test_an_echoed_text_always_has_a_utf8_form() -> None:
    assert refusal("\ud800") == f"{NOT_NUMERIC}: ?"


@pytest.mark.parametrize(
    ("a", "b", "total"),
    [
        ("1", "2", "3"),
        ("1", "-1", "0"),
        ("0.1", "0.2", "0.3"),
        ("0.1", "-0.1", "0"),
        ("-0.5", "0.25", "-0.25"),
        ("1.5", "1.5", "3"),
        ("1", "10000000000000000000000", "10000000000000000000001"),
        ("9" * 38, "1", "1" + "0" * 38),
        ("9" + "0" * 125, "9" + "0" * 124, "99" + "0" * 124),
        ("100000000000000000000.00000001", "-1", "99999999999999999999.00000001"),
    ],
)
def test_sums_are_exact(a: str, b: str, total: str) -> None:
    assert numbers.add(a, b) == numbers.add(b, a) == total
    assert numbers.subtract(total, a) == b


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        ("9" + "0" * 125, "9" + "0" * 125, OVERFLOW),
        (LARGEST, "1" + "0" * 125, OVERFLOW),
        # DynamoDB does not round: 1E50 + 1 needs 51 digits.
        ("1" + "0" * 50, "1", OVERFLOW),
        ("1" + "0" * 50, "-1", OVERFLOW),
        ("1", "0." + "0" * 99 + "1", OVERFLOW),
        ("0." + "0" * 129 + "15", "-0." + "0" * 129 + "1", UNDERFLOW),
    ],
)
def test_a_sum_that_no_number_holds_is_refused(a: str, b: str, message: str) -> None:
    with pytest.raises(ApiError) as caught:
        numbers.add(a, b)
    assert caught.value.message == message


def test_order_is_numeric() -> None:
    ascending = [
        "-" + LARGEST, "-1000", "-999.9", "-100", "-10.5", "-10.05", "-10", "-2", "-1", "-0.5", "-0.05", "0",
        "0.0001", "0.05", "0.5", "0.51", "1", "1.05", "1.5", "2", "10", "10.05", "10.5", "100", "999.9",
        "1000", LARGEST,
    ]  # fmt: skip
    for i, a in enumerate(ascending):
        for j, b in enumerate(ascending):
            assert numbers.compare(a, b) == (i > j) - (i < j)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 1), ("-0", 1), ("1", 2), ("12", 2), ("15", 2), ("100", 2), ("123", 3), ("1234", 3),
        ("123456", 4), ("0042", 2), ("1010", 3), ("1E125", 2), ("1E-100", 2), ("0.0000001", 2), ("0.15", 2),
        ("-42", 3), ("1.234", 4), ("3.14159", 5), ("100.5", 4), ("1.5", 3), ("1.2", 3), ("1.200", 3),
        ("1" * 38, 20),
        # The rule where the recorded literals do not reach.
        ("-1", 3), ("-100", 3), ("-0.5", 3), ("-0.015", 3), ("1.05", 3), ("1.005", 4), ("-1.5", 4),
        ("-123.456", 6), ("0." + "1" * 38, 20), ("1" * 19 + "." + "1" * 19, 21),
    ],
)  # fmt: skip
def test_size_in_bytes(text: str, size: int) -> None:
    assert numbers.size(numbers.canonical(text)) == size
