"""Key values as SQLite columns that sort, compare and range as DynamoDB's keys do.

- S is the text itself: SQLite's BINARY collation compares its UTF-8 bytes.
- B is a BLOB of the raw bytes: SQLite compares them unsigned, a prefix first.
- N is a BLOB that sorts by value, as the service itself has it, which hashes these bytes (alt/storage/model/keys.py):

      zero      80
      positive  exponent digits
      negative  ~exponent 102-digits 66

  A number is 0.d1d2d3... times 100 to the exponent, each d a pair of decimal
  digits, up to 20, and d1 not zero. The exponent stands plus 192, and a pair plus 1 in a
  byte, without zeros at the end. A negative number's are turned round so that larger
  magnitudes come first, and end in a byte above every pair's, since there the longer
  number is the smaller one; one of 20 pairs needs none.
"""

from __future__ import annotations

from binascii import a2b_base64, b2a_base64

from alt.values import numbers
from alt.values.sizes import binary_size, text_size
from alt.values.types import AttributeValue

_ZERO = b"\x80"
# By exponent plus 64: base 100 takes 1E-130 to 9.99E+125 into -64 to 63.
_POSITIVE = [bytes((0x80 + exponent,)) for exponent in range(128)]
_NEGATIVE = [bytes((0x7F - exponent,)) for exponent in range(128)]
_EXPONENT_BIAS = 64
_MAX_PAIRS = 20
_END = b"\x66"
# From packed decimal, which `bytes.fromhex` makes (42 is 0x42), to pairs, and back. Other bytes stay as they are.
_PACKED = bytes(16 * (pair // 10) + pair % 10 for pair in range(100))
_PAIRS = bytes.maketrans(_PACKED, bytes(range(1, 101)))
_NEGATIVE_PAIRS = bytes.maketrans(_PACKED, bytes(range(101, 1, -1)))
_FROM_PAIRS = bytes.maketrans(bytes(range(1, 101)), _PACKED)
_FROM_NEGATIVE_PAIRS = bytes.maketrans(bytes(range(101, 1, -1)), _PACKED)

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
    packed = bytes.fromhex(digits)
    if not negative:
        return _POSITIVE[exponent] + packed.translate(_PAIRS)
    end = _END if len(packed) < _MAX_PAIRS else b""
    return _NEGATIVE[exponent] + packed.translate(_NEGATIVE_PAIRS) + end


def decode(column: str | bytes, kind: str) -> AttributeValue:
    """The canonical attribute value of type `kind` (S, N or B) that `encode` made a column of."""
    if isinstance(column, str):
        return {"S": column}
    return {"N": decode_number(column)} if kind == "N" else {"B": b2a_base64(column, newline=False).decode()}


def decode_number(column: bytes) -> str:
    """The canonical text of a number's BLOB."""
    if column == _ZERO:
        return "0"
    negative = column[0] < _POSITIVE[0][0]
    if negative:
        exponent = 0x7F - column[0]
        digits = column[1:].removesuffix(_END).translate(_FROM_NEGATIVE_PAIRS).hex()
    else:
        exponent = column[0] - 0x80
        digits = column[1:].translate(_FROM_PAIRS).hex()
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
