"""A real server for black-box tests: one `alt start` process a test worker."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import boto3
import hypothesis
import pytest
from botocore.config import Config

from tests.postgres import Cluster

# Tests start hundreds of processes. Where Python is told to write no bytecode (PYTHONDONTWRITEBYTECODE, as in many images),
# each would compile all of Alt again, which is half of its life: so it is written all the same, but not beside the sources.
if sys.dont_write_bytecode:
    sys.dont_write_bytecode = False
    sys.pycache_prefix = str(Path(__file__).parent.parent / "build" / "bytecode")
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ["PYTHONPYCACHEPREFIX"] = sys.pycache_prefix

# Neither how fast a machine is nor what a search happens to draw first says anything of what is tested.
BY_CHANCE = (
    hypothesis.HealthCheck.too_slow,
    hypothesis.HealthCheck.filter_too_much,
    hypothesis.HealthCheck.data_too_large,
)
hypothesis.settings.register_profile("alt", deadline=None, suppress_health_check=BY_CHANCE)
hypothesis.settings.load_profile("alt")


class Server:
    """An `alt start` process on a free port, and clients for it.

    `program` is what Python runs for it; what it logs goes to the file `log`, if there is one. `environment`
    None is that of the tests.
    """

    def __init__(
        self,
        *options: str,
        program: Sequence[str] = ("-m", "alt.cli", "start"),
        log: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        with contextlib.nullcontext() if log is None else log.open("wb") as errors:
            self.process = subprocess.Popen(
                [sys.executable, *program, "--port", "0", *options],
                stdout=subprocess.PIPE,
                stderr=errors,
                env=environment,
                text=True,
            )
        assert self.process.stdout is not None
        lines = [self.process.stdout.readline()]
        while lines[-1] and not lines[-1].startswith("AWS_ENDPOINT_URL_DYNAMODB="):
            lines.append(self.process.stdout.readline())
        assert lines[-1], lines
        opening = "Alt listens on "
        self.urls = [line.strip().removeprefix(opening) for line in lines if line.startswith(opening)]
        self.url = lines[-1].strip().split("=", 1)[1]
        self.port = int(self.url.rpartition(":")[2])

    def client(self, service: str = "dynamodb", region: str = "us-east-1", **config: Any) -> Any:
        """A boto3 client that neither retries nor validates: errors are the server's."""
        options = {"retries": {"max_attempts": 0}, "parameter_validation": False, **config}
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name=region,
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=Config(**options),
        )

    def stop(self) -> int:
        """SIGTERM, and the exit status."""
        self.process.terminate()
        return self.process.wait(timeout=60)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(timeout=60)


@pytest.fixture(scope="session")
def server_type() -> type[Server]:
    """For who looks after a server alone."""
    return Server


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--engine",
        choices=["sqlite", "postgres"],
        default="sqlite",
        help="what keeps the data; postgres starts one",
    )


@pytest.fixture(scope="session")
def has_postgres(request: pytest.FixtureRequest) -> None:
    """Skips what needs a PostgreSQL, unless it was asked for."""
    if request.config.getoption("--engine") != "postgres":
        pytest.skip("it needs a database: pytest --engine postgres")


@pytest.fixture(scope="session")
def postgres(has_postgres: None) -> Iterator[Cluster]:  # noqa: ARG001
    """A PostgreSQL that a worker's tests share."""
    cluster = Cluster()
    yield cluster
    cluster.remove()


def prepared_database(cluster: Cluster) -> str:
    """Where a new database with Alt's tables in it is reached."""
    dsn = cluster.create_database(f"alt-{uuid.uuid4()}")
    init = [sys.executable, "-m", "alt.cli", "engine", "init", "--engine", dsn]
    subprocess.run(init, check=True, stdout=subprocess.DEVNULL)
    return dsn


@pytest.fixture(scope="session")
def shared_database(postgres: Cluster) -> str:
    """Where a database is reached that a worker's tests share."""
    return prepared_database(postgres)


@pytest.fixture
def empty_database(postgres: Cluster, shared_database: str) -> str:
    """The same, empty."""
    postgres.empty(shared_database)
    return shared_database


@pytest.fixture
def new_database(postgres: Cluster) -> str:
    """Where a database of the test's own is reached."""
    return prepared_database(postgres)


@pytest.fixture(scope="session")
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with its data on disk, shared by a worker's tests."""
    if request.config.getoption("--engine") == "postgres":
        where = ("--engine", prepared_database(request.getfixturevalue("postgres")))
    else:
        where = ("--data-dir", str(tmp_path_factory.mktemp("data")))
    running = Server(*where)
    yield running
    running.kill()


@pytest.fixture(scope="session")
def dynamodb(server: Server) -> Any:
    """A client of the shared server."""
    return server.client()


@pytest.fixture
def start_server() -> Iterator[Any]:
    """Start servers with options of the test's own; whatever still runs at its end is killed."""
    running: list[Server] = []

    def start(*options: str | Path, **program: Any) -> Server:
        running.append(Server(*map(str, options), **program))
        return running[-1]

    yield start
    for server in running:
        server.kill()
