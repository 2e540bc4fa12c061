"""The `alt` command as a user runs it: in a pipe or on a terminal."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from alt.cli import main
from alt.cli.asking.client import Client
from click.testing import CliRunner

ALT = (sys.executable, "-m", "alt.cli")

_STYLE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")

Run = Callable[..., "Result"]


class Result(NamedTuple):
    """How a command ended, and what it printed."""

    status: int
    out: str
    err: str

    @property
    def rows(self) -> list[list[str]]:
        """The cells of what it printed in a pipe."""
        return [line.split("\t") for line in self.out.splitlines()]


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that does not answer within two seconds may be well, on a busy machine."""
    monkeypatch.setattr("alt.cli.commands.running.ANSWER_SECONDS", 60.0)


@pytest.fixture
def alt_process() -> Run:
    """Run `alt` in a pipe and in a process of its own, for what depends on that: what it logs, its signals."""

    def run(*arguments: str | Path, stdin: str = "", **environment: str) -> Result:
        done = subprocess.run(
            [*ALT, *map(str, arguments)],
            input=stdin,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return Result(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture
def alt(alt_process: Run) -> Run:
    """Run `alt` as in a pipe: `alt("tables", "ls")`, with `stdin` and variables of the environment if given.

    It runs in the process of the tests, which saves the start of another; only `alt start` has its own.
    """

    def run(
        command: str | Path, *arguments: str | Path, stdin: str | bytes = "", **environment: str
    ) -> Result:
        if command == "start":
            return alt_process(command, *arguments, stdin=stdin, **environment)
        # A command sets the mask of its files for the process it is in.
        mask = os.umask(0o022)
        try:
            done = CliRunner().invoke(
                main, [str(command), *map(str, arguments)], input=stdin, env=environment
            )
        finally:
            os.umask(mask)
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return Result(done.exit_code, done.stdout, done.stderr)

    return run


@pytest.fixture
def alt_here(alt: Run, alt_server: Any, tmp_path: Path) -> Run:
    """Run `alt` against a server in memory that is empty when the test begins.

    What is not said is as in `alt`; `stdin` may be bytes. A directory without data is that of `ALT_DATA_DIR`.
    """

    def run(*arguments: str | Path, **more: Any) -> Result:
        variables = {
            "AWS_ENDPOINT_URL_DYNAMODB": alt_server.url,
            "ALT_DATA_DIR": str(tmp_path / "nothing"),
        }
        return alt(*arguments, **{**variables, **more})

    return run


@pytest.fixture
def ask(alt_server: Any) -> Iterator[Callable[..., Any]]:
    """Ask the server in memory in DynamoDB JSON, which boto3 does not show: `ask("Scan", TableName="Tab")`."""
    client = Client(alt_server.url, {})
    yield lambda operation, **request: client.ask(operation, request)
    client.close()


@pytest.fixture
def on_terminal() -> Run:
    """Run `alt` on a terminal of 100 columns; what is typed there is `typed`. Both outputs are one, without colours."""
    pty: Any = pytest.importorskip("pty")

    def run(*arguments: str | Path, typed: str = "") -> Result:
        ours, theirs = pty.openpty()
        process = subprocess.Popen(
            [*ALT, *map(str, arguments)],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env={**os.environ, "COLUMNS": "100", "TERM": "xterm"},
        )
        os.close(theirs)
        os.write(ours, typed.encode())
        printed = b""
        # At the end of the process Linux says EIO, others give nothing.
        try:
            while chunk := os.read(ours, 65_536):
                printed += chunk
        except OSError:
            pass
        os.close(ours)
        return Result(process.wait(timeout=60), _STYLE.sub("", printed.decode()).replace("\r\n", "\n"), "")

    return run


@pytest.fixture
def with_tables(start_server: Any, tmp_path: Path) -> Any:
    """A server on a directory with the tables Music (an index, two items) and Empty."""
    server = start_server("--data-dir", tmp_path)
    client = server.client()
    client.create_table(
        TableName="Music",
        AttributeDefinitions=[
            {"AttributeName": "Artist", "AttributeType": "S"},
            {"AttributeName": "Song", "AttributeType": "S"},
            {"AttributeName": "Year", "AttributeType": "N"},
        ],
        KeySchema=[
            {"AttributeName": "Artist", "KeyType": "HASH"},
            {"AttributeName": "Song", "KeyType": "RANGE"},
        ],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "by-year",
                "KeySchema": [{"AttributeName": "Year", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
        BillingMode="PAY_PER_REQUEST",
    )
    client.create_table(
        TableName="Empty",
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "B"}],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        ProvisionedThroughput={"ReadCapacityUnits": 5, "WriteCapacityUnits": 6},
    )
    for song in ("one", "two"):
        client.put_item(
            TableName="Music", Item={"Artist": {"S": "A"}, "Song": {"S": song}, "Year": {"N": "1999"}}
        )
    return server
