"""The header of the PROXY protocol, version 2, in which a load balancer tells whose connection it passes on.

https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt, section 2.2. It comes before anything else, TLS included.
"""

from __future__ import annotations

import struct
from ipaddress import ip_address

from alt.http.peer import shortest

HEAD_BYTES = 16  # the fixed part, which tells how many bytes follow
# Addresses, and after them what a balancer has to add (TLVs): a certificate's subject, its own ids.
MAX_REST_BYTES = 4 * 1024

_HEAD = struct.Struct("!12sBBH")
_SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
_LOCAL, _PROXY = 0x20, 0x21  # version 2 and the command
# How long an address is, by family and transport. Of the others that are defined the client has none that we know.
_ADDRESS_BYTES = {0x11: 4, 0x21: 16}  # TCP over IPv4, over IPv6
_WITHOUT_ADDRESS = (0x00, 0x12, 0x22, 0x31, 0x32)  # not told, UDP, Unix


class NotAHeaderError(Exception):
    """What a connection begins with is no header that could be believed."""


def rest_bytes(head: bytes) -> int:
    """How many bytes of the header follow its first HEAD_BYTES. Raises NotAHeaderError."""
    signature, command, _, length = _HEAD.unpack(head)
    if signature != _SIGNATURE or command not in (_LOCAL, _PROXY) or length > MAX_REST_BYTES:
        raise NotAHeaderError
    return int(length)


def source_ip(head: bytes, rest: bytes) -> str | None:
    """The client's address; None where it is whoever has connected. Raises NotAHeaderError."""
    _, command, family, _ = _HEAD.unpack(head)
    if command == _LOCAL or family in _WITHOUT_ADDRESS:
        return None
    size = _ADDRESS_BYTES.get(family)
    if size is None or len(rest) < 2 * size + 4:  # two addresses, two ports
        raise NotAHeaderError
    return shortest(str(ip_address(rest[:size])))
