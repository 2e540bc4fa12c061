"""What a group of writes has found absent stays so until the group is done, where something depends on that."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any

import asyncpg
import pytest

from alt.errors import ApiError
from alt.storage.postgres import group_writes
from tests.operations.conftest import Service
from tests.storage.postgres.conftest import PATIENCE_SECONDS
from tests.storage.postgres.test_several import STREAM

LOCK_WAITS = (
    "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
)


def put(key: str) -> tuple[str, dict[str, Any]]:
    return "PutItem", {"TableName": "Music", "Item": {"pk": {"S": key}}}


def delete(key: str) -> tuple[str, dict[str, Any]]:
    return "DeleteItem", {"TableName": "Music", "Key": {"pk": {"S": key}}}


def transaction(*actions: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    for action in actions:
        (parameters,) = action.values()
        parameters["TableName"] = "Music"
    return "TransactWriteItems", {"TransactItems": list(actions)}


def put_action(key: str) -> dict[str, Any]:
    return {"Put": {"Item": {"pk": {"S": key}}}}


def check(key: str, condition: str) -> dict[str, Any]:
    return {"ConditionCheck": {"Key": {"pk": {"S": key}}, "ConditionExpression": condition}}


IS_THERE, IS_ABSENT = "attribute_exists(pk)", "attribute_not_exists(pk)"
# Each finds that `a` is absent, and something depends on it that is stored at the COMMIT.
GROUPS = {
    "a transaction that stores another item": [transaction(check("a", IS_ABSENT), put_action("b"))],
    "a transaction that is refused for what one before it stores": [
        put("b"),
        transaction(check("a", IS_THERE), check("b", IS_ABSENT)),
    ],
    "what a transaction stores is deleted by one behind it": [
        transaction(put_action("a"), put_action("b")),
        delete("a"),
    ],
    "a transaction that has found what comes and goes": [
        put("a"),
        transaction(check("a", IS_THERE), put_action("b")),
        delete("a"),
    ],
    "what comes and goes, and a stream tells of it": [put("a"), delete("a")],
}


def waits(database: str, holds: Callable[[], bool]) -> bool:
    """Whether a statement waits for a lock of another's; False where `holds` comes first."""

    async def look() -> bool:
        connection = await asyncpg.connect(database)
        try:
            end = time.monotonic() + PATIENCE_SECONDS
            while not holds():
                if await connection.fetchval(LOCK_WAITS):
                    return True
                assert time.monotonic() < end
                await asyncio.sleep(0.005)
            return False
        finally:
            await connection.close()

    return asyncio.run(look())


@pytest.mark.parametrize("group", GROUPS.values(), ids=GROUPS.keys())
def test_nobody_stores_it_before_the_group_is_done(
    group: list[tuple[str, dict[str, Any]]],
    both: tuple[Service, Service],
    empty_database: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one, other = both
    one.update(StreamSpecification=STREAM)
    storing = threading.Thread(target=lambda: other("PutItem", **put("a")[1]))
    had_to_wait: list[bool] = []
    store_rows = group_writes._store_rows

    async def store_rows_and_rest(*arguments: Any) -> None:
        """Let the other server try, as soon as this one has stored what it has to."""
        await store_rows(*arguments)
        if threading.current_thread() is not storing:
            storing.start()
            had_to_wait.append(await asyncio.to_thread(waits, empty_database, lambda: not storing.is_alive()))

    async def write() -> None:
        outcomes = await asyncio.gather(
            *(one.begin(name, **request) for name, request in group), return_exceptions=True
        )
        assert all(isinstance(each, bytes | ApiError) for each in outcomes), outcomes

    monkeypatch.setattr(group_writes, "_store_rows", store_rows_and_rest)
    one.run(write())
    storing.join()
    assert had_to_wait == [True]
    assert "Item" in one("GetItem", TableName="Music", Key={"pk": {"S": "a"}}, ConsistentRead=True)
