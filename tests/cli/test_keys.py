"""`alt keys`: made, listed, rotated and removed, while a server that asks for them runs."""

from __future__ import annotations

import json
import re
import shutil
import stat
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import apsw
import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from alt.auth.keys import fingerprint, secret_of
from alt.storage.sqlite.access_keys import AccessKeys

KEY_ID = re.compile(r"AKIA[A-Z2-7]{16}")
SECRET = re.compile(r"[A-Za-z0-9+/]{40}")
SECONDS = 60.0  # within which a running server notices, however busy the machine is

Keys = Callable[..., Any]


@pytest.fixture
def keys(alt: Any, tmp_path: Path) -> Keys:
    """What `alt keys ... --json` prints of the test's data directory."""

    def run(*arguments: str) -> Any:
        done = alt("keys", *arguments, "--json", "--data-dir", tmp_path)
        assert (done.status, done.err) == (0, "")
        return json.loads(done.out)

    return run


def client(server: Any, key: dict[str, str]) -> Any:
    return boto3.client(
        "dynamodb",
        endpoint_url=server.url,
        region_name="us-east-1",
        aws_access_key_id=key["AccessKeyId"],
        aws_secret_access_key=key["SecretAccessKey"],
        config=Config(retries={"max_attempts": 0}),
    )


def outcome(asks: Any) -> str:
    """What ListTables comes to: the error's type, or `answered`."""
    try:
        asks.list_tables()
    except ClientError as refused:
        return str(refused.response["Error"]["Code"])
    return "answered"


def becomes(asks: Any, expected: str) -> bool:
    deadline = time.monotonic() + SECONDS
    while outcome(asks) != expected:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def test_a_key_is_made_before_there_is_anything_else(alt: Any, tmp_path: Path) -> None:
    directory = tmp_path / "new"
    made = alt("keys", "create", "--data-dir", directory)
    assert (made.status, made.err) == (0, "The secret is not shown again.\n")
    lines = dict(line.split("=", 1) for line in made.out.splitlines())
    assert list(lines) == ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"]
    assert KEY_ID.fullmatch(lines["AWS_ACCESS_KEY_ID"])
    assert SECRET.fullmatch(lines["AWS_SECRET_ACCESS_KEY"])
    listed = alt("keys", "ls", "--data-dir", directory).rows
    assert [row[:3] for row in listed] == [[lines["AWS_ACCESS_KEY_ID"], "readwrite", "readwrite"]]
    if sys.platform != "win32":
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700
        assert {stat.S_IMODE(path.stat().st_mode) for path in directory.iterdir()} == {0o600}


def test_a_server_starts_on_a_directory_that_has_keys_alone(
    keys: Keys, start_server: Any, tmp_path: Path
) -> None:
    key = keys("create", "app", "--role", "admin")
    assert (key["UserName"], key["Role"]) == ("app", "admin")
    server = start_server("--data-dir", tmp_path, "--auth", "enforce")
    assert client(server, key).list_tables()["TableNames"] == []


def test_a_running_server_follows(keys: Keys, start_server: Any, tmp_path: Path) -> None:
    server = start_server("--data-dir", tmp_path, "--auth", "enforce")
    key = keys("create")
    first = client(server, key)
    assert becomes(first, "answered")
    rotated = keys("rotate", key["AccessKeyId"])
    assert {**rotated, "SecretAccessKey": ""} == {**key, "SecretAccessKey": ""}
    assert becomes(first, "InvalidSignatureException")
    second = client(server, rotated)
    assert outcome(second) == "answered"
    (listed,) = keys("ls")
    assert keys("rm", key["AccessKeyId"], "--yes") == listed
    assert becomes(second, "UnrecognizedClientException")
    assert keys("ls") == []


def test_keys_outlive_the_server_and_secrets_are_shown_only_once(
    keys: Keys, start_server: Any, tmp_path: Path
) -> None:
    key = keys("create", "app")
    for _ in range(2):
        server = start_server("--data-dir", tmp_path, "--auth", "enforce")
        assert outcome(client(server, key)) == "answered"
        server.stop()
    secret = key["SecretAccessKey"]
    assert secret not in json.dumps(keys("ls"))
    assert not [
        path for path in tmp_path.rglob("*") if path.is_file() and secret.encode() in path.read_bytes()
    ]


