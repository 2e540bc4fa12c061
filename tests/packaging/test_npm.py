"""The npm package, with this environment's `alt` in the place of the binary; packaging/build.py tries the real one."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

import alt

ROOT = Path(__file__).parent.parent.parent
PROGRAM = Path(sys.executable).parent / "alt"

pytestmark = pytest.mark.skipif(
    sys.platform == "win32" or shutil.which("npm") is None, reason="needs npm and a POSIX system"
)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A JavaScript project that has the package, packed and installed."""
    folder = tmp_path_factory.mktemp("npm")
    package, project = folder / "package", folder / "project"
    make = [sys.executable, ROOT / "packaging" / "npm_package.py", package, PROGRAM]
    subprocess.run(make, check=True)
    pack = ["npm", "pack", "--silent", "--pack-destination", str(folder), str(package)]
    archive = subprocess.run(pack, check=True, capture_output=True, text=True).stdout.strip()
    assert archive == f"alt-dynamodb-{alt.__version__}.tgz"
    project.mkdir()
    install = [
        "npm",
        "install",
        "--silent",
        "--offline",
        "--no-audit",
        "--prefix",
        str(project),
        str(folder / archive),
    ]
    subprocess.run(install, check=True, cwd=project)
    return project


def test_it_serves_until_it_is_stopped(project: Path, tmp_path: Path) -> None:
    server = subprocess.Popen(
        ["npx", "--offline", "alt-dynamodb"],
        cwd=project,
        env=os.environ | {"ALT_PORT": "0", "ALT_DATA_DIR": str(tmp_path / "data")},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert server.stdout is not None
    url = server.stdout.readline().split()[-1]
    with urllib.request.urlopen(url) as answer:
        assert answer.read().startswith(b"healthy")
    os.killpg(server.pid, signal.SIGINT)
    server.stdout.read()
    server.wait()
    assert not list((tmp_path / "data").glob("*-wal"))  # it closed its files


def test_words_are_a_command(project: Path, tmp_path: Path) -> None:
    program = project / "node_modules" / ".bin" / "alt-dynamodb"
    shown = subprocess.run([program, "--version"], check=True, capture_output=True, text=True).stdout
    assert shown.split()[-1] == alt.__version__
    wrong = subprocess.run(
        [program, "status", "--data-dir", tmp_path], capture_output=True, text=True, check=False
    )
    assert wrong.returncode != 0
    assert wrong.stderr


def test_a_platform_without_a_binary_is_named(project: Path, tmp_path: Path) -> None:
    package = tmp_path / "package"
    shutil.copytree(project / "node_modules" / "alt-dynamodb", package)
    (own,) = (package / "binaries").iterdir()
    own.rename(own.with_name("plan9-x64"))
    ended = subprocess.run(
        ["node", package / "bin" / "alt-dynamodb.js"], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 1
    assert f"has no program for {own.name}, only for plan9-x64" in ended.stderr


def test_the_manifest_is_of_the_project() -> None:
    manifest = json.loads((ROOT / "packaging" / "npm" / "package.json").read_text(encoding="utf-8"))
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert f'name = "{manifest["name"]}"' in project
    assert f'description = "{manifest["description"]}"' in project
