"""What a role may do: actions as IAM names them, `GetItem` for `dynamodb:GetItem`.

An action that is named here for no role is the admin's alone, and so is one that is new.
"""

from __future__ import annotations

from alt.config import Role

_READS = frozenset(
    (
        "BatchGetItem",
        "DescribeBackup",
        "DescribeContinuousBackups",
        "DescribeEndpoints",
        "DescribeLimits",
        "DescribeStream",
        "DescribeTable",
        "DescribeTimeToLive",
        "GetItem",
        "GetRecords",
        "GetResourcePolicy",
        "GetShardIterator",
        "ListBackups",
        "ListStreams",
        "ListTables",
        "ListTagsOfResource",
        "PartiQLSelect",
        "Query",
        "Scan",
    )
)
# Of items and tables. Backups outlive their tables, and a restore brings back what somebody deleted: the admin's.
_WRITES = frozenset(
    (
        "BatchWriteItem",
        "ConditionCheckItem",
        "CreateTable",
        "DeleteItem",
        "DeleteTable",
        "PartiQLDelete",
        "PartiQLInsert",
        "PartiQLUpdate",
        "PutItem",
        "TagResource",
        "UntagResource",
        "UpdateItem",
        "UpdateTable",
        "UpdateTimeToLive",
    )
)
_ALLOWED: dict[Role, frozenset[str]] = {"readonly": _READS, "readwrite": _READS | _WRITES}


def allows(role: Role | None, action: str) -> bool:
    """No role is for who has a policy."""
    return role == "admin" or (role is not None and action in _ALLOWED[role])
