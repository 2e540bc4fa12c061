"""What a request has for the condition keys of policies that are DynamoDB's own.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/specifying-conditions.html
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ql-iam.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from alt.errors import ApiError
from alt.expressions import nodes
from alt.expressions.parser import Parsed, parse_condition, parse_projection, parse_update
from alt.expressions.partiql import Asked as Stated
from alt.expressions.partiql import Delete, Exists, Insert, Select, Update, bind
from alt.expressions.problems import Problem
from alt.operations.context import Context
from alt.operations.partiql.branches import branches
from alt.operations.partiql.keys import whole_key
from alt.operations.queries.source import Source
from alt.storage.model.definition import TableDefinition
from alt.values.attribute import normalize
from alt.values.types import AttributeValue, Item

# Members of a part that is not a request itself.
WRITES = "Writes"
CAPACITY, NO_CAPACITY = "ReturnConsumedCapacity", "NONE"
_EXPRESSIONS: dict[str, Callable[[str], Parsed[Any]]] = {
    "ConditionExpression": parse_condition,
    "FilterExpression": parse_condition,
    "KeyConditionExpression": parse_condition,
    "ProjectionExpression": parse_projection,
    "UpdateExpression": parse_update,
}
# The older parameters that have attributes' names for their members.
_BY_NAME = ("AttributeUpdates", "Expected", "Item", "Key", "KeyConditions", "QueryFilter", "ScanFilter")
_RETURN_VALUES = frozenset(("DeleteItem", "PutItem", "UpdateItem"))
_TRANSACTIONS = frozenset(("ExecuteTransaction", "TransactGetItems", "TransactWriteItems"))


@dataclass(frozen=True, slots=True)
class Part:
    """What of a request is about one resource.

    `operation` is the API's name of it, `table` as the request names it; None where the resource is no table.
    `given` has the members of the request, of the part of a batch, or of the action of a transaction; `stated` is the
    statement that it is.
    """

    operation: str
    table: str | None
    given: Mapping[str, Any]
    stated: Stated | None = None

    def values(self, context: Context, name: str) -> Sequence[str] | None:
        """For a condition key, in lower case; None where it has nothing."""
        find = _FINDS.get(name)
        return None if find is None else find(context, self)


def _leading_keys(context: Context, part: Part) -> Sequence[str] | None:
    """The values of the partition key, of the table or of the index that is read; None for a read of all partitions."""
    if part.table is None:
        return None
    definition = context.table(part.table).definition
    statement = _statement(part)
    if statement is None:
        name = _source(definition, part.given.get("IndexName")).hash_keys[0].name
        found = _values_given(name, part.given)
    else:
        found = _values_stated(definition, statement)
    try:
        return [_text(each) for each in found] or None
    except ApiError:  # the statement is refused for it
        return None


def _source(definition: TableDefinition, name: str | None) -> Source:
    index = next((each for each in definition.indexes if each.name == name), None)
    return Source(definition, index)


def _values_given(name: str, given: Mapping[str, Any]) -> Iterator[AttributeValue]:
    for item in _items(given):
        if name in item:
            yield item[name]
    if "KeyConditionExpression" in given:
        yield from _values_expressed(name, given)
    yield from given.get("KeyConditions", {}).get(name, {}).get("AttributeValueList", ())[:1]


def _items(given: Mapping[str, Any]) -> Iterator[Item]:
    """The items and keys of a request, or of a table's part of a batch."""
    for member in ("Key", "Item"):
        if member in given:
            yield given[member]
    yield from given.get("Keys", ())
    for each in given.get(WRITES, ()):
        for member, write in each.items():
            yield write["Item" if member == "PutRequest" else "Key"]


def _values_expressed(name: str, given: Mapping[str, Any]) -> Iterator[AttributeValue]:
    names, values = given.get("ExpressionAttributeNames", {}), given.get("ExpressionAttributeValues", {})
    with suppress(Problem):
        for term in nodes.conjuncts(parse_condition(given["KeyConditionExpression"]).tree):
            if not isinstance(term, nodes.Comparison) or term.operator != "=":
                continue
            for side, other in ((term.left, term.right), (term.right, term.left)):
                if isinstance(side, nodes.PathRef) and isinstance(other, nodes.ValueRef):
                    is_key = names.get(side.elements[0], side.elements[0]) == name
                    if is_key and other.name in values:
                        yield values[other.name]


