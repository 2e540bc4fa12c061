"""The package list is complete, and imports flow one way."""

from __future__ import annotations

import ast
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
# From the bottom up; what stands on one line is side by side and independent.
LAYERS = [
    {"errors", "config", "clock", "descriptors", "sql"},
    {"values", "capacity"},
    {"validation", "expressions"},
    {"storage"},
    {"operations"},
    {"http"},
    {"service"},
    {"cli"},
]
LEVELS = {part: level for level, parts in enumerate(LAYERS) for part in parts}


def _sources() -> list[tuple[str, Path]]:
    files = [
        (path.relative_to(ROOT / "alt").parts[0].removesuffix(".py"), path)
        for path in (ROOT / "alt").rglob("*.py")
    ]
    return [(part, path) for part, path in files if part != "__init__"] + [
        ("cli", path) for path in (ROOT / "cli").rglob("*.py")
    ]


def _imported(path: Path) -> set[str]:
    """The parts of Alt that a file imports."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return {name.split(".")[1] for name in names if name.startswith("alt.")} & LEVELS.keys()


@pytest.mark.parametrize(("part", "path"), _sources(), ids=lambda value: str(value).removeprefix(f"{ROOT}/"))
def test_nothing_imports_upwards(part: str, path: Path) -> None:
    upwards = {other for other in _imported(path) - {part} if LEVELS[other] >= LEVELS[part]}
    # Errors and settings are at the bottom together.
    assert not upwards - LAYERS[0]


def test_every_package_is_in_the_wheel() -> None:
    with (ROOT / "pyproject.toml").open("rb") as file:
        listed = set(tomllib.load(file)["tool"]["setuptools"]["packages"])
    folders = {path.parent for path in (ROOT / "alt").rglob("__init__.py")}
    packages = {".".join(folder.relative_to(ROOT).parts) for folder in folders}
    assert listed == packages | {"alt.cli", "alt.sql"}
