"""The package list is complete, and imports flow one way."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator
from functools import cache
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
# What of storage is seen from above.
FACE = ("alt.storage.engine", "alt.storage.model")
# The composition root picks the engine, and the commands look after its files.
BEHIND_THE_FACE = ("service", "cli")
# The families of operations, and whose functions each may use beside its own.
FAMILIES: dict[str, set[str]] = {
    "capacity": {"tables"},
    "items": {"capacity"},
    "queries": set(),
    "streams": set(),
    "tables": {"streams"},
    "backups": {"tables"},
}
# Beneath the families: what every operation is given, and what is theirs in common.
COMMON = {"account", "arns", "caller", "context", "keys", "parameters", "reply"}


def _name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    dotted = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
    return dotted if dotted.startswith("alt") else f"alt.{dotted}"


FILES = {_name(path): path for folder in ("alt", "cli") for path in (ROOT / folder).rglob("*.py")}


@cache
def _imported(module: str) -> frozenset[str]:
    """The modules of Alt that a module imports, and others by their top-level names."""
    package = module if FILES[module].name == "__init__.py" else module.rpartition(".")[0]
    names: set[str] = set()
    for node in ast.walk(ast.parse(FILES[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            source = f"{package}.{node.module or ''}".rstrip(".") if node.level else str(node.module)
            names.update(f"{source}.{alias.name}" for alias in node.names)
    return frozenset(_module_of(name) for name in names)


def _module_of(name: str) -> str:
    """The module that an imported name is, or is from."""
    if name.split(".")[0] != "alt":
        return name.split(".")[0]
    while name not in FILES and "." in name:
        name = name.rpartition(".")[0]
    return name


def _part(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


@pytest.mark.parametrize("module", sorted(FILES))
def test_nothing_imports_upwards(module: str) -> None:
    part = _part(module)
    if not part:
        return
    others = {_part(each) for each in _imported(module) if each.startswith("alt.")} - {part}
    assert not {other for other in others if LEVELS[other] > LEVELS[part]}
    # Errors and settings are at the bottom together.
    assert not {other for other in others if LEVELS[other] == LEVELS[part]} - LAYERS[0]


@pytest.mark.parametrize("module", sorted(FILES))
def test_only_the_face_of_storage_is_seen_from_above(module: str) -> None:
    if _part(module) in BEHIND_THE_FACE or LEVELS.get(_part(module), 0) <= LEVELS["storage"]:
        return
    seen = {each for each in _imported(module) if each.startswith("alt.storage")}
    assert not {each for each in seen if not each.startswith(FACE)}


@pytest.mark.parametrize("module", sorted(FILES))
def test_sqlite_stays_in_its_engine(module: str) -> None:
    if module.startswith("alt.storage.sqlite") or _part(module) == "cli":
        return
    assert "apsw" not in _imported(module)


@pytest.mark.parametrize("module", [each for each in sorted(FILES) if each.startswith("alt.storage.")])
def test_the_model_and_the_face_know_no_engine(module: str) -> None:
    if module.startswith(FACE):
        assert not {each for each in _imported(module) if each.startswith("alt.storage.sqlite")}


@pytest.mark.parametrize("module", [each for each in sorted(FILES) if each.startswith("alt.operations.")])
def test_families_of_operations_use_each_other_where_the_list_allows_it(module: str) -> None:
    family = module.split(".")[2]
    used = {each.split(".")[2] for each in _imported(module) if each.startswith("alt.operations.")}
    if family in FAMILIES:
        assert not used - {family} - FAMILIES[family] - COMMON
    elif family != "context":
        assert not used & FAMILIES.keys()


def test_there_is_no_circle() -> None:
    assert not list(_circles())


def _circles() -> Iterator[list[str]]:
    """Circles of imports, those for type checking included."""
    graph = {
        module: sorted(other for other in _imported(module) if other in FILES and other != module)
        for module in FILES
    }
    done: set[str] = set()

    def walk(module: str, way: list[str]) -> Iterator[list[str]]:
        if module in way:
            yield [*way[way.index(module) :], module]
        elif module not in done:
            for other in graph[module]:
                # A package's own modules are its inside: it may list them, and they may name it.
                if not other.startswith(f"{module}.") and not module.startswith(f"{other}."):
                    yield from walk(other, [*way, module])
            done.add(module)

    for module in sorted(graph):
        yield from walk(module, [])


def test_every_package_is_in_the_wheel() -> None:
    with (ROOT / "pyproject.toml").open("rb") as file:
        listed = set(tomllib.load(file)["tool"]["setuptools"]["packages"])
    folders = {path.parent for path in (ROOT / "alt").rglob("__init__.py")}
    packages = {".".join(folder.relative_to(ROOT).parts) for folder in folders}
    assert listed == packages | {"alt.cli", "alt.sql"}
