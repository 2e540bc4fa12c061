"""The version is said in one place, and what is installed and the command both have it from there."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_the_project_names_no_version_of_its_own() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert "version" not in project["project"]
    assert project["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "alt.__version__"}


def test_the_command_prints_the_version_that_is_installed() -> None:
    installed = importlib.metadata.version("alt-dynamodb")
    shown = subprocess.run(
        [sys.executable, "-m", "alt.cli", "--version"], capture_output=True, text=True, check=True
    )
    assert shown.stdout == f"alt, version {installed}\n", "pip install -e . again after a new version"


def test_the_changelog_begins_with_this_version() -> None:
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    newest = next(line for line in changes.splitlines() if line.startswith("## "))
    assert newest.split()[1] == importlib.metadata.version("alt-dynamodb")


def test_the_lowest_python_is_the_same_wherever_it_is_said() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    lowest = project["project"]["requires-python"].removeprefix(">=")
    named = [name.rpartition(" ")[2] for name in project["project"]["classifiers"] if ":: 3." in name]
    assert named[0] == lowest
    assert project["tool"]["mypy"]["python_version"] == lowest
    assert project["tool"]["ruff"]["target-version"] == "py" + lowest.replace(".", "")
