"""Key values as SQLite columns that sort, compare and range as DynamoDB's keys do.

- S is the text itself: SQLite's BINARY collation compares its UTF-8 bytes.
- B is a BLOB of the raw bytes: SQLite compares them unsigned, a prefix first.
- N is a BLOB that sorts by value:

      zero      80
      positive  C0 exponent digits
      negative  40 ~exponent ~digits FF

  A number is 0.d1d2d3... times 100 to the exponent, each d a pair of decimal
  digits and d1 not zero. The exponent is stored plus 64; digits are packed two
  to a byte (42 is 0x42), without zero bytes at the end. A negative number's
  bytes are complemented so that larger magnitudes come first, and end in a byte
  above every digit's, since there the longer number is the smaller one.
"""

from __future__ import annotations

from binascii import a2b_base64, b2a_base64

from alt.values import numbers
from alt.values.sizes import binary_size, text_size
from alt.values.types import AttributeValue

_ZERO = b"\x80"
_EXPONENT_BIAS = 64
# Sign and exponent, by biased exponent: base 100 takes 1E-130 to 9.99E+125 into -64 to 63.
_POSITIVE = [bytes((0xC0, exponent)) for exponent in range(128)]
_NEGATIVE = [bytes((0x40, 0xFF - exponent)) for exponent in range(128)]
# Digit bytes 00 to 99 (packed decimal) become FE down to 65, below the end mark.
_COMPLEMENT = bytes(max(0xFE - digit, 0) for digit in range(256))
_END = b"\xff"

_MAX_CODE_POINT = 0x10FFFF
_LAST_BEFORE_SURROGATES = 0xD7FF
_FIRST_AFTER_SURROGATES = 0xE000


def encode(value: AttributeValue) -> str | bytes:
    """The column value of a canonical S, N or B.

    Raises ValueError for other types: no key has one, and requests are checked
    against the key schema first.
    """
    ((kind, content),) = value.items()
    if kind == "S":
        text: str = content
        return text
    if kind == "N":
        return encode_number(content)
    if kind == "B":
        return a2b_base64(content)
    raise ValueError(f"{kind} is not a key type")


def encode_number(text: str) -> bytes:
    """The BLOB of a canonical number."""
    if text == "0":
        return _ZERO
    negative = text[0] == "-"
    whole, _, fraction = (text[1:] if negative else text).partition(".")
    if whole == "0":
        digits = fraction.lstrip("0")
        point = len(digits) - len(fraction)
    else:
        digits = whole + fraction
        point = len(whole)
    digits = digits.rstrip("0")
    if point & 1:
        digits = "0" + digits
    if len(digits) & 1:
        digits += "0"
    exponent = (point + 1) // 2 + _EXPONENT_BIAS
    if negative:
        return _NEGATIVE[exponent] + bytes.fromhex(digits).translate(_COMPLEMENT) + _END
    return _POSITIVE[exponent] + bytes.fromhex(digits)


def decode(column: str | bytes, kind: str) -> AttributeValue:
    """The canonical attribute value of type `kind` (S, N or B) that `encode` made a column of."""
    if isinstance(column, str):
        return {"S": column}
    return {"N": decode_number(column)} if kind == "N" else {"B": b2a_base64(column, newline=False).decode()}


def decode_number(column: bytes) -> str:
    """The canonical text of a number's BLOB."""
    if column == _ZERO:
        return "0"
    negative = column[0] == _NEGATIVE[0][0]
    exponent = 0xFF - column[1] if negative else column[1]
    # A byte and its complement add up to 0xFE, so the table works both ways.
    packed = column[2:-1].translate(_COMPLEMENT) if negative else column[2:]
    digits = packed.hex()
    point = 2 * (exponent - _EXPONENT_BIAS)
    whole = digits[: max(point, 0)].ljust(point, "0").lstrip("0") or "0"
    fraction = ("0" * -point + digits[max(point, 0) :]).rstrip("0")
    return ("-" if negative else "") + whole + ("." + fraction if fraction else "")


def key_size(value: AttributeValue) -> int:
    """Bytes of a canonical S, N or B as DynamoDB counts them against its key limits."""
    ((kind, content),) = value.items()
    if kind == "S":
        return text_size(content)
    if kind == "N":
        return numbers.size(content)
    if kind == "B":
        return binary_size(content)
    raise ValueError(f"{kind} is not a key type")


def prefix_upper_bound(encoded: str | bytes) -> str | bytes | None:
    """The least column value above everything that begins with `encoded`; None where there is none."""
    if isinstance(encoded, bytes):
        head = encoded.rstrip(b"\xff")
        return head[:-1] + bytes((head[-1] + 1,)) if head else None
    text = encoded.rstrip(chr(_MAX_CODE_POINT))
    if not text:
        return None
    last = ord(text[-1])
    following = _FIRST_AFTER_SURROGATES if last == _LAST_BEFORE_SURROGATES else last + 1
    return text[:-1] + chr(following)
