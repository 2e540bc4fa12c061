"""A store with something of everything, made through the API, and the requests that are valid on it.

`corpus/` holds, for each operation, a list of valid requests. A text in them that begins with `$` stands
for what only the service can name: an ARN, an iterator. What once failed is kept in `corpus/finds/`, a
file for each: the operation, the body as it was sent, and what the service had named in it, since another
service names it otherwise.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Answers the status and the decoded body of one request: `call(operation, request)`.
Call = Callable[[str, Any], tuple[int, Any]]
Names = dict[str, str]

CORPUS = Path(__file__).parent / "corpus"
FINDS = CORPUS / "finds"

CLEAR_SECONDS = 120.0  # a table that cannot be deleted for so long is a fault

STREAM_OPERATIONS = frozenset(("DescribeStream", "GetRecords", "GetShardIterator", "ListStreams"))


def target(operation: str) -> str:
    """The X-Amz-Target of an operation."""
    prefix = "DynamoDBStreams" if operation in STREAM_OPERATIONS else "DynamoDB"
    return f"{prefix}_20120810.{operation}"


def corpus() -> dict[str, list[Any]]:
    """Valid requests by operation."""
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(CORPUS.glob("*.json"))}


@dataclass(frozen=True)
class Find:
    """A request that once failed; `names` are those of the service in its body."""

    operation: str
    body: bytes
    names: Names

    def body_for(self, names: Names) -> bytes:
        """The body for a service that names things otherwise. Names within names: the longest goes first."""
        if not self.names:
            return self.body
        now = {text.encode(): names[name].encode() for name, text in self.names.items()}
        longest_first = sorted(now, key=len, reverse=True)
        return re.sub(b"|".join(map(re.escape, longest_first)), lambda found: now[found[0]], self.body)


def finds() -> dict[str, Find]:
    """What is kept, by the name of its file."""
    kept = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(FINDS.glob("*.json"))}
    return {
        name: Find(find["operation"], find["body"].encode("latin-1"), find.get("names", {}))
        for name, find in kept.items()
    }


def keep(operation: str, body: bytes, names: Names) -> Path:
    """Write down a request that failed."""
    FINDS.mkdir(exist_ok=True)
    path = FINDS / f"{operation}-{hashlib.sha256(body).hexdigest()[:12]}.json"
    within = {name: text for name, text in names.items() if text.encode() in body}
    find = {"operation": operation, "body": body.decode("latin-1"), "names": within}
    path.write_text(json.dumps(find) + "\n", encoding="utf-8")
    return path


def named(request: Any, names: Names) -> Any:
    """A copy of the request with the service's own names in it."""
    if isinstance(request, dict):
        return {key: named(value, names) for key, value in request.items()}
    if isinstance(request, list):
        return [named(value, names) for value in request]
    return names.get(request, request) if isinstance(request, str) else request


def _attributes(**types: str) -> list[dict[str, str]]:
    return [{"AttributeName": name, "AttributeType": kind} for name, kind in types.items()]


def _keys(*hash_keys: str, ranges: tuple[str, ...] = ()) -> list[dict[str, str]]:
    return [{"AttributeName": name, "KeyType": "HASH"} for name in hash_keys] + [
        {"AttributeName": name, "KeyType": "RANGE"} for name in ranges
    ]


def _index(name: str, keys: list[dict[str, str]], kind: str = "ALL", **members: Any) -> dict[str, Any]:
    return {"IndexName": name, "KeySchema": keys, "Projection": {"ProjectionType": kind}, **members}


