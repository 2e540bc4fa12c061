"""PutResourcePolicy, GetResourcePolicy, DeleteResourcePolicy.

A table and each of its streams have a policy of their own, kept in the table's definition. Texts are as recorded from
the service, where a change takes moments and locks out the next for 15 seconds; here it is done when it is answered.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

from alt import errors
from alt.auth.permissions import Circumstances, decide
from alt.auth.policies import Policy, Wanted, read_policy
from alt.errors import ApiError, resource_not_found, validation
from alt.operations.arns import resource_of, table_name
from alt.operations.caller import Caller, KnownCaller
from alt.operations.context import Context
from alt.operations.reply import body
from alt.operations.tables.policy_rules import (
    OF_TABLE,
    POLICIES,
    REMEMBERED,
    Attached,
    canonical,
    checked,
    revision,
)
from alt.operations.tables.tags import check_arn
from alt.storage.engine import Answer, then
from alt.storage.model.definition import TableDefinition

if TYPE_CHECKING:
    from alt.validation.requests import (
        DeleteResourcePolicyInput,
        GetResourcePolicyInput,
        PutResourcePolicyInput,
    )

_NO_POLICY = "NO_POLICY"


def put_resource_policy(context: Context, request: PutResourcePolicyInput, caller: Caller) -> Answer[bytes]:
    """PutResourcePolicy (https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_PutResourcePolicy.html).

    A policy that says the same as the one there, in other words, changes nothing.
    """
    resource = _Resource(context, request["ResourceArn"])
    policy = checked(request["Policy"], resource.label)
    resource.check_revision(request.get("ExpectedRevisionId"))
    if "Policy" in resource.attached and canonical(resource.attached["Policy"]) == canonical(policy):
        return body({"RevisionId": resource.attached["RevisionId"]})
    if request.get("ConfirmRemoveSelfResourceAccess") is not True:
        _check_not_locked_out(context, request["ResourceArn"], policy, caller)
    attached: Attached = {"Policy": policy, "RevisionId": resource.next_revision(context)}
    answer = body({"RevisionId": attached["RevisionId"]})
    return then(resource.store(context, attached), lambda _: answer)


def get_resource_policy(context: Context, request: GetResourcePolicyInput, caller: Caller) -> bytes:  # noqa: ARG001
    """GetResourcePolicy (https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_GetResourcePolicy.html)."""
    attached = _Resource(context, request["ResourceArn"]).attached
    if "Policy" not in attached:
        raise _not_found(request["ResourceArn"])
    return body(dict(attached))


def delete_resource_policy(
    context: Context,
    request: DeleteResourcePolicyInput,
    caller: Caller,  # noqa: ARG001
) -> Answer[bytes]:
    """DeleteResourcePolicy (https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_DeleteResourcePolicy.html).

    Where there is none it answers the revision of its deletion, or nothing (recorded).
    """
    resource = _Resource(context, request["ResourceArn"])
    resource.check_revision(request.get("ExpectedRevisionId"))
    attached = resource.attached
    answer = body({"RevisionId": attached["RevisionId"]} if attached else {})
    if "Policy" not in attached:
        return answer
    return then(resource.store(context, {"RevisionId": resource.next_revision(context)}), lambda _: answer)


def attached_policy(context: Context, resource: str, table: str | None) -> Policy | None:
    """The policy of the table or stream that an ARN names; an index has its table's. `table` as a request names it."""
    label = OF_TABLE
    if table is None:
        name, kind, rest = resource_of(resource)
        if not name or kind not in ("", "index", "stream"):
            return None
        table, label = name, rest if kind == "stream" else OF_TABLE
    found = context.engine.table(table) or context.engine.table(table_name(table))
    if found is None:
        return None
    policies: Mapping[str, Attached] | None = found.definition.settings.get(POLICIES)
    text = None if policies is None else policies.get(label, {}).get("Policy")
    return None if text is None else _read(text)


def _check_not_locked_out(context: Context, arn: str, policy: str, caller: Caller) -> None:
    """Refuse a policy under which the caller could not put the next."""
    if isinstance(caller, KnownCaller):
        wanted = Wanted("PutResourcePolicy", arn, lambda _: None)
        circumstances = Circumstances(caller.region, context.clock(), caller.source_ip)
        if not decide(caller.key, wanted, _read(policy), circumstances).is_allowed:
            raise validation(
                "The new resource-based policy will not allow you to update the policy in the future: confirm that with "
                "ConfirmRemoveSelfResourceAccess"
            )


class _Resource:
    """The table or stream that a request is about, and its policy."""

    def __init__(self, context: Context, arn: str) -> None:
        check_arn(arn)
        name, kind, label = resource_of(arn)
        self.label = label if kind == "stream" else None
        definition = context.engine.definition(name)
        if definition is None:
            if self.label is not None:
                raise _not_found(arn)
            raise errors.resource_not_found(f"Requested resource not found: Table: {name} not found")
        if self.label is not None and all(each.label != self.label for each in definition.streams):
            raise resource_not_found(
                f"Requested resource not found: Stream: {self.label} not found for Table: {name}"
            )
        self._definition: TableDefinition = definition
        self._policies: dict[str, Attached] = definition.settings.get(POLICIES, {})
        self._place = self.label or OF_TABLE
        self.attached: Attached = self._policies.get(self._place, {})

    def check_revision(self, expected: str | None) -> None:
        """Raise PolicyNotFoundException where another revision is there than is expected."""
        revision = self.attached.get("RevisionId")
        name = self._definition.name
        if expected is None or (expected == revision and "Policy" in self.attached):
            return
        if expected == _NO_POLICY:
            if "Policy" in self.attached:
                raise _not_found(
                    f"Requested policy update expecting none to be present for table {name}, but a policy exists with "
                    f"revision id {revision}."
                )
        elif revision is None:
            raise _not_found(
                f"Requested update for policy with revision id {expected}, but table {name} has no associated policy."
            )
        else:
            raise _not_found(
                f"Requested update for policy with revision id {expected}, but the policy associated to target table "
                f"{name} has revision id {revision}."
            )

    def next_revision(self, context: Context) -> str:
        """Another one than before, whatever the clock says."""
        return str(max(int(revision(context.clock())), int(self.attached.get("RevisionId", 0)) + 1))

    def store(self, context: Context, attached: Attached) -> Answer[None]:
        settings = self._definition.settings | {POLICIES: self._policies | {self._place: attached}}
        return context.engine.redefine(replace(self._definition, settings=settings))


@lru_cache(REMEMBERED)
def _read(text: str) -> Policy:
    return read_policy(text, is_of_resource=True)


def _not_found(detail: str) -> ApiError:
    return ApiError(
        "PolicyNotFoundException", f"Resource-based policy not found for the provided ResourceArn: {detail}"
    )
