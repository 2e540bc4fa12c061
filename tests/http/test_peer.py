"""Whose connection a request comes over, down to the operation that is asked for."""

from __future__ import annotations

import asyncio
import json
import socket
from typing import Any

import pytest

from alt.http import peer
from alt.http.access import Access
from alt.http.connections import Connections
from alt.http.dispatch import Dispatcher
from alt.http.protocol import Connection
from alt.operations import OPERATIONS
from alt.operations.caller import Caller
from alt.operations.context import Context
from alt.storage.sqlite.store import Store

LIST_TABLES = (
    b"POST / HTTP/1.1\r\nHost: localhost\r\nX-Amz-Target: DynamoDB_20120810.ListTables\r\n"
    b"Content-Type: application/x-amz-json-1.0\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"
)


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:0:0::1", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("/run/alt.sock", None),
    ],
)
def test_an_address_is_told_in_its_shortest_form(address: str, told: str | None) -> None:
    assert peer.shortest(address) == told


@pytest.mark.parametrize(("family", "address"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
def test_an_operation_can_ask_for_its_callers_address(
    monkeypatch: pytest.MonkeyPatch, family: int, address: str
) -> None:
    seen: list[str | None] = []

    def list_tables(_context: Context, _request: Any, caller: Caller) -> bytes:
        seen.append(caller.source_ip)
        return b"{}"

    monkeypatch.setitem(OPERATIONS, ("dynamodb", "ListTables"), list_tables)

    async def ask() -> bytes:
        loop = asyncio.get_running_loop()
        store = Store(None)
        context = Context(store, lambda: 0.0, lambda: "id")
        connections = Connections(Dispatcher(context, "localhost:0", Access("localhost")), loop)
        listener = socket.socket(family)
        try:
            listener.bind((address, 0))
        except OSError:
            pytest.skip("there is no such address here")
        server = await loop.create_server(lambda: Connection(connections), sock=listener)
        reader, writer = await asyncio.open_connection(*listener.getsockname()[:2])
        writer.write(LIST_TABLES)
        answer = await reader.read()
        writer.close()
        server.close()
        await store.close()
        return answer

    assert json.loads(asyncio.run(ask()).partition(b"\r\n\r\n")[2]) == {}
    assert seen == [address]
