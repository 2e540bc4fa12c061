"""A PostgreSQL of the tests' own: a cluster in a folder, reached by its socket alone, with fsync on."""

from __future__ import annotations

import asyncio
import atexit
import functools
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import asyncpg

USER = "alt"
PATIENCE_SECONDS = 120.0


def binaries() -> Path | None:
    """The folder of `initdb` and `postgres`: on the path, where Debian has them, or in the wheel `pgserver`."""
    found = shutil.which("initdb")
    folders = [Path(found).resolve().parent] if found else []
    folders += sorted(Path("/usr/lib/postgresql").glob("[1-9][0-9]/bin"), reverse=True)
    try:
        import pgserver
    except ImportError:
        pass
    else:
        folders.append(Path(pgserver.__file__).parent / "pginstall" / "bin")
    return next((folder for folder in folders if (folder / "initdb").exists()), None)


@functools.cache
def reachable_by(user: str, folder: Path) -> Path:
    """The folder; of the wheel's a copy, with the libraries beside it, where a user may not look into it (as of a home)."""
    run = ["runuser", "-u", user, "--", "test", "-x", str(folder / "initdb")]
    if subprocess.run(run, check=False).returncode == 0:
        return folder
    wheel = folder.parent.parent
    copy = Path(tempfile.mkdtemp(prefix="alt-postgres-program-"))
    atexit.register(shutil.rmtree, copy, ignore_errors=True)
    copy.chmod(0o755)
    for part in (wheel, wheel.with_suffix(".libs")):
        shutil.copytree(part, copy / part.name)
    return copy / folder.relative_to(wheel.parent)


def unprivileged() -> str:
    """Whose process it is where the tests are root's: it refuses to be root's."""
    import pwd

    users = {user.pw_name for user in pwd.getpwall()}
    return "postgres" if "postgres" in users else "nobody"


def name_of(dsn: str) -> str:
    """The database's name in a DSN as `Cluster.dsn` makes them."""
    return dsn.partition("@/")[2].partition("?")[0]


class Cluster:
    """A running server. `dsn(database)` is where it is reached."""

    def __init__(self, *settings: str, primary: Cluster | None = None) -> None:
        folder = binaries()
        assert folder is not None, "there is no PostgreSQL: install it, or pip install -e '.[test-postgres]'"
        self._binaries = folder
        self._settings = settings
        self.folder = Path(tempfile.mkdtemp(prefix="alt-postgres-"))
        self._run_as: list[str] = []
        if sys.platform != "win32" and os.geteuid() == 0:
            user = unprivileged()
            shutil.chown(self.folder, user)
            self._run_as = ["runuser", "-u", user, "--"]
            self._binaries = reachable_by(user, folder)
        if primary is None:
            self._call(
                "initdb", "-D", self._data, "-U", USER, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"
            )
        else:
            self._call(
                "pg_basebackup", "-D", self._data, "-h", str(primary.folder), "-U", USER, "-R", "-c", "fast"
            )
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def _data(self) -> str:
        return str(self.folder / "data")

    @property
    def _log(self) -> Path:
        return self.folder.parent / f"{self.folder.name}.log"

    def dsn(self, database: str = "postgres") -> str:
        return f"postgresql://{USER}@/{database}?host={self.folder}"

    def start(self) -> None:
        """Start it, and return once it answers."""
        command = [
            str(self._binaries / "postgres"),
            "-D",
            self._data,
            "-k",
            str(self.folder),
            "-c",
            "listen_addresses=",
        ]
        for setting in self._settings:
            command += ["-c", setting]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen([*self._run_as, *command], stdout=log, stderr=log)
        end = time.monotonic() + PATIENCE_SECONDS
        while not self._answers():
            assert time.monotonic() < end, "PostgreSQL did not start"
            time.sleep(0.05)

    def standby(self) -> Cluster:
        """A running copy of it that follows; it takes nothing but reads until it is promoted."""
        return Cluster(*self._settings, primary=self)

    def promote(self) -> None:
        self._call("pg_ctl", "-D", self._data, "-w", "promote")

    def stop(self, mode: str = "fast") -> None:
        """`immediate` is what a crash is."""
        self._call("pg_ctl", "-D", self._data, "-m", mode, "-w", "stop")
        if self._process is not None:
            self._process.wait(PATIENCE_SECONDS)

    def create_database(self, name: str) -> str:
        """Where the new database is reached."""
        self.execute(f'CREATE DATABASE "{name}"')
        return self.dsn(name)

    def empty(self, dsn: str) -> None:
        """Take everything out of a database with Alt's tables."""
        name = name_of(dsn)
        tables = self.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'alt'", name)
        for (table,) in tables:
            if table not in ("format", "fence"):
                self.execute(f"DELETE FROM alt.{table}", name)

    def execute(self, statement: str, database: str = "postgres") -> list[Any]:
        """A statement's rows."""

        async def ask() -> list[Any]:
            connection = await asyncpg.connect(self.dsn(database), timeout=PATIENCE_SECONDS)
            try:
                return list(await connection.fetch(statement))
            finally:
                await connection.close()

        return asyncio.run(ask())

    def remove(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self.stop("immediate")
        shutil.rmtree(self.folder, ignore_errors=True)
        self._log.unlink(missing_ok=True)

    def _answers(self) -> bool:
        try:
            return bool(self.execute("SELECT 1"))
        except (OSError, asyncpg.PostgresError):
            return False

    def _call(self, program: str, *arguments: str) -> None:
        command = [*self._run_as, str(self._binaries / program), *arguments]
        subprocess.run(command, check=True, capture_output=True, cwd=self.folder)
