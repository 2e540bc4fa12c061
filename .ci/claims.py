"""What pyproject.toml claims, one a line, for .ci/run to try.

`claims.py pythons`: the versions of Python. `claims.py minima`: the lowest version of each dependency, as
requirements for pip.
"""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

PYTHON = "Programming Language :: Python :: 3."


def pythons(project: dict[str, list[str]]) -> list[str]:
    return [name.rpartition(" ")[2] for name in project["classifiers"] if name.startswith(PYTHON)]


def minima(project: dict[str, list[str]]) -> list[str]:
    """A dependency without a lowest version is an error: nothing could be said of it."""
    return [_lowest(dependency) for dependency in project["dependencies"]]


def _lowest(dependency: str) -> str:
    name, _, marker = dependency.partition(";")
    if ">=" not in name:
        raise SystemExit(f"pyproject.toml: {dependency} has no lowest version")
    return name.replace(">=", "==") + (marker and f" ;{marker}")


if __name__ == "__main__":
    path = Path(__file__).parent.parent / "pyproject.toml"
    claims = {"pythons": pythons, "minima": minima}[sys.argv[1]]
    print(*claims(tomllib.loads(path.read_text(encoding="utf-8"))["project"]), sep="\n")
