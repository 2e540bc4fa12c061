"""Who may ask: what keeps the web pages that a browser shows away from the data.

A page of another origin can send requests here, and a page whose name resolves to this machine (DNS
rebinding) can even read the answers. Of the two headers that no page can forge, Host must name this server
and Origin, which programs outside a browser do not send, must be one that is allowed.

Any IP address is this server's by name: rebinding needs a name, and which addresses lead here (a container's,
a router's) is not known. Requests without Host are HTTP/1.0, which no browser speaks.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection
from urllib.parse import urlsplit

from alt.errors import ApiError

ANY = "*"
# Values of Host as accepted before. A client may send any number of different ones.
MAX_REMEMBERED_HOSTS = 1_024
MAX_SHOWN_CHARACTERS = 100  # of a header in a message

_PORT = re.compile(r":\d{0,5}$")
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^/\s]+")


class Access:
    """`host` is the name or address listened on; `allowed_hosts` and `origins` are the operator's, `*` for any."""

    def __init__(self, host: str, allowed_hosts: Collection[str] = (), origins: Collection[str] = ()) -> None:
        self._hosts = {_name(name) for name in (host, *allowed_hosts)}
        self._any_host = ANY in allowed_hosts
        self._origins = {origin.lower() for origin in origins}
        # What the Host of nearly every request is looked up in.
        self.known_hosts: set[bytes | None] = {None}

    def check_host(self, value: bytes) -> None:
        """Raises ApiError for a Host that is not this server's; remembers one that is."""
        name = _name(value.decode("latin-1"))
        if not (self._any_host or name in self._hosts or _is_local_name(name) or _is_address(name)):
            shown = ascii(name[:MAX_SHOWN_CHARACTERS])[1:-1]
            raise ApiError(
                "AccessDeniedException",
                f"The Host header names {shown}, which is not known to be this server. "
                f"To allow it: alt start --allowed-host {shown} (or ALT_ALLOWED_HOST={shown})",
            )
        if len(self.known_hosts) >= MAX_REMEMBERED_HOSTS:
            self.known_hosts = {None}
        self.known_hosts.add(value)

    def allowed_origin(self, value: bytes) -> bytes:
        """What Access-Control-Allow-Origin says to an Origin. Raises ApiError for one that is not allowed."""
        origin = value.decode("latin-1").strip().lower()
        if ANY in self._origins:
            return b"*"
        if origin in self._origins or _is_loopback_origin(origin):
            return value
        shown = ascii(origin[:MAX_SHOWN_CHARACTERS])[1:-1]
        raise ApiError(
            "AccessDeniedException",
            f"Web pages of the origin {shown} may not use this server. "
            f"To allow it: alt start --cors-origin {shown} (or ALT_CORS_ORIGIN={shown})",
        )


def is_origin(text: str) -> bool:
    """Whether a text is what `--cors-origin` takes: `*`, `null`, or a scheme and a host without a path."""
    return text in (ANY, "null") or _ORIGIN.fullmatch(text.lower()) is not None


def is_loopback(host: str) -> bool:
    """Whether a name or an address, IPv6 in brackets or not, is of this machine alone."""
    host = host.strip("[]")
    if _is_local_name(host):
        return True
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback


def _name(host: str) -> str:
    """The host of `host:port`, as names are compared."""
    host = host.strip().lower()
    if host.startswith("[") or host.count(":") < 2:  # else an IPv6 address without brackets
        host = _PORT.sub("", host)
    return host.strip("[]").rstrip(".")


def _is_local_name(name: str) -> bool:
    # Resolvers and browsers keep localhost and what is below it to this machine (RFC 6761).
    return name == "localhost" or name.endswith(".localhost")


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return False
    return True


def _is_loopback_origin(origin: str) -> bool:
    try:
        parts = urlsplit(origin)
        _ = parts.port  # what is none is an error, and could be a second origin
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and parts.hostname is not None and is_loopback(parts.hostname)
