"""What meets a transaction over several tables while that is under way, item by item."""

from __future__ import annotations

import asyncio
import copy
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from alt.errors import ApiError
from tests.operations.conftest import Service

ITEM = {"pk": {"S": "a"}}
OTHER = {"pk": {"S": "b"}}
ONGOING = "Transaction is ongoing for the item"
CONFLICT = {"Code": "TransactionConflict", "Message": ONGOING}


class Gate:
    """Stops transactions over several tables as they are about to be journaled."""

    def __init__(self) -> None:
        self.is_open = threading.Event()
        self.is_open.set()

    def pass_(self, step: str) -> None:
        if step == "prepared":
            assert self.is_open.wait(60)


GATE = Gate()


@pytest.fixture
def two(tmp_path: Path) -> Iterator[Service]:
    service = Service(directory=tmp_path, on_step=GATE.pass_)
    service.create("One")
    service.create("Two")
    service("PutItem", TableName="One", Item=OTHER)
    yield service
    asyncio.run(service.store.close())


def put(table: str, item: Any = ITEM) -> dict[str, Any]:
    return {"Put": {"TableName": table, "Item": item}}


def check(table: str, key: Any = ITEM) -> dict[str, Any]:
    return {
        "ConditionCheck": {"TableName": table, "Key": key, "ConditionExpression": "attribute_not_exists(x)"}
    }


def get(table: str, key: Any = ITEM) -> dict[str, Any]:
    return {"Get": {"TableName": table, "Key": key}}


BOTH = (put("One"), put("Two"))


def meeting(service: Service, operation: str, *, transaction: Any = BOTH, **request: Any) -> Any:
    """What a request is answered that comes while `transaction` is under way, which succeeds all the same."""

    async def run() -> Any:
        table = service.context.table("One")
        GATE.is_open.clear()
        try:
            under_way = asyncio.ensure_future(
                service.begin("TransactWriteItems", TransactItems=list(transaction))
            )
            while not (table.contended or under_way.done()):
                await asyncio.sleep(0.001)
            met = asyncio.ensure_future(service.begin(operation, **request))
            await asyncio.wait([met], timeout=0.2)  # some wait for the gate
        finally:
            GATE.is_open.set()
        await under_way
        body = json.loads(await met)
        assert table.contended == set()
        return body

    return asyncio.run(asyncio.wait_for(run(), 60))


WRITES: dict[str, dict[str, Any]] = {
    "PutItem": {"Item": ITEM},
    "DeleteItem": {"Key": ITEM},
    "UpdateItem": {"Key": ITEM, "UpdateExpression": "REMOVE a"},
}


@pytest.mark.parametrize("operation", WRITES)
@pytest.mark.parametrize("transaction", [BOTH, (check("One"), put("Two"))])
def test_a_write_of_its_item_is_refused(two: Service, operation: str, transaction: Any) -> None:
    request = {"TableName": "One", **WRITES[operation]}
    with pytest.raises(ApiError) as refused:
        meeting(two, operation, transaction=transaction, **request)
    assert (refused.value.type, refused.value.message) == ("TransactionConflictException", ONGOING)
    two(operation, **request)  # again, as an SDK does


