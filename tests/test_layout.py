"""The package list is complete, and imports flow one way."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
# From the bottom up; what stands on one line is side by side and independent.
LAYERS = [
    {"errors", "config", "clock", "descriptors", "memory", "certificates", "tally", "sql"},
    {"audit", "values", "capacity", "auth", "metrics"},
    {"validation", "expressions"},
    {"storage"},
    {"operations"},
    {"faults"},
    {"http"},
    {"realms"},
    {"service"},
    {"cli", "testing"},
    {"pytest_plugin"},
]
LEVELS = {part: level for level, parts in enumerate(LAYERS) for part in parts}
# What of storage is seen from above.
FACE = ("alt.storage.engine", "alt.storage.model")
# The composition root picks the engine, and the commands look after its files.
BEHIND_THE_FACE = ("realms", "service", "cli")
# The families of operations, and whose functions each may use beside its own.
FAMILIES: dict[str, set[str]] = {
    "capacity": {"tables"},
    "items": {"capacity"},
    "queries": set(),
    "partiql": {"items", "queries", "capacity"},
    "streams": set(),
    "tables": {"streams"},
    "backups": {"tables"},
    "authorization": {"partiql", "queries"},
}
# Beneath the families: what every operation is given, and what is theirs in common.
COMMON = {"account", "arns", "caller", "context", "keys", "observed", "parameters", "reply"}


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


@pytest.mark.parametrize("module", sorted(FILES))
def test_the_driver_of_databases_stays_in_its_engine(module: str) -> None:
    """It is an extra: the commands import it where they need it, and nothing does where nobody asks for it."""
    if module.startswith("alt.storage.postgres") or module == "alt.cli.asking.database":
        return
    assert "asyncpg" not in _imported(module)


def test_a_server_without_an_engine_imports_nothing_of_it() -> None:
    told = "import sys, alt.cli, alt.cli.commands.start, alt.service; print(*sys.modules, sep='\\n')"
    modules = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    imported = modules.stdout.splitlines()
    assert "alt.storage.sqlite.store" in imported
    assert not [each for each in imported if each.startswith(("asyncpg", "alt.storage.postgres"))]


@pytest.mark.parametrize("module", [each for each in sorted(FILES) if each.startswith("alt.storage.")])
def test_the_model_and_the_face_know_no_engine(module: str) -> None:
    if module.startswith(FACE):
        engines = ("alt.storage.sqlite", "alt.storage.postgres")
        assert not {each for each in _imported(module) if each.startswith(engines)}


def test_no_engine_knows_another() -> None:
    engines = ("alt.storage.sqlite", "alt.storage.postgres")
    for module in FILES:
        own = next((engine for engine in engines if module.startswith(engine)), None)
        others = tuple(engine for engine in engines if engine != own)
        if own is not None:
            assert not [each for each in _imported(module) if each.startswith(others)], module


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


@pytest.mark.parametrize("module", sorted(FILES))
def test_transactions_are_begun_in_one_way(module: str) -> None:
    """By `connections.transaction`: `with connection` would hold up everything else until the disk has it.

    So nothing but a lock is entered that was there before, but where a file was just opened.
    """
    entered = {
        ast.unparse(item.context_expr)
        for node in ast.walk(ast.parse(FILES[module].read_text(encoding="utf-8")))
        if isinstance(node, ast.With)
        for item in node.items
        if isinstance(item.context_expr, ast.Name | ast.Attribute)
    }
    assert entered <= {"self._lock", "self._queue", "file"}


def test_every_package_is_in_the_wheel() -> None:
    with (ROOT / "pyproject.toml").open("rb") as file:
        listed = set(tomllib.load(file)["tool"]["setuptools"]["packages"])
    packages = {
        ".".join(path.parent.relative_to(ROOT).parts)
        for folder in ("alt", "cli")
        for path in (ROOT / folder).rglob("__init__.py")
    }
    assert listed == {re.sub(r"^cli", "alt.cli", package) for package in packages} | {"alt.sql"}
