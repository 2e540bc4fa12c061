"""`alt faults` on a running server, and how it finds that."""

from __future__ import annotations

import json
import shlex
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from alt.testing import Server, serve
from tests.cli.conftest import Run

PAGE = Path(__file__).parents[2] / "docs" / "testing.md"


@pytest.fixture
def server() -> Iterator[Server]:
    with serve() as running:
        running.seed({"Music": {}})
        yield running


def test_the_command(server: Server, alt: Run) -> None:
    at = {"AWS_ENDPOINT_URL_DYNAMODB": server.url}
    done = alt("faults", "internal_error", "Music", "--next", "1", "--operation", "GetItem", **at)
    assert done.rows == [["internal-error", "Music", "next 1", "GetItem", "1", "0"]]
    with pytest.raises(ClientError, match="InternalServerError"):
        server.client(config=Config(retries={"max_attempts": 0})).get_item(
            TableName="Music", Key={"pk": {"S": "a"}}
        )
    port = {"ALT_PORT": server.url.rpartition(":")[2]}
    assert alt("faults", "slow", "Music", "--delay", "0.5", "--for", "9", "--share", "0.5", **port).rows == [
        ["slow by 0.5 s", "Music", "share 0.5, 9 s", "all", "", "0"]
    ]
    assert len(json.loads(alt("faults", "ls", "--json", **at).out)) == 1
    assert alt("faults", "clear", **at) == (0, "", "")
    wrong = alt("faults", "throttle", "Music", "--operation", "ListTables", **at)
    assert wrong.status == 1
    assert wrong.err.startswith("Error: throttle does nothing to 'ListTables'")


def test_what_the_page_shows_works(server: Server, alt: Run) -> None:
    lines = PAGE.read_text("utf-8").splitlines()
    commands = [line for line in lines if line.startswith("alt faults ")]
    at = {"AWS_ENDPOINT_URL_DYNAMODB": server.url}
    assert [alt(*shlex.split(command)[1:], **at).status for command in commands] == [0, 0, 0, 0]
    for command in [line for line in lines if line.startswith("curl ")]:
        _, _, method, *data, url = shlex.split(command)
        address = url.replace("http://127.0.0.1:8000", server.url)
        body = data[1].encode() if data else None
        with urllib.request.urlopen(urllib.request.Request(address, body, method=method)) as answer:
            assert len(json.loads(answer.read())["faults"]) == (method == "PUT")


def test_the_command_finds_the_server_of_a_data_directory(
    tmp_path: Path, start_server: Any, alt: Run
) -> None:
    directory = tmp_path / "data"
    server = start_server("--data-dir", directory, "--faults")
    assert alt("faults", "ls", "--data-dir", directory) == (0, "", "")
    server.stop()
    assert "no server runs on" in alt("faults", "ls", "--data-dir", directory).err
    assert "no server runs on" in alt("faults", "ls", "--data-dir", tmp_path / "absent").err
    start_server("--data-dir", directory)
    assert "--faults" in alt("faults", "ls", "--data-dir", directory).err


def test_where_signatures_are_asked_for_only_an_administrator_may(tmp_path: Path, alt: Run) -> None:
    directory = tmp_path / "data"
    with serve(data_dir=directory):
        pass
    keys = {}
    for role in ("admin", "readwrite"):
        shown = alt("keys", "create", role, "--role", role, "--data-dir", directory).out
        keys[role] = dict(line.split("=", 1) for line in shown.splitlines() if line.startswith("AWS_"))
    with serve(data_dir=directory, auth="enforce", faults=True) as server:
        at = {"AWS_ENDPOINT_URL_DYNAMODB": server.url}
        assert alt("faults", "ls", **at, **keys["admin"]).status == 0
        assert (
            "not authorized to perform: dynamodb:InjectFault"
            in alt("faults", "ls", **at, **keys["readwrite"]).err
        )
        assert "security token" in alt("faults", "ls", **at).err
