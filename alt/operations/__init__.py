"""The API's operations: one module per family, each call one function, request in, response out.

An operation is `(context, request, caller) -> bytes | Future[bytes]`: the response's
body, or the promise of it once it is durable. Errors are raised as ApiError. The type of its
request is its own of alt/validation/requests.py, which holds once the request has been checked.

An operation that puts items, or is given statements, is one in two steps: what it says is read by
itself, before any table, count or limit is touched.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from alt.config import MAX_REQUEST_BYTES
from alt.operations.backups import backups, recovery, restore_table
from alt.operations.caller import Caller
from alt.operations.capacity import account
from alt.operations.context import Context
from alt.operations.items import batches, items, transactions
from alt.operations.partiql import statements
from alt.operations.partiql import transactions as partiql_transactions
from alt.operations.queries import queries
from alt.operations.streams import streams
from alt.operations.tables import deletion, resource_policies, tables, tags, time_to_live, update_table

# Statements of so many bytes are parsed in 25 ms at most.
PARSED_BODY_BYTES = 10_000

Reply = bytes | asyncio.Future[bytes]
# Each takes its own type of request, which the table below cannot tell apart: to it they are Any.
Operation = Callable[[Context, Any, Caller], Reply]


@dataclass(frozen=True, slots=True)
class TwoSteps:
    """An operation whose `run` is given what its `read` answers.

    `read` depends on the request alone and has no effect but to make its values canonical. Where it
    answers, all items to be put were well-formed. It may take long, and is called beside the event loop, for bodies of more
    than `large_bytes`.
    """

    read: Callable[[Any], Any]
    run: Callable[[Context, Any, Caller, Any], Reply]
    large_bytes: int = MAX_REQUEST_BYTES

    def __call__(self, context: Context, request: Any, caller: Caller) -> Reply:
        return self.run(context, request, caller, self.read(request))


def begun_with(step: Callable[[Context, Any, Caller, Any], None], operation: Operation) -> Operation:
    """An operation that begins with a step, which is given what the operation is, and may raise ApiError."""
    if isinstance(operation, TwoSteps):
        run = operation.run

        def run_after(context: Context, request: Any, caller: Caller, read: Any) -> Reply:
            step(context, request, caller, read)
            return run(context, request, caller, read)

        return TwoSteps(operation.read, run_after, operation.large_bytes)

    def answer_after(context: Context, request: Any, caller: Caller) -> Reply:
        step(context, request, caller, None)
        return operation(context, request, caller)

    return answer_after


# (service, operation) as the API's model names them. What is not here is unknown to clients.
OPERATIONS: dict[tuple[str, str], Operation] = {
    ("dynamodb", "BatchExecuteStatement"): TwoSteps(
        statements.read_statements, statements.batch_execute_statement, PARSED_BODY_BYTES
    ),
    ("dynamodb", "BatchGetItem"): batches.batch_get_item,
    ("dynamodb", "BatchWriteItem"): TwoSteps(batches.read_writes, batches.batch_write_item),
    ("dynamodb", "CreateBackup"): backups.create_backup,
    ("dynamodb", "CreateTable"): tables.create_table,
    ("dynamodb", "DeleteBackup"): backups.delete_backup,
    ("dynamodb", "DeleteItem"): items.delete_item,
    ("dynamodb", "DeleteResourcePolicy"): resource_policies.delete_resource_policy,
    ("dynamodb", "DeleteTable"): deletion.delete_table,
    ("dynamodb", "DescribeBackup"): backups.describe_backup,
    ("dynamodb", "DescribeContinuousBackups"): recovery.describe_continuous_backups,
    ("dynamodb", "DescribeEndpoints"): account.describe_endpoints,
    ("dynamodb", "DescribeLimits"): account.describe_limits,
    ("dynamodb", "DescribeTable"): tables.describe_table,
    ("dynamodb", "DescribeTimeToLive"): time_to_live.describe_time_to_live,
    ("dynamodb", "ExecuteStatement"): TwoSteps(
        statements.read_statement, statements.execute_statement, PARSED_BODY_BYTES
    ),
    ("dynamodb", "ExecuteTransaction"): TwoSteps(
        partiql_transactions.read_statements, partiql_transactions.execute_transaction, PARSED_BODY_BYTES
    ),
    ("dynamodb", "GetItem"): items.get_item,
    ("dynamodb", "GetResourcePolicy"): resource_policies.get_resource_policy,
    ("dynamodb", "ListBackups"): backups.list_backups,
    ("dynamodb", "ListTables"): tables.list_tables,
    ("dynamodb", "ListTagsOfResource"): tags.list_tags_of_resource,
    ("dynamodb", "PutItem"): TwoSteps(items.read_put, items.put_item),
    ("dynamodb", "PutResourcePolicy"): resource_policies.put_resource_policy,
    ("dynamodb", "Query"): queries.query,
    ("dynamodb", "RestoreTableFromBackup"): restore_table.restore_table_from_backup,
    ("dynamodb", "RestoreTableToPointInTime"): recovery.restore_table_to_point_in_time,
    ("dynamodb", "Scan"): queries.scan,
    ("dynamodb", "TagResource"): tags.tag_resource,
    ("dynamodb", "TransactGetItems"): transactions.transact_get_items,
    ("dynamodb", "TransactWriteItems"): TwoSteps(
        transactions.read_actions, transactions.transact_write_items
    ),
    ("dynamodb", "UntagResource"): tags.untag_resource,
    ("dynamodb", "UpdateContinuousBackups"): recovery.update_continuous_backups,
    ("dynamodb", "UpdateItem"): items.update_item,
    ("dynamodb", "UpdateTable"): update_table.update_table,
    ("dynamodb", "UpdateTimeToLive"): time_to_live.update_time_to_live,
    ("dynamodbstreams", "DescribeStream"): streams.describe_stream,
    ("dynamodbstreams", "GetRecords"): streams.get_records,
    ("dynamodbstreams", "GetShardIterator"): streams.get_shard_iterator,
    ("dynamodbstreams", "ListStreams"): streams.list_streams,
}
