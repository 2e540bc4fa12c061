"""What a request asks to be allowed: the actions and resources of each operation, as IAM names them.

https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazondynamodb.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from alt.config import ACCOUNT_ID
from alt.errors import ApiError
from alt.expressions.partiql import Asked as Stated
from alt.expressions.partiql import Exists, Select
from alt.operations.arns import Place, index_arn, table_arn
from alt.operations.authorization.condition_values import CAPACITY, NO_CAPACITY, WRITES, Part


class Asked(NamedTuple):
    """An action, the ARN of its resource, and the part of the request that is about that."""

    action: str
    resource: str
    part: Part


# Given the operation's name, its checked request, where it is asked, and what the operation has read in it (TwoSteps).
Ask = Callable[[str, Mapping[str, Any], Place, Any], list[Asked]]
# The same of one operation.
Asks = Callable[[Mapping[str, Any], Place, Any], list[Asked]]

_EVERYTHING = "*"
_ARN_PARTS = 6
# A transaction needs what its actions would need alone.
_READS = {"Get": "GetItem"}
_WRITES = {
    "ConditionCheck": "ConditionCheckItem",
    "Delete": "DeleteItem",
    "Put": "PutItem",
    "Update": "UpdateItem",
}


def asked(operation: tuple[str, str]) -> Asks:
    """What requests of an operation ask for: called with a checked request and where that is asked."""
    ask, name = _ASKS[operation], operation[1]
    return lambda request, place, read: ask(name, request, place, read)


def _on_table(action: str, request: Mapping[str, Any], place: Place, _read: Any) -> list[Asked]:
    name = request["TableName"]
    return [Asked(action, _table(name, place), Part(action, name, request))]


def _on_table_or_index(action: str, request: Mapping[str, Any], place: Place, _read: Any) -> list[Asked]:
    name, index = request["TableName"], request.get("IndexName")
    table = _table(name, place)
    resource = table if index is None else index_arn(table, index)
    return [Asked(action, resource, Part(action, name, request))]


def _on_all_tables(action: str, request: Mapping[str, Any], place: Place, _read: Any) -> list[Asked]:
    return [_of_no_table(action, table_arn(place, _EVERYTHING), request)]


def _on_everything(action: str, request: Mapping[str, Any], place: Place, _read: Any) -> list[Asked]:  # noqa: ARG001
    return [_of_no_table(action, _EVERYTHING, request)]


def _of_no_table(action: str, resource: str, request: Mapping[str, Any]) -> Asked:
    return Asked(action, resource, Part(action, None, request))


def _on(member: str) -> Ask:
    """On what a member names by its ARN."""
    return lambda action, request, place, _read: [_of_no_table(action, _own(request[member], place), request)]


def _on_each_table(action: str, request: Mapping[str, Any], place: Place, _read: Any) -> list[Asked]:
    found = []
    for name, part in request["RequestItems"].items():
        given = part if isinstance(part, dict) else {WRITES: part}
        given = {**given, CAPACITY: request.get(CAPACITY, NO_CAPACITY)}
        found.append(Asked(action, _table(name, place), Part(action, name, given)))
    return found


def _on_each_of(actions: Mapping[str, str]) -> Ask:
    """On the table of each action of a transaction; `actions` are IAM's by those of the request."""

    def ask(operation: str, request: Mapping[str, Any], place: Place, _read: Any) -> list[Asked]:
        capacity = request.get(CAPACITY, NO_CAPACITY)
        return [
            Asked(
                actions[kind],
                _table(action["TableName"], place),
                Part(operation, action["TableName"], {**action, CAPACITY: capacity}),
            )
            for item in request["TransactItems"]
            for kind, action in item.items()
            if kind in actions
        ]

    return ask


def _on_statements(member: str | None) -> Ask:
    """On what each statement is about; `member` has them, and is None for the request itself.

    What could not be parsed asks for nothing: nothing will be done of it.
    """

    def ask(operation: str, request: Mapping[str, Any], place: Place, read: Any) -> list[Asked]:
        capacity = request.get(CAPACITY, NO_CAPACITY)
        statements: list[Stated | ApiError] = [read] if member is None else read
        return [
            _of_statement(operation, stated, {**each, CAPACITY: capacity}, place)
            for stated, each in zip(statements, [request] if member is None else request[member], strict=True)
            if not isinstance(stated, ApiError)
        ]

    return ask


def _of_statement(operation: str, stated: Stated, given: Mapping[str, Any], place: Place) -> Asked:
    statement = stated.parsed.statement
    if isinstance(statement, Exists):
        statement = statement.select
    table = _table(statement.table, place)
    if isinstance(statement, Select) and statement.index is not None:
        table = index_arn(table, statement.index)
    action = f"PartiQL{type(statement).__name__}"
    return Asked(action, table, Part(operation, statement.table, given, stated))


