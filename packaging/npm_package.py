"""Make the npm package: `python packaging/npm_package.py TARGET BINARY [PLATFORM=BINARY...]`.

TARGET is the folder that it is made in, which `npm pack` and `npm publish` take. The first binary is this platform's;
others are named as Node names them: `linux-arm64`, `darwin-arm64`, `win32-x64`.
"""

from __future__ import annotations

import json
import platform
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from alt import __version__

SOURCE = Path(__file__).resolve().parent / "npm"
_ARCHITECTURES = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64"}


def this_platform() -> str:
    """Node's name for the platform that this runs on."""
    machine = platform.machine().lower()
    return f"{sys.platform}-{_ARCHITECTURES.get(machine, machine)}"


def make(target: Path, binaries: Mapping[str, Path]) -> None:
    """Fill the folder, which must not exist yet."""
    shutil.copytree(SOURCE, target)
    shutil.copy(SOURCE.parent.parent / "LICENSE", target)
    manifest = json.loads((SOURCE / "package.json").read_text(encoding="utf-8"))
    manifest["version"] = __version__
    (target / "package.json").write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    for name, binary in binaries.items():
        folder = target / "binaries" / name
        folder.mkdir(parents=True)
        shutil.copy(binary, folder / f"alt{binary.suffix}")


if __name__ == "__main__":
    target, own, *others = sys.argv[1:]
    named = {this_platform(): own} | dict(each.split("=", 1) for each in others)
    make(Path(target), {name: Path(path) for name, path in named.items()})
