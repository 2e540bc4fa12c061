"""What the service answers to a request whose signature it does not accept.

The texts are those that the service was recorded with, as are the order of checks in `signature.py`: dynalite's
tests were run against it (https://github.com/architect/dynalite), with the CRC32 of each body.
"""

from __future__ import annotations

from alt.errors import ApiError

MISMATCH = (
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key "
    "and signing method. Consult the service documentation for details."
)


def missing() -> ApiError:
    """The error that says a request is not signed at all."""
    return ApiError("MissingAuthenticationTokenException", "Request is missing Authentication Token")


def incomplete(message: str) -> ApiError:
    """The error that says a part of the signature is missing, or cannot be read."""
    return ApiError("IncompleteSignatureException", message)


def invalid(message: str) -> ApiError:
    """The error that says a signature is whole, and not good for this request."""
    return ApiError("InvalidSignatureException", message)


def mismatch(canonical: bytes, string_to_sign: bytes) -> ApiError:
    """The error that says a signature is another's, or another request's, with what should have been signed."""
    return invalid(
        f"{MISMATCH}\n\nThe Canonical String for this request should have been\n'{_text(canonical)}'\n\n"
        f"The String-to-Sign should have been\n'{_text(string_to_sign)}'\n"
    )


def unknown_key() -> ApiError:
    """The error that says there is no such access key."""
    return ApiError("UnrecognizedClientException", "The security token included in the request is invalid.")


def unknown_session() -> ApiError:
    """The error that says an access key comes with a session's token, and is no session's."""
    return ApiError("UnrecognizedClientException", "The security token included in the request is invalid")


def uncertified(common_name: str, keys: int) -> ApiError:
    """The error that says a certificate is nobody's, or could be that of several access keys. The text is ours."""
    problem = (
        f"is the user of {keys} access keys: name one by its id" if keys else "is no access key's user or id"
    )
    return ApiError(
        "UnrecognizedClientException", f"The client certificate's common name, {common_name}, {problem}."
    )


def _text(sent: bytes) -> str:
    return sent.decode("utf-8", "replace")
