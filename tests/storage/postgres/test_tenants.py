"""Tenants of a database: a schema for each, which every server on it finds."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from alt import realms, testing
from alt.auth.keys import account_of
from alt.storage.engine import UnusableEngineError
from alt.storage.postgres import database, dialect, schema, store, tenants
from alt.storage.postgres.database import EVERYBODYS, Database
from alt.storage.postgres.store import Store
from tests.postgres import name_of
from tests.storage.postgres.signed import PATIENCE_SECONDS, comes_to, refusal, signing

Run = Callable[..., subprocess.CompletedProcess[str]]
MUSIC = {
    "TableName": "Music",
    "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
    "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
    "BillingMode": "PAY_PER_REQUEST",
}
KEY = {"pk": {"S": "a"}}


class Place:
    """A database, the keys in it, and the commands on it."""

    def __init__(self, run_alt: Run, cluster: Any, dsn: str, file: Path) -> None:
        self._run = run_alt
        self._cluster = cluster
        self.dsn = dsn
        self.file = file
        self.options = ("--engine", dsn, "--keys-secret-file", str(file), "--auth", "enforce")

    def key(self, tenant: str | None = None) -> dict[str, str]:
        whose = () if tenant is None else ("--tenant", tenant)
        done = self._run("keys", "create", "app", "--role", "admin", *whose, *self.options[:4], "--json")
        assert done.returncode == 0, done.stderr
        made: dict[str, str] = json.loads(done.stdout)
        return made

    def keys(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self._run("keys", *arguments, *self.options[:4])

    def engine(self, command: str) -> Any:
        done = self._run("engine", command, "--engine", self.dsn, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def refused(self, command: str) -> str:
        done = self._run("engine", command, "--engine", self.dsn)
        assert done.returncode == 1
        return done.stderr

    def execute(self, statement: str) -> list[Any]:
        rows: list[Any] = self._cluster.execute(statement, name_of(self.dsn))
        return rows


@pytest.fixture
def place(run_alt: Run, postgres: Any, new_database: str, tmp_path: Path) -> Place:
    return Place(run_alt, postgres, new_database, tmp_path / "keys.secret")


def put(client: Any, value: str) -> None:
    client.put_item(TableName="Music", Item={**KEY, "whose": {"S": value}})


def get(client: Any) -> str:
    found: str = client.get_item(TableName="Music", Key=KEY)["Item"]["whose"]["S"]
    return found


def test_every_server_finds_a_tenant_that_comes_while_they_run(place: Place, start_server: Any) -> None:
    boss = place.key()
    servers = [start_server(*place.options) for _ in range(2)]
    everybodys = signing(servers[0], boss)
    everybodys.create_table(**MUSIC)
    put(everybodys, "everybody")
    key = place.key("acme-eu")
    one, other = (signing(server, key) for server in servers)
    for each in (one, other):
        assert comes_to(each.list_tables, "")
        assert each.list_tables()["TableNames"] == []
    arn = one.create_table(**MUSIC)["TableDescription"]["TableArn"]
    assert arn.split(":")[4] == account_of("acme-eu")
    put(one, "acme")
    assert comes_to(lambda: other.describe_table(TableName="Music"), "")
    assert get(other) == "acme"
    put(other, "acme again")
    assert (get(one), get(everybodys)) == ("acme again", "everybody")
    assert [row["item"] for row in place.execute("SELECT item FROM alt_acme_eu.item")] == [
        '{"pk":{"S":"a"},"whose":{"S":"acme again"}}'
    ]
    (shown,) = place.engine("status")["Tenants"]
    assert shown == {
        "Name": "acme-eu",
        "Schema": "alt_acme_eu",
        "Format": schema.FORMAT,
        "Tables": 1,
        "Items": 1,
        "Size": len("pkawhoseacme again"),
        "Waiting to be deleted": 0,
    }
    # Its keys go, and so do the connections that were its own; its tables stay.
    assert place.keys("rm", key["AccessKeyId"], "--yes").returncode == 0
    assert comes_to(one.list_tables, "UnrecognizedClientException")
    again = signing(servers[1], place.key("acme-eu"))
    assert comes_to(again.list_tables, "")
    assert get(again) == "acme again"


def test_a_tenant_whose_tables_cannot_be_used_is_refused_and_nobody_else(
    place: Place, start_server: Any, tmp_path: Path
) -> None:
    boss, acme, beta, late = (place.key(name) for name in (None, "acme", "beta", "late"))
    place.execute("DROP SCHEMA alt_acme CASCADE")
    place.execute("UPDATE alt_beta.format SET version = 99")
    missing = "the database's schema alt_acme has no tables of Alt: `alt engine init` makes them"
    strange = f"the database's schema alt_beta is of format 99, and this version of Alt knows {schema.FORMAT}: use a newer one"
    assert place.refused("check") == f"Error: tenant acme: {missing}; tenant beta: {strange}\n"
    assert [each["Format"] for each in place.engine("status")["Tenants"]] == [None, 99, schema.FORMAT]
    log = tmp_path / "log"
    server = start_server(*place.options, log=log)
    for key in (boss, late):
        signing(server, key).create_table(**MUSIC)
    for key in (acme, beta):
        assert refusal(signing(server, key).list_tables) == "ServiceUnavailable"
        assert refusal(lambda key=key: get(signing(server, key))) == "ServiceUnavailable"
    assert f"tenant acme is not served; {missing}\n" in log.read_text()
    assert f"tenant beta is not served; {strange}\n" in log.read_text()
    # One that goes while it is served takes nobody with it, either.
    place.execute("DROP SCHEMA alt_late CASCADE")
    assert refusal(lambda: put(signing(server, late), "late")) == "InternalServerError"
    put(signing(server, boss), "everybody")
    time.sleep(1.5)
    assert refusal(signing(server, late).list_tables) == "InternalServerError"
    assert "Traceback" not in log.read_text()
    # What is made then is found.
    assert place.engine("init") == {"Made": False, "Format": schema.FORMAT, "Tenants": ["acme", "late"]}
    assert comes_to(signing(server, acme).list_tables, "", realms.RETRY_SECONDS + PATIENCE_SECONDS)
    assert signing(server, acme).list_tables()["TableNames"] == []
    assert comes_to(signing(server, late).list_tables, "")
    assert signing(server, late).list_tables()["TableNames"] == []
    signing(server, late).create_table(**MUSIC)
    put(signing(server, late), "late")
    assert get(signing(server, late)) == "late"


def test_all_tables_are_migrated(place: Place) -> None:
    """A tenant's that were left behind by a migration that was cut short, too."""
    place.key("acme")
    place.execute("UPDATE alt_acme.format SET version = 2")
    assert "`alt engine migrate` makes it" in place.refused("check")
    assert place.engine("migrate") == {
        "Before": schema.FORMAT,
        "After": schema.FORMAT,
        "Tenants": [{"Name": "acme", "Before": 2, "After": schema.FORMAT}],
    }
    assert place.engine("check")["Tenants"] == ["acme"]


