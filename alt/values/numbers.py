"""DynamoDB's numbers, as text: 38 significant decimal digits, magnitude 1E-130 to 9.99...E+125, and zero.

A *canonical* number is the expanded decimal that DynamoDB answers with: no
exponent, no plus sign, no zeros that say nothing, `0` for every zero. Equal
numbers have equal canonical text. Nothing here goes through binary floating
point, and the cost of a number is linear in its text whatever it says.

A request's numbers are read in one of two ways, recorded from the service. The
*current* one knows exponents of 64 bits. The *older* one is Java's BigDecimal:
exponent and scale have 32 bits, and its range check wraps around.
"""

from __future__ import annotations

import re

from alt.errors import ApiError, validation

MAX_DIGITS = 38
MAX_EXPONENT = 125  # of the first significant digit
MIN_EXPONENT = -130

_MAX_INT32 = 2**31 - 1
_MIN_INT32 = -(2**31)
_MAX_INT64 = 2**63 - 1
_MIN_INT64 = -(2**63)
_INT64_DIGITS = 19

_NOT_NUMERIC = "The parameter cannot be converted to a numeric value"
_OVERFLOW = "Number overflow. Attempting to store a number with magnitude larger than supported range"
_UNDERFLOW = "Number underflow. Attempting to store a number with magnitude smaller than supported range"
_TOO_PRECISE = "Attempting to store more than 38 significant digits in a Number"

# Possessive, so that a text that does not match costs one pass.
_literal = re.compile(r"([+-]?)([0-9]*+)(?:\.([0-9]*+))?+(?:[eE]([+-]?)([0-9]++))?+").fullmatch
_plain = re.compile(r"-?(?:[1-9][0-9]*+|0(?=\.))(?:\.[0-9]*[1-9])?+").fullmatch


def canonical(text: str, older: bool = False) -> str:
    """The canonical form of a number from a request.

    Raises a ValidationException, bare, worded by the current or the `older` layer.
    """
    if len(text) <= MAX_DIGITS and (
        (text.isdigit() and text.isascii() and (text[0] != "0" or text == "0")) or _plain(text)
    ):
        return text
    negative, digits, exponent = _read(text, older)
    if not digits:
        return "0"
    if len(digits) > MAX_DIGITS:
        raise validation(_TOO_PRECISE)
    return _expand(negative, digits, exponent)


def _read(text: str, older: bool) -> tuple[bool, str, int]:
    """Sign, significant digits (none for zero) and the exponent of the first of them, in range."""
    match = _literal(text)
    if match is None:
        raise _not_numeric(text, older)
    sign, whole, fraction, exponent_sign, exponent_digits = match.groups("")
    written = whole + fraction
    if not written:
        raise _not_numeric(text, older)
    exponent = _exponent(exponent_sign, exponent_digits)
    digits = written.lstrip("0")
    # As in BigDecimal, a zero is one digit, at the place of the last one written.
    precision = len(digits) or 1
    scale = len(fraction) - exponent
    if older:
        low, high = _MIN_INT32, _MAX_INT32
        readable = low <= exponent <= high and low <= scale <= high
        first = (precision - scale - low) % 2**32 + low - 1
    else:
        readable = _MIN_INT64 <= exponent <= _MAX_INT64
        first = precision - scale - 1
    if not readable:
        raise _not_numeric(text, older)
    if first > MAX_EXPONENT:
        raise validation(_OVERFLOW)
    if first < MIN_EXPONENT:
        raise validation(_UNDERFLOW)
    return sign == "-", digits.rstrip("0"), first


def _exponent(sign: str, digits: str) -> int:
    """The written exponent; one of more than 64 bits is only sure to stay so."""
    digits = digits.lstrip("0")
    if len(digits) > _INT64_DIGITS:
        return _MAX_INT64 + 1 if sign != "-" else _MIN_INT64 - 1
    return int(sign + (digits or "0"))


def _not_numeric(text: str, older: bool) -> ApiError:
    if not text and older:
        return validation(_NOT_NUMERIC)
    # The text is answered, so it must have a UTF-8 form.
    return validation(f"{_NOT_NUMERIC}: {text.encode(errors='replace').decode()}")


def _expand(negative: bool, digits: str, exponent: int) -> str:
    """Digits without zeros at either end, as a plain decimal."""
    point = exponent + 1
    if point <= 0:
        text = "0." + "0" * -point + digits
    elif point >= len(digits):
        text = digits + "0" * (point - len(digits))
    else:
        text = digits[:point] + "." + digits[point:]
    return "-" + text if negative else text


def add(a: str, b: str) -> str:
    """The exact sum of two canonical numbers, canonical.

    DynamoDB does not round: a sum of more than 38 significant digits is
    answered as an overflow (recorded for 1E50 + 1), like one out of range.
    """
    if "." not in a and "." not in b:
        total = str(int(a) + int(b))
        return total if len(total) <= MAX_DIGITS else _result(int(total), 0)
    a_whole, _, a_fraction = a.partition(".")
    b_whole, _, b_fraction = b.partition(".")
    scale = max(len(a_fraction), len(b_fraction))
    return _result(
        int(a_whole + a_fraction.ljust(scale, "0")) + int(b_whole + b_fraction.ljust(scale, "0")), scale
    )


def subtract(a: str, b: str) -> str:
    """The exact difference of two canonical numbers, canonical; errors as `add`."""
    return add(a, b[1:] if b[0] == "-" else "-" + b)


def _result(value: int, scale: int) -> str:
    """`value` / 10**`scale`, canonical and in range."""
    if not value:
        return "0"
    digits = str(abs(value))
    exponent = len(digits) - scale - 1
    digits = digits.rstrip("0")
    if exponent > MAX_EXPONENT or len(digits) > MAX_DIGITS:
        raise validation(_OVERFLOW)
    if exponent < MIN_EXPONENT:
        raise validation(_UNDERFLOW)
    return _expand(value < 0, digits, exponent)


def compare(a: str, b: str) -> int:
    """-1, 0 or 1 as canonical `a` is below, equal to or above canonical `b`."""
    if a == b:
        return 0
    negative = a[0] == "-"
    if negative != (b[0] == "-"):
        return -1 if negative else 1
    a_whole, _, a_fraction = a.partition(".")
    b_whole, _, b_fraction = b.partition(".")
    nearer_zero = (len(a_whole), a_whole, a_fraction) < (len(b_whole), b_whole, b_fraction)
    return -1 if nearer_zero != negative else 1


def size(text: str) -> int:
    """Bytes of a canonical number, as measured against the service.

    One, one for every two digits of the integer and, apart, of the fraction,
    and one for a minus sign. Zeros that only place the decimal point are free.
    """
    if text == "0":
        return 1
    whole, point, fraction = text.partition(".")
    negative = whole[0] == "-"
    if not point:
        return 1 + negative + (len(whole.rstrip("0")) - negative + 1) // 2
    if whole == "0" or whole == "-0":
        return 1 + negative + (len(fraction.lstrip("0")) + 1) // 2
    return 1 + negative + (len(whole) - negative + 1) // 2 + (len(fraction) + 1) // 2
