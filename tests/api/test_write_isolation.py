"""`--write-isolation`, and the tag that goes before it, on a running server."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest


@pytest.mark.parametrize(
    ("setting", "tags", "allowed"),
    [
        (None, [], True),
        ("f", [], False),
        ("forbid_rmw", [{"Key": "system:write_isolation", "Value": "only_rmw_uses_lwt"}], True),
        ("unsafe", [{"Key": "system:write_isolation", "Value": "forbid"}], False),
    ],
)
def test_conditional_writes(
    start_server: Any,
    refusal: Callable[..., tuple[str, str]],
    setting: str | None,
    tags: list[dict[str, str]],
    allowed: bool,
) -> None:
    options = () if setting is None else ("--write-isolation", setting)
    client = start_server("--memory", *options).client()
    client.create_table(
        TableName="Music",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
        Tags=tags,
    )
    put = {
        "TableName": "Music",
        "Item": {"pk": {"S": "k"}},
        "ConditionExpression": "attribute_not_exists(pk)",
    }
    if allowed:
        client.put_item(**put)
    else:
        kind, message = refusal(client.put_item, **put)
        assert kind == "ValidationException"
        assert "forbid_rmw" in message
        assert "system:write_isolation" in message


def test_other_values_are_refused() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "alt.cli", "start", "--memory", "--write-isolation", "dog"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "'dog' is not one of 'a', 'always'" in done.stderr
