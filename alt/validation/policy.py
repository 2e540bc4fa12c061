"""Where the service departs from its published model, as tables: recorded from the service.

The model says what is allowed; these say which of the service's two validation layers an operation
speaks through, in which order it reports, and which constraints it words elsewhere or not at all.
us-east-1 and most regions, October 2026.
"""

from __future__ import annotations

from alt.validation.limits import NO_LIMITS, Limits

_NAME = "[a-zA-Z0-9_.-]+"

# Operations on items accept any non-empty name that could be a table's; an empty one is only too short.
_ITEM_TABLE_NAME = Limits(1, 255, _NAME, matches="[a-zA-Z0-9_.-]*", arn=True)
_TABLE_NAME = Limits(3, 255, _NAME, arn=True)
_NAME_PATTERN_FIRST = Limits(3, 255, _NAME, pattern_first=True)

_ITEM_OPERATIONS = frozenset(
    {
        "DeleteItem",
        "GetItem",
        "PutItem",
        "Query",
        "Scan",
        "SearchVectors",
        "TransactGetItems",
        "TransactWriteItems",
        "UpdateItem",
    }
)

# Limits by the operation and the member of its request.
_BY_REQUEST_MEMBER = {
    ("CreateTable", "KeySchema"): Limits(1, 2),
    ("CreateBackup", "BackupName"): _NAME_PATTERN_FIRST,
    ("ListTables", "ExclusiveStartTableName"): _NAME_PATTERN_FIRST,
}

# Limits by the member's name, wherever it stands. Those without are worded by the operation.
_BY_MEMBER = {
    "Dimensions": NO_LIMITS,
    "GlobalTableSourceArn": NO_LIMITS,
    "SourceTableArn": NO_LIMITS,
    "TableArn": NO_LIMITS,
}

# Limits by shape.
_BY_SHAPE = {
    "AttributeName": NO_LIMITS,
    "BackupArn": NO_LIMITS,
    "KMSMasterKeyId": Limits(1),
    "SearchVectorList": NO_LIMITS,
    "TableClass": NO_LIMITS,
    "TagKeyString": NO_LIMITS,
    "TagValueString": NO_LIMITS,
    "TopKInteger": NO_LIMITS,
}

# Maps from table names.
_BY_TABLE = frozenset({"BatchGetRequestMap", "BatchWriteItemRequestMap"})

# Structures whose missing members the operation words.
_NOTHING_REQUIRED = frozenset({"CreateReplicationGroupMemberAction", "Tag"})

# Members that the model leaves optional and the service wants. A table's are optional because a replica of a global
# table, which Alt does not have yet, takes them from its source.
_ALSO_REQUIRED = {
    "CreateTableInput": ("AttributeDefinitions", "KeySchema"),
    "ShardFilter": ("Type", "ShardId"),
}

# The walk of the request's members, where it is not the model's.
_ORDER = {
    "TransactWriteItems": (
        "ClientRequestToken",
        "TransactItems",
        "ReturnConsumedCapacity",
        "ReturnItemCollectionMetrics",
    )
}

# Operations that say this of a missing table name, ahead of all else.
TABLE_NAME_REQUIRED = "The parameter 'TableName' is required but was not present in the request"
REQUIRES_TABLE_NAME = frozenset(
    {"CreateTable", "DeleteTable", "DescribeTable", "DescribeTimeToLive", "UpdateTable", "UpdateTimeToLive"}
)

# Names whose wrong length has a sentence of its own, ahead of all else: what the sentence calls them.
NAME_LENGTH = "{} must be at least 3 characters long and at most 255 characters long"
NAMES_WITH_LENGTH = {
    ("CreateGlobalTable", "GlobalTableName"): "TableName",
    ("DescribeContributorInsights", "IndexName"): "IndexName",
    ("DescribeGlobalTable", "GlobalTableName"): "TableName",
    ("DescribeGlobalTableSettings", "GlobalTableName"): "TableName",
    ("RestoreTableFromBackup", "TargetTableName"): "TableName",
    ("RestoreTableToPointInTime", "TargetTableName"): "TableName",
    ("UpdateContributorInsights", "IndexName"): "IndexName",
    ("UpdateGlobalTable", "GlobalTableName"): "TableName",
    ("UpdateGlobalTableSettings", "GlobalTableName"): "TableName",
}