def test_copied_databases_give_no_secret(keys: Keys, alt: Any, tmp_path: Path) -> None:
    keys("create", "app")
    copy = tmp_path / "copy"
    copy.mkdir(mode=0o700)
    for path in tmp_path.glob("*.db*"):
        shutil.copy(path, copy)
    gone = (
        f"Error: {copy}/keys.secret is gone: without it nobody's secret is known. Put it back, or remove keys.db and "
        "make new keys\n"
    )
    (key,) = json.loads(alt("keys", "ls", "--json", "--data-dir", copy).out)
    for command in (("create",), ("rotate", key["AccessKeyId"])):
        done = alt("keys", *command, "--data-dir", copy)
        assert (done.status, done.out, done.err) == (1, "", gone)
    started = alt("start", "--port", "0", "--auth", "enforce", "--data-dir", copy)
    assert (started.status, started.err) == (1, gone)
    (copy / "keys.secret").write_text("00" * 32 + "\n")
    (copy / "keys.secret").chmod(0o600)
    assert "keys.secret is another one: " in alt("keys", "create", "--data-dir", copy).err
    (copy / "keys.secret").write_text("00\n")
    done = alt("keys", "create", "--data-dir", copy)
    assert done.err == f"Error: {copy}/keys.secret is damaged: put back the copy that was kept of it\n"


def test_a_start_that_was_cut_short_is_taken_up(tmp_path: Path) -> None:
    """The file of the master key is written before the transaction that depends on it."""
    (tmp_path / "keys.secret").write_text("ab" * 32 + "\n")
    (tmp_path / "keys.secret.part").write_text("")
    stored = AccessKeys(tmp_path)
    key = stored.create("app", "readonly", 1.0)
    assert stored.changed() == {key.id: key}
    stored.close()
    assert (tmp_path / "keys.secret").read_text() == "ab" * 32 + "\n"


def test_secrets_are_of_their_key_and_their_salt() -> None:
    """The same ones for ever: what makes them must not change. The first is what `openssl dgst -hmac` makes."""
    made = secret_of(b"m" * 32, "AKIAIOSFODNN7EXAMPLE", b"s" * 16)
    assert made == "hbh5cYFyHm9Uru7o3Cnokr/emeS5PZBwENwY1dUK"
    others = [
        secret_of(b"n" * 32, "AKIAIOSFODNN7EXAMPLE", b"s" * 16),
        secret_of(b"m" * 32, "AKIAIOSFODNN7EXAMPLF", b"s" * 16),
        secret_of(b"m" * 32, "AKIAIOSFODNN7EXAMPLE", b"t" * 16),
    ]
    assert len({made, *others}) == 4
    assert fingerprint(b"m" * 32) != fingerprint(b"n" * 32)


def test_a_running_server_that_cannot_read_them_says_so_and_goes_on(
    keys: Keys, start_server: Any, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    key = keys("create", "app")
    log = tmp_path_factory.mktemp("log") / "log"
    server = start_server("--data-dir", tmp_path, "--auth", "enforce", log=log)
    master = tmp_path / "keys.secret"
    kept = master.read_text()
    master.write_text("00" * 32 + "\n")
    with closing(apsw.Connection(str(tmp_path / "keys.db"))) as connection:
        connection.execute("UPDATE access_key SET role = 'readonly'")
    end = time.monotonic() + SECONDS
    while not log.read_text():
        assert time.monotonic() < end
        time.sleep(0.05)
    time.sleep(0.5)  # it looks again and again
    assert outcome(client(server, key)) == "answered"
    (line,) = log.read_text().splitlines()
    assert "access keys cannot be read, and those read before still count; " in line
    assert f"{master} is another one: " in line
    master.write_text(kept)
    assert becomes(client(server, keys("rotate", key["AccessKeyId"])), "answered")


def test_a_file_that_is_no_database(alt: Any, tmp_path: Path) -> None:
    (tmp_path / "keys.db").write_text("not one" * 1_000)
    error = f"Error: cannot use {tmp_path / 'keys.db'}: file is not a database\n"
    for command in (("keys", "ls"), ("keys", "create"), ("start", "--port", "0", "--auth", "enforce")):
        done = alt(*command, "--data-dir", tmp_path)
        assert (done.status, done.out, done.err) == (1, "", error)


@pytest.mark.skipif(sys.platform == "win32", reason="a folder's own permissions count")
def test_a_master_key_that_others_can_read_is_warned_of(alt_process: Any, keys: Keys, tmp_path: Path) -> None:
    keys("create", "app")
    (tmp_path / "keys.secret").chmod(0o644)
    done = alt_process("keys", "create", "--data-dir", tmp_path)
    assert done.status == 0
    assert done.err.splitlines()[0] == (
        f"other users of this machine can read {tmp_path}/keys.secret, and with it every secret: `chmod 600` keeps "
        "them out"
    )


@pytest.mark.parametrize("auth", ["enforce", "warn"])
def test_keys_are_not_kept_in_memory(alt: Any, auth: str) -> None:
    done = alt("start", "--memory", "--auth", auth)
    assert done.status == 2
    assert f"--auth {auth} needs keys, which are kept on disk: leave out --memory." in done.err


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("rm", "AKIANONE", "--yes"), "there is no access key AKIANONE: `alt keys ls` lists them"),
        (("rotate", "AKIANONE"), "there is no access key AKIANONE: `alt keys ls` lists them"),
        (("rotate", "a\x1b[2J"), 'there is no access key "a\\u001b[2J": `alt keys ls` lists them'),
    ],
)
def test_a_key_that_is_not_there(alt: Any, tmp_path: Path, arguments: tuple[str, ...], error: str) -> None:
    done = alt("keys", *arguments, "--data-dir", tmp_path)
    assert (done.status, done.out, done.err) == (1, "", f"Error: {error}\n")


