"""Who sent a request, proven by its signature or the client's certificate, and whether the operation is allowed to them."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from alt.auth.keys import AccessKey, Scope
from alt.auth.permissions import Circumstances, require
from alt.auth.policies import Wanted
from alt.auth.roles import allows
from alt.auth.signature import Verifier, is_signed
from alt.config import DEFAULT_REGION
from alt.errors import ApiError
from alt.http.request import Request
from alt.operations import Operation, begun_with
from alt.operations.authorization.actions import ON_TABLE, Asked, asked
from alt.operations.caller import Caller, KnownCaller
from alt.operations.context import Context
from alt.operations.tables.policy_rules import POLICIES
from alt.operations.tables.resource_policies import attached_policy
from alt.tally import Tally

_log = logging.getLogger(__name__)


class Authentication:
    """`enforced`: what is not signed and allowed is refused. Else it is answered, counted and logged.

    Policies that speak of the time are held to the wall clock, as signatures are.
    """

    def __init__(
        self,
        verifier: Verifier,
        enforced: bool,
        elapsed: Callable[[], float] = time.monotonic,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._verifier = verifier
        self._clock = clock
        self._enforced = enforced
        self._let_in = Tally(elapsed)  # that would have been refused

    def caller(self, request: Request) -> Caller:
        """Who sent it. Raises ApiError where that is not proven. It may run beside the event loop."""
        try:
            key, scope = self._proven(request)
        except ApiError as refusal:
            if self._enforced:
                raise
            caller = _unproven(request)
            self._note(caller, refusal)
            return caller
        # A request is answered in a server that only warns as it is in one that does not ask.
        if not self._enforced:
            return KnownCaller(key, _unproven(request).scope(), request.headers.get(b"host"), request.peer.ip)
        return KnownCaller(key, scope, request.headers.get(b"host"), request.peer.ip, key.account)

    def _proven(self, request: Request) -> tuple[AccessKey, Scope]:
        """Whose the request is: who signed it or, if nobody did, whose certificate came with the connection."""
        name = request.peer.common_name
        if name is not None and not is_signed(request.url, request.headers):
            key = self._verifier.certified(name)
            return key, Scope(key.id, DEFAULT_REGION)
        signer = self._verifier.verify(
            request.method, request.url, request.headers, request.body, request.repeated
        )
        return signer.key, signer.whose

    def guarded(self, name: tuple[str, str], operation: Operation) -> Operation:
        """An operation that begins by asking whether it may."""
        asks, action = asked(name), name[1]
        is_on_table = name in ON_TABLE

        def ask(context: Context, request: Any, caller: Caller, read: Any) -> None:
            if isinstance(caller, KnownCaller) and not (  # else it was let in with a warning
                is_on_table and _is_for_role(context, caller, action, request["TableName"])
            ):
                self._require(context, caller, asks(request, caller.place, read))

        return begun_with(ask, operation)

    def _require(self, context: Context, caller: KnownCaller, asked: Iterable[Asked]) -> None:
        circumstances = Circumstances(caller.region, self._clock(), caller.source_ip)
        try:
            for action, resource, part in asked:
                wanted = Wanted(action, resource, partial(part.values, context))
                require(caller.key, wanted, attached_policy(context, resource, part.table), circumstances)
        except ApiError as refusal:
            if self._enforced:
                raise
            self._note(caller, refusal)

    def _note(self, caller: Caller, refusal: ApiError) -> None:
        self._let_in.add()
        if let_in := self._let_in.due():
            _log.warning(
                "requests that --auth enforce would refuse: %d; the last, of key %s: %s",
                let_in,
                ascii(caller.access_key)[1:-1],
                refusal.type,
            )


def _is_for_role(context: Context, caller: KnownCaller, action: str, table: str) -> bool:
    """Whether the caller's role allows it, on a table of their own, and no policy has a say in it.

    Most requests ask no more than this, and asking for it costs a quarter of what `_require` does.
    """
    key = caller.key
    if key.policy is not None or not allows(key.role, action) or caller.account != key.account:
        return False
    found = context.engine.table(table)
    return found is not None and POLICIES not in found.definition.settings


def _unproven(request: Request) -> Caller:
    return Caller(request.headers.get(b"authorization"), request.headers.get(b"host"), request.peer.ip)