def _values_stated(
    definition: TableDefinition, statement: Select | Insert | Update | Delete
) -> Iterator[AttributeValue]:
    """As the statement will be run: what is open in one alternative of a WHERE is open, whatever the others say."""
    key = definition.hash_key.name
    if isinstance(statement, Insert):
        for name, value in statement.item:
            if name == key and isinstance(value, nodes.Value):
                yield value.attribute
    elif isinstance(statement, Select):
        source = _source(definition, statement.index)
        for branch in branches(source, statement.where, descending=False) or ():
            yield branch.key[0].attribute
    elif key in (found := whole_key(definition, statement.where).key):
        yield found[key]


def _text(value: AttributeValue) -> str:
    """As one way of writing it: 1.0 is 1."""
    canonical = dict(value)
    with suppress(ApiError):
        normalize(canonical)
    return str(next(iter(canonical.values()), ""))


def _attributes(_context: Context, part: Part) -> Sequence[str] | None:
    """The names of all attributes of the top level that are named."""
    statement = _statement(part)
    names = _named(part.given) if statement is None else _stated(statement)
    return sorted(set(names)) or None


def _named(given: Mapping[str, Any]) -> Iterator[str]:
    for member in _BY_NAME:
        yield from given.get(member, ())
    yield from given.get("AttributesToGet", ())
    for item in _items({**given, "Key": {}, "Item": {}}):
        yield from item
    placeholders = given.get("ExpressionAttributeNames", {})
    for member, parse in _EXPRESSIONS.items():
        if member in given:
            with suppress(Problem):
                yield from (placeholders.get(path[0], path[0]) for path in parse(given[member]).paths)


def _stated(statement: Select | Insert | Update | Delete) -> Iterator[str]:
    if isinstance(statement, Insert):
        yield from (name for name, _ in statement.item)
        return
    roots: list[nodes.Node] = [] if statement.where is None else [statement.where]
    if isinstance(statement, Select):
        yield from (str(path[0]) for path in statement.paths or ())
    if isinstance(statement, Update):
        roots += statement.actions
    for root in roots:
        for node in nodes.walk(root):
            if isinstance(node, nodes.Path):
                yield str(node.elements[0])


def _select(_context: Context, part: Part) -> Sequence[str] | None:
    """Of what reads: what Select says or, as is documented, means where it is not given."""
    given = part.given
    if "Select" in given:
        return [given["Select"]]
    statement = _statement(part)
    if statement is not None:
        if not isinstance(statement, Select):
            return None
        return ["ALL_ATTRIBUTES" if statement.paths is None else "SPECIFIC_ATTRIBUTES"]
    if part.operation not in _READS:
        return None
    if "ProjectionExpression" in given or "AttributesToGet" in given:
        return ["SPECIFIC_ATTRIBUTES"]
    return ["ALL_PROJECTED_ATTRIBUTES" if "IndexName" in given else "ALL_ATTRIBUTES"]


_READS = frozenset(("BatchGetItem", "GetItem", "Query", "Scan", "TransactGetItems"))


def _return_values(_context: Context, part: Part) -> Sequence[str] | None:
    statement = _statement(part)
    if isinstance(statement, (Delete, Update)):
        return [statement.returning]
    if part.operation not in _RETURN_VALUES:
        return None
    return [part.given.get("ReturnValues", "NONE")]


def _return_consumed_capacity(_context: Context, part: Part) -> Sequence[str] | None:
    return [part.given.get(CAPACITY, NO_CAPACITY)]


def _enclosing_operation(_context: Context, part: Part) -> Sequence[str] | None:
    return [part.operation] if part.operation in _TRANSACTIONS else None


def _full_table_scan(context: Context, part: Part) -> Sequence[str] | None:
    """Of a statement that selects: whether it names no partition."""
    if not isinstance(_statement(part), Select):
        return None
    return ["false" if _leading_keys(context, part) else "true"]


def _statement(part: Part) -> Select | Insert | Update | Delete | None:
    """The statement with its parameters; None where there is none, or one that is refused."""
    if part.stated is None:
        return None
    try:
        statement = bind(part.stated)
    except ApiError:
        return None
    return statement.select if isinstance(statement, Exists) else statement


_FINDS: dict[str, Callable[[Context, Part], Sequence[str] | None]] = {
    "dynamodb:attributes": _attributes,
    "dynamodb:enclosingoperation": _enclosing_operation,
    "dynamodb:fulltablescan": _full_table_scan,
    "dynamodb:leadingkeys": _leading_keys,
    "dynamodb:returnconsumedcapacity": _return_consumed_capacity,
    "dynamodb:returnvalues": _return_values,
    "dynamodb:select": _select,
}
