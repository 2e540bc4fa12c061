"""Base64 as the service reads it: padded, without line ends, and with no stray bits."""

from __future__ import annotations

from binascii import a2b_base64

_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_DIGITS = {character: digit for digit, character in enumerate(_ALPHABET)}

# The bits of the last digit that hold no data, by the number of padding characters.
_STRAY_BITS = (0b0000, 0b0011, 0b1111)

# Sic.
_STRAY = "Invalid last non-pad Base64 character dectected"


def fault(text: str) -> str | None:
    """What the service says of `text`; None when it is base64. Recorded from the service.

    The length comes before the last digit, and that before the alphabet.
    """
    if len(text) % 4:
        return f"Base64 encoded length is expected a multiple of 4 bytes but found: {len(text)}"
    padding = len(text) - len(text.rstrip("=")) if text.endswith("=") else 0
    if padding and _DIGITS.get(text[-padding - 1 :][:1], 0) & _STRAY_BITS[min(padding, 2)]:
        return _STRAY
    try:
        a2b_base64(text, strict_mode=True)
    except ValueError:
        return _wrong_character(text)
    return None


def _wrong_character(text: str) -> str:
    digits = text[:-2] + text[-2:].rstrip("=")
    wrong = next((character for character in digits if character not in _DIGITS), "=")
    return f"Invalid Base64 character: '{wrong}'"