# BatchWriteItem looks at the map itself, its keys and its size, only when all within it is well.
LATE_MAP = ("BatchWriteItem", "RequestItems")
EMPTY_MAP = "The requestItems parameter is required for BatchWriteItem"

# The newer layer. It answers stage by stage: the first stage with a breach, all of its breaches
# joined. A stage names members of the request; REST stands for those that no stage names.
REST = "*"
STAGES: dict[str, tuple[tuple[str, ...], ...]] = {
    "BatchGetItem": (("RequestItems", "ReturnConsumedCapacity"), (REST,)),
    "DeleteItem": (
        ("TableName",),
        ("ReturnConsumedCapacity", "ReturnValues", "ReturnItemCollectionMetrics"),
        (REST,),
        ("ConditionalOperator",),
    ),
    "GetItem": (("TableName",), ("ReturnConsumedCapacity",), (REST,)),
    "PutItem": (
        ("TableName",),
        ("ReturnConsumedCapacity", "ReturnValues", "ReturnItemCollectionMetrics"),
        (REST,),
        ("ConditionalOperator",),
    ),
    "Query": (
        ("TableName",),
        ("IndexName",),
        ("Limit",),
        ("ReturnConsumedCapacity",),
        (REST,),
        ("ConditionalOperator",),
        ("Select",),
    ),
    "SearchVectors": (("TableName",), ("IndexName",), (REST,)),
    "UpdateItem": (
        ("TableName",),
        ("ReturnValues",),
        ("ReturnConsumedCapacity", "ReturnItemCollectionMetrics"),
        (REST,),
        ("ConditionalOperator",),
    ),
}

# Enums of which the newer layer names neither member nor value, and the set as it prints it:
# not quite what is accepted.
NAMELESS = {
    "ConditionalOperator": ("ALL", "OR"),
    "ReturnValue": ("ALL_OLD", "UPDATED_OLD", "ALL_NEW", "UPDATE_NEW", "NONE"),
}

# Breaches that stand without the "validation error detected" opening.
BARE = frozenset({("Query", "ConditionalOperator")})

# A Put, Update or Delete that carries a value in this many lists and maps is read by the older layer.
DEEP_LEVELS = 62
OLDER_WHEN_DEEP = frozenset({"DeleteItem", "PutItem", "UpdateItem"})

# The service lists no more breaches than this.
MOST_REPORTED = 10


def limits_of(operation: str, path: tuple[str, ...], shape: str) -> Limits | None:
    """The limits that replace the model's for the member at `path`; None keeps the model's."""
    if len(path) == 1 and (operation, path[0]) in _BY_REQUEST_MEMBER:
        return _BY_REQUEST_MEMBER[operation, path[0]]
    if path[:1] == ("LocalSecondaryIndexes",) and path[-1] == "KeySchema":
        return Limits(1, 2)  # global ones may have more attributes, as the model has it
    if path and path[-1] in _BY_MEMBER:
        return _BY_MEMBER[path[-1]]
    if shape == "TableArn":
        return _ITEM_TABLE_NAME if operation in _ITEM_OPERATIONS else _TABLE_NAME
    return _BY_SHAPE.get(shape)


def key_limits_of(shape: str) -> Limits | None:
    """The limits that replace the model's for the keys of the map `shape`."""
    return _TABLE_NAME if shape in _BY_TABLE else None


def required_of(shape: str, required: tuple[str, ...]) -> tuple[str, ...]:
    """The members that a structure must have; `required` is what the model says."""
    return () if shape in _NOTHING_REQUIRED else (*required, *_ALSO_REQUIRED.get(shape, ()))


def order_of(operation: str, path: tuple[str, ...], order: tuple[str, ...]) -> tuple[str, ...]:
    return order if path else _ORDER.get(operation, order)
