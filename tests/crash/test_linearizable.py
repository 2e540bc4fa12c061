"""A real server answers clients that run side by side as if it did one request at a time, kill -9 or not.

A few clients do all kinds of requests on a few hot items of two tables and note what
they sent, when, and what they were told; tests/crash/history.py decides whether that
is possible. ALT_KILL_SEED repeats the requests of a run, though not how they interleave.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from math import inf
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.crash.client import Client, Failed, Refused, Unanswered
from tests.crash.history import ANY, Access, Request, Value, find_violation

CLIENTS = 6
LEAST_REQUESTS = 30  # until a kill
PATIENCE_SECONDS = 60.0  # with a machine on which they take their time
TABLES = ("one", "two")
HOT = [f"{table}/{key}" for table in TABLES for key in ("a", "b")]
NAMES = {"#v": "v"}
CONFLICTS = ("TransactionConflictException", "TransactionInProgressException")


def key_of(hot: str) -> dict[str, Any]:
    """TableName and Key of an item."""
    table, key = hot.split("/")
    return {"TableName": table, "Key": {"pk": {"S": key}}}


def number(value: int) -> dict[str, str]:
    return {"N": str(value)}


def value_of(item: dict[str, Any] | None) -> Value:
    return int(item["v"]["N"]) if item else None


def condition_of(access: Access) -> dict[str, Any]:
    """The parameters that make a write depend on the item's value."""
    if access.condition is ANY:
        return {}
    parameters: dict[str, Any] = {"ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
    if access.condition is None:
        return {**parameters, "ConditionExpression": "attribute_not_exists(pk)"}
    values = {":condition": number(access.condition)}
    return {**parameters, "ConditionExpression": "v = :condition", "ExpressionAttributeValues": values}


def write_of(access: Access) -> tuple[str, dict[str, Any]]:
    """The operation and its parameters, for a request of its own and as part of a transaction."""
    parameters = {**key_of(access.key), **condition_of(access)}
    if access.kind == "put":
        item = {**parameters.pop("Key"), "v": number(access.value)}
        return "Put", {**parameters, "Item": item}
    if access.kind == "add":
        values = {**parameters.get("ExpressionAttributeValues", {}), ":n": number(access.value)}
        return "Update", {**parameters, "UpdateExpression": "ADD v :n", "ExpressionAttributeValues": values}
    return {"delete": "Delete", "check": "ConditionCheck"}[access.kind], parameters


class _Recorder:
    """A client that does requests at random and notes them. `known` is what the items were last seen to be."""

    def __init__(self, port: int, random: Random, history: list[Request]) -> None:
        self._client = Client(port)
        self._random = random
        self._history = history
        self._known: dict[str, Value] = dict.fromkeys(HOT)

    def run(self, stopped: threading.Event) -> None:
        try:
            while not stopped.is_set():
                self._random.choice((self._get, self._write, self._write, self._read_all, self._transact))()
        except Unanswered:
            pass
        finally:
            self._client.close()

    def _get(self) -> None:
        access = Access(self._random.choice(HOT), "get")

        def told(answer: dict[str, Any]) -> list[Access]:
            return [access._replace(answer=value_of(answer.get("Item")))]

        self._note([access], "GetItem", {**key_of(access.key), "ConsistentRead": True}, told)

    def _write(self) -> None:
        access = self._any_write(self._random.choice(HOT), ("put", "add", "delete"))
        kind, parameters = write_of(access)
        parameters["ReturnValues"] = "UPDATED_NEW" if access.kind == "add" else "ALL_OLD"

        def told(answer: dict[str, Any]) -> list[Access]:
            return [access._replace(answer=value_of(answer.get("Attributes")))]

        self._note([access], f"{kind}Item", parameters, told)

    def _read_all(self) -> None:
        keys = self._random.sample(HOT, self._random.randint(2, len(HOT)))
        accesses = [Access(key, "get") for key in keys]

        def told(answer: dict[str, Any]) -> list[Access]:
            items = [value_of(each.get("Item")) for each in answer["Responses"]]
            return [each._replace(answer=item) for each, item in zip(accesses, items, strict=True)]

        gets = [{"Get": key_of(key)} for key in keys]
        self._note(accesses, "TransactGetItems", {"TransactItems": gets}, told)

    def _transact(self) -> None:
        keys = self._random.sample(HOT, self._random.randint(1, 3))
        accesses = [self._any_write(key, ("put", "add", "delete", "check")) for key in keys]
        actions = [{kind: parameters} for kind, parameters in map(write_of, accesses)]
        self._note(accesses, "TransactWriteItems", {"TransactItems": actions}, lambda _: accesses)

    def _any_write(self, key: str, kinds: tuple[str, ...]) -> Access:
        kind: Any = self._random.choice(kinds)
        depends = kind == "check" or self._random.random() < 0.3
        return Access(key, kind, self._random.randint(1, 1_000), self._known[key] if depends else ANY)

    def _note(
        self,
        accesses: list[Access],
        operation: str,
        parameters: dict[str, Any],
        told: Callable[[dict[str, Any]], list[Access]],
    ) -> None:
        """Do the request and note how it ended; `told` adds what the answer says."""
        begin = time.monotonic()
        try:
            answer = self._client.call(operation, **parameters)
        except Refused as refused:
            end = time.monotonic()
            failed = self._failed_conditions(accesses, refused)
            if failed:
                self._history.append(Request(begin, end, tuple(failed), "refused"))
                self._known.update((each.key, each.answer) for each in failed)
            return
        except (Failed, Unanswered):
            self._history.append(Request(begin, inf, tuple(accesses), "unknown"))
            raise
        end = time.monotonic()
        known = told(answer)
        self._history.append(Request(begin, end, tuple(known)))
        self._known.update((each.key, each.answer) for each in known if each.answer is not ANY)

    def _failed_conditions(self, accesses: list[Access], refused: Refused) -> list[Access]:
        """What a refusal tells of the items; of a conflict, nothing. Raises what is no such refusal."""
        if refused.code == "ConditionalCheckFailedException":
            return [accesses[0]._replace(answer=value_of(refused.body.get("Item")))]
        if refused.code != "TransactionCanceledException":
            if refused.code in CONFLICTS:
                return []
            raise refused
        reasons = list(zip(accesses, refused.body["CancellationReasons"], strict=True))
        for _, reason in reasons:
            if reason["Code"] not in ("None", "ConditionalCheckFailed", "TransactionConflict"):
                raise refused
        return [
            access._replace(answer=value_of(reason.get("Item")))
            for access, reason in reasons
            if reason["Code"] == "ConditionalCheckFailed"
        ]


def record(servers: Sequence[Any], random: Random, seconds: float, *, kill: bool) -> list[Request]:
    """The history of some clients, of whose servers the first may be killed: of so long, and of so many requests at least.

    What has no answer can be done until it is known to be dead.
    """
    history: list[Request] = []
    faults: list[BaseException] = []
    stopped = threading.Event()

    def work(seconds: float, more: int) -> None:
        """Let them work on."""
        wanted, end = len(history) + more, time.monotonic() + PATIENCE_SECONDS
        time.sleep(seconds)
        while len(history) < wanted and not faults:
            assert time.monotonic() < end, "requests are not answered"
            time.sleep(0.01)

    def run(recorder: _Recorder) -> None:
        try:
            recorder.run(stopped)
        except BaseException as fault:
            faults.append(fault)

    recorders = [
        _Recorder(servers[client % len(servers)].port, Random(random.random()), history)
        for client in range(CLIENTS)
    ]
    threads = [threading.Thread(target=run, args=(recorder,)) for recorder in recorders]
    for thread in threads:
        thread.start()
    died = inf
    try:
        work(seconds, LEAST_REQUESTS)
        if kill:
            servers[0].kill()
            died = time.monotonic()
        if kill and len(servers) > 1:
            work(seconds, 1)
    finally:
        stopped.set()
        for thread in threads:
            thread.join()
    assert not faults, faults
    return [
        each if each.is_answered else Request(each.begin, died, each.accesses, each.outcome)
        for each in history
    ]


def read_all(server: Any) -> Request:
    """How all items stand, as the last request of a history and what the next one begins with."""
    begin = time.monotonic()
    answer = Client(server.port).call("TransactGetItems", TransactItems=[{"Get": key_of(key)} for key in HOT])
    items = [value_of(each.get("Item")) for each in answer["Responses"]]
    gets = [Access(key, "get", answer=item) for key, item in zip(HOT, items, strict=True)]
    return Request(begin, time.monotonic(), tuple(gets))


def create_tables(server: Any) -> None:
    client = Client(server.port)
    for table in TABLES:
        client.call(
            "CreateTable",
            TableName=table,
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )


@pytest.mark.parametrize(("kills", "seconds"), [(2, 0.7), pytest.param(30, 2.0, marks=pytest.mark.nightly)])
def test_as_if_one_by_one(kills: int, seconds: float, start_server: Any, tmp_path: Path) -> None:
    seed = int(os.environ.get("ALT_KILL_SEED", time.time_ns() % 1_000_000))
    print(f"ALT_KILL_SEED={seed}")
    random = Random(seed)
    server = start_server("--data-dir", tmp_path)
    create_tables(server)
    state = dict.fromkeys(HOT)
    for last in [False] * kills + [True]:
        history = record([server], random, seconds * random.uniform(0.5, 1), kill=not last)
        if not last:
            server = start_server("--data-dir", tmp_path)
        closing = read_all(server)
        violation = find_violation([*history, closing], state)
        assert violation is None, f"ALT_KILL_SEED={seed}: {violation}"
        state = {access.key: access.answer for access in closing.accesses}