@pytest.mark.parametrize("name", ["", "a b", "a/b", "é", "x" * 65, "a\n"])
def test_names_that_are_none(alt: Any, tmp_path: Path, name: str) -> None:
    done = alt("keys", "create", name, "--data-dir", tmp_path)
    assert done.status == 2
    assert "a name has up to 64 letters, digits and any of +=,.@_-" in done.err
    assert not (tmp_path / "keys.db").exists()


def test_removing_asks_first(alt: Any, on_terminal: Any, keys: Keys, tmp_path: Path) -> None:
    key = keys("create", "app")["AccessKeyId"]
    done = alt("keys", "rm", key, "--data-dir", tmp_path)
    assert done.status == 2
    assert "nobody to ask: --yes removes without asking." in done.err
    assert (
        f"Remove the access key {key} of app?"
        in on_terminal("keys", "rm", key, "--data-dir", tmp_path, typed="n\n").out
    )
    assert len(keys("ls")) == 1
    on_terminal("keys", "rm", key, "--data-dir", tmp_path, typed="y\n")
    assert keys("ls") == []


def test_a_directory_that_is_not_alts_is_left_alone(alt: Any, tmp_path: Path) -> None:
    (tmp_path / "letter.txt").touch()
    done = alt("keys", "create", "--data-dir", tmp_path)
    assert (done.status, done.out) == (1, "")
    assert done.err.startswith(f"Error: {tmp_path} holds letter.txt and no data of Alt's: ")
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]


def test_keys_are_no_part_of_a_snapshot(alt: Any, keys: Keys, start_server: Any, tmp_path: Path) -> None:
    key = keys("create", "app")
    server = start_server("--data-dir", tmp_path, "--auth", "enforce")
    assert alt("snapshot", "save", "before", "--data-dir", tmp_path).status == 0
    keys("rm", key["AccessKeyId"], "--yes")
    assert alt("snapshot", "load", "before", "--data-dir", tmp_path).status == 0
    assert becomes(client(server, key), "UnrecognizedClientException")


@pytest.mark.parametrize("command", ["create", "ls", "rm", "rotate"])
def test_help_has_an_example(alt: Any, command: str) -> None:
    assert f"For example: alt keys {command}" in alt("keys", command, "--help").out


POLICY = {
    "Version": "2012-10-17",
    "Statement": {
        "Sid": "Mine",
        "Effect": "Allow",
        "Action": "dynamodb:GetItem",
        "Resource": "*",
        "Condition": {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": "a"}},
    },
}


@pytest.fixture
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("policies") / "policy.json"


def test_a_key_may_have_a_policy_that_can_be_tried(alt: Any, keys: Keys, tmp_path: Path, file: Path) -> None:
    file.write_text(json.dumps(POLICY))
    made = keys("create", "bob", "--policy", str(file))
    assert (made["Role"], made["Policy"]) == (None, POLICY)
    assert [each["Policy"] for each in keys("ls")] == [POLICY]
    key = made["AccessKeyId"]
    assert keys("rotate", key)["Policy"] == POLICY
    assert keys("test", key, "GetItem", "Music", "--value", "dynamodb:LeadingKeys=a") == {
        "Decision": "allow",
        "DecidedBy": "Mine",
    }
    for refused in (("GetItem", "Music", "--value", "dynamodb:LeadingKeys=b"), ("dynamodb:PutItem", "*")):
        done = alt("keys", "test", key, *refused, "--data-dir", tmp_path)
        assert (done.status, done.out) == (1, "deny\tnothing allows it\n")
    reader = keys("create", "--role", "readonly")["AccessKeyId"]
    assert keys("test", reader, "Query", "Music")["DecidedBy"] == "readonly"


def test_a_malformed_policy_or_an_unknown_role_makes_no_key(
    alt: Any, keys: Keys, tmp_path: Path, file: Path
) -> None:
    file.write_text('{"Version": "2012-10-17"}')
    for options, message in (
        (("--policy", file), f"Error: {file} is no policy: there is no Statement\n"),
        (("--role", "owner"), "is not one of"),
        (("--role", "admin", "--policy", file), "give either --role or --policy"),
    ):
        done = alt("keys", "create", *options, "--data-dir", tmp_path)
        assert done.status
        assert message in done.err
    assert keys("ls") == []
