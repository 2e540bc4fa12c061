"""Connections that tell which headers a request has several times.

HTTP reads these as one list, and a signature covers that, with no blanks in it; some may come only once.
"""

from __future__ import annotations

from alt.auth.signature import SINGLE
from alt.http.protocol import Connection


class StrictConnection(Connection):
    """One client's connection, where requests are signed."""

    def _repeat(self, name: bytes, value: bytes) -> bytes:
        joined = super()._repeat(name, value)
        before = self.repeated.get(name, self._headers[name])
        self.repeated = {**self.repeated, name: b"%b,%b" % (before, value)}
        # What may come once is refused as the signature is looked at; what comes before that goes by the last.
        return value if name in SINGLE else joined
