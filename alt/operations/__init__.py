"""The API's operations: one module per family, each call one function, request in, response out.

An operation is `(context, request, caller) -> bytes | Future[bytes]`: the response's
body, or the promise of it once it is durable. Errors are raised as ApiError. The type of its
request is its own of alt/validation/requests.py, which holds once the request has been checked.

An operation that puts items is one in two steps: what it says is read by itself, before
any table, count or limit is touched.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from alt.operations.backups import backups, recovery, restore_table
from alt.operations.caller import Caller
from alt.operations.capacity import account
from alt.operations.context import Context
from alt.operations.items import batches, items, transactions
from alt.operations.queries import queries
from alt.operations.streams import streams
from alt.operations.tables import tables, tags, time_to_live, update_table

Reply = bytes | asyncio.Future[bytes]
# Each takes its own type of request, which the table below cannot tell apart: to it they are Any.
Operation = Callable[[Context, Any, Caller], Reply]


@dataclass(frozen=True, slots=True)
class TwoSteps:
    """An operation whose `run` is given what its `read` answers.

    `read` depends on the request alone and has no effect but to make its values canonical. Where it
    answers, all items to be put were well-formed.
    """

    read: Callable[[Any], Any]
    run: Callable[[Context, Any, Caller, Any], Reply]

    def __call__(self, context: Context, request: Any, caller: Caller) -> Reply:
        return self.run(context, request, caller, self.read(request))


# (service, operation) as the API's model names them. What is not here is unknown to clients.
OPERATIONS: dict[tuple[str, str], Operation] = {
    ("dynamodb", "BatchGetItem"): batches.batch_get_item,
    ("dynamodb", "BatchWriteItem"): TwoSteps(batches.read_writes, batches.batch_write_item),
    ("dynamodb", "CreateBackup"): backups.create_backup,
    ("dynamodb", "CreateTable"): tables.create_table,
    ("dynamodb", "DeleteBackup"): backups.delete_backup,
    ("dynamodb", "DeleteItem"): items.delete_item,
    ("dynamodb", "DeleteTable"): tables.delete_table,
    ("dynamodb", "DescribeBackup"): backups.describe_backup,
    ("dynamodb", "DescribeContinuousBackups"): recovery.describe_continuous_backups,
    ("dynamodb", "DescribeEndpoints"): account.describe_endpoints,
    ("dynamodb", "DescribeLimits"): account.describe_limits,
    ("dynamodb", "DescribeTable"): tables.describe_table,
    ("dynamodb", "DescribeTimeToLive"): time_to_live.describe_time_to_live,
    ("dynamodb", "GetItem"): items.get_item,
    ("dynamodb", "ListBackups"): backups.list_backups,
    ("dynamodb", "ListTables"): tables.list_tables,
    ("dynamodb", "ListTagsOfResource"): tags.list_tags_of_resource,
    ("dynamodb", "PutItem"): TwoSteps(items.read_put, items.put_item),
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
