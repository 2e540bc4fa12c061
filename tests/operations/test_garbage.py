"""Nothing of a write is left to the garbage collector, which comes late and all at once: items may be large."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import pytest

from tests.operations.conftest import Service

KEY = {"pk": {"S": "k"}}
ELEMENTS = [{"N": "1"}] * 30_000  # enough for a decision beside the loop
ABSENT = {"ConditionExpression": "attribute_not_exists(pk)"}
SET = {"UpdateExpression": "SET l[3] = :v", "ExpressionAttributeValues": {":v": {"N": "2"}}}
TOO_LARGE = {"UpdateExpression": "SET " + ", ".join(f"a{number} = l" for number in range(9))}
KEYED: dict[str, Any] = {"TableName": "Music", "Key": KEY}

WRITES: dict[str, tuple[str, dict[str, Any], str | None]] = {
    "a refused put": (
        "PutItem",
        {"TableName": "Music", "Item": KEY, **ABSENT},
        "ConditionalCheckFailedException",
    ),
    "a refused deletion": ("DeleteItem", {**KEYED, **ABSENT}, "ConditionalCheckFailedException"),
    "a long update": ("UpdateItem", {**KEYED, **SET}, None),
    "a long update that is refused": ("UpdateItem", {**KEYED, **TOO_LARGE}, "ValidationException"),
    "a long transaction": ("TransactWriteItems", {"TransactItems": [{"Update": {**KEYED, **SET}}]}, None),
    "a long transaction that is refused": (
        "TransactWriteItems",
        {"TransactItems": [{"Update": {**KEYED, **TOO_LARGE}}]},
        "TransactionCanceledException",
    ),
    "a refused transaction": (
        "TransactWriteItems",
        {"TransactItems": [{"Delete": {**KEYED, **ABSENT}}]},
        "TransactionCanceledException",
    ),
    "a refused transaction over two tables": (
        "TransactWriteItems",
        {
            "TransactItems": [
                {"Delete": {**KEYED, **ABSENT}},
                {"Put": {"TableName": "Second", "Item": {"pk": {"S": "k"}}}},
            ]
        },
        "TransactionCanceledException",
    ),
}


@pytest.mark.parametrize("what", WRITES)
def test_a_write_leaves_no_garbage(service: Service, what: str) -> None:
    operation, request, error_type = WRITES[what]
    service.create()
    service.create("Second")
    service("PutItem", TableName="Music", Item={**KEY, "l": {"L": ELEMENTS}})

    async def write() -> None:
        gc.freeze()  # what was there before is not looked through
        gc.set_debug(gc.DEBUG_SAVEALL)
        for _ in range(3):
            answer = service.ask(operation, **request)
            assert isinstance(answer, asyncio.Future)
            await asyncio.wait([answer])
            assert getattr(answer.exception(), "type", None) == error_type
            del answer
        await asyncio.sleep(0)  # what was scheduled beside is done
        gc.collect()

    gc.disable()
    try:
        service.run(write())
        left = [repr(found) for found in gc.garbage if isinstance(found, BaseException)]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.unfreeze()
        gc.enable()
    assert left == []
