"""The one question: may this caller do this to this resource?

A key has a role or a policy; a resource may have a policy of its own. What any of them denies is denied. What one of
them allows is allowed, since callers and resources are of one account:
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic_policy-eval-basics-req-context.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from alt.auth.keys import AccessKey
from alt.auth.patterns import Values
from alt.auth.policies import Policy, Wanted
from alt.auth.roles import allows
from alt.errors import ApiError


class Circumstances(NamedTuple):
    """Of a request: `now` in epoch seconds, `source_ip` as text if it is known."""

    region: str
    now: float
    source_ip: str | None


class Decision(NamedTuple):
    """`by` is the role, or the Sid or number of the statement, that decides; None where nothing does."""

    is_allowed: bool
    by: str | None
    policy: str  # identity-based or resource-based


def decide(key: AccessKey, wanted: Wanted, attached: Policy | None, circumstances: Circumstances) -> Decision:
    """`attached` is the resource's own policy."""
    if key.policy is None and attached is None:
        return _by_role(key, wanted.action)
    wanted = wanted._replace(values=_values(key, wanted.values, circumstances))
    own = _by_role(key, wanted.action) if key.policy is None else _by_policy(key.policy, wanted, ())
    if attached is None:
        return own
    its = _by_policy(attached, wanted, _principals(key))
    its = its._replace(policy="resource-based")
    if own.by is not None and not own.is_allowed:
        return own
    if its.by is not None and (not its.is_allowed or not own.is_allowed):
        return its
    return own


def require(key: AccessKey, wanted: Wanted, attached: Policy | None, circumstances: Circumstances) -> None:
    """Raise the service's ApiError if not."""
    if key.tenant is not None and wanted.resource != "*" and wanted.resource.split(":")[4:5] != [key.account]:
        raise _denied(
            key, wanted, f"because no resource-based policy allows the dynamodb:{wanted.action} action"
        )
    if key.policy is None and attached is None and allows(key.role, wanted.action):
        return
    decision = decide(key, wanted, attached, circumstances)
    if decision.is_allowed:
        return
    if decision.by is None:
        why = f"because no identity-based policy allows the dynamodb:{wanted.action} action"
    else:
        why = f"with an explicit deny in {_A[decision.policy]} policy"
    raise _denied(key, wanted, why)


def _denied(key: AccessKey, wanted: Wanted, why: str) -> ApiError:
    return ApiError(
        "AccessDeniedException",
        f"User: {key.arn} is not authorized to perform: dynamodb:{wanted.action} on resource: {wanted.resource} {why}",
    )


_A = {"identity-based": "an identity-based", "resource-based": "a resource-based"}


def _by_role(key: AccessKey, action: str) -> Decision:
    is_allowed = allows(key.role, action)
    return Decision(is_allowed, key.role if is_allowed else None, "identity-based")


def _by_policy(policy: Policy, wanted: Wanted, principals: Sequence[str]) -> Decision:
    statement = policy.deciding(wanted, principals)
    if statement is None:
        return Decision(False, None, "identity-based")
    return Decision(not statement.denies, statement.name, "identity-based")


def _principals(key: AccessKey) -> tuple[str, ...]:
    """What a resource's policy may call the caller."""
    return (key.arn, f"arn:aws:iam::{key.account}:root", key.account, "*")


_OF_CALLER: Mapping[str, Callable[[AccessKey, Circumstances], str | None]] = {
    "aws:currenttime": lambda _, now: datetime.fromtimestamp(now.now, UTC).isoformat(),
    "aws:epochtime": lambda _, now: str(now.now),
    "aws:principalaccount": lambda key, _: key.account,
    "aws:principalarn": lambda key, _: key.arn,
    "aws:principaltype": lambda *_: "User",
    "aws:requestedregion": lambda _, now: now.region,
    "aws:sourceip": lambda _, now: now.source_ip,
    "aws:userid": lambda key, _: key.id,
    "aws:username": lambda key, _: key.name,
}


def _values(key: AccessKey, of_request: Values, circumstances: Circumstances) -> Values:
    def values(name: str) -> Sequence[str] | None:
        of_caller = _OF_CALLER.get(name)
        if of_caller is None:
            return of_request(name)
        found = of_caller(key, circumstances)
        return None if found is None else (found,)

    return values
