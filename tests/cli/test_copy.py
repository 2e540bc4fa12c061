"""`alt copy`: from one server to another, gone on with after it broke off, and verified."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from alt.cli.asking.client import Client
from alt.cli.commands.copy import environment_of
from alt.cli.transfer import tables as transfer

from alt.errors import ApiError
from alt.testing import serve
from tests.cli.test_table_changes import CREATION, alike

Run = Callable[..., Any]


@pytest.fixture(scope="module")
def _other() -> Iterator[Any]:
    with serve() as server:
        yield server


@pytest.fixture
def other(_other: Any) -> Iterator[Any]:
    yield _other
    _other.reset()


@pytest.fixture
def ask_other(other: Any) -> Iterator[Any]:
    client = Client(other.url, {})
    yield lambda operation, **request: client.ask(operation, request)
    client.close()


@pytest.fixture
def copy(alt_here: Run, alt_server: Any, other: Any, ask: Any, tmp_path: Path) -> Run:
    """Copy Music, of 200 items, to the other server."""
    ask("CreateTable", **CREATION)
    expiry = {"Enabled": True, "AttributeName": "expires"}
    ask("UpdateTimeToLive", TableName="Music", TimeToLiveSpecification=expiry)
    for number in range(200):
        item = {
            "Artist": {"S": str(number)},
            "Song": {"S": "x"},
            "expires": {"N": "1"},
            "s": {"SS": ["b", "a"]},
        }
        ask("PutItem", TableName="Music", Item=item)
    ends = ["--from", alt_server.url, "--to", other.url, "--state", tmp_path / "state"]
    return lambda *arguments: alt_here("copy", *ends, "Music", *arguments)


def _items(ask: Any) -> list[str]:
    return sorted(json.dumps(item, sort_keys=True) for item in ask("Scan", TableName="Music")["Items"])


@pytest.fixture
def broken_off(copy: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy that came to no more than two pages."""
    whole = transfer.Transfer._copy_page
    pages = iter(range(2))

    def some(*arguments: Any) -> None:
        if next(pages, None) is None:
            raise ApiError("ThrottlingException", "slower")
        whole(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(transfer.Transfer, "_copy_page", some)
        broken = copy()
    assert (broken.status, broken.err) == (1, "Error: slower: the same command goes on from here\n")


def test_all_of_a_table_is_copied(
    copy: Run, alt_here: Run, ask: Any, ask_other: Any, other: Any, tmp_path: Path
) -> None:
    copied = copy()
    assert (copied.status, copied.err) == (0, "")
    assert copied.out == "Copied Music: 200 items, the same on both sides.\n"
    assert _items(ask_other) == _items(ask)
    shown = [
        json.loads(alt_here("tables", "show", "Music", "--json", *options).out)
        for options in ([], ["--endpoint-url", other.url])
    ]
    assert alike(shown[0]) == alike(shown[1])
    assert shown[1]["TimeToLiveDescription"] == {"TimeToLiveStatus": "ENABLED", "AttributeName": "expires"}
    assert not (tmp_path / "state").exists()


@pytest.mark.usefixtures("broken_off")
def test_a_copy_goes_on_where_it_broke_off(
    copy: Run, ask: Any, ask_other: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = len(_items(ask_other))
    assert 0 < before < 200
    written: list[int] = []
    whole = transfer.Transfer._copy_page

    def counted(copying: Any, page: Any, *arguments: Any) -> None:
        written.append(len(page["Items"]))
        whole(copying, page, *arguments)

    monkeypatch.setattr(transfer.Transfer, "_copy_page", counted)
    done = json.loads(copy("--json").out)
    assert done == [{"table": "Music", "items": 200, "verified": True}]
    assert before + sum(written) == 200
    assert _items(ask_other) == _items(ask)
    assert not (tmp_path / "state").exists()


def test_of_several_tables_those_that_are_done_stay(
    copy: Run, ask: Any, ask_other: Any, tmp_path: Path
) -> None:
    refused = copy("Second")
    assert (refused.status, refused.out) == (1, "Copied Music: 200 items, the same on both sides.\n")
    assert "Second not found" in refused.err
    assert (tmp_path / "state").exists()
    ask("CreateTable", **{**CREATION, "TableName": "Second"})
    done = json.loads(copy("Second", "--json").out)
    assert [(each["table"], each["items"]) for each in done] == [("Music", 200), ("Second", 0)]
    assert ask_other("ListTables")["TableNames"] == ["Music", "Second"]


@pytest.mark.usefixtures("broken_off")
@pytest.mark.parametrize(
    ("change", "difference"),
    [("PutItem", "200 items and 201"), ("UpdateItem", "items that differ")],
)
def test_what_differs_is_found(copy: Run, ask_other: Any, change: str, difference: str) -> None:
    copied = ask_other("Scan", TableName="Music")["Items"][0]
    if change == "PutItem":
        ask_other("PutItem", TableName="Music", Item={**copied, "Song": {"S": "another"}})
    else:
        ask_other("PutItem", TableName="Music", Item={**copied, "s": {"SS": ["a", "c"]}})
    refused = copy()
    assert refused.status == 1
    assert refused.err.startswith(f"Error: Music and its copy have {difference}: ")


@pytest.mark.usefixtures("broken_off")
def test_without_verifying(copy: Run, ask_other: Any) -> None:
    copied = ask_other("Scan", TableName="Music")["Items"][0]
    ask_other("PutItem", TableName="Music", Item={**copied, "s": {"SS": ["a", "c"]}})
    assert copy("--no-verify").out == "Copied Music: 200 items.\n"


def test_a_table_that_is_there_is_left_alone(copy: Run, ask_other: Any) -> None:
    ask_other("CreateTable", **CREATION)
    refused = copy()
    assert refused.status == 1
    assert refused.err.startswith(
        "Error: there is a table Music already: remove it, or go on with the --state file"
    )
    assert _items(ask_other) == []


@pytest.mark.usefixtures("broken_off")
def test_the_state_of_another_copy(alt_here: Run, other: Any, tmp_path: Path) -> None:
    state = tmp_path / "state"
    before = state.read_text()
    refused = alt_here("copy", "--from", "http://x", "--to", other.url, "--state", state, "Music")
    assert (refused.status, state.read_text()) == (1, before)
    assert "is of a copy from http" in refused.err
    state.write_text("{}")
    assert (
        "is no state of a copy"
        in alt_here("copy", "--from", "http://x", "--to", other.url, "--state", state, "Music").err
    )


@pytest.mark.parametrize("ends", [["--from", "http://x", "--to", "http://x"], []])
def test_both_sides_the_same(alt_here: Run, ends: list[str]) -> None:
    refused = alt_here("copy", *ends, "Music")
    assert (refused.status, refused.err.splitlines()[-1]) == (
        2,
        "Error: --from and --to are the same: `alt tables copy` copies a table beside itself.",
    )


KEYS = {"AWS_ACCESS_KEY_ID": "plain", "AWS_SECRET_ACCESS_KEY": "p", "AWS_SESSION_TOKEN": "t"}


@pytest.mark.parametrize(
    ("url", "environment", "wanted"),
    [
        ("http://a", KEYS, KEYS),
        (
            "http://a",
            {**KEYS, "AWS_ACCESS_KEY_ID_FROM": "from", "AWS_SECRET_ACCESS_KEY_FROM": "f"},
            {"AWS_ACCESS_KEY_ID": "from", "AWS_SECRET_ACCESS_KEY": "f"},
        ),
        ("http://a", {"AWS_ACCESS_KEY_ID_TO": "to"}, {}),
        (
            "https://dynamodb.eu-west-1.amazonaws.com",
            {"AWS_REGION": "us-east-1"},
            {"AWS_REGION": "eu-west-1"},
        ),
        ("http://a", {"AWS_DEFAULT_REGION": "x", "AWS_REGION_FROM": "y"}, {"AWS_REGION": "y"}),
    ],
)
def test_each_side_has_its_own_credentials(url: str, environment: Any, wanted: Any) -> None:
    assert environment_of(url, "FROM", environment) == wanted