def _on_iterator(action: str, request: Mapping[str, Any], place: Place, _read: Any) -> list[Asked]:
    stream = request["ShardIterator"].partition("|")[0]  # which it begins with
    return [_of_no_table(action, _own(stream, place), request)]


def _on_streams(action: str, request: Mapping[str, Any], place: Place, _read: Any) -> list[Asked]:
    streams = f"{_table(request.get('TableName', _EVERYTHING), place)}/stream/{_EVERYTHING}"
    return [_of_no_table(action, streams, request)]


def _on_backup_and_target(action: str, request: Mapping[str, Any], place: Place, _read: Any) -> list[Asked]:
    resources = [_own(request["BackupArn"], place), _table(request["TargetTableName"], place)]
    return [_of_no_table(action, resource, request) for resource in resources]


def _on_source_and_target(action: str, request: Mapping[str, Any], place: Place, _read: Any) -> list[Asked]:
    names = [request.get("SourceTableArn") or request.get("SourceTableName"), request["TargetTableName"]]
    return [_of_no_table(action, _table(name, place), request) for name in names if name is not None]


def _table(name_or_arn: str, place: Place) -> str:
    return _own(name_or_arn, place) if name_or_arn.startswith("arn:") else table_arn(place, name_or_arn)


def _own(arn: str, place: Place) -> str:
    """As the caller's own resource, which it means whatever region and account it names: so no policy misses it.

    Where accounts are apart, another one's is not the caller's.
    """
    *_, account, name = arn.split(":", _ARN_PARTS - 1)
    if place.account not in (ACCOUNT_ID, account):
        return arn
    return table_arn(place, name.removeprefix("table/"))


_ASKS: dict[tuple[str, str], Ask] = {
    ("dynamodb", "BatchExecuteStatement"): _on_statements("Statements"),
    ("dynamodb", "BatchGetItem"): _on_each_table,
    ("dynamodb", "BatchWriteItem"): _on_each_table,
    ("dynamodb", "CreateBackup"): _on_table,
    ("dynamodb", "CreateTable"): _on_table,
    ("dynamodb", "DeleteBackup"): _on("BackupArn"),
    ("dynamodb", "DeleteItem"): _on_table,
    ("dynamodb", "DeleteResourcePolicy"): _on("ResourceArn"),
    ("dynamodb", "DeleteTable"): _on_table,
    ("dynamodb", "DescribeBackup"): _on("BackupArn"),
    ("dynamodb", "DescribeContinuousBackups"): _on_table,
    ("dynamodb", "DescribeEndpoints"): _on_everything,
    ("dynamodb", "DescribeLimits"): _on_everything,
    ("dynamodb", "DescribeTable"): _on_table,
    ("dynamodb", "DescribeTimeToLive"): _on_table,
    ("dynamodb", "ExecuteStatement"): _on_statements(None),
    ("dynamodb", "ExecuteTransaction"): _on_statements("TransactStatements"),
    ("dynamodb", "GetItem"): _on_table,
    ("dynamodb", "GetResourcePolicy"): _on("ResourceArn"),
    ("dynamodb", "ListBackups"): _on_all_tables,
    ("dynamodb", "ListTables"): _on_all_tables,
    ("dynamodb", "ListTagsOfResource"): _on("ResourceArn"),
    ("dynamodb", "PutItem"): _on_table,
    ("dynamodb", "PutResourcePolicy"): _on("ResourceArn"),
    ("dynamodb", "Query"): _on_table_or_index,
    ("dynamodb", "RestoreTableFromBackup"): _on_backup_and_target,
    ("dynamodb", "RestoreTableToPointInTime"): _on_source_and_target,
    ("dynamodb", "Scan"): _on_table_or_index,
    ("dynamodb", "TagResource"): _on("ResourceArn"),
    ("dynamodb", "TransactGetItems"): _on_each_of(_READS),
    ("dynamodb", "TransactWriteItems"): _on_each_of(_WRITES),
    ("dynamodb", "UntagResource"): _on("ResourceArn"),
    ("dynamodb", "UpdateContinuousBackups"): _on_table,
    ("dynamodb", "UpdateItem"): _on_table,
    ("dynamodb", "UpdateTable"): _on_table,
    ("dynamodb", "UpdateTimeToLive"): _on_table,
    ("dynamodbstreams", "DescribeStream"): _on("StreamArn"),
    ("dynamodbstreams", "GetRecords"): _on_iterator,
    ("dynamodbstreams", "GetShardIterator"): _on("StreamArn"),
    ("dynamodbstreams", "ListStreams"): _on_streams,
}

# The operations that ask for the action of their own name, on one table that the request names, or on its index.
ON_TABLE = frozenset(name for name, ask in _ASKS.items() if ask in (_on_table, _on_table_or_index))
