"""Clients that show a certificate in place of a signature."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

from alt.auth.keys import AccessKey
from alt.auth.signature import Verifier, is_signed
from alt.certificates import Signed, make_authority, make_certificate
from alt.errors import ApiError
from alt.http import peer
from alt.storage.sqlite.access_keys import AccessKeys
from alt.storage.sqlite.data_directory import make_private

SCHEMA = {
    "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
    "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
    "BillingMode": "PAY_PER_REQUEST",
}


class Certifying:
    """A server that knows an authority and some keys, and clients with its certificates."""

    def __init__(self, server_type: Any, folder: Path) -> None:
        self._folder = folder
        self._authority = make_authority("tests")
        self.ca = self._write("ca", self._authority)[0]
        certificate, key = self._write("server", make_certificate(self._authority, ["localhost"]))
        data = folder / "data"
        make_private(data)
        self.stored = AccessKeys(data)
        self.keys = {
            "app": self.stored.create("app", "readwrite", 1.0),
            "reports": self.stored.create("reports", "readonly", 2.0),
            "twice": self.stored.create("twice", "admin", 3.0),
            "again": self.stored.create("twice", "readonly", 4.0),
        }
        options = ("--tls-client-ca", str(self.ca), "--tls-client-auth", "optional", "--auth", "enforce")
        files = ("--tls-cert", str(certificate), "--tls-key", str(key))
        self.server = server_type("--data-dir", str(data), *files, *options)

    def _write(self, name: str, made: Signed) -> tuple[Path, Path]:
        certificate, key = self._folder / f"{name}.pem", self._folder / f"{name}-key.pem"
        certificate.write_bytes(made.certificate)
        key.write_bytes(made.key)
        return certificate, key

    def client(self, common_name: str | None, signer: AccessKey | None = None) -> Any:
        config = Config(
            retries={"max_attempts": 0},
            client_cert=None
            if common_name is None
            else tuple(
                str(file)
                for file in self._write(
                    f"client-{common_name}", make_certificate(self._authority, [common_name])
                )
            ),
            **({"signature_version": UNSIGNED} if signer is None else {}),
        )
        return boto3.client(
            "dynamodb",
            endpoint_url=self.server.url.replace("127.0.0.1", "localhost"),
            region_name="us-east-1",
            aws_access_key_id="x" if signer is None else signer.id,
            aws_secret_access_key="x" if signer is None else signer.secret,
            verify=str(self.ca),
            config=config,
        )


@pytest.fixture(scope="module")
def certifying(tmp_path_factory: pytest.TempPathFactory, server_type: Any) -> Iterator[Certifying]:
    made = Certifying(server_type, tmp_path_factory.mktemp("certifying"))
    made.client("app").create_table(TableName="Music", **SCHEMA)
    yield made
    made.stored.close()
    made.server.kill()


def refused(call: Callable[..., Any], **request: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        call(**request)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def test_a_certificate_of_a_user_is_held_to_the_role_of_its_key(certifying: Certifying) -> None:
    reports = certifying.client("reports")
    assert reports.list_tables()["TableNames"] == ["Music"]
    code, message = refused(reports.put_item, TableName="Music", Item={"pk": {"S": "a"}})
    assert (code, "user/reports" in message) == ("AccessDeniedException", True)
    certifying.client("app").put_item(TableName="Music", Item={"pk": {"S": "a" * 100}})


def test_a_certificate_may_name_a_key_by_its_id(certifying: Certifying) -> None:
    admin, reader = (certifying.client(certifying.keys[each].id) for each in ("twice", "again"))
    assert admin.create_backup(TableName="Music", BackupName="all")["BackupDetails"]
    assert refused(reader.create_backup, TableName="Music", BackupName="more")[0] == "AccessDeniedException"


@pytest.mark.parametrize(
    ("name", "refusal"),
    [
        ("nobody", ("UnrecognizedClientException", "The client certificate's common name, nobody, is no access key's user or id.")),
        ("APP", ("UnrecognizedClientException", "The client certificate's common name, APP, is no access key's user or id.")),
        ("twice", ("UnrecognizedClientException", "The client certificate's common name, twice, is the user of 2 access keys: name one by its id.")),
        (None, ("MissingAuthenticationTokenException", "Request is missing Authentication Token")),
    ],
)  # fmt: skip
def test_who_is_no_one_key_is_refused(
    certifying: Certifying, name: str | None, refusal: tuple[str, str]
) -> None:
    assert refused(certifying.client(name).list_tables) == refusal


def test_a_signature_is_checked_whatever_certificate_comes_with_it(certifying: Certifying) -> None:
    app, reports = certifying.keys["app"], certifying.keys["reports"]
    forged = AccessKey(app.id, app.name, app.role, "another")
    assert refused(certifying.client("app", forged).list_tables)[0] == "InvalidSignatureException"
    reader = certifying.client("app", reports)
    assert reader.list_tables()["TableNames"] == ["Music"]
    assert refused(reader.delete_table, TableName="Music")[0] == "AccessDeniedException"


def test_a_key_that_is_removed_counts_no_more_on_an_open_connection(certifying: Certifying) -> None:
    made = certifying.stored.create("leaving", "readonly", 5.0)
    client = certifying.client("leaving")
    deadline = time.monotonic() + 60
    while not lists(client) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert lists(client)
    certifying.stored.remove(made.id)
    while lists(client) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not lists(client)


def lists(client: Any) -> bool:
    try:
        client.list_tables()
    except ClientError:
        return False
    return True


@pytest.mark.parametrize(
    ("url", "headers", "signed"),
    [
        (b"/", {}, False),
        (b"/?a=b", {b"host": b"localhost"}, False),
        (b"/", {b"authorization": b""}, True),
        (b"/", {b"authorization": b"Bearer x"}, True),
        (b"/?X-Amz-Algorithm=", {}, True),
        (b"/?a=b&X-Amz%2DAlgorithm=x", {}, True),
    ],
)
def test_what_claims_to_be_signed_is_no_matter_of_certificates(
    url: bytes, headers: dict[bytes, bytes], signed: bool
) -> None:
    assert is_signed(url, headers) is signed


def test_an_id_goes_before_a_name() -> None:
    first, second = AccessKey("AKIA1", "app", "readonly", "x"), AccessKey("AKIA2", "AKIA1", "admin", "x")
    verifier = Verifier()
    verifier.know({key.id: key for key in (second, first)})
    assert verifier.certified("AKIA1") is first
    assert verifier.certified("app") is first
    verifier.know({})
    with pytest.raises(ApiError):
        verifier.certified("app")


class Transport:
    def __init__(self, certificate: Any) -> None:
        self._certificate = certificate

    def get_extra_info(self, name: str) -> Any:
        return self._certificate if name == "peercert" else None


@pytest.mark.parametrize(
    ("certificate", "name"),
    [
        (None, None),
        ({}, None),
        ({"subject": ((("organizationName", "a"),), (("commonName", "b"),))}, "b"),
        ({"subject": ((("commonName", "a"),), (("commonName", "b"),))}, None),
        ({"subject": ((("commonName", "a"), ("commonName", "b")),)}, None),
        ({"subject": (), "subjectAltName": (("DNS", "a"),)}, None),
    ],
)
def test_only_a_single_common_name_counts(certificate: Any, name: str | None) -> None:
    transport: Any = Transport(certificate)
    assert peer.of(transport).common_name == name