_UNITS = {"ReadCapacityUnits": 5, "WriteCapacityUnits": 5}
_STREAM = {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}
_ON_DEMAND = {"BillingMode": "PAY_PER_REQUEST"}
TABLES: list[dict[str, Any]] = [
    {
        "TableName": "Music",
        "AttributeDefinitions": _attributes(pk="S", sk="N", owner="S", rating="N", year="N", flavour="S"),
        "KeySchema": _keys("pk", ranges=("sk",)),
        "GlobalSecondaryIndexes": [
            _index("by-owner", _keys("owner", ranges=("rating",))),
            _index("by-several", _keys("owner", "flavour", ranges=("rating", "year")), "KEYS_ONLY"),
        ],
        "LocalSecondaryIndexes": [_index("by-year", _keys("pk", ranges=("year",)), "KEYS_ONLY")],
        "StreamSpecification": _STREAM,
        "Tags": [{"Key": "team", "Value": "red"}],
        **_ON_DEMAND,
    },
    {
        "TableName": "Plain",
        "AttributeDefinitions": _attributes(pk="B"),
        "KeySchema": _keys("pk"),
        **_ON_DEMAND,
    },
    {
        "TableName": "Provisioned",
        "AttributeDefinitions": _attributes(pk="S", a="S"),
        "KeySchema": _keys("pk"),
        "GlobalSecondaryIndexes": [_index("by-a", _keys("a"), ProvisionedThroughput=_UNITS)],
        "ProvisionedThroughput": _UNITS,
    },
    {
        "TableName": "Doomed",
        "AttributeDefinitions": _attributes(pk="S"),
        "KeySchema": _keys("pk"),
        **_ON_DEMAND,
    },
]


def furnish(call: Call) -> Names:
    """Make the tables, items and backups that the corpus speaks of; answers what the service named."""
    for table in TABLES:
        _done(call, "CreateTable", table)
    for request in corpus()["PutItem"]:
        _done(call, "PutItem", {"TableName": request["TableName"], "Item": request["Item"]})
    for number in range(20):
        item = {
            "pk": {"S": "a"},
            "sk": {"N": str(number)},
            "owner": {"S": "ann"},
            "rating": {"N": str(number)},
        }
        item |= {"flavour": {"S": "sweet"}, "year": {"N": str(2000 + number)}, "m": {"M": {"x": {"M": {}}}}}
        _done(call, "PutItem", {"TableName": "Music", "Item": item | {"l": {"L": [{"S": "x"}, {"N": "1"}]}}})
    ttl = {"AttributeName": "expires", "Enabled": True}
    _done(call, "UpdateTimeToLive", {"TableName": "Music", "TimeToLiveSpecification": ttl})
    recovery = {"PointInTimeRecoveryEnabled": True}
    _done(
        call,
        "UpdateContinuousBackups",
        {"TableName": "Music", "PointInTimeRecoverySpecification": recovery},
    )
    backup = _done(call, "CreateBackup", {"TableName": "Music", "BackupName": "before"})["BackupDetails"]
    table = _done(call, "DescribeTable", {"TableName": "Music"})["Table"]
    stream = _done(call, "DescribeStream", {"StreamArn": table["LatestStreamArn"]})["StreamDescription"]
    shard = stream["Shards"][0]
    place = {
        "StreamArn": stream["StreamArn"],
        "ShardId": shard["ShardId"],
        "ShardIteratorType": "TRIM_HORIZON",
    }
    return {
        "$backup": backup["BackupArn"],
        "$table": table["TableArn"],
        "$stream": stream["StreamArn"],
        "$shard": shard["ShardId"],
        "$sequence": shard["SequenceNumberRange"]["StartingSequenceNumber"],
        "$iterator": _done(call, "GetShardIterator", place)["ShardIterator"],
    }


def clear(call: Call) -> None:
    """Remove all tables and backups, once those that are just being restored are there."""
    for backup in _done(call, "ListBackups", {})["BackupSummaries"]:
        call("DeleteBackup", {"BackupArn": backup["BackupArn"]})
    deadline = time.monotonic() + CLEAR_SECONDS
    while names := _done(call, "ListTables", {})["TableNames"]:
        assert time.monotonic() < deadline, f"these tables cannot be deleted: {names}"
        for name in names:
            call("UpdateTable", {"TableName": name, "DeletionProtectionEnabled": False})
            call("DeleteTable", {"TableName": name})


def _done(call: Call, operation: str, request: Any) -> Any:
    status, answer = call(operation, request)
    assert status == 200, (operation, request, answer)
    return answer
