"""`alt doctor`: what it finds wrong, and what it says to do."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from alt.cli import diagnosis

Run = Callable[..., Any]


@pytest.fixture
def doctor(alt_here: Run, tmp_path: Path) -> Callable[[], dict[str, Any]]:
    """What is found of the directory, by subject; and that the exit status is as it says."""

    def ask() -> dict[str, Any]:
        done = alt_here("doctor", "--json", "--data-dir", tmp_path)
        found = json.loads(done.out)
        assert done.status == int(any(each["state"] == "wrong" for each in found))
        return {each["subject"]: each for each in found}

    return ask


@pytest.fixture
def stopped(with_tables: Any, tmp_path: Path) -> Path:
    with_tables.stop()
    tmp_path.chmod(0o700)
    return tmp_path


def _states(found: dict[str, Any]) -> set[str]:
    return {subject for subject, each in found.items() if each["state"] != "ok"}


def test_all_is_well(doctor: Any, stopped: Path) -> None:
    found = doctor()
    assert _states(found) == set()
    assert found["catalog"]["what"] == "2 tables"
    assert found["server"]["what"] == "none runs"
    assert found["directory"]["what"] == str(stopped)


def test_a_running_server(doctor: Any, with_tables: Any, tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    found = doctor()
    assert _states(found) == set()
    assert with_tables.url in found["server"]["what"]


def test_what_is_wrong_with_files(doctor: Any, stopped: Path) -> None:
    (music,) = (stopped / "tables").glob("Music-*.db")
    (empty,) = (stopped / "tables").glob("Empty-*.db")
    shutil.copy(music, stopped / "tables" / "stranger.db")
    music.write_bytes(b"\xa5" * 100_000)
    empty.unlink()
    (stopped / "keys.db").touch()
    stopped.chmod(0o755)
    found = doctor()
    assert _states(found) == {"directory", "table Music", "table Empty", "files", "access keys"}
    assert found["directory"]["mend"] == f"chmod 700 {stopped}"
    assert found["table Music"]["mend"] == "alt tables check Music"
    assert found["table Empty"]["what"] == f"tables/{empty.name} is missing"
    assert (found["files"]["state"], "tables/stranger.db" in found["files"]["what"]) == ("warning", True)
    assert "keys.secret" in found["access keys"]["mend"]


def test_a_lost_catalog(doctor: Any, stopped: Path) -> None:
    (stopped / "catalog.db").unlink()
    found = doctor()
    assert (found["catalog"]["state"], found["catalog"]["mend"]) == ("wrong", "alt tables adopt")


def test_a_directory_of_somebody_elses(doctor: Any, tmp_path: Path) -> None:
    (tmp_path / "letter.txt").touch()
    found = doctor()
    assert found["catalog"]["state"] == "wrong"
    assert "letter.txt" in found["catalog"]["what"]


def test_a_directory_that_is_none(alt_here: Run, tmp_path: Path) -> None:
    later = alt_here("doctor", "--data-dir", tmp_path / "later")
    assert later.status == 0
    assert [
        "directory",
        "ok",
        f"{tmp_path / 'later'} is not there yet: `alt start` makes it",
        "",
    ] in later.rows


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="this user may do everything")
def test_a_directory_that_may_not_be_written(doctor: Any, tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    assert doctor()["directory"]["state"] == "wrong"


@pytest.mark.parametrize(("free", "state"), [(10**12, "ok"), (10**8, "warning"), (10**6, "wrong")])
def test_the_disk(doctor: Any, free: int, state: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=free))
    assert doctor()["disk"]["state"] == state


def test_a_package_that_is_missing(doctor: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diagnosis, "REQUIRED", ("ujson", "no_such_package"))
    found = doctor()
    assert found["packages"]["what"] == "no_such_package cannot be imported"
    assert found["packages"]["mend"].startswith("pip install")
