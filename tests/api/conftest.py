"""What the black-box tests share: table names of their own, and tables made for one test."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from botocore.exceptions import ClientError

from alt import testing
from alt.auth.keys import AccessKey
from alt.certificates import make_authority, make_certificate
from alt.config import Role
from alt.storage.sqlite.access_keys import AccessKeys

Refusal = Callable[..., tuple[str, str]]


@pytest.fixture
def name() -> str:
    """A table name no other test uses."""
    return f"test-{uuid.uuid4()}"


@pytest.fixture
def refusal() -> Refusal:
    """Call a client's method that must be refused: the error's type and message."""

    def refused(method: Callable[..., Any], **parameters: Any) -> tuple[str, str]:
        with pytest.raises(ClientError) as caught:
            method(**parameters)
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
        error = caught.value.response["Error"]
        return error["Code"], error.get("Message", "")

    return refused


@pytest.fixture
def pk() -> str:
    """A partition key no other test uses."""
    return uuid.uuid4().hex


@pytest.fixture(scope="session")
def table_of(dynamodb: Any) -> Callable[..., str]:
    """The name of a table that all of a worker's tests share.

    `table_of("S")` has the partition key `pk`, `table_of("S", "N")` also the sort key
    `sk`. Its items tell tests apart by their partition keys.
    """
    made: dict[tuple[str, ...], str] = {}

    def name_of(*types: str) -> str:
        if types not in made:
            keys = list(zip(("pk", "sk"), types, ("HASH", "RANGE"), strict=False))
            made[types] = f"shared-{'-'.join(types)}-{uuid.uuid4()}"
            dynamodb.create_table(
                TableName=made[types],
                AttributeDefinitions=[{"AttributeName": key, "AttributeType": kind} for key, kind, _ in keys],
                KeySchema=[{"AttributeName": key, "KeyType": role} for key, _, role in keys],
                BillingMode="PAY_PER_REQUEST",
            )
        return made[types]

    return name_of


@pytest.fixture(scope="session")
def table(table_of: Callable[..., str]) -> str:
    """The shared table with the partition key `pk`, a string."""
    return table_of("S")


class Guarded(NamedTuple):
    """A server that speaks HTTPS and asks for signatures; `ca` is the certificate that clients have to know."""

    url: str
    key: AccessKey
    ca: Path


@contextmanager
def guarded_server(folder: Path, role: Role) -> Iterator[Guarded]:
    authority = make_authority("tests")
    made = make_certificate(authority, ["127.0.0.1"])
    (folder / "ca.pem").write_bytes(authority.certificate)
    (folder / "cert.pem").write_bytes(made.certificate)
    (folder / "key.pem").write_bytes(made.key)
    data = folder / "data"
    data.mkdir()
    stored = AccessKeys(data)
    key = stored.create("sdk", role, 0.0)
    stored.close()
    tls = {"tls_cert": folder / "cert.pem", "tls_key": folder / "key.pem"}
    with testing.serve(data_dir=data, auth="enforce", sync="off", **tls) as server:
        yield Guarded(server.url, key, folder / "ca.pem")
