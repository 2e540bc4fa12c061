"""Make the one-file binary and prove that it works: `python packaging/build.py`.

A wheel is built and installed into a fresh environment with PyInstaller (never an
editable install, whose files PyInstaller does not see), the binary is made from
there, and then run: a boto3 program writes through it, it is stopped and started
again, and the data must be there. The binary is left in `dist/`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SUFFIX = ".exe" if sys.platform == "win32" else ""


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="alt-build-") as folder:
        work = Path(folder)
        python = _environment(work / "venv")
        _run(python, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", work / "wheel", ROOT)
        (wheel,) = (work / "wheel").glob("*.whl")
        _run(python, "-m", "pip", "install", "--quiet", wheel, "pyinstaller", "boto3")
        # From the work folder, so that `import alt` finds the wheel and not the sources beside it.
        spec = ROOT / "packaging" / "alt.spec"
        options = (
            "--log-level",
            "ERROR",
            "--noconfirm",
            "--distpath",
            ROOT / "dist",
            "--workpath",
            work / "build",
        )
        _run(python, "-m", "PyInstaller", *options, spec, cwd=work)
        binary = ROOT / "dist" / f"alt{SUFFIX}"
        _run(python, ROOT / "packaging" / "smoke.py", binary, cwd=work)
        print(f"{binary}: {binary.stat().st_size / 1e6:.1f} MB, built, started and used")


def _environment(folder: Path) -> Path:
    venv.create(folder, with_pip=True)
    return folder / ("Scripts" if sys.platform == "win32" else "bin") / f"python{SUFFIX}"


def _run(*command: str | Path, cwd: Path = ROOT) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    subprocess.run([str(part) for part in command], check=True, cwd=cwd, env=environment)


if __name__ == "__main__":
    main()