@pytest.mark.parametrize(
    ("operation", "actions"),
    [
        ("TransactWriteItems", [put("One", OTHER), put("One"), put("Two", OTHER)]),
        ("TransactWriteItems", [put("One", OTHER), check("Two")]),
        ("TransactGetItems", [get("One", OTHER), get("One")]),
        ("TransactGetItems", [get("Two", OTHER), get("Two"), get("One", OTHER)]),
    ],
)
def test_a_transaction_with_its_item_is_cancelled(two: Service, operation: str, actions: Any) -> None:
    with pytest.raises(ApiError) as refused:
        meeting(two, operation, TransactItems=actions)
    assert refused.value.type == "TransactionCanceledException"
    assert refused.value.members is not None
    reasons = json.loads(refused.value.members["CancellationReasons"])
    assert reasons == [CONFLICT if position == 1 else {"Code": "None"} for position, _ in enumerate(actions)]
    two(operation, TransactItems=actions)


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO One VALUE {'pk': 'a'}",
        "UPDATE One SET x = 1 WHERE pk = 'a'",
        "DELETE FROM One WHERE pk = 'a'",
    ],
)
class TestStatements:
    """A statement of its item is refused as the call that it is like."""

    def test_alone(self, two: Service, statement: str) -> None:
        with pytest.raises(ApiError) as refused:
            meeting(two, "ExecuteStatement", Statement=statement)
        assert (refused.value.type, refused.value.message) == ("TransactionConflictException", ONGOING)

    def test_in_a_batch(self, two: Service, statement: str) -> None:
        answer = meeting(two, "BatchExecuteStatement", Statements=[{"Statement": statement}])
        assert answer["Responses"] == [{"Error": CONFLICT, "TableName": "One"}]

    def test_in_a_transaction(self, two: Service, statement: str) -> None:
        with pytest.raises(ApiError) as refused:
            meeting(two, "ExecuteTransaction", TransactStatements=[{"Statement": statement}])
        assert refused.value.members is not None
        assert json.loads(refused.value.members["CancellationReasons"]) == [CONFLICT]


def test_a_refused_write_consumes_nothing(two: Service) -> None:
    with pytest.raises(ApiError):
        meeting(two, "PutItem", TableName="One", Item=ITEM)
    two.store.usage.store()
    # The item put first, and the transaction's: one unit, and two.
    used = {row.account.table_name: row.write_units for row in two.store.usage.rows()}
    assert used["One"] == 3


@pytest.mark.parametrize(
    ("operation", "request_"),
    [
        ("PutItem", {"TableName": "One", "Item": OTHER}),
        ("GetItem", {"TableName": "One", "Key": ITEM}),
        ("BatchWriteItem", {"RequestItems": {"One": [{"PutRequest": {"Item": ITEM}}]}}),
        ("TransactWriteItems", {"TransactItems": [put("One", OTHER), put("Two", OTHER)]}),
    ],
)
def test_whatever_else_is_done(two: Service, operation: str, request_: Any) -> None:
    assert isinstance(meeting(two, operation, **request_), dict)


def test_a_transaction_on_one_table_is_in_nobodys_way(two: Service) -> None:
    transaction = (put("One"), put("One", {"pk": {"S": "c"}}))
    assert meeting(two, "PutItem", transaction=transaction, TableName="One", Item=ITEM) == {}


def test_one_that_fails_leaves_nothing_contended(two: Service) -> None:
    failing = {"Put": {"TableName": "One", "Item": OTHER, "ConditionExpression": "attribute_not_exists(pk)"}}
    with pytest.raises(ApiError):
        two("TransactWriteItems", TransactItems=[failing, put("Two")])
    two("PutItem", TableName="One", Item=OTHER)
    two("PutItem", TableName="Two", Item=ITEM)


@pytest.mark.parametrize("actions", [[put("One")], [put("One"), put("Two")]])
def test_a_token_sent_twice_in_one_turn_counts_once(two: Service, actions: Any) -> None:
    """Also where the second comes before the first has begun."""

    async def run() -> list[Any]:
        request: dict[str, Any] = {"TransactItems": actions, "ClientRequestToken": "token"}
        both = [two.begin("TransactWriteItems", **copy.deepcopy(request)) for _ in range(2)]
        return await asyncio.gather(*both, return_exceptions=True)

    first, second = asyncio.run(run())
    assert first == b"{}"
    assert isinstance(second, ApiError)
    assert second.type == "TransactionInProgressException"
    answer = two("TransactWriteItems", TransactItems=actions, ClientRequestToken="token")
    assert answer == {}
