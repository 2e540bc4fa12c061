"""A request in the one form in which it is signed.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from hashlib import sha256
from operator import itemgetter
from urllib.parse import quote_from_bytes, unquote_to_bytes

from alt.auth.claims import SIGNATURE_PARAMETER, Parameters

_UNRESERVED = "-._~"  # beside letters and digits
_UNUSUAL = re.compile(rb"\t|  |: | \n")  # where there may be whitespace that is not signed as it is


class SignedHeaders:
    """The headers of these names, in a row and in order, as they are signed.

    It is made once for many requests: all that is the same in them stands in a template that takes the rest.
    """

    def __init__(self, names: Sequence[bytes]) -> None:
        self.names = names
        lines = b"".join(b"%b:%%b\n" % name.replace(b"%", b"%%") for name in names)
        signed = b";".join(names).replace(b"%", b"%%")
        self._template = b"%%b\n%%b\n%%b\n%b\n%b\n%%b" % (lines, signed)
        self._values = itemgetter(
            *names, names[0]
        )  # one more than there are: it answers a tuple only for several

    def request(
        self, method: bytes, path: bytes, query: Parameters, headers: Mapping[bytes, bytes], body: bytes
    ) -> bytes:
        """The whole request, with the hash of its body.

        What the query says is the signature itself is left out. Whitespace around headers' values is left out, too,
        that within them is one space, what is missing is empty.
        """
        try:
            values = self._values(headers)[:-1]
        except KeyError:
            values = tuple([headers.get(name, b"") for name in self.names])
        begin = (method, b"/" if path == b"/" else _path(path), _query(query) if query else b"")
        end = sha256(body).hexdigest().encode()
        form: bytes = self._template % (*begin, *values, end)
        # No path or query has whitespace here.
        if (b" " in form or b"\t" in form) and _UNUSUAL.search(form):
            form = self._template % (*begin, *[b" ".join(value.split()) for value in values], end)
        return form


def parameters(query: bytes) -> Parameters:
    """The names and values of a query, decoded. A plus is a plus."""
    return [
        (unquote_to_bytes(name), unquote_to_bytes(value))
        for name, _, value in (part.partition(b"=") for part in query.split(b"&") if part)
    ]


def _query(query: Parameters) -> bytes:
    encoded = sorted(
        (_encoded(name), _encoded(value)) for name, value in query if name != SIGNATURE_PARAMETER
    )
    return "&".join(f"{name}={value}" for name, value in encoded).encode()


def _path(path: bytes) -> bytes:
    """Without empty steps, `.` and `..`; encoded once more than it was sent, as every service but S3 has it."""
    steps: list[bytes] = []
    for step in path.split(b"/"):
        if step == b"..":
            steps = steps[:-1]
        elif step not in (b"", b"."):
            steps.append(step)
    is_folder = path.endswith((b"/", b"/.", b"/.."))
    encoded = "/".join(map(_encoded, steps))
    return f"/{encoded}{'/' if is_folder and steps else ''}".encode()


def _encoded(text: bytes) -> str:
    return quote_from_bytes(text, safe=_UNRESERVED)
