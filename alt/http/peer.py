"""Who is at the other end of a connection, as far as the connection itself tells."""

from __future__ import annotations

import asyncio
import ipaddress
from typing import Any, NamedTuple


class Peer(NamedTuple):
    """`ip` is the client's address in its shortest form; None where the transport has none.

    `common_name` is that of the certificate that the client has shown and TLS has verified; None without one.
    """

    ip: str | None = None
    common_name: str | None = None


NOBODY = Peer()


def of(transport: asyncio.BaseTransport, source_ip: str | None = None) -> Peer:
    """Asked as a connection begins: a socket whose client is gone no longer tells whose it was.

    `source_ip` is the client's where a proxy has told it.
    """
    if source_ip is None:
        name = transport.get_extra_info("peername")
        source_ip = shortest(name[0]) if isinstance(name, tuple) else None
    return Peer(source_ip, _common_name(transport.get_extra_info("peercert")))


def _common_name(certificate: Any) -> str | None:
    """Of a certificate as the ssl module gives it. One with several has none that could be gone by."""
    names = [
        value
        for part in (certificate or {}).get("subject", ())
        for kind, value in part
        if kind == "commonName"
    ]
    return names[0] if len(names) == 1 else None


def shortest(address: str) -> str | None:
    """An IP address as policies and logs compare it: an IPv4 client of an IPv6 socket is an IPv4 client."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])  # an IPv6 address may say its interface
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return str(mapped or found)