def test_two_keys_of_a_new_tenant_at_once(place: Place) -> None:
    place.key()
    command = [sys.executable, "-m", "alt.cli", "keys", "create", "--tenant", "acme", *place.options[:4]]
    running = [subprocess.Popen(command, stdout=subprocess.DEVNULL) for _ in range(4)]
    assert [each.wait(60) for each in running] == [0] * 4
    assert len(place.execute("SELECT 1 FROM alt.access_key WHERE tenant = 'acme'")) == 4
    assert place.engine("check")["Tenants"] == ["acme"]


def test_a_tenants_relations_are_everybodys_but_those_for_all(place: Place) -> None:
    place.key("acme")
    columns = "SELECT table_name, column_name, data_type, is_nullable FROM information_schema.columns"
    everybodys, acmes = (
        {tuple(row) for row in place.execute(f"{columns} WHERE table_schema = '{each}'")}
        for each in (EVERYBODYS, "alt_acme")
    )
    assert acmes < everybodys
    assert {table for table, *_ in everybodys - acmes} == {"access_key", "master_key", "tenant"}


def test_names_of_schemas() -> None:
    assert tenants.schema_of("a") == "alt_a"
    assert tenants.schema_of("1-2--") == "alt_1_2__"
    assert len(tenants.schema_of("x" * 59)) == 63
    for name in ("x" * 60, "", "a_b", "A", 'a"b', "a;b", "-a"):
        with pytest.raises(UnusableEngineError):
            tenants.schema_of(name)


