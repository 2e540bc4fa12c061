"""What each fault does to each operation, which requests it is for, and that it ends."""

from __future__ import annotations

import re
import threading
import time
from typing import Any

import pytest

from alt.testing import Server
from tests.faults.conftest import KEYS, TABLES, Call

A = KEYS[0]
NEW = {"pk": {"S": "new"}}
ON_MUSIC = {"TableName": "Music"}
BOTH = ("Music", "Other")

WRITES: dict[str, dict[str, Any]] = {
    "PutItem": {**ON_MUSIC, "Item": NEW},
    "UpdateItem": {**ON_MUSIC, "Key": NEW, "AttributeUpdates": {}},
    "DeleteItem": {**ON_MUSIC, "Key": A},
    "ExecuteStatement": {"Statement": "INSERT INTO Music VALUE {'pk': 'new'}"},
}
READS: dict[str, dict[str, Any]] = {
    "GetItem": {**ON_MUSIC, "Key": A},
    "Query": {
        **ON_MUSIC,
        "KeyConditionExpression": "pk = :a",
        "ExpressionAttributeValues": {":a": {"S": "a"}},
    },
    "Scan": ON_MUSIC,
}
TRANSACTIONS: dict[str, dict[str, Any]] = {
    "TransactWriteItems": {"TransactItems": [{"Put": {"TableName": name, "Item": NEW}} for name in BOTH]},
    "TransactGetItems": {"TransactItems": [{"Get": {"TableName": name, "Key": A}} for name in BOTH]},
    "ExecuteTransaction": {
        "TransactStatements": [{"Statement": f"INSERT INTO {name} VALUE {{'pk': 'new'}}"} for name in BOTH]
    },
}
STATEMENTS = {"Statements": [{"Statement": f"DELETE FROM {name} WHERE pk = 'a'"} for name in BOTH]}
GETS = {"RequestItems": {name: {"Keys": KEYS[:3]} for name in BOTH}}
PUTS = {
    "RequestItems": {
        name: [{"PutRequest": {"Item": {**key, "n": {"N": "1"}}}} for key in KEYS[:3]] for name in BOTH
    }
}

THROTTLED = "ProvisionedThroughputExceededException"
CONFLICT = "TransactionConflictException"
SINGLE = [
    *(("throttle", operation, THROTTLED) for operation in (*WRITES, *READS)),
    *(("conflict", operation, CONFLICT) for operation in WRITES),
    *(("internal_error", operation, "InternalServerError") for operation in (*WRITES, *READS, *TRANSACTIONS)),
]
REQUESTS = WRITES | READS | TRANSACTIONS


def everything(server: Server) -> Any:
    return [server.client().scan(TableName=name, ConsistentRead=True)["Items"] for name in BOTH]


@pytest.mark.parametrize(("kind", "operation", "error"), SINGLE)
def test_a_request_is_refused_and_nothing_is_done(
    server: Server, call: Call, kind: str, operation: str, error: str
) -> None:
    before = everything(server)
    fault = getattr(server.faults, kind)("Music", operations=[operation])
    assert call(operation, **REQUESTS[operation])["Error"]["Code"] == error
    fault.remove()
    assert everything(server) == before
    assert fault.done == 1
    assert "Error" not in call(operation, **REQUESTS[operation])


@pytest.mark.parametrize(
    ("kind", "code"), [("throttle", "ThrottlingError"), ("conflict", "TransactionConflict")]
)
@pytest.mark.parametrize("operation", TRANSACTIONS)
def test_a_transaction_is_cancelled_for_its_actions_on_the_table(
    server: Server, call: Call, kind: str, code: str, operation: str
) -> None:
    before = everything(server)
    getattr(server.faults, kind)("Music", next=1)
    answer = call(operation, **TRANSACTIONS[operation])
    assert [reason["Code"] for reason in answer["CancellationReasons"]] == [code, "None"]
    assert everything(server) == before


def test_a_transaction_on_a_provisioned_table_is_told_so(server: Server, call: Call) -> None:
    units = {"ReadCapacityUnits": 1, "WriteCapacityUnits": 1}
    server.seed({"Held": {"ProvisionedThroughput": units}})
    server.faults.throttle("Held")
    answer = call("TransactGetItems", TransactItems=[{"Get": {"TableName": "Held", "Key": A}}])
    assert [reason["Code"] for reason in answer["CancellationReasons"]] == ["ProvisionedThroughputExceeded"]


@pytest.mark.parametrize(
    ("kind", "code"), [("throttle", "ProvisionedThroughputExceeded"), ("conflict", "TransactionConflict")]
)
def test_a_statement_of_a_batch_has_its_own_error(server: Server, call: Call, kind: str, code: str) -> None:
    getattr(server.faults, kind)("Music")
    answers = call("BatchExecuteStatement", **STATEMENTS)["Responses"]
    assert [each.get("Error", {}).get("Code") for each in answers] == [code, None]


