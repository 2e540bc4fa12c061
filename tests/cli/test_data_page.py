"""What the commands come to that docs/data.md shows for items and files."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.pages import section

Run = Callable[..., Any]


def _commands(title: str) -> list[list[str]]:
    """The words of each command in the first block of a section."""
    block = next(block for block in section("docs/data.md", title).blocks if not block.is_hidden)
    return [shlex.split(line, comments=True) for line in block.text.splitlines()]


@pytest.fixture
def run(alt_here: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], list[Any]]:
    """What the commands of a section come to, in a folder of their own; where one says > its output is in that file."""
    monkeypatch.chdir(tmp_path)

    def all_of(title: str) -> list[Any]:
        done = []
        for name, *words in _commands(title):
            assert name == "alt"
            words, file = (words[:-2], words[-1]) if words[-2] == ">" else (words, None)
            done.append(alt_here(*words))
            assert done[-1].status == 0, (words, done[-1].err)
            if file is not None:
                (tmp_path / file).write_text(done[-1].out, newline="")
        return done

    return all_of


@pytest.fixture
def music(alt_here: Run) -> None:
    assert alt_here("tables", "create", "Music", "--hash", "Artist:S", "--range", "Song:S").status == 0


@pytest.mark.usefixtures("music")
def test_items(run: Any) -> None:
    _, got, queried = run("Items")
    assert json.loads(got.out)["Tags"] == {"SS": ["new"]}
    assert json.loads(queried.out) == {
        "Artist": "Acme",
        "Song": "Happy Day",
        "Year": 1999,
        "Tags": {"$SS": ["new"]},
    }


@pytest.mark.usefixtures("music")
def test_load_and_dump(alt_here: Run, run: Any) -> None:
    item = '{"Artist": "Acme", "Song": "Happy, \\"Day\\"", "Year": 1999, "Tags": {"$SS": ["new"]}}'
    assert alt_here("items", "put", "Music", item, "--plain").status == 0
    assert alt_here("dump", "Music", "songs.jsonl.gz", "--plain").status == 0
    assert alt_here("dump", "Music", "export", "--format", "aws").status == 0
    assert alt_here("tables", "truncate", "Music", "--yes").status == 0
    loaded, dumped, *again = run("Load and dump")
    assert loaded.out == "Loaded 1 of 1 item into Music.\n"
    assert re.search(r"--types '(.*)'", dumped.err)
    assert [each.out for each in again] == [loaded.out, loaded.out]
    assert json.loads(alt_here("items", "scan", "Music", "--plain").out) == json.loads(item)
