"""What a resource's policy has to be, and how it is kept. CreateTable and PutResourcePolicy share the rules.

Texts are as recorded from the service.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, TypedDict

import ujson

from alt.auth.policies import MAX_POLICY_BYTES, MalformedPolicyError, read_policy
from alt.errors import ApiError, invalid_parameters
from alt.operations.arns import resource_of

# The setting of a table's definition that has them; the table's is among them under its own key, a stream's under its label.
POLICIES = "ResourcePolicies"
OF_TABLE = ""
REMEMBERED = 256

# What a policy of a table, and one of a stream, may name:
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/rbac-iam-actions.html
_TABLE_ACTIONS = frozenset(
    (
        "BatchGetItem",
        "BatchWriteItem",
        "ConditionCheckItem",
        "CreateBackup",
        "DeleteItem",
        "DeleteResourcePolicy",
        "DeleteTable",
        "DescribeContinuousBackups",
        "DescribeContributorInsights",
        "DescribeKinesisStreamingDestination",
        "DescribeTable",
        "DescribeTableReplicaAutoScaling",
        "DescribeTimeToLive",
        "DisableKinesisStreamingDestination",
        "EnableKinesisStreamingDestination",
        "ExportTableToPointInTime",
        "GetItem",
        "GetResourcePolicy",
        "ListTagsOfResource",
        "PartiQLDelete",
        "PartiQLInsert",
        "PartiQLSelect",
        "PartiQLUpdate",
        "PutItem",
        "PutResourcePolicy",
        "Query",
        "RestoreTableToPointInTime",
        "Scan",
        "TagResource",
        "TransactGetItems",
        "TransactWriteItems",
        "UntagResource",
        "UpdateContinuousBackups",
        "UpdateContributorInsights",
        "UpdateItem",
        "UpdateKinesisStreamingDestination",
        "UpdateTable",
        "UpdateTableReplicaAutoScaling",
        "UpdateTimeToLive",
    )
)
_STREAM_ACTIONS = frozenset(
    (
        "DeleteResourcePolicy",
        "DescribeStream",
        "GetRecords",
        "GetResourcePolicy",
        "GetShardIterator",
        "PutResourcePolicy",
    )
)


class Attached(TypedDict, total=False):
    """`Policy` is not there once it was deleted: the revision is then the deletion's."""

    Policy: str
    RevisionId: str


def initial_policies(text: str, now: float) -> dict[str, Any]:
    """The settings of a table that is created with a policy, which was checked. `now` in epoch seconds."""
    return {POLICIES: {OF_TABLE: {"Policy": checked(text, None), "RevisionId": revision(now)}}}


def checked(text: str, label: str | None) -> str:
    """The policy as it is shown, without its blanks. `label` is of the stream that it is for. Raises ValidationException."""
    if len(text.encode("utf-8", "surrogatepass")) > MAX_POLICY_BYTES:
        raise invalid_parameters(f"Maximum policy size of {MAX_POLICY_BYTES} bytes exceeded")
    try:
        document = ujson.loads(text)
    except ValueError:
        raise _invalid("This policy contains invalid Json") from None
    if isinstance(document, dict) and document.get("Statement") == []:
        raise _invalid("Could not parse the policy: Statement is empty!")
    for statement in _statements(document):
        for field in ("Effect", "Principal", "Action", "Resource"):
            if field not in statement and f"Not{field}" not in statement:
                raise _invalid(f"Missing required field {field}")
    try:
        read_policy(text, is_of_resource=True)
    except MalformedPolicyError as error:
        raise _invalid(str(error)) from None
    _check_actions(document, _TABLE_ACTIONS if label is None else _STREAM_ACTIONS)
    _check_resources(document, is_of_stream=label is not None)
    return ujson.dumps(document, escape_forward_slashes=False, ensure_ascii=False)


@lru_cache(REMEMBERED)
def canonical(text: str) -> str:
    """The same for policies that say the same: one text is a list of one, and an account is its root."""
    document = ujson.loads(text)
    document["Statement"] = [
        {member: _canonical_member(member, value) for member, value in statement.items()}
        for statement in _statements(document)
    ]
    return ujson.dumps(document, sort_keys=True)


def revision(now: float) -> str:
    """Epoch milliseconds, as the service's are."""
    return str(int(now * 1_000))


def _check_actions(document: Any, known: frozenset[str]) -> None:
    wrong = [
        action
        for statement in _statements(document)
        for action in _listed(statement.get("Action", statement.get("NotAction")))
        if "*" not in action and "?" not in action and not _is_known(action, known)
    ]
    if wrong:
        named = ", ".join(f'"{action}"' for action in dict.fromkeys(wrong))
        raise _invalid(f"The following action names are invalid: {named}")


def _is_known(action: str, known: frozenset[str]) -> bool:
    service, _, name = action.partition(":")
    return service.lower() == "dynamodb" and name.lower() in {each.lower() for each in known}


def _check_resources(document: Any, *, is_of_stream: bool) -> None:
    """A table's policy is about tables and their indexes, whichever; a stream's about streams."""
    for statement in _statements(document):
        for arn in _listed(statement.get("Resource", statement.get("NotResource"))):
            name, kind, _ = resource_of(arn)
            if name and "*" not in name and (kind == "stream") != is_of_stream:
                relative = arn.split(":", 5)[-1]
                raise _invalid(f'The relative-id "{relative}" is invalid for ARN "{arn}"')


def _canonical_member(member: str, value: Any) -> Any:
    if member in ("Principal", "NotPrincipal"):
        if value == "*":
            return value
        return {kind: [_root(each) for each in _listed(given)] for kind, given in value.items()}
    if member in ("Action", "NotAction", "Resource", "NotResource"):
        return _listed(value)
    return value


def _root(principal: str) -> str:
    return f"arn:aws:iam::{principal}:root" if principal.isdigit() else principal


def _statements(document: Any) -> list[Any]:
    found = document.get("Statement", ()) if isinstance(document, dict) else ()
    return [each for each in (found if isinstance(found, list) else [found]) if isinstance(each, dict)]


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _invalid(problem: str) -> ApiError:
    return invalid_parameters(f"Invalid policy document: {problem}")
