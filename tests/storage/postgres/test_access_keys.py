"""Access keys that are kept in the database: every server on it asks for them, and goes by them."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.postgres import name_of
from tests.storage.postgres.signed import comes_to, refusal, signing

Run = Callable[..., subprocess.CompletedProcess[str]]


class Keys:
    """`alt keys` on a database."""

    def __init__(self, run_alt: Run, dsn: str, file: Path) -> None:
        self._run = run_alt
        self.options = ("--engine", dsn, "--keys-secret-file", str(file))

    def __call__(self, *arguments: str) -> Any:
        done = self._run("keys", *arguments, *self.options, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def refused(self, *arguments: str) -> str:
        done = self._run("keys", *arguments, *self.options)
        assert done.returncode != 0
        return done.stderr.splitlines()[-1]


@pytest.fixture
def keys(run_alt: Run, new_database: str, tmp_path: Path) -> Keys:
    return Keys(run_alt, new_database, tmp_path / "private" / "keys.secret")


def create(client: Any) -> None:
    client.create_table(
        TableName="Music",
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )


def test_every_server_goes_by_the_keys_of_the_database(keys: Keys, start_server: Any, tmp_path: Path) -> None:
    admin = keys("create", "boss")
    assert (tmp_path / "private" / "keys.secret").stat().st_mode & 0o077 == 0
    one, other = (start_server(*keys.options, "--auth", "enforce") for _ in range(2))
    create(signing(one, admin))
    assert comes_to(lambda: signing(other, admin).describe_table(TableName="Music"), "")
    assert refusal(lambda: one.client().list_tables()) == "UnrecognizedClientException"
    reader = keys("create", "reports", "--role", "readonly")
    for server in (one, other):
        client = signing(server, reader)
        assert comes_to(lambda client=client: client.scan(TableName="Music"), "")
        assert (
            refusal(lambda client=client: client.delete_table(TableName="Music")) == "AccessDeniedException"
        )


def test_what_is_rotated_or_removed_is_refused(keys: Keys, start_server: Any) -> None:
    first = keys("create", "first")
    server = start_server(*keys.options, "--auth", "enforce")
    assert refusal(signing(server, first).list_tables) == ""
    rotated = keys("rotate", first["AccessKeyId"])
    assert rotated["SecretAccessKey"] != first["SecretAccessKey"]
    assert comes_to(signing(server, rotated).list_tables, "")
    assert refusal(signing(server, first).list_tables) == "InvalidSignatureException"
    assert [key["AccessKeyId"] for key in keys("ls")] == [first["AccessKeyId"]]
    keys("rm", first["AccessKeyId"], "--yes")
    assert comes_to(signing(server, rotated).list_tables, "UnrecognizedClientException")
    assert keys("ls") == []


def test_policies_of_keys_and_of_tables_count(keys: Keys, start_server: Any, tmp_path: Path) -> None:
    admin = keys("create", "boss", "--role", "admin")
    document = {"Effect": "Allow", "Action": ["dynamodb:GetItem", "dynamodb:ListTables"], "Resource": "*"}
    policy = tmp_path / "policy.json"
    policy.write_text(json.dumps({"Version": "2012-10-17", "Statement": [document]}))
    held = keys("create", "app", "--policy", str(policy))
    server = start_server(*keys.options, "--auth", "enforce")
    create(signing(server, admin))
    app, get = signing(server, held), {"TableName": "Music", "Key": {"pk": {"S": "a"}}}
    assert refusal(lambda: app.get_item(**get)) == ""
    assert (
        refusal(lambda: app.put_item(TableName="Music", Item={"pk": {"S": "a"}})) == "AccessDeniedException"
    )
    arn = signing(server, admin).describe_table(TableName="Music")["Table"]["TableArn"]
    denied = {"Effect": "Deny", "Principal": "*", "Action": "dynamodb:GetItem", "Resource": arn}
    signing(server, admin).put_resource_policy(
        ResourceArn=arn, Policy=json.dumps({"Version": "2012-10-17", "Statement": [denied]})
    )
    assert refusal(lambda: app.get_item(**get)) == "AccessDeniedException"
    decided = keys("test", held["AccessKeyId"], "GetItem", "Music")
    assert decided["Decision"] == "allow"


def test_without_the_file_nobodys_secret_is_known(
    keys: Keys, run_alt: Run, tmp_path: Path, new_database: str, postgres: Any
) -> None:
    key = keys("create", "boss")
    elsewhere = str(tmp_path / "elsewhere")
    options = ("--engine", new_database, "--keys-secret-file", elsewhere)
    started = run_alt("start", "--port", "0", *options, "--auth", "enforce")
    assert started.returncode == 1
    assert f"{elsewhere} is not there: copy it from where `alt keys create` made it" in started.stderr
    made = run_alt("keys", "create", *options)
    assert made.returncode == 1
    assert "copy it from where" in made.stderr
    assert not Path(elsewhere).exists()
    Path(elsewhere).write_text("ab" * 32)
    Path(elsewhere).chmod(0o600)
    rotated = run_alt("keys", "rotate", key["AccessKeyId"], *options)
    assert f"{elsewhere} has another master key" in rotated.stderr
    # Nor is it one that the database alone could tell, where that has lost the fingerprint.
    Path(elsewhere).unlink()
    postgres.execute("DELETE FROM alt.master_key", name_of(new_database))
    started = run_alt("start", "--port", "0", *options, "--auth", "enforce")
    assert started.returncode == 1
    assert f"{elsewhere} is not there" in started.stderr


def test_what_cannot_be_there_says_so(keys: Keys, run_alt: Run, tmp_path: Path) -> None:
    assert (
        keys.refused("rotate", "AKIANOBODY")
        == "Error: there is no access key AKIANOBODY: `alt keys ls` lists them"
    )
    both = run_alt("keys", "ls", *keys.options, "--data-dir", str(tmp_path))
    assert "two places for the data" in both.stderr
    alone = run_alt("keys", "ls", "--keys-secret-file", str(tmp_path / "x"))
    assert "name that, too" in alone.stderr
    alone = run_alt("start", "--port", "0", "--keys-secret-file", str(tmp_path / "x"))
    assert "name that, too" in alone.stderr


def test_a_database_of_an_earlier_format_has_keys_once_it_is_migrated(
    postgres: Any, new_database: str, run_alt: Run, keys: Keys
) -> None:
    name = name_of(new_database)
    for table in ("access_key", "master_key", "tenant"):
        postgres.execute(f"DROP TABLE alt.{table}", name)
    postgres.execute("UPDATE alt.format SET version = 1", name)
    assert "`alt engine migrate` makes it 3" in keys.refused("ls")
    migrated = run_alt("engine", "migrate", "--engine", new_database, "--json")
    assert json.loads(migrated.stdout) == {"Before": 1, "After": 3, "Tenants": []}
    keys("create", "boss")


def test_keys_of_the_format_before_still_sign_once_it_is_migrated(
    postgres: Any, new_database: str, run_alt: Run, keys: Keys, start_server: Any
) -> None:
    key = keys("create", "boss")
    name = name_of(new_database)
    postgres.execute("DROP TABLE alt.tenant", name)
    postgres.execute("ALTER TABLE alt.access_key DROP COLUMN tenant", name)
    postgres.execute("UPDATE alt.format SET version = 2", name)
    assert json.loads(run_alt("engine", "status", "--engine", new_database, "--json").stdout)["Format"] == 2
    assert "`alt engine migrate` makes it 3" in keys.refused("ls")
    migrated = run_alt("engine", "migrate", "--engine", new_database)
    assert migrated.stdout.endswith(" is of format 3 now; it was 2\n")
    assert [(each["AccessKeyId"], each["Tenant"]) for each in keys("ls")] == [(key["AccessKeyId"], None)]
    server = start_server(*keys.options, "--auth", "enforce")
    create(signing(server, key))
    tenants = keys("create", "app", "--tenant", "acme")
    assert comes_to(signing(server, tenants).list_tables, "")
    assert signing(server, tenants).list_tables()["TableNames"] == []
