"""`alt streams ls` and `alt streams tail`."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ALT = (sys.executable, "-m", "alt.cli")
Run = Callable[..., Any]
STREAM = {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}


@pytest.fixture
def client(with_tables: Any) -> Any:
    """Of a server whose table Music got a stream after its two items."""
    client = with_tables.client()
    client.update_table(TableName="Music", StreamSpecification=STREAM)
    return client


def put(client: Any, song: str, **attributes: str) -> None:
    item = {"Artist": {"S": "A"}, "Song": {"S": song}}
    client.put_item(TableName="Music", Item=item | {name: {"S": text} for name, text in attributes.items()})


class Tail:
    """A running `alt streams tail Music` and its lines."""

    def __init__(self, *options: str | Path) -> None:
        self.process = subprocess.Popen(
            [*ALT, "streams", "tail", "Music", *map(str, options)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().rstrip("\n")

    def interrupt(self) -> tuple[int, str, str]:
        self.process.send_signal(signal.SIGINT)
        out, err = self.process.communicate(timeout=60)
        return self.process.returncode, out, err


@pytest.fixture
def tail() -> Iterator[Any]:
    """Start tails; what still runs at the end is killed."""
    running: list[Tail] = []

    def start(*options: str | Path) -> Tail:
        running.append(Tail(*options))
        return running[-1]

    yield start
    for each in running:
        each.process.kill()
        each.process.communicate()


def test_streams_are_listed(alt: Run, client: Any, tmp_path: Path) -> None:
    put(client, "three")
    put(client, "four")
    arn = client.describe_table(TableName="Music")["Table"]["LatestStreamArn"]
    listed = alt("streams", "ls", "--data-dir", tmp_path)
    assert listed.rows == [["Music", "2", "NEW_AND_OLD_IMAGES", "4", "ENABLED", arn]]
    (described,) = json.loads(alt("streams", "ls", "--json", "--data-dir", tmp_path).out)
    assert described["StreamArn"] == arn
    assert len(described["Shards"]) == 4


def test_tail_from_the_oldest_record_on(client: Any, tail: Any, tmp_path: Path) -> None:
    put(client, "three", x="1")
    put(client, "three", x="2\x1b[1m")
    following = tail("--from", "trim", "--data-dir", tmp_path)
    time, event, number, *shown = following.line().split("\t")
    assert time.endswith("Z")
    assert (event, number) == ("INSERT", "1" + "0" * 19 + "1")
    assert [json.loads(each) for each in shown] == [
        {"Artist": {"S": "A"}, "Song": {"S": "three"}},
        {"Artist": {"S": "A"}, "Song": {"S": "three"}, "x": {"S": "1"}},
    ]
    assert following.line().split("\t")[1] == "MODIFY"
    client.delete_item(TableName="Music", Key={"Artist": {"S": "A"}, "Song": {"S": "one"}})
    assert following.line().split("\t")[1] == "REMOVE"
    assert following.interrupt() == (0, "", "")


def test_tail_as_json_is_what_get_records_answers(client: Any, tail: Any, tmp_path: Path) -> None:
    for number in range(20):
        put(client, f"song {number}")
    following = tail("--from", "trim", "--json", "--data-dir", tmp_path)
    lines = [json.loads(following.line()) for _ in range(20)]
    assert [line["dynamodb"]["Keys"]["Song"]["S"] for line in lines] == [f"song {n}" for n in range(20)]
    assert set(lines[0]) == {"eventID", "eventName", "eventVersion", "eventSource", "awsRegion", "dynamodb"}


def test_tail_ends_with_the_stream(client: Any, tail: Any, tmp_path: Path) -> None:
    put(client, "three")
    following = tail("--from", "trim", "--data-dir", tmp_path)
    assert following.line()
    client.update_table(TableName="Music", StreamSpecification={"StreamEnabled": False})
    out, err = following.process.communicate(timeout=60)
    assert (following.process.returncode, out, err) == (0, "", "The stream of Music was disabled.\n")


def test_tail_without_a_server(with_tables: Any, tail: Any, tmp_path: Path) -> None:
    client = with_tables.client()
    client.update_table(TableName="Music", StreamSpecification=STREAM)
    put(client, "three")
    with_tables.kill()
    following = tail("--from", "trim", "--data-dir", tmp_path)
    assert following.line().split("\t")[1] == "INSERT"


def test_a_damaged_table_keeps_no_other_from_being_listed(alt: Run, client: Any, tmp_path: Path) -> None:
    client.update_table(TableName="Empty", StreamSpecification=STREAM)
    (file,) = (tmp_path / "tables").glob("Empty-*.db")
    with file.open("r+b") as opened:
        opened.write(b"no database at all")
    listed = alt("streams", "ls", "--data-dir", tmp_path)
    assert [row[0] for row in listed.rows] == ["Music"]
    problem = f"Error: cannot use table Empty ({file}): file is not a database\n"
    assert (listed.status, listed.err) == (1, problem)
    followed = alt("streams", "tail", "Empty", "--data-dir", tmp_path)
    assert (followed.status, followed.err) == (1, problem)


@pytest.mark.usefixtures("with_tables")
def test_what_cannot_be_followed(alt: Run, tmp_path: Path) -> None:
    absent = alt("streams", "tail", "Absent", "--data-dir", tmp_path)
    assert (absent.status, absent.err) == (
        1,
        "Error: no table Absent: `alt tables ls` lists those there are\n",
    )
    off = alt("streams", "tail", "Empty", "--data-dir", tmp_path)
    assert (off.status, off.err) == (
        1,
        "Error: Empty has no stream that is on: UpdateTable with a StreamSpecification turns one on\n",
    )
