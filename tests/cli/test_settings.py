"""Settings from options, variables and a file, and what `alt config show` says of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]

FILE = """
port = 8123
host = "127.0.0.2"
sync = "off"
data-dir = "data"
memory = false
cors-origin = ["https://app.example", "*"]
ttl-interval = 1
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "alt.toml"
    path.write_text(FILE)
    return path


@pytest.fixture
def shown(alt_here: Run) -> Callable[..., dict[str, tuple[Any, str]]]:
    """Each setting's value, and where it comes from."""

    def show(*options: str | Path, **environment: str) -> dict[str, tuple[Any, str]]:
        done = alt_here("config", "show", "--json", *options, **{"ALT_DATA_DIR": "", **environment})
        assert (done.status, done.err) == (0, "")
        return {each["name"]: (each["value"], each["from"]) for each in json.loads(done.out)}

    return show


def test_options_go_before_variables_and_these_before_the_file(shown: Any, file: Path) -> None:
    found = shown("--config", file, "--host", "127.0.0.3", ALT_HOST="127.0.0.4", ALT_SYNC="normal")
    assert found["host"] == ("127.0.0.3", "--host")
    assert found["sync"] == ("normal", "ALT_SYNC")
    assert found["port"] == (8123, str(file))
    assert found["data-dir"] == (str(file.parent / "data"), str(file))
    assert found["memory"] == (False, str(file))
    assert found["cors-origin"] == (["https://app.example", "*"], str(file))
    assert found["ttl-interval"] == (1.0, str(file))
    assert found["auth"] == ("off", "default")
    assert shown(ALT_CONFIG=str(file))["port"] == (8123, str(file))
    assert shown()["port"] == (8000, "default")


def test_in_a_pipe(alt_here: Run, file: Path) -> None:
    rows = {row[0]: row[1:] for row in alt_here("config", "show", "--config", file).rows}
    assert rows["port"] == ["8123", str(file), "8000"]
    assert rows["item-collection-limit"] == ["10 GB", "default", "10 GB"]
    assert rows["cors-origin"] == ["https://app.example *", str(file), "none"]
    assert rows["enforce-throughput"] == ["off", "default", "off"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("prot = 1", "prot is no setting: did you mean port?"),
        ("elephants = 1", "elephants is no setting: `alt config show` lists those there are"),
        ("port = 70000", "port: 70000 is not in the range 0<=x<=65535."),
        ("port = true", "port: give one value"),
        ("memory = 1", "memory: give true or false"),
        ('cors-origin = "*"', "cors-origin: give an array"),
        ('cors-origin = ["x"]', "cors-origin: x is no origin: give https://app.example"),
        ('sync = "sometimes"', "sync: 'sometimes' is not one of "),
    ],
)
def test_what_a_file_cannot_say(alt_here: Run, file: Path, text: str, message: str) -> None:
    file.write_text(text)
    refused = alt_here("config", "show", "--config", file)
    assert (refused.status, refused.out) == (1, "")
    assert refused.err.startswith(f"Error: {file}: {message}")


def test_a_file_that_is_none(alt_here: Run, tmp_path: Path) -> None:
    missing = alt_here("config", "show", "--config", tmp_path / "none")
    assert missing.err == f"Error: cannot read {tmp_path / 'none'}: No such file or directory\n"
    (tmp_path / "bad").write_text("port 8000")
    assert "is no TOML" in alt_here("config", "show", "--config", tmp_path / "bad").err


def test_a_server_takes_its_settings_from_a_file(alt_here: Run, start_server: Any, tmp_path: Path) -> None:
    """And is found by it."""
    (tmp_path / "alt.toml").write_text('data-dir = "here"\nhost = "127.0.0.2"\n')
    server = start_server("--config", tmp_path / "alt.toml")
    assert server.url.startswith("http://127.0.0.2:")
    assert (tmp_path / "here" / "catalog.db").exists()
    place = {"ALT_CONFIG": str(tmp_path / "alt.toml"), "ALT_DATA_DIR": "", "AWS_ENDPOINT_URL_DYNAMODB": ""}
    assert json.loads(alt_here("status", "--json", **place).out)["address"] == server.url


def test_a_server_in_memory_is_found_by_the_port_in_a_file(
    alt_here: Run, alt_server: Any, tmp_path: Path
) -> None:
    (tmp_path / "alt.toml").write_text(f"memory = true\nport = {alt_server.url.rpartition(':')[2]}\n")
    place = {"ALT_CONFIG": str(tmp_path / "alt.toml"), "ALT_DATA_DIR": "", "AWS_ENDPOINT_URL_DYNAMODB": ""}
    assert json.loads(alt_here("status", "--json", **place).out)["address"] == alt_server.url