def test_a_name_that_is_too_long_makes_no_key(place: Place) -> None:
    refused = place.keys("create", "--tenant", "x" * 60)
    assert refused.returncode == 1
    assert "on a database a tenant's name has up to 59" in refused.stderr
    assert place.engine("status")["Tenants"] == []
    assert json.loads(place.keys("ls", "--json").stdout) == []


def test_a_schema_of_somebody_elses_is_left_alone(place: Place) -> None:
    place.execute("CREATE SCHEMA alt_acme")
    place.execute("CREATE TABLE alt_acme.theirs (number integer)")
    refused = place.keys("create", "--tenant", "acme")
    assert refused.returncode == 1
    assert 'schema "alt_acme" already exists' in refused.stderr
    assert json.loads(place.keys("ls", "--json").stdout) == []
    assert len(place.execute("SELECT 1 FROM pg_tables WHERE schemaname = 'alt_acme'")) == 1


def test_a_connection_to_another_schema_is_never_used(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pooler may drop what a connection is begun with; the role `alt` then finds everybody's schema first."""
    place.key("acme")

    async def ask() -> Any:
        pool = Database(place.dsn, 1, "alt_acme")
        try:
            return await pool.fetch("SELECT 1 FROM item")
        finally:
            await pool.close()

    assert asyncio.run(ask()) == []
    monkeypatch.setattr(dialect, "session", lambda _schema: dialect.SESSION)
    with pytest.raises(UnusableEngineError, match='schema alt_acme has "\\$user", public'):
        asyncio.run(ask())


def test_a_replica_is_asked_for_the_tenants_tables(place: Place) -> None:
    place.key("acme")

    async def follow() -> bool:
        everybodys = Store(place.dsn, replica=place.dsn)
        acmes = everybodys.of_tenant("acme")
        await acmes.open()
        await acmes.catalog.change(_nothing)
        replica = acmes._access.replica
        assert replica is not None
        end = time.monotonic() + PATIENCE_SECONDS
        while not (acmes.catalog.revision > 1 and replica.is_current) and time.monotonic() < end:
            await asyncio.sleep(0.05)
        is_current = replica.is_current
        assert replica._database.schema == acmes._database.schema == "alt_acme"
        await acmes.close()
        await everybodys.close()
        return is_current

    async def _nothing(_connection: Any) -> None:
        pass

    assert asyncio.run(follow())


def test_a_tenants_connections_are_few_and_go_with_its_keys(place: Place) -> None:
    keys = [place.key(name) for name in (None, "acme")]
    name = name_of(place.dsn)

    def connections() -> int:
        asked = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'alt' AND datname = '{}'"
        return int(place.execute(asked.format(name))[0][0])

    settings = {"engine": place.dsn, "keys_secret_file": place.file, "auth": "enforce"}
    with testing.serve(**settings) as server:
        acme = signing(server, keys[1])
        acme.create_table(**MUSIC)
        for _ in range(20):
            put(acme, "acme")
        assert 2 <= connections() <= store.CONNECTIONS + store.TENANT_CONNECTIONS
        place.keys("rm", keys[1]["AccessKeyId"], "--yes")
        assert comes_to(acme.list_tables, "UnrecognizedClientException")
        time.sleep(0.5)
        assert connections() <= store.CONNECTIONS
    assert connections() == 0


def test_no_more_are_served_than_there_may_be(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(realms, "MAX_REALMS", 1)
    keys = [place.key(name) for name in (None, "acme", "beta")]
    settings = {"engine": place.dsn, "keys_secret_file": place.file, "auth": "enforce"}
    with testing.serve(**settings) as server:
        answers = [refusal(signing(server, key).list_tables) for key in keys]
        assert answers == ["", "", "ServiceUnavailable"]


def test_two_at_once_make_the_tables_of_a_database(postgres: Any) -> None:
    dsn = postgres.create_database(f"alt-{time.time_ns()}")

    async def make() -> list[bool]:
        pools = [Database(dsn, 1) for _ in range(4)]
        made = await asyncio.gather(*map(schema.init, pools))
        await asyncio.gather(*(pool.close() for pool in pools))
        return list(made)

    assert sorted(asyncio.run(make())) == [False, False, False, True]
    assert database.EVERYBODYS == "alt"
