"""Servers to measure, started with their data at rest on disk. Peers come from npm at run time."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from workloads import TABLE

START_SECONDS = 30
UUID_CHARACTERS = 36
_CACHE = Path(tempfile.gettempdir()) / "alt-bench-peers"


def _alt(port: int, folder: Path) -> list[str]:
    return [sys.executable, "-m", "alt.cli", "start", "--port", str(port), "--data-dir", str(folder)]


def _npm(package: str) -> Path:
    """The folder of an npm package, installed if it is not there yet."""
    if not (_CACHE / "node_modules" / package).exists():
        _CACHE.mkdir(parents=True, exist_ok=True)
        subprocess.run(
            ["npm", "install", "--silent", "--no-save", "--prefix", str(_CACHE), package], check=True
        )
    return _CACHE / "node_modules" / package


def _dynoxide(port: int, folder: Path) -> list[str]:
    package = _npm("@dynoxide/linux-x64")
    binary = next(
        path for path in package.rglob("dynoxide*") if path.is_file() and path.stat().st_mode & 0o111
    )
    return [str(binary), "serve", "--port", str(port), "--db-path", str(folder / "peer.db")]


def _dynalite(port: int, folder: Path) -> list[str]:
    return ["node", str(_npm("dynalite") / "cli.js"), "--port", str(port), "--path", str(folder)]


PEERS: dict[str, Callable[[int, Path], list[str]]] = {"dynoxide": _dynoxide, "dynalite": _dynalite}


class Servers:
    """Running servers by name, their URLs, and a folder for their data."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="alt-bench-"))
        self.urls: dict[str, str] = {}
        self._processes: list[subprocess.Popen[bytes]] = []

    def start(self, name: str) -> None:
        """Start `alt` or a peer, with its data at rest on disk."""
        data = self.folder / name
        data.mkdir()
        port = _free_port()
        self._run(name, port, (_alt if name == "alt" else PEERS[name])(port, data))

    def start_bare(self) -> None:
        """Start the bare loop on the file of Alt's plain table."""
        (table,) = (self.folder / "alt" / "tables").glob(f"{TABLE}-{'?' * UUID_CHARACTERS}.db")
        port = _free_port()
        self._run(
            "bare", port, [sys.executable, str(Path(__file__).parent / "bare.py"), str(table), str(port)]
        )

    def _run(self, name: str, port: int, command: list[str]) -> None:
        self._processes.append(subprocess.Popen(command, stdout=subprocess.DEVNULL))
        self.urls[name] = f"http://127.0.0.1:{port}"
        _await_port(port)

    def stop(self) -> None:
        for process in self._processes:
            process.kill()
            process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _await_port(port: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    raise RuntimeError(f"nothing listens on port {port} after {START_SECONDS} seconds")
