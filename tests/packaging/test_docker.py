"""The image as far as it goes without Docker: its entry point, and what its Dockerfile says."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

ROOT = Path(__file__).parent.parent.parent
ENTRY = ROOT / "packaging" / "docker" / "dynamodb_local.py"
DOCKERFILE = ROOT / "packaging" / "docker" / "Dockerfile"

_spec = importlib.util.spec_from_file_location("dynamodb_local", ENTRY)
assert _spec is not None
assert _spec.loader is not None
entry: Any = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(entry)

LAST_LINE = "AWS_ENDPOINT_URL_DYNAMODB="  # of what a server prints
OPEN = "--host 0.0.0.0 --allowed-host *"
JAR = "-jar DynamoDBLocal.jar"
COMMANDS = {
    "": f"start {OPEN}",
    "--memory": f"start {OPEN} --memory",
    "start --sync off": f"start {OPEN} --sync off",
    "tables ls": "tables ls",
    "--version": "--version",
    f"{JAR} -inMemory": f"start {OPEN} --port 8000 --memory",
    f"{JAR} -sharedDb -inMemory": f"start {OPEN} --port 8000 --memory",
    f"-Djava.library.path=./lib {JAR} -sharedDb": f"start {OPEN} --port 8000 --data-dir .",
    f"-Xmx1g {JAR} -sharedDb -dbPath ./data": f"start {OPEN} --port 8000 --data-dir ./data",
    f"{JAR} -dbPath /d -port 9000": f"start {OPEN} --port 9000 --data-dir /d --isolate account",
    "-inMemory -delayTransientStatuses -disableTelemetry": f"start {OPEN} --port 8000 --memory",
    "-sharedDb -dbPath /d -optimizeDbBeforeStartup": f"start {OPEN} --port 8000 --data-dir /d",
    "-inMemory -cors *": f"start {OPEN} --port 8000 --memory --cors-origin *",
    "-inMemory -cors http://a.example,http://b.example": (
        f"start {OPEN} --port 8000 --memory --cors-origin http://a.example --cors-origin http://b.example"
    ),
}


@pytest.mark.parametrize(("given", "made"), COMMANDS.items())
def test_what_the_image_is_told_becomes_a_command_of_alts(given: str, made: str) -> None:
    assert entry.command(given.split()) == made.split()


@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        ("-inMemory -dbPath /d", "-inMemory and -dbPath exclude each other"),
        ("-inMemory -port", "-port needs a value"),
        ("-sharedDB", "-sharedDB is no option of DynamoDB Local"),
        ("-inMemory 9000", "9000 is no option of DynamoDB Local"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(given: str, wrong: str) -> None:
    ended = subprocess.run(
        [sys.executable, ENTRY, *given.split()], capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stderr) == (1, f"Error: {wrong}\n")


@pytest.mark.parametrize(
    ("words", "port"),
    [
        ("python x.py -jar DynamoDBLocal.jar -port 9000", "9000"),
        ("alt start --port=9000", "9000"),
        ("alt start --port 9000", "9000"),
        ("alt start", "8000"),
    ],
)
def test_the_health_check_asks_the_port_that_is_served(words: str, port: str) -> None:
    assert entry.port_of(words.split()) == port


@pytest.fixture
def container(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The entry point run as in the image, and the URL that it prints."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    process = subprocess.Popen(
        [sys.executable, ENTRY, "-jar", "DynamoDBLocal.jar", "-dbPath", "./data", "-port", "0"],
        cwd=tmp_path,
        env=os.environ | {"PATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    last = next(line for line in iter(process.stdout.readline, "") if line.startswith(LAST_LINE))
    yield process, last.strip().removeprefix(LAST_LINE)
    process.terminate()
    process.wait()


@pytest.mark.skipif(sys.platform == "win32", reason="the image is Linux's")
def test_dynamodb_locals_options_start_a_server(
    container: tuple[subprocess.Popen[str], str], tmp_path: Path
) -> None:
    process, url = container
    port = url.rpartition(":")[2]

    def client(key: str) -> Any:
        return boto3.client(
            "dynamodb",
            endpoint_url=f"http://127.0.0.1:{port}",
            region_name="us-east-1",
            aws_access_key_id=key,
            aws_secret_access_key="any",
        )

    client("one").create_table(
        TableName="Music",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    assert client("one").list_tables()["TableNames"] == ["Music"]
    assert client("other").list_tables()["TableNames"] == []  # without -sharedDb
    assert (tmp_path / "data" / "catalog.db").exists()
    assert entry.is_healthy(["alt", "--port", port])
    process.terminate()
    process.wait()
    assert not entry.is_healthy(["alt", "--port", port])


@pytest.mark.parametrize(
    ("words", "given", "is_kept"),
    [
        ("", {}, True),
        ("-inMemory", {}, False),
        ("--memory", {}, False),
        ("", {"ALT_MEMORY": "1"}, False),
        ("--engine postgresql://db/alt", {}, False),
        ("start --engine=postgresql://db/alt", {}, False),
        ("", {"ALT_ENGINE": "postgresql://db/alt"}, False),
    ],
)
def test_the_images_directory_goes_with_no_other_place_for_the_data(
    words: str, given: dict[str, str], is_kept: bool
) -> None:
    made = entry.environment(entry.command(words.split()), {"ALT_DATA_DIR": "/data", "HOME": "/", **given})
    assert made == given | {"HOME": "/"} | ({"ALT_DATA_DIR": "/data"} if is_kept else {})


def instructions() -> list[tuple[str, str]]:
    text = re.sub(r"\\\n\s*", "", DOCKERFILE.read_text(encoding="utf-8"))
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(line.split()[0], line.split(maxsplit=1)[1]) for line in lines]


def test_the_dockerfile_names_what_is_there() -> None:
    given = instructions()
    assert {name for name, _ in given} <= {
        *("FROM", "COPY", "RUN", "ENV", "USER", "WORKDIR", "VOLUME", "EXPOSE", "STOPSIGNAL"),
        *("HEALTHCHECK", "ENTRYPOINT"),
    }
    for name, words in given:
        if name == "COPY" and not words.startswith("--from"):
            *sources, _target = words.split()
            assert all((ROOT / source).exists() for source in sources), words
    last = dict(given)
    assert last["EXPOSE"] == "8000" == entry.DEFAULT_PORT
    assert f"ALT_DATA_DIR={last['VOLUME']}" in last["ENV"].split()
    assert last["USER"] not in ("0", "root")
    entry_point = json.loads(last["ENTRYPOINT"])
    health = json.loads(last["HEALTHCHECK"].partition(" CMD ")[2])
    assert health == [*entry_point, entry.HEALTH]
    assert Path(entry_point[-1]).name == ENTRY.name
