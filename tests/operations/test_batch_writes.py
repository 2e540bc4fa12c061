"""A batch of puts written at once leaves what puts one by one leave, and costs the same."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.operations.conftest import Service

TEXTS = st.sampled_from(["", "x", "\0", "é" * 300, "y" * 3_000])
PUTS = st.fixed_dictionaries({"pk": st.sampled_from("abcdef"), "t": TEXTS}).map(
    lambda each: {"PutRequest": {"Item": {name: {"S": text} for name, text in each.items()}}}
)
DELETES = st.sampled_from("abcdef").map(lambda pk: {"DeleteRequest": {"Key": {"pk": {"S": pk}}}})


def key(write: dict[str, Any]) -> str:
    (request,) = write.values()
    return str((request.get("Item") or request["Key"])["pk"]["S"])


def batches(writes: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[list[dict[str, Any]]]:
    return st.lists(writes, min_size=1, max_size=6, unique_by=key)


@settings(max_examples=60, deadline=None)
@given(st.lists(batches(PUTS) | batches(PUTS | DELETES), min_size=1, max_size=6))
def test_at_once_and_one_by_one(sent: list[list[dict[str, Any]]]) -> None:
    services = [Service(), Service()]
    services[0].create()
    # Where changes are logged each item is written by itself.
    services[1].create(StreamSpecification={"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"})
    for writes in sent:
        request = {"RequestItems": {"Music": writes}, "ReturnConsumedCapacity": "INDEXES"}
        first, second = (service("BatchWriteItem", **copy.deepcopy(request)) for service in services)
        assert first == second
    states = []
    for service in services:
        table = service.context.table("Music")
        service.store.usage.store()
        states.append(
            (
                service("Scan", TableName="Music")["Items"],
                table.counts(),
                table.may_hold_nul,
                service.store.usage.rows(),
            )
        )
    assert states[0] == states[1]
    (used,) = (row for row in states[0][3] if row.write_units)
    assert used.requests == len(sent)
