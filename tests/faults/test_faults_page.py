"""`/_alt/faults`: who may, and what it says."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from alt.http.local import refuse_others
from alt.http.peer import Peer
from alt.http.request import Request
from alt.testing import Server, serve
from tests.faults.conftest import Call


def ask(url: str, method: str, fault: Any = None, **headers: str) -> tuple[int, Any]:
    body = None if fault is None else json.dumps(fault).encode()
    request = urllib.request.Request(f"{url}/_alt/faults", body, headers, method=method)
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        text = error.read()
        return error.code, json.loads(text) if text.startswith(b"{") else text


def test_a_fault_is_set_listed_and_taken_back(server: Server, call: Call) -> None:
    status, answer = ask(server.url, "PUT", {"kind": "throttle", "table": "Music", "next": 2})
    assert (status, len(answer["faults"])) == (200, 1)
    assert "Error" in call("GetItem", TableName="Music", Key={"pk": {"S": "a"}})
    (fault,) = ask(server.url, "GET")[1]["faults"]
    assert {name: fault[name] for name in ("kind", "table", "next", "left", "done")} == {
        "kind": "throttle", "table": "Music", "next": 2, "left": 1, "done": 1,
    }  # fmt: skip
    assert ask(server.url, "DELETE") == (200, {"faults": []})


@pytest.mark.parametrize(
    "fault",
    [
        [],
        {},
        {"kind": "throttle"},
        {"kind": "flood", "table": "Music"},
        {"kind": "throttle", "table": 7},
        {"kind": "throttle", "table": "Music", "operations": "GetItem"},
        {"kind": "throttle", "table": "Music", "share": "all"},
        {"kind": ["throttle"], "table": "Music"},
        {"kind": "slow", "table": "Music", "delay": 1e9},
        {"kind": "throttle", "table": "Music", "delay": 1},
        {"kind": "throttle", "table": "Music", "next": 10**30},
        {"kind": "slow", "table": "Music", "delay": None},
        {"kind": "throttle", "table": "Music", "seconds": None, "share": []},
        {"kind": "stale_reads", "table": "Absent"},
    ],
)
def test_what_is_no_fault_is_answered_in_words(server: Server, fault: Any) -> None:
    status, answer = ask(server.url, "PUT", fault)
    assert (status, answer["__type"]) == (400, "com.amazon.coral.validate#ValidationException")
    assert ask(server.url, "GET")[1] == {"faults": []}


def test_web_pages_may_not(server: Server) -> None:
    status, answer = ask(server.url, "GET", Origin="http://localhost:3000")
    assert (status, answer["Message"]) == (400, "Web pages may not use this.")


@pytest.mark.parametrize(
    ("address", "may"), [("127.0.0.1", True), ("::1", True), ("192.0.2.7", False), (None, False)]
)
def test_only_programs_of_the_same_machine_may(address: str | None, may: bool) -> None:
    request = Request(b"GET", b"/", {}, b"", True, peer=Peer(address))
    try:
        refuse_others(request)
    except Exception:
        assert not may
    else:
        assert may


def test_a_server_with_data_does_not_offer_it_unless_it_is_told_to(tmp_path: Path) -> None:
    with serve(data_dir=tmp_path / "data") as server:
        assert ask(server.url, "GET")[0] == 404
    with serve(data_dir=tmp_path / "data", faults=True) as server:
        assert ask(server.url, "GET") == (200, {"faults": []})
