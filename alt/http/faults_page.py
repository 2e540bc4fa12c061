"""`/_alt/faults`: the faults that are set, for programs of the server's own machine.

GET lists them, PUT sets one (see alt/faults/fault.py for its members), DELETE takes all back; the answer has those that are
set then. Where signatures are asked for, only an administrator's will do.
"""

from __future__ import annotations

import asyncio
import time

import ujson

from alt.auth.permissions import Circumstances, require
from alt.auth.policies import Wanted
from alt.errors import ApiError, unknown_operation, validation
from alt.faults.fault import Fault
from alt.faults.faults import Faults
from alt.http import response
from alt.http.authentication import Authentication
from alt.http.local import refuse_others
from alt.http.request import Request
from alt.operations import Reply
from alt.operations.caller import KnownCaller
from alt.operations.reply import body

FAULTS_PATH = b"/_alt/faults"
MAX_BODY_BYTES = 64 * 1024
# What a role would have to name; none but the administrator's does.
_ACTION = "InjectFault"


class FaultsPage:
    """See above."""

    def __init__(self, faults: Faults, authentication: Authentication | None) -> None:
        self._faults = faults
        self._authentication = authentication

    def __call__(self, request: Request) -> tuple[bytes, Reply]:
        refuse_others(request)
        if self._authentication is not None:
            caller = self._authentication.caller(request)
            if isinstance(caller, KnownCaller):
                _require(caller)
        return response.JSON, self._reply(request)

    def _reply(self, request: Request) -> Reply:
        if request.method == b"GET":
            return self._listed()
        if request.method == b"PUT":
            return asyncio.ensure_future(self._set(_fault(request.body)))
        if request.method == b"DELETE":
            return asyncio.ensure_future(self._cleared())
        raise unknown_operation()

    def _listed(self) -> bytes:
        return body({"faults": self._faults.listed()})

    async def _set(self, fault: Fault) -> bytes:
        try:
            await self._faults.add(fault)
        except ValueError as error:
            raise validation(str(error)) from None
        return self._listed()

    async def _cleared(self) -> bytes:
        await self._faults.clear()
        return self._listed()


def _require(caller: KnownCaller) -> None:
    """Faults meet everybody's requests, so none of a tenant's keys may set them."""
    if caller.key.tenant is not None:
        raise ApiError("AccessDeniedException", "A tenant's keys may not set faults.")
    circumstances = Circumstances(caller.region, time.time(), caller.source_ip)
    require(caller.key, Wanted(_ACTION, "*", lambda _: None), None, circumstances)


def _fault(text: bytes) -> Fault:
    try:
        members = ujson.loads(text[:MAX_BODY_BYTES])
        if not isinstance(members, dict):
            raise ValueError("a fault is an object")
        return Fault.read(members)
    except ValueError as error:
        raise validation(str(error)) from None
