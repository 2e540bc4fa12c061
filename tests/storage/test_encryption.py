"""Encrypted data directories: their keys, and what is refused."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import os
from contextlib import closing
from pathlib import Path
from typing import Any

import apsw
import pytest

from alt.config import Settings
from alt.storage.engine import no_progress
from alt.storage.model.definition import KeyAttribute, TableDefinition
from alt.storage.sqlite import connections, encryption
from alt.storage.sqlite.copies.rekeying import rekey
from alt.storage.sqlite.copies.snapshots import Snapshots
from alt.storage.sqlite.data_directory import (
    CATALOG_FILE,
    ENCRYPTION_FILE,
    REKEY_FOLDER,
    ServerLock,
    UnusableDataError,
    refuse_foreign,
)
from alt.storage.sqlite.database_files import is_plain
from alt.storage.sqlite.directory_key import describe, unlock
from alt.storage.sqlite.store import Store

KEY = "3c" * 32
OTHER = "c3" * 32
PASSPHRASE = "correct horse battery"


@pytest.fixture(autouse=True)
def _quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("alt.storage.sqlite.directory_key.SCRYPT_N", 2**4)


def made(directory: Path, key: str | None) -> Path:
    """A directory with a table."""
    unlock(directory, key)
    store = Store(directory)
    attribute = KeyAttribute("pk", "S")
    store.create(TableDefinition("Cars", "00000000-id", 0.0, attribute, None))
    store.table("Cars")
    asyncio.run(store.close())
    return directory


def table_file(directory: Path) -> Path:
    (path,) = (directory / "tables").glob("*.db")
    return path


# Keys


@pytest.mark.parametrize("text", [KEY, KEY.upper(), base64.b64encode(bytes.fromhex(KEY)).decode()])
def test_a_key_of_32_bytes_is_the_key_of_the_files(text: str) -> None:
    assert describe(text)[1] == bytes.fromhex(KEY)


def test_a_passphrase_gives_another_key_in_each_directory() -> None:
    assert describe(PASSPHRASE)[1] != describe(PASSPHRASE)[1]


@pytest.mark.parametrize("text", ["short", KEY[:-2], "=" * 11])
def test_a_weak_key_is_refused(text: str) -> None:
    if len(text) < 12:
        with pytest.raises(UnusableDataError, match="openssl rand -hex 32"):
            describe(text)
    else:
        assert describe(text)[0].salt, "it is taken for a passphrase"


def test_a_passphrase_is_stretched_once_however_many_files_there_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stretched: list[bytes] = []
    scrypt = hashlib.scrypt

    def counted(password: bytes, **options: Any) -> bytes:
        stretched.append(password)
        return scrypt(password, **options)

    monkeypatch.setattr(hashlib, "scrypt", counted)
    made(tmp_path, PASSPHRASE)
    unlock(tmp_path, PASSPHRASE)
    store = Store(tmp_path)
    assert store.names() == ["Cars"]
    store.table("Cars")
    asyncio.run(store.close())
    assert len(stretched) == 1


def test_the_settings_do_not_show_the_key() -> None:
    assert KEY not in repr(Settings(encryption_key=KEY))


def test_the_description_holds_no_secret(tmp_path: Path) -> None:
    made(tmp_path, KEY)
    assert KEY not in (tmp_path / ENCRYPTION_FILE).read_text()
    assert (tmp_path / ENCRYPTION_FILE).stat().st_mode & 0o077 == 0


def test_nobody_else_is_shown_the_key_by_a_connection(tmp_path: Path) -> None:
    made(tmp_path, KEY)
    with closing(connections.connect(tmp_path / CATALOG_FILE)) as connection:
        connection.execute("SELECT * FROM dynamo_table").fetchall()
        kept = str(connection.cache_stats(include_entries=True))
    assert KEY not in kept


# What is refused


@pytest.mark.parametrize(
    ("has", "given", "message"),
    [
        (KEY, None, "is encrypted: give its key with --encryption-key-file"),
        (KEY, OTHER, "is encrypted with another key than this one"),
        (KEY, "something else entirely", "is encrypted with another key than this one"),
        (None, KEY, "is not encrypted: leave the key out, or encrypt the directory with `alt rekey"),
    ],
)
def test_the_wrong_key(has: str | None, given: str | None, message: str, tmp_path: Path) -> None:
    made(tmp_path, has)
    with pytest.raises(UnusableDataError, match=message) as refused:
        unlock(tmp_path, given)
    assert given is None or given not in str(refused.value)


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"format": 1, "cipher": "aegis"}'])
def test_a_damaged_description(text: str, tmp_path: Path) -> None:
    made(tmp_path, KEY)
    (tmp_path / ENCRYPTION_FILE).write_text(text)
    with pytest.raises(UnusableDataError, match="is damaged: put back a copy of it"):
        unlock(tmp_path, KEY)


def test_a_description_of_a_later_version(tmp_path: Path) -> None:
    made(tmp_path, KEY)
    described = json.loads((tmp_path / ENCRYPTION_FILE).read_text())
    (tmp_path / ENCRYPTION_FILE).write_text(json.dumps(described | {"format": 2}))
    with pytest.raises(UnusableDataError, match="use the version that wrote it"):
        unlock(tmp_path, KEY)


def test_a_lost_description_is_not_taken_for_a_damaged_catalog(tmp_path: Path) -> None:
    made(tmp_path, KEY)
    (tmp_path / ENCRYPTION_FILE).unlink()
    for use in (lambda: refuse_foreign(tmp_path), lambda: unlock(tmp_path, KEY)):
        with pytest.raises(UnusableDataError, match=r"its encryption\.json is gone: put back a copy of it"):
            use()


def test_a_sqlite_that_cannot_encrypt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(apsw, "mc_version")
    with pytest.raises(UnusableDataError, match="pip install --force-reinstall apsw-sqlite3mc"):
        unlock(tmp_path, KEY)
    assert not (tmp_path / ENCRYPTION_FILE).exists()
    made(tmp_path, None)  # without a key all is well


# Files


def test_every_database_is_encrypted_and_no_file_names_a_table(tmp_path: Path) -> None:
    made(tmp_path, KEY)
    databases = list(tmp_path.rglob("*.db"))
    assert len(databases) == 4  # the catalog, the journal, the accounts, a table
    assert not [path for path in databases if is_plain(path)]
    assert "Cars" not in table_file(tmp_path).name


def test_keys_are_those_of_their_folders(tmp_path: Path) -> None:
    try:
        encryption.know(tmp_path, b"1")
        encryption.know(tmp_path / "inner", None)
        assert encryption.key_of(tmp_path / "a.db") == b"1"
        assert encryption.key_of(tmp_path / "tables" / "a.db") == b"1"
        assert encryption.key_of(tmp_path / "inner" / "a.db") is None
        assert encryption.key_of(tmp_path.with_name("other") / "a.db") is None
    finally:
        encryption.forget(tmp_path)
        encryption.forget(tmp_path / "inner")


# Changing the key


def rekeyed(directory: Path, new: str | None, **options: Any) -> Any:
    lock = ServerLock(directory)
    try:
        return rekey(directory, new, **options)
    finally:
        lock.release()


def test_what_nobody_owns_and_nobody_can_read_is_left_and_named(tmp_path: Path) -> None:
    made(tmp_path, None)
    (tmp_path / "tables" / "stray.db").write_bytes(b"no database at all")
    (tmp_path / "tables" / "notes.txt").write_text("mine")
    assert rekeyed(tmp_path, KEY).left == ["tables/notes.txt", "tables/stray.db"]
    assert (tmp_path / "tables" / "notes.txt").read_text() == "mine"


def test_a_lost_tables_file_gets_the_key_as_well(tmp_path: Path) -> None:
    """It may be taken in again: `alt tables adopt`."""
    made(tmp_path, None)
    path = table_file(tmp_path)
    stray = path.with_name("stray.db")
    stray.write_bytes(path.read_bytes())
    assert "tables/stray.db" in rekeyed(tmp_path, KEY).files
    assert not is_plain(stray)


def test_a_damaged_table_is_refused_and_nothing_is_changed(tmp_path: Path) -> None:
    made(tmp_path, None)
    table_file(tmp_path).write_bytes(b"SQLite format 3\0" + b"x" * 8_192)
    with pytest.raises((UnusableDataError, apsw.Error)):
        rekeyed(tmp_path, KEY)
    unlock(tmp_path, None)
    assert is_plain(tmp_path / CATALOG_FILE)
    assert not (tmp_path / REKEY_FOLDER).exists()


def test_a_change_by_another_command_meanwhile_is_noticed(tmp_path: Path) -> None:
    made(tmp_path, None)
    path = table_file(tmp_path)

    def write(step: str) -> None:
        if step == "one copied":
            with closing(apsw.Connection(str(path))) as other:
                other.execute("UPDATE statistics SET items = items + 1")

    with pytest.raises(UnusableDataError, match="was changed meanwhile"):
        rekeyed(tmp_path, KEY, on_step=write)
    assert is_plain(path)
    unlock(tmp_path, None)


def test_a_file_that_another_process_uses_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made(tmp_path, None)
    monkeypatch.setattr(connections, "BUSY_TIMEOUT_MS", 10)
    with closing(apsw.Connection(str(table_file(tmp_path)))) as other:
        other.execute("BEGIN; SELECT * FROM statistics").fetchall()
        with closing(apsw.Connection(str(table_file(tmp_path)))) as writer:
            writer.execute("UPDATE statistics SET items = items + 1")
        with pytest.raises(UnusableDataError, match="in use by another process"):
            rekeyed(tmp_path, KEY)


def test_no_message_has_the_key_that_sqlite_was_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made(tmp_path, None)
    name = encryption.uri

    def nowhere(path: Path, key: bytes | None) -> str:
        return name(path.parent / "nowhere" / path.name, key)

    monkeypatch.setattr(encryption, "uri", nowhere)
    with pytest.raises(UnusableDataError, match="cannot be written: unable to open database") as refused:
        rekeyed(tmp_path, KEY)
    assert KEY not in str(refused.value)


def test_a_folder_of_that_name_that_is_somebody_elses_is_left_alone(tmp_path: Path) -> None:
    made(tmp_path, None)
    (tmp_path / REKEY_FOLDER).mkdir()
    (tmp_path / REKEY_FOLDER / "notes.txt").write_text("mine")
    with pytest.raises(UnusableDataError, match="was not made by Alt"):
        unlock(tmp_path, None)
    assert (tmp_path / REKEY_FOLDER / "notes.txt").read_text() == "mine"


def test_a_change_that_was_cut_short_before_it_said_so_leaves_nothing(tmp_path: Path) -> None:
    made(tmp_path, None)
    (tmp_path / REKEY_FOLDER).mkdir()
    (tmp_path / REKEY_FOLDER / "change.part").write_text("{")
    unlock(tmp_path, None)
    assert not (tmp_path / REKEY_FOLDER).exists()


def test_a_change_under_way_keeps_others_out(tmp_path: Path) -> None:
    made(tmp_path, None)
    said: list[str] = []

    def look(step: str) -> None:
        if step == "copied":
            with pytest.raises(UnusableDataError) as refused:
                unlock(tmp_path, None)
            said.append(str(refused.value))

    rekeyed(tmp_path, KEY, on_step=look)
    assert said == [f"the key of {tmp_path} is being changed: try again when that is done"]


# Links


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    return folder


@pytest.mark.parametrize("name", ["tables", "backups", "snapshots", "catalog.db", "usage.db", "keys.secret"])
def test_a_link_out_of_the_directory_is_refused(name: str, tmp_path: Path, elsewhere: Path) -> None:
    directory = made(tmp_path / "data", None)
    path = directory / name
    if path.exists():
        path.rename(elsewhere / name)
    path.symlink_to(elsewhere / name)
    with pytest.raises(
        UnusableDataError, match=f"{name} is a link to .*elsewhere.*: Alt follows none out of"
    ):
        refuse_foreign(directory)


def test_a_tables_file_that_is_a_link_elsewhere_is_refused(tmp_path: Path, elsewhere: Path) -> None:
    directory = made(tmp_path / "data", None)
    path = table_file(directory)
    path.rename(elsewhere / "stolen.db")
    path.symlink_to(elsewhere / "stolen.db")
    store = Store(directory)
    try:
        with pytest.raises(UnusableDataError, match="is a link to"):
            store.table("Cars")
    finally:
        asyncio.run(store.close())
    assert os.listdir(elsewhere) == ["stolen.db"]


def test_a_snapshot_that_is_a_link_elsewhere_is_refused(tmp_path: Path, elsewhere: Path) -> None:
    directory = made(tmp_path / "data", None)
    snapshots = Snapshots(directory)
    snapshots.save("mine", 0.0, no_progress)
    (directory / "snapshots" / "mine").rename(elsewhere / "mine")
    (directory / "snapshots" / "mine").symlink_to(elsewhere / "mine")
    with pytest.raises(UnusableDataError, match="is a link to"):
        snapshots.load("mine", 0.0, lambda: "another-identifier", no_progress)
    with pytest.raises(UnusableDataError, match="is a link to"):
        snapshots.remove("mine")
    assert len(list((elsewhere / "mine").iterdir())) == 4


def test_links_to_and_within_the_directory_are_followed(tmp_path: Path) -> None:
    directory = made(tmp_path / "data", None)
    path = table_file(directory)
    path.rename(path.with_name("renamed.db"))
    path.symlink_to("renamed.db")
    (tmp_path / "link").symlink_to(directory)
    refuse_foreign(tmp_path / "link")
    store = Store(tmp_path / "link")
    assert store.table("Cars") is not None
    asyncio.run(store.close())


# Directories within one


def with_tenant(directory: Path, key: str | None) -> Path:
    """A directory with a table, and a tenant's within it, too; the tenant's."""
    made(directory, key)
    tenant = directory / "tenants" / "acme"
    tenant.mkdir(parents=True)
    return made(tenant, key)


def test_a_tenants_directory_has_the_key_of_the_one_it_is_in(tmp_path: Path) -> None:
    tenant = with_tenant(tmp_path, KEY)
    assert not (tenant / ENCRYPTION_FILE).exists()
    assert not is_plain(table_file(tenant))
    with pytest.raises(UnusableDataError, match=f"{tmp_path} is encrypted: give its key"):
        unlock(tenant, None)


@pytest.mark.parametrize("new", [OTHER, None])
def test_a_new_key_is_the_tenants_too(tmp_path: Path, new: str | None) -> None:
    tenant = with_tenant(tmp_path, KEY)
    changed = rekey(tmp_path, new)
    assert "tenants/acme/catalog.db" in changed.files
    assert is_plain(table_file(tenant)) == (new is None)
    unlock(tenant, new)
    store = Store(tenant)
    assert store.names() == ["Cars"]
    asyncio.run(store.close())


def test_the_key_of_a_tenants_directory_alone_is_not_changed(tmp_path: Path) -> None:
    tenant = with_tenant(tmp_path, KEY)
    with pytest.raises(UnusableDataError, match="which it is in"):
        rekey(tenant, OTHER)


def test_nor_is_a_key_changed_while_a_server_uses_a_tenants_directory(tmp_path: Path) -> None:
    tenant = with_tenant(tmp_path, KEY)
    lock = ServerLock(tenant)
    with pytest.raises(UnusableDataError, match="already being served"):
        rekey(tmp_path, OTHER)
    lock.release()
    assert not (tmp_path / REKEY_FOLDER).exists()
