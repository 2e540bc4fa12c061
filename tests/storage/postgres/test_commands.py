"""`alt engine`, and what `alt start --engine` refuses."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from alt.config import without_password
from tests.postgres import Cluster, name_of

Run = Callable[..., subprocess.CompletedProcess[str]]
NOWHERE = "postgresql://alt:secret@127.0.0.1:1/alt"


def test_from_nothing_to_served(postgres: Cluster, run_alt: Run, start_server: Any) -> None:
    dsn = postgres.create_database("from-nothing")
    engine = ("--engine", dsn)
    shown = without_password(dsn)
    status = json.loads(run_alt("engine", "status", *engine, "--json").stdout)
    assert (status["Format"], status["Tables"], status["Tenants"]) == (None, 0, [])
    assert run_alt("engine", "migrate", *engine).returncode == 1
    assert run_alt("engine", "init", *engine).stdout == f"{shown} has Alt's tables now, of format 3\n"
    assert run_alt("engine", "init", *engine).stdout == f"{shown} has Alt's tables already, of format 3\n"
    assert run_alt("engine", "check", *engine).stdout == f"{shown} can be served\n"
    assert run_alt("engine", "migrate", *engine).stdout == f"{shown} is of format 3 already\n"
    client = start_server(*engine).client()
    client.create_table(
        TableName="Music",
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )
    client.put_item(TableName="Music", Item={"pk": {"S": "a"}})
    status = json.loads(run_alt("engine", "status", *engine, "--json").stdout)
    assert (status["Tables"], status["Items"], status["Size"]) == (1, 1, 3)


def test_a_table_moves_from_a_data_directory_into_a_database(
    new_database: str, run_alt: Run, start_server: Any, tmp_path: Path
) -> None:
    source = start_server("--data-dir", tmp_path)
    client = source.client()
    key = {"KeySchema": [{"AttributeName": "owner", "KeyType": "HASH"}]}
    client.create_table(
        TableName="Music",
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "owner")],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        GlobalSecondaryIndexes=[
            {"IndexName": "by-owner", **key, "Projection": {"ProjectionType": "KEYS_ONLY"}}
        ],
        BillingMode="PAY_PER_REQUEST",
        Tags=[{"Key": "team", "Value": "x"}],
    )
    for number in range(300):
        client.put_item(TableName="Music", Item={"pk": {"S": str(number)}, "owner": {"S": str(number % 3)}})
    target = start_server("--engine", new_database)
    state = str(tmp_path / "state.json")
    copied = run_alt("copy", "--from", source.url, "--to", target.url, "--state", state, "Music")
    assert (copied.returncode, copied.stderr) == (0, "")
    there = target.client()

    def by_key(items: Any) -> Any:
        return sorted(items, key=lambda item: item["pk"]["S"])

    assert by_key(there.scan(TableName="Music")["Items"]) == by_key(client.scan(TableName="Music")["Items"])
    table = there.describe_table(TableName="Music")["Table"]
    assert [index["IndexName"] for index in table["GlobalSecondaryIndexes"]] == ["by-owner"]
    assert there.list_tags_of_resource(ResourceArn=table["TableArn"])["Tags"] == [
        {"Key": "team", "Value": "x"}
    ]


def test_a_database_without_every_character_is_refused(postgres: Cluster, run_alt: Run) -> None:
    postgres.execute("CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    engine = ("--engine", postgres.dsn("latin"))
    refusal = "Error: the database's encoding is LATIN1, which has not every character: make one with ENCODING 'UTF8'\n"
    assert run_alt("engine", "init", *engine).stderr == refusal
    assert json.loads(run_alt("engine", "status", *engine, "--json").stdout)["Format"] is None
    postgres.execute("CREATE SCHEMA alt CREATE TABLE format (version integer)", "latin")
    postgres.execute("INSERT INTO alt.format VALUES (3)", "latin")
    assert run_alt("engine", "check", *engine).stderr == refusal
    assert run_alt("start", "--port", "0", *engine).stderr == refusal


def test_a_format_of_the_future_is_refused(postgres: Cluster, new_database: str, run_alt: Run) -> None:
    name = name_of(new_database)
    postgres.execute("UPDATE alt.format SET version = 99", name)
    refused = run_alt("start", "--port", "0", "--engine", new_database)
    assert refused.returncode == 1
    assert refused.stderr == (
        "Error: the database is of format 99, and this version of Alt knows 3: use a newer one\n"
    )


def test_a_password_is_in_no_message(run_alt: Run) -> None:
    told = run_alt("engine", "check", "--engine", NOWHERE)
    assert told.returncode == 1
    assert told.stderr.startswith("Error: the database cannot be reached: ")
    assert "secret" not in told.stderr + told.stdout


def test_the_passwords_of_settings_are_not_shown(run_alt: Run, tmp_path: Path) -> None:
    file = tmp_path / "alt.toml"
    file.write_text(f'engine-replica = "{NOWHERE}"')
    for options in (("--engine", NOWHERE, "--engine-replica", NOWHERE), ("--config", str(file))):
        shown = run_alt("config", "show", "--json", *options)
        assert shown.returncode == 0
        assert '"value": "postgresql://alt@127.0.0.1:1/alt"' in shown.stdout
        assert ":secret@" not in shown.stdout + shown.stderr


@pytest.mark.parametrize(
    ("dsn", "shown"),
    [
        (
            "postgresql://alt:secret@one,two:5433/db?sslmode=require&password=x",
            "postgresql://alt@one,two:5433/db",
        ),
        ("postgresql://one", "postgresql://one"),
        ("postgresql://alt:p%40ss@one?password=secret", "postgresql://alt@one"),
        ("postgresql://alt@/db?host=/run", "postgresql://alt@/db"),
    ],
)
def test_an_address_is_shown_without_its_password(dsn: str, shown: str) -> None:
    assert without_password(dsn) == shown


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (
            ("--engine", NOWHERE, "--memory"),
            "--memory and --engine are two places for the data: leave one out.",
        ),
        (
            ("--engine", NOWHERE, "--data-dir", "x"),
            "--data-dir and --engine are two places for the data: leave one out.",
        ),
        (
            ("--engine", NOWHERE, "--isolate", "region"),
            "--isolate region keeps tables apart in a data directory: leave out --engine.",
        ),
        (
            ("--engine-replica", NOWHERE),
            "--engine-replica is a standby of the database of --engine: name that, too.",
        ),
        (
            ("--memory", "--engine-replica", NOWHERE),
            "--engine-replica is a standby of the database of --engine: name that, too.",
        ),
        (
            ("--engine", NOWHERE, "--engine-replica", "mysql://alt:secret@x"),
            "Invalid value for '--engine-replica': an engine's address begins with postgresql://",
        ),
        (
            ("--engine", "mysql://x"),
            "Invalid value for '--engine': an engine's address begins with postgresql://",
        ),
    ],
)
def test_what_does_not_go_together(options: tuple[str, ...], problem: str, run_alt: Run) -> None:
    refused = run_alt("start", *options)
    assert refused.returncode == 2
    assert refused.stderr.endswith(f"Error: {problem}\n")
    assert "secret" not in refused.stderr