def test_what_a_batch_asks_of_a_throttled_table_is_unprocessed(server: Server, call: Call) -> None:
    server.faults.throttle("Music")
    found = call("BatchGetItem", **GETS)
    assert found["UnprocessedKeys"] == {"Music": {"Keys": KEYS[:3]}}
    assert len(found["Responses"]["Other"]) == 3
    assert call("BatchWriteItem", **PUTS)["UnprocessedItems"] == {"Music": PUTS["RequestItems"]["Music"]}
    only = {"RequestItems": {"Music": PUTS["RequestItems"]["Music"]}}
    assert call("BatchWriteItem", **only)["Error"]["Code"] == THROTTLED


@pytest.mark.parametrize(("asked", "processed"), [(1, 0), (2, 1), (3, 1)])
def test_the_later_half_of_a_batch_is_unprocessed(
    server: Server, call: Call, asked: int, processed: int
) -> None:
    puts = PUTS["RequestItems"]["Music"][:asked]
    server.faults.unprocessed("Music")
    found = call("BatchGetItem", RequestItems={"Music": {"Keys": KEYS[:asked]}})
    assert found["UnprocessedKeys"] == {"Music": {"Keys": KEYS[processed:asked]}}
    assert sorted(each["pk"]["S"] for each in found["Responses"]["Music"]) == list("abc")[:processed]
    left = call("BatchWriteItem", RequestItems={"Music": puts})["UnprocessedItems"]
    assert left == {"Music": puts[processed:]}
    written = [item["pk"]["S"] for item in everything(server)[0] if "n" in item]
    assert sorted(written) == list("abc")[:processed]


def test_a_loop_over_what_is_unprocessed_comes_to_an_end(server: Server, call: Call) -> None:
    server.faults.unprocessed("Music", next=2)
    left = PUTS["RequestItems"]
    while left:
        left = call("BatchWriteItem", RequestItems=left)["UnprocessedItems"]
    assert [len([item for item in items if "n" in item]) for items in everything(server)] == [3, 3]


STALE: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "GetItem": ({**ON_MUSIC, "Key": NEW}, {"ConsistentRead": True}),
    "Query": (
        {
            **ON_MUSIC,
            "KeyConditionExpression": "pk = :new",
            "ExpressionAttributeValues": {":new": {"S": "new"}},
        },
        {"ConsistentRead": True},
    ),
    "Scan": (
        {**ON_MUSIC, "FilterExpression": "pk = :new", "ExpressionAttributeValues": {":new": {"S": "new"}}},
        {"ConsistentRead": True},
    ),
    "ExecuteStatement": ({"Statement": "SELECT * FROM Music WHERE pk = 'new'"}, {"ConsistentRead": True}),
    "BatchGetItem": (
        {"RequestItems": {"Music": {"Keys": [NEW]}, "Other": {"Keys": [A]}}},
        {
            "RequestItems": {
                "Music": {"Keys": [NEW], "ConsistentRead": True},
                "Other": {"Keys": [A]},
            }
        },
    ),
    "BatchExecuteStatement": (
        {"Statements": [{"Statement": "SELECT * FROM Music WHERE pk = 'new'"}]},
        {"Statements": [{"Statement": "SELECT * FROM Music WHERE pk = 'new'", "ConsistentRead": True}]},
    ),
}


@pytest.mark.parametrize("operation", STALE)
def test_a_stale_read_does_not_see_what_is_written(server: Server, call: Call, operation: str) -> None:
    request, consistent = STALE[operation]
    before = call(operation, **request)
    fault = server.faults.stale_reads("Music")
    assert call("PutItem", **WRITES["PutItem"]) == {}
    assert call(operation, **request) == before
    assert call(operation, **request | consistent) != before
    assert fault.done == 1
    fault.remove()
    assert call(operation, **request) == call(operation, **request | consistent)


def test_stale_reads_are_of_the_table_that_was_there(server: Server, call: Call) -> None:
    server.faults.stale_reads("Music")
    call("DeleteTable", **ON_MUSIC)
    server.client().get_waiter("table_not_exists").wait(**ON_MUSIC)
    assert call("GetItem", **READS["GetItem"])["Error"]["Code"] == "ResourceNotFoundException"
    server.seed({"Music": {}})
    assert call("Scan", **ON_MUSIC)["Count"] == 0


def test_more_items_than_are_copied_in_one_step_are_read_stale(server: Server, call: Call) -> None:
    server.seed({"Many": {"Items": [{"pk": {"S": str(number)}} for number in range(450)]}})
    server.faults.stale_reads("Many")
    call("DeleteItem", TableName="Many", Key={"pk": {"S": "1"}})
    assert call("Scan", TableName="Many", Select="COUNT")["Count"] == 450


def test_a_slow_answer_holds_up_no_other(server: Server, call: Call) -> None:
    # A busy machine may need longer for what is quick: then the slow one is slower.
    assert any(order_of_answers(server, call, delay) == ["quick", "slow"] for delay in (0.3, 2.0, 15.0))


def order_of_answers(server: Server, call: Call, delay: float) -> list[str]:
    call("DeleteItem", **ON_MUSIC, Key=NEW)
    fault = server.faults.slow("Music", delay, operations=["PutItem"])
    answers: list[str] = []

    def slow() -> None:
        call("PutItem", **WRITES["PutItem"])
        answers.append("slow")

    thread = threading.Thread(target=slow)
    thread.start()
    while NEW not in everything(server)[0]:  # it is done at once, and these are answered meanwhile
        time.sleep(0.001)
    answers.append("quick")
    thread.join()
    fault.remove()
    return answers


