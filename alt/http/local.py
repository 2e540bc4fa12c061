"""Who may see the pages that are for this machine's programs alone."""

from __future__ import annotations

from alt.errors import ApiError
from alt.http.access import is_loopback
from alt.http.request import Request


def refuse_others(request: Request) -> None:
    """Raises ApiError where a request comes from another machine, or from any web page."""
    if b"origin" in request.headers:
        raise ApiError("AccessDeniedException", "Web pages may not use this.")
    if request.peer.ip is None or not is_loopback(request.peer.ip):
        raise ApiError("AccessDeniedException", "Only programs of the server's own machine may use this.")
