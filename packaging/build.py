"""Make every package and prove that it works: `python packaging/build.py`. They are left in `dist/`.

The source distribution is made, the wheel from that, and from the wheel, installed into a fresh environment, the
one-file binary, the one-folder build and, where there is npm, the package that carries the binary. (An editable install
is no use: PyInstaller does not see its files.) Each is then run: a boto3 program writes through it, it is stopped and
started again, and the data must be there.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGING = ROOT / "packaging"
DIST = ROOT / "dist"
SUFFIX = ".exe" if sys.platform == "win32" else ""
MAX_BINARY_BYTES = 40_000_000


def main() -> None:
    shutil.rmtree(DIST, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix="alt-build-") as folder:
        work = Path(folder)
        # Everything runs in the work folder, so that `import alt` finds the wheel and not the sources beside it.
        scripts = _environment(work / "venv")
        python = scripts / f"python{SUFFIX}"
        _run(python, "-m", "pip", "install", "--quiet", "build", "pyinstaller", "boto3", cwd=work)
        _run(python, "-m", "build", "--outdir", DIST, ROOT, cwd=work)
        (wheel,) = DIST.glob("*.whl")
        _run(python, "-m", "pip", "install", "--quiet", f"{wheel}[postgres,sql]", cwd=work)
        _try(python, scripts / f"alt{SUFFIX}", work)

        options = ("--log-level", "ERROR", "--noconfirm", "--distpath", DIST, "--workpath", work / "build")
        _run(python, "-m", "PyInstaller", *options, PACKAGING / "alt.spec", cwd=work)
        binary = DIST / f"alt{SUFFIX}"
        if binary.stat().st_size > MAX_BINARY_BYTES:
            raise SystemExit(f"{binary} has {binary.stat().st_size:,} bytes: what has come in?")
        _try(python, binary, work)
        _try(python, DIST / "alt-folder" / f"alt{SUFFIX}", work)
        if (npm := shutil.which("npm")) is not None:
            _try(python, _npm_package(python, npm, binary, work), work)
    print(f"{binary}: {binary.stat().st_size / 1e6:.1f} MB")


def _environment(folder: Path) -> Path:
    """The folder of a new environment's programs."""
    venv.create(folder, with_pip=True)
    return folder / ("Scripts" if sys.platform == "win32" else "bin")


def _npm_package(python: Path, npm: str, binary: Path, work: Path) -> Path:
    """The command of the package, packed and installed."""
    package, project = work / "alt-dynamodb", work / "project"
    _run(python, PACKAGING / "npm_package.py", package, binary, cwd=work)
    _run(npm, "pack", "--silent", "--pack-destination", DIST, package, cwd=work)
    (archive,) = DIST.glob("alt-dynamodb-*.tgz")
    project.mkdir()
    _run(npm, "install", "--silent", "--offline", "--no-audit", "--prefix", project, archive, cwd=project)
    return project / "node_modules" / ".bin" / f"alt-dynamodb{'.cmd' if sys.platform == 'win32' else ''}"


def _try(python: Path, program: Path, work: Path) -> None:
    _run(python, PACKAGING / "smoke.py", program, cwd=work)
    print(f"{program}: started and used", flush=True)


def _run(*command: str | Path, cwd: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    subprocess.run([str(part) for part in command], check=True, cwd=cwd, env=environment)


if __name__ == "__main__":
    main()
