"""Encrypted data directories through the commands: where the key comes from, what is refused, and that all of them work."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from alt.cli import main
from click.testing import CliRunner, Result

import alt.testing

KEY = "3c" * 32
OTHER = "c3" * 32
Alt = Callable[..., Result]
NEEDLES = ("NeedleTable", "NeedleAttribute", "NeedleKey", "NeedleValue", "NeedleIndex", "NeedleBackup")


@pytest.fixture
def run() -> Iterator[Alt]:
    """Run `alt` in this process."""
    umask = os.umask(0o077)

    def run(*arguments: str | Path, key: Path | None = None, **environment: str) -> Result:
        given = () if key is None else ("--encryption-key-file", str(key))
        return CliRunner().invoke(main, [*map(str, arguments), *given], env=environment)

    yield run
    os.umask(umask)


def key_file(folder: Path, key: str, name: str = "key") -> Path:
    path = folder / name
    path.write_text(key + "\n")
    path.chmod(0o600)
    return path


@pytest.fixture
def key(tmp_path: Path) -> Path:
    return key_file(tmp_path, KEY)


@pytest.fixture(scope="module")
def templates(tmp_path_factory: pytest.TempPathFactory) -> dict[str | None, Path]:
    """Directories with a table of an index, two items, a stream and a backup, by their keys."""
    made = {key: tmp_path_factory.mktemp("template") / "data" for key in (KEY, None)}
    for key, directory in made.items():
        with alt.testing.serve(data_dir=directory, encryption_key=key) as server:
            fill(server.client())
    return made


@pytest.fixture
def filled(templates: dict[str | None, Path], tmp_path: Path) -> Callable[..., Path]:
    """A copy of one of them."""
    return lambda key=KEY: shutil.copytree(templates[key], tmp_path / ("plain" if key is None else "data"))


def fill(client: Any) -> None:
    client.create_table(
        TableName="NeedleTable",
        KeySchema=[{"AttributeName": "NeedleAttribute", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "NeedleAttribute", "AttributeType": "S"}],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "NeedleIndex",
                "KeySchema": [{"AttributeName": "NeedleAttribute", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
        SSESpecification={"Enabled": True},
    )
    for number in range(2):
        item = {"NeedleAttribute": {"S": f"NeedleKey{number}"}, "text": {"S": "NeedleValue" * 900}}
        client.put_item(TableName="NeedleTable", Item=item)
    client.create_backup(TableName="NeedleTable", BackupName="NeedleBackup")


def holding_needles(directory: Path) -> set[str]:
    """The files in which there is any of the needles, by their folders and suffixes, and the names that have one."""
    found = set()
    for path in filter(Path.is_file, directory.rglob("*")):
        name = path.relative_to(directory).as_posix()
        content = path.read_bytes()
        if any(needle in name or needle.encode() in content for needle in NEEDLES):
            found.add(f"{name.split('/')[0]} {path.suffix}")
    return found


# Nothing can be read


def write_everything(start_server: Any, directory: Path, run: Alt, *options: str | Path) -> Any:
    """A server that runs on a directory where all kinds of files have the needles."""
    server = start_server("--data-dir", directory, *options)
    fill(server.client())
    assert run("snapshot", "save", "a", "--data-dir", directory, *options).exit_code == 0
    assert run("keys", "create", "NeedleKey", "--data-dir", directory, *options).exit_code == 0
    return server


def test_no_file_holds_a_known_string_while_a_server_runs_and_after(
    start_server: Any, tmp_path: Path, key: Path, run: Alt
) -> None:
    directory = tmp_path / "data"
    server = write_everything(start_server, directory, run, "--encryption-key-file", key)
    assert holding_needles(directory) == set()
    server.kill()
    assert holding_needles(directory) == set()


def test_the_same_search_finds_them_where_nothing_is_encrypted(
    start_server: Any, tmp_path: Path, run: Alt
) -> None:
    write_everything(start_server, tmp_path / "data", run)
    assert holding_needles(tmp_path / "data") >= {
        "tables .db-wal",
        "tables .db",
        "backups .db",
        "snapshots .db",
        "catalog.db-wal .db-wal",
        "keys.db .db",
    }


def test_a_directory_that_is_encrypted_later_holds_none_either(filled: Any, key: Path, run: Alt) -> None:
    """But for the names of files, which were there before."""
    directory = filled(None)
    assert run("snapshot", "save", "a", "--data-dir", directory).exit_code == 0
    (directory / "snapshots" / "a" / "checksums.json").unlink()
    assert run("rekey", "--new-encryption-key-file", key, "--data-dir", directory).exit_code == 0
    contents = b"".join(path.read_bytes() for path in directory.rglob("*") if path.is_file())
    assert not [needle for needle in NEEDLES if needle.encode() in contents]


# Where the key comes from


def test_the_key_is_taken_from_a_file_or_a_variable_that_names_one_or_a_variable(
    filled: Any, key: Path, run: Alt
) -> None:
    directory = filled()
    ls = ("tables", "ls", "--data-dir", directory)
    assert "NeedleTable" in run(*ls, key=key).stdout
    assert "NeedleTable" in run(*ls, ALT_ENCRYPTION_KEY_FILE=str(key)).stdout
    assert "NeedleTable" in run(*ls, ALT_ENCRYPTION_KEY=KEY).stdout
    # The file goes before the variable.
    assert "NeedleTable" in run(*ls, key=key, ALT_ENCRYPTION_KEY=OTHER).stdout


def test_the_keyring_is_asked_for_an_encrypted_directory_only(
    filled: Any, run: Alt, monkeypatch: pytest.MonkeyPatch
) -> None:
    encrypted, plain = filled(), filled(None)
    asked: list[tuple[str, str]] = []

    def get_password(service: str, user: str) -> str:
        asked.append((service, user))
        return KEY

    keyring = ModuleType("keyring")
    keyring.__spec__ = SimpleNamespace()  # type: ignore[assignment]
    keyring.get_password = get_password  # type: ignore[attr-defined]
    errors = ModuleType("keyring.errors")
    errors.KeyringError = RuntimeError  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "keyring", keyring)
    monkeypatch.setitem(sys.modules, "keyring.errors", errors)
    for directory in (encrypted, plain):
        assert "NeedleTable" in run("tables", "ls", "--data-dir", directory).stdout
    assert asked == [("alt", str(encrypted))]


def test_a_key_file_that_others_can_read_is_warned_of(filled: Any, key: Path, run: Alt) -> None:
    directory = filled()
    key.chmod(0o644)
    listed = run("tables", "ls", "--data-dir", directory, key=key)
    assert listed.exit_code == 0
    assert "`chmod 600` keeps them out" in listed.stderr


# What is refused


@pytest.mark.parametrize(
    "command", [("tables", "ls"), ("keys", "ls"), ("start", "--port", "0"), ("tables", "adopt")]
)
def test_a_missing_and_a_wrong_key_are_refused_in_one_line(
    filled: Any, command: tuple[str, ...], tmp_path: Path, run: Alt
) -> None:
    directory = filled()
    before = list(directory.rglob("*"))
    missing = run(*command, "--data-dir", directory)
    wrong = run(*command, "--data-dir", directory, key=key_file(tmp_path, OTHER))
    assert missing.stderr == (
        f"Error: {directory} is encrypted: give its key with --encryption-key-file, or in ALT_ENCRYPTION_KEY\n"
    )
    assert wrong.stderr == f"Error: {directory} is encrypted with another key than this one\n"
    assert missing.exit_code == wrong.exit_code == 1
    assert {*directory.rglob("*")} - {*before} <= {directory / "server.lock"}


@pytest.mark.parametrize("command", [("tables", "ls"), ("start", "--port", "0")])
def test_a_key_for_a_directory_that_is_not_encrypted(
    filled: Any, command: tuple[str, ...], key: Path, run: Alt
) -> None:
    directory = filled(None)
    refused = run(*command, "--data-dir", directory, key=key)
    assert refused.stderr == (
        f"Error: {directory} is not encrypted: leave the key out, or encrypt the directory with "
        "`alt rekey --new-encryption-key-file FILE`\n"
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty: `openssl rand -hex 32` makes a key"),
        (b"  \n", "is empty"),
        (b"\xff\xfe\x00", "holds no text"),
        (b"k" * 5_000, "is too long for a key"),
        (b"short", "nor a passphrase of 12 characters"),
    ],
)
def test_a_file_without_a_key(content: bytes, message: str, tmp_path: Path, run: Alt) -> None:
    path = key_file(tmp_path, "")
    path.write_bytes(content)
    refused = run("keys", "ls", "--data-dir", tmp_path / "data", key=path)
    assert refused.exit_code == 1
    assert message in refused.stderr
    assert refused.stderr.count("\n") == 1


def test_memory_has_nothing_to_encrypt(key: Path, run: Alt) -> None:
    refused = run("start", "--memory", key=key)
    assert "--memory keeps nothing on disk: leave out --encryption-key-file" in refused.stderr


@pytest.mark.parametrize("options", [(), ("--decrypt", "--new-encryption-key-file", "key")])
def test_rekey_wants_to_know_what_to_do(options: tuple[str, ...], run: Alt) -> None:
    refused = run("rekey", *options)
    assert refused.exit_code == 2
    assert "give either --new-encryption-key-file or --decrypt" in refused.stderr


def test_a_variable_may_name_the_key_that_a_directory_is_about_to_get(
    filled: Any, key: Path, run: Alt
) -> None:
    at = ("--data-dir", filled(None))
    variable = {"ALT_ENCRYPTION_KEY_FILE": str(key)}
    assert run("rekey", "--new-encryption-key-file", key, *at, **variable).exit_code == 0
    assert "NeedleTable" in run("tables", "ls", *at, **variable).stdout


def test_what_is_not_encrypted_is_not_decrypted(filled: Any, run: Alt) -> None:
    directory = filled(None)
    assert run("rekey", "--decrypt", "--data-dir", directory).stderr == (
        f"Error: {directory} is not encrypted\n"
    )


def test_rekey_is_for_a_stopped_server(filled: Any, key: Path, run: Alt) -> None:
    from alt.storage.sqlite.data_directory import ServerLock

    directory = filled(None)
    lock = ServerLock(directory)
    refused = run("rekey", "--new-encryption-key-file", key, "--data-dir", directory)
    lock.release()
    assert "stop that server first" in refused.stderr


# Everything works


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        (("tables", "ls"), "NeedleTable"),
        (("tables", "check"), "index NeedleIndex\tok"),
        (("tables", "check", "--repair"), "items\tok"),
        (("tables", "show", "NeedleTable", "--json"), '"Status": "ENABLED"'),
        (("streams", "ls"), "NeedleTable"),
        (("usage",), "NeedleTable"),
        (("backup", "ls"), "NeedleBackup"),
        (("backup", "create", "NeedleTable"), "Backup "),
        (("backup", "restore", "NeedleBackup", "--as", "Restored"), "Restored Restored: 2 items"),
        (("sql", "-c", "SELECT NeedleAttribute FROM NeedleTable"), "NeedleKey1"),
        (("keys", "create"), "AWS_SECRET_ACCESS_KEY="),
    ],
    ids=lambda value: " ".join(value[:2]) if isinstance(value, tuple) else "",
)
def test_a_command_works(filled: Any, command: tuple[str, ...], shown: str, key: Path, run: Alt) -> None:
    done = run(*command, "--data-dir", filled(), key=key)
    assert done.exit_code == 0, done.output
    assert shown in done.stdout


def test_damage_is_repaired(filled: Any, key: Path, run: Alt) -> None:
    from contextlib import closing

    from alt.storage.sqlite import connections
    from alt.storage.sqlite.directory_key import unlock

    directory = filled()
    (path,) = (directory / "tables").glob("*.db")
    unlock(directory, KEY)
    with closing(connections.connect(path)) as file:
        index = file.execute("SELECT name FROM sqlite_schema WHERE name LIKE '%NeedleIndex%'").get
        file.execute(f'DELETE FROM "{index}"')
    options = ("--data-dir", directory)
    assert run("tables", "check", *options, key=key).exit_code == 1
    assert "repaired" in run("tables", "check", "--repair", *options, key=key).stdout


def test_a_snapshot_is_saved_and_loaded(filled: Any, key: Path, run: Alt) -> None:
    at = ("--data-dir", filled())
    assert "Saved 1 table with 2 items" in run("snapshot", "save", "a", *at, key=key).stdout
    assert run("tables", "rm", "NeedleTable", "--yes", *at, key=key).exit_code == 0
    assert "Loaded 1 table with 2 items" in run("snapshot", "load", "a", *at, key=key).stdout
    assert "NeedleTable" in run("tables", "ls", *at, key=key).stdout


def test_lost_files_are_adopted(filled: Any, key: Path, run: Alt) -> None:
    directory = filled()
    (directory / "catalog.db").unlink()
    adopted = run("tables", "adopt", "--data-dir", directory, "--json", key=key)
    assert sorted(each["kind"] for each in json.loads(adopted.stdout)) == ["backup", "table"]
    restored = run("backup", "restore", "NeedleBackup", "--as", "Again", "--data-dir", directory, key=key)
    assert restored.exit_code == 0, restored.output


@pytest.mark.parametrize(("old", "new"), [(None, KEY), (KEY, "correct horse battery"), (KEY, None)])
def test_a_directory_is_encrypted_given_another_key_and_decrypted(
    filled: Any, old: str | None, new: str | None, tmp_path: Path, run: Alt
) -> None:
    at = ("--data-dir", filled(old))
    has = None if old is None else key_file(tmp_path, old)
    gets = None if new is None else key_file(tmp_path, new, "new")
    assert run("snapshot", "save", "a", *at, key=has).exit_code == 0
    wanted = ("--decrypt",) if gets is None else ("--new-encryption-key-file", gets)
    changed = run("rekey", *wanted, *at, "--json", key=has)
    assert changed.exit_code == 0, changed.output
    assert json.loads(changed.stdout) == {"encrypted": new is not None, "files": 8, "left": []}
    assert run("tables", "ls", *at, key=has).exit_code == 1
    assert run("tables", "check", *at, key=gets).exit_code == 0
    assert run("snapshot", "load", "a", *at, key=gets).exit_code == 0
    restored = run("backup", "restore", "NeedleBackup", "--as", "Restored", *at, key=gets)
    assert restored.exit_code == 0, restored.output


def test_a_server_finishes_a_change_of_the_key_that_was_cut_short(
    filled: Any, tmp_path: Path, key: Path, start_server: Any
) -> None:
    from alt.storage.sqlite.copies.rekeying import rekey
    from alt.storage.sqlite.data_directory import ServerLock
    from alt.storage.sqlite.directory_key import unlock

    class Killed(Exception): ...

    def die(step: str) -> None:
        if step == "one switched":
            raise Killed

    directory = filled(None)
    unlock(directory, None)
    lock = ServerLock(directory)
    with pytest.raises(Killed):
        rekey(directory, KEY, on_step=die)
    lock.release()
    log = tmp_path / "log"
    server = start_server("--data-dir", directory, "--encryption-key-file", key, log=log)
    assert server.client().scan(TableName="NeedleTable")["Count"] == 2
    assert "was cut short, and is finished: it has the new key" in log.read_text()