def test_what_is_refused_can_be_slow_as_well(server: Server, call: Call) -> None:
    slow, throttled = server.faults.slow("Music", 0.01), server.faults.throttle("Music")
    assert call("GetItem", **READS["GetItem"])["Error"]["Code"] == THROTTLED
    assert (slow.done, throttled.done) == (1, 1)


def test_two_tables_of_a_transaction_can_have_a_fault_each(server: Server, call: Call) -> None:
    server.faults.throttle("Music")
    server.faults.conflict("Other")
    reasons = call("TransactWriteItems", **TRANSACTIONS["TransactWriteItems"])["CancellationReasons"]
    assert [reason["Code"] for reason in reasons] == ["ThrottlingError", "TransactionConflict"]


def test_a_request_is_refused_once(server: Server, call: Call) -> None:
    first, second = server.faults.throttle("Music", next=1), server.faults.internal_error("Music", next=1)
    codes = [call("GetItem", **READS["GetItem"])["Error"]["Code"] for _ in range(2)]
    assert codes == [THROTTLED, "InternalServerError"]
    assert (first.done, second.done) == (1, 1)


# Which requests


def refused(call: Call, count: int) -> list[bool]:
    return ["Error" in call("GetItem", **READS["GetItem"]) for _ in range(count)]


def test_the_next_so_many_requests(server: Server, call: Call) -> None:
    server.faults.throttle("Music", next=2)
    call("GetItem", TableName="Other", Key=A)  # another table's do not count
    assert refused(call, 4) == [True, True, False, False]


def test_a_share_is_the_same_for_the_same_seed(server: Server, call: Call) -> None:
    found = []
    for seed in (1, 1, 2):
        with server.faults.throttle("Music", share=0.5, seed=seed):
            found.append(refused(call, 40))
    assert found[0] == found[1] != found[2]
    assert 5 < sum(found[0]) < 35


def test_for_so_many_seconds_of_the_clock(server: Server, call: Call) -> None:
    server.faults.throttle("Music", seconds=30)
    assert refused(call, 1) == [True]
    server.clock.advance(31)
    assert refused(call, 1) == [False]


def test_only_some_operations(server: Server, call: Call) -> None:
    server.faults.internal_error("Music", operations=["Query", "DescribeTable"])
    assert refused(call, 1) == [False]
    assert "Error" in call("Query", **READS["Query"])
    assert "Error" in call("DescribeTable", **ON_MUSIC)


def test_a_table_can_be_named_by_its_arn(server: Server, call: Call) -> None:
    arn = call("DescribeTable", **ON_MUSIC)["Table"]["TableArn"]
    server.faults.throttle("Music", next=1)
    assert call("GetItem", TableName=arn, Key=A)["Error"]["Code"] == THROTTLED


def test_it_ends_with_its_block(server: Server, call: Call) -> None:
    with server.faults.throttle("Music") as fault:
        assert refused(call, 2) == [True, True]
    assert refused(call, 1) == [False]
    assert fault.done == 2


def test_it_ends_with_the_test(server: Server, call: Call) -> None:
    server.faults.throttle("Music")
    server.reset()
    server.seed(TABLES)
    assert refused(call, 1) == [False]


def test_operations_stand_free_once_no_fault_is_set(server: Server, call: Call) -> None:
    dispatcher = server._service._dispatcher
    server.faults.throttle("Music", next=1)
    assert dispatcher._wrap is not None
    assert refused(call, 2) == [True, False]
    assert dispatcher._wrap is None


WRONG = [
    ("throttle", {"next": 0}, "next is 1 or more requests, not 0"),
    ("throttle", {"next": True}, "next is 1 or more requests, not True"),
    ("throttle", {"share": 1.5}, "share is over 0 and up to 1, not 1.5"),
    ("throttle", {"seconds": -1}, "seconds is more than 0, not -1"),
    ("throttle", {"operations": ["ListTables"]}, "throttle does nothing to 'ListTables'"),
    ("throttle", {"sahre": 0.5}, "a fault has no 'sahre'"),
    ("throttle", {"seconds": float("inf")}, "seconds is more than 0, not inf"),
    ("throttle", {"share": float("nan")}, "share is over 0 and up to 1, not nan"),
    ("throttle", {"seed": 10**30}, "seed is a whole number of up to 18 digits"),
    ("slow", {"delay": 0}, "a delay is what slow has"),
    ("slow", {"delay": 301}, "delay is up to 300 seconds, not 301"),
]


@pytest.mark.parametrize(("kind", "members", "message"), WRONG)
def test_what_is_no_fault_is_refused(server: Server, kind: str, members: Any, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        getattr(server.faults, kind)("Music", **members)


def test_stale_reads_need_a_table(server: Server) -> None:
    with pytest.raises(ValueError, match="there is no table Absent"):
        server.faults.stale_reads("Absent")
