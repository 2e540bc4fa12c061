"""`alt env` and `alt completion`: what shells are given."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from alt.cli import main
from alt.cli.commands.env import SHELLS, own_shell
from click.testing import CliRunner

Run = Callable[..., Any]

NOBODY = {
    "AWS_PROFILE": "",
    "AWS_ACCESS_KEY_ID": "",
    "AWS_REGION": "",
    "AWS_DEFAULT_REGION": "",
    "AWS_CA_BUNDLE": "",
}


def test_the_variables(alt_here: Run, alt_server: Any, tmp_path: Path) -> None:
    assert json.loads(alt_here("env", "--json", **NOBODY).out) == {
        "AWS_ENDPOINT_URL_DYNAMODB": alt_server.url,
        "AWS_ENDPOINT_URL_DYNAMODB_STREAMS": alt_server.url,
        "AWS_ACCESS_KEY_ID": "any",
        "AWS_SECRET_ACCESS_KEY": "any",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "ALT_DATA_DIR": str(tmp_path / "nothing"),
    }


def test_what_is_there_is_left(alt_here: Run) -> None:
    own = {
        **NOBODY,
        "AWS_ACCESS_KEY_ID": "mine",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_REGION": "eu-west-1",
    }
    printed = alt_here("env", "--shell", "bash", **own).out
    assert "mine" not in printed
    assert "secret" not in printed
    assert "export AWS_DEFAULT_REGION=eu-west-1\n" in printed
    assert "AWS_REGION=" not in printed.replace("DEFAULT_REGION", "")


def test_where_no_server_runs_yet(alt_here: Run) -> None:
    nowhere = alt_here("env", "--json", AWS_ENDPOINT_URL_DYNAMODB="", **NOBODY)
    assert json.loads(nowhere.out)["AWS_ENDPOINT_URL_DYNAMODB"] == "http://127.0.0.1:8000"


def test_a_server_that_listens_everywhere_is_reached_here(alt_here: Run) -> None:
    printed = alt_here("env", "--json", "--endpoint-url", "http://0.0.0.0:8000", **NOBODY)
    assert json.loads(printed.out)["AWS_ENDPOINT_URL_DYNAMODB"] == "http://127.0.0.1:8000"


def test_the_authority_of_https(alt_here: Run, tmp_path: Path) -> None:
    authority = tmp_path / "tls" / "ca.pem"
    authority.parent.mkdir()
    authority.touch()
    place = {"AWS_ENDPOINT_URL_DYNAMODB": "https://localhost:1", "ALT_DATA_DIR": str(tmp_path)}
    assert json.loads(alt_here("env", "--json", **{**NOBODY, **place}).out)["AWS_CA_BUNDLE"] == str(authority)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_read_what_they_are_given(shell: str) -> None:
    """Whatever a directory is called."""
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"no {shell} here")
    odd = "a 'b' \"c\" $HOME `d` \\ é"
    script = SHELLS[shell]("ODD", odd) + "\nprintenv ODD"
    done = subprocess.run([program, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == f"{odd}\n"


def test_powershell() -> None:
    assert SHELLS["powershell"]("A", "it's $x") == "$Env:A = 'it''s $x'"


@pytest.mark.parametrize(
    ("path", "shell"),
    [
        ("/bin/zsh", "zsh"),
        ("/usr/bin/fish", "fish"),
        ("/opt/pwsh", "powershell"),
        ("/bin/dash", "bash"),
        ("", "bash"),
    ],
)
def test_the_shell_of_the_user(path: str, shell: str) -> None:
    assert own_shell({"SHELL": path}) == shell


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(alt_here: Run, shell: str) -> None:
    printed = alt_here("completion", shell)
    assert printed.status == 0
    assert f"_ALT_COMPLETE={shell}_complete" in printed.out


def test_what_is_completed() -> None:
    asked = {"_ALT_COMPLETE": "bash_complete", "COMP_WORDS": "alt tables tr", "COMP_CWORD": "2"}
    done = CliRunner().invoke(main, [], env=asked, prog_name="alt")
    assert done.output == "plain,truncate\n"
