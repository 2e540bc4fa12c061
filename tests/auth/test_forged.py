"""Requests that nobody who may signed, sent to a real server: each is refused, and none does anything."""

from __future__ import annotations

import hashlib
import hmac
import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import boto3
import pytest

MISSING = "MissingAuthenticationTokenException"
INCOMPLETE = "IncompleteSignatureException"
INVALID = "InvalidSignatureException"
UNRECOGNIZED = "UnrecognizedClientException"
MISMATCH = "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method."
TARGET = "DynamoDB_20120810.PutItem"


def at(seconds: float) -> str:
    """The date of a moment, so many seconds from now."""
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(time.time() + seconds))


@dataclass
class Draft:
    """A PutItem; what is changed before `sign` is signed as well, what is changed after it is not."""

    host: str
    key: str
    secret: str
    item: str
    method: str = "POST"
    path: str = "/"
    query: list[tuple[str, str]] = field(default_factory=list)
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    date: str = field(default_factory=lambda: at(0))
    day: str = ""
    region: str = "eu-west-1"
    service: str = "dynamodb"
    terminator: str = "aws4_request"
    algorithm: str = "AWS4-HMAC-SHA256"
    payload: str | None = None  # what stands for the hash of the body
    signed: list[str] | None = None  # None: every header
    presigned: bool = False

    def __post_init__(self) -> None:
        request = {"TableName": "Guarded", "Item": {"pk": {"S": self.item}}}
        self.body = self.body or json.dumps(request).encode()
        self.headers = [
            ("Host", self.host),
            ("Content-Type", "application/x-amz-json-1.0"),
            ("X-Amz-Target", TARGET),
        ]

    def set(self, name: str, value: str) -> Draft:
        """Give a header another value."""
        self.headers = [(each, value if each.lower() == name.lower() else old) for each, old in self.headers]
        return self

    def add(self, name: str, value: str) -> Draft:
        self.headers.append((name, value))
        return self

    def remove(self, name: str) -> Draft:
        self.headers = [header for header in self.headers if header[0].lower() != name.lower()]
        return self

    def replace(self, old: str, new: str) -> Draft:
        """Change the header Authorization."""
        (value,) = [value for name, value in self.headers if name == "Authorization"]
        assert old in value
        return self.set("Authorization", value.replace(old, new, 1))

    def parameter(self, name: str, value: str | None) -> Draft:
        """Give a parameter of the query another value, or none."""
        self.query = [
            (each, value if each == name else old)
            for each, old in self.query
            if (each, value) != (name, None)
        ]
        return self

    def sign(self) -> None:
        scope = "/".join((self.day or self.date[:8], self.region, self.service, self.terminator))
        if not self.presigned and all(name.lower() not in ("x-amz-date", "date") for name, _ in self.headers):
            self.add("X-Amz-Date", self.date)
        names = self.signed
        if names is None:
            names = sorted({name.lower() for name, _ in self.headers})
        if self.presigned:
            self.query += [
                ("X-Amz-Algorithm", self.algorithm),
                ("X-Amz-Credential", f"{self.key}/{scope}"),
                ("X-Amz-Date", self.date),
                ("X-Amz-SignedHeaders", ";".join(names)),
            ]
        signature = self._signature(names, scope)
        if self.presigned:
            self.query.append(("X-Amz-Signature", signature))
        else:
            self.add(
                "Authorization",
                f"{self.algorithm} Credential={self.key}/{scope}, SignedHeaders={';'.join(names)}, Signature={signature}",
            )

    def _signature(self, names: list[str], scope: str) -> str:
        values: dict[str, str] = {}
        for name, value in self.headers:
            value = " ".join(value.split())
            values[name.lower()] = f"{values[name.lower()]},{value}" if name.lower() in values else value
        form = "\n".join(
            (
                self.method,
                quote(self.path, safe="/-._~").replace("//", "/"),
                "&".join(
                    sorted(
                        f"{quote(name, safe='-._~')}={quote(value, safe='-._~')}"
                        for name, value in self.query
                    )
                ),
                *(f"{name}:{values.get(name, '')}" for name in names),
                "",
                ";".join(names),
                self.payload or hashlib.sha256(self.body).hexdigest(),
            )
        )
        made = b"AWS4" + self.secret.encode()
        for part in (
            *scope.split("/"),
            f"AWS4-HMAC-SHA256\n{self.date}\n{scope}\n{hashlib.sha256(form.encode()).hexdigest()}",
        ):
            made = hmac.new(made, part.encode(), "sha256").digest()
        return made.hex()

    def raw(self) -> bytes:
        query = "&".join(
            f"{quote(name, safe='-._~')}={quote(value, safe='-._~')}" for name, value in self.query
        )
        lines = [f"{self.method} {self.path}{'?' if query else ''}{query} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in self.headers]
        lines += [f"Content-Length: {len(self.body)}", "Connection: close"]
        return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + self.body


def send(port: int, raw: bytes) -> tuple[int, bytes]:
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall(raw)
        received = b""
        while chunk := connection.recv(65_536):
            received += chunk
    head, _, body = received.partition(b"\r\n\r\n")
    return int(head.split(b" ", 2)[1]), body


Change = Callable[[Draft], Any]


def nothing(_: Draft) -> None:
    pass


@dataclass
class Guarded:
    """A server that enforces, with a table `Guarded`, and a key that may write to it and one that is of no use."""

    server: Any
    key: dict[str, str]
    removed: dict[str, str]

    def draft(self, item: str) -> Draft:
        return Draft(
            f"127.0.0.1:{self.server.port}", self.key["AccessKeyId"], self.key["SecretAccessKey"], item
        )

    def has(self, item: str) -> bool:
        client = boto3.client(
            "dynamodb",
            endpoint_url=self.server.url,
            region_name="us-east-1",
            aws_access_key_id=self.key["AccessKeyId"],
            aws_secret_access_key=self.key["SecretAccessKey"],
        )
        return "Item" in client.get_item(TableName="Guarded", Key={"pk": {"S": item}}, ConsistentRead=True)


def keys(directory: Path, *arguments: str) -> Any:
    command = [sys.executable, "-m", "alt.cli", "keys", *arguments, "--json", "--data-dir", str(directory)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory, server_type: Any) -> Iterator[Guarded]:
    directory = tmp_path_factory.mktemp("guarded")
    key, removed = keys(directory, "create", "app"), keys(directory, "create", "gone")
    keys(directory, "rm", removed["AccessKeyId"], "--yes")
    server = server_type("--data-dir", str(directory), "--auth", "enforce")
    boto3.client(
        "dynamodb",
        endpoint_url=server.url,
        region_name="us-east-1",
        aws_access_key_id=key["AccessKeyId"],
        aws_secret_access_key=key["SecretAccessKey"],
    ).create_table(
        TableName="Guarded",
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )
    yield Guarded(server, key, removed)
    server.kill()


def change(**members: Any) -> Change:
    def made(draft: Draft) -> None:
        for name, value in members.items():
            setattr(draft, name, value)

    return made


def dated_otherwise(draft: Draft) -> None:
    """Of the same day, though that has just begun."""
    draft.date = at(-901) if at(-901)[:8] == at(0)[:8] else at(60)


def dated(seconds: float) -> Change:
    """So many seconds from when it is sent, which may be minutes after the tests were collected."""

    def made(draft: Draft) -> None:
        draft.date = at(seconds)

    return made


def body_of(item: str) -> bytes:
    return json.dumps(
        {"TableName": "Guarded", "Item": {"pk": {"S": item}, "forged": {"BOOL": True}}}
    ).encode()


def presigned(further: Change = nothing) -> Change:
    def made(draft: Draft) -> None:
        draft.presigned = True
        further(draft)

    return made


def twice(name: str, value: str | None = None) -> Change:
    """Send a header again, with the same value or another one."""

    def made(draft: Draft) -> None:
        draft.add(name, value or next(old for each, old in draft.headers if each.lower() == name.lower()))

    return made


def bare(authorization: str, *further: tuple[str, str]) -> Change:
    """No signature but this header."""

    def made(draft: Draft) -> None:
        draft.remove("Authorization").remove("X-Amz-Date").add("Authorization", authorization)
        for name, value in further:
            draft.add(name, value)

    return made


REQUIRES = "Authorization header requires '{}' parameter. "
NO_DATE = "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. "
QUERY = "AWS query-string parameters must include '{}'. "
REEXAMINE = "Re-examine the query-string parameters."
YESTERDAY = at(-24 * 3600)

# What is done before it is signed, what is done after, the error's type, and what its text begins with.
FORGED: dict[str, tuple[Change, Change, str, str]] = {
    # Not signed
    "no signature": (nothing, lambda draft: draft.remove("Authorization"), MISSING, "Request is missing Authentication Token"),
    "an empty header": (nothing, lambda draft: draft.set("Authorization", ""), MISSING, "Request is missing Authentication Token"),
    "a password": (nothing, bare("Basic dXNlcjpwYXNzd29yZA=="), MISSING, "Request is missing Authentication Token"),
    "a bearer": (nothing, bare("Bearer AWS4-HMAC-SHA256"), MISSING, "Request is missing Authentication Token"),
    "version 2": (nothing, bare("AWS AKID:c2lnbmF0dXJl"), MISSING, "Request is missing Authentication Token"),
    "AWS4 alone": (nothing, bare("AWS4"), MISSING, "Request is missing Authentication Token"),
    "a query without an algorithm": (presigned(), lambda draft: draft.parameter("X-Amz-Algorithm", None), MISSING, "Request is missing Authentication Token"),
    # Signed in part
    "AWS4- alone": (nothing, bare("AWS4-"), INCOMPLETE, REQUIRES.format("Credential") + REQUIRES.format("Signature") + REQUIRES.format("SignedHeaders") + NO_DATE + "Authorization=AWS4-"),
    "no signed headers": (nothing, bare("AWS4- Signature=b Credential=a", ("Date", "a")), INCOMPLETE, REQUIRES.format("SignedHeaders") + "Authorization=AWS4- Signature=b Credential=a"),
    "no signed headers, with a comma": (nothing, bare("AWS4- Signature=b,Credential=a", ("Date", "a")), INCOMPLETE, REQUIRES.format("SignedHeaders") + "Authorization=AWS4- Signature=b,Credential=a"),
    "no equal-sign": (nothing, bare("AWS4-HMAC-SHA256 Signature=b, Credential, SignedHeaders"), INCOMPLETE, "'Credential' not a valid key=value pair (missing equal-sign) in Authorization header: 'AWS4-HMAC-SHA256 Signature=b, Credential, SignedHeaders'."),
    "no credential": (nothing, lambda draft: draft.replace("Credential=", "Other="), INCOMPLETE, REQUIRES.format("Credential")),
    "no signature in the header": (nothing, lambda draft: draft.replace("Signature=", "Other="), INCOMPLETE, REQUIRES.format("Signature")),
    "an empty signature": (nothing, lambda draft: draft.set("Authorization", f"AWS4-HMAC-SHA256 Credential={draft.key}/{draft.date[:8]}/r/dynamodb/aws4_request, SignedHeaders=host, Signature="), INCOMPLETE, REQUIRES.format("Signature")),
    "two credentials": (nothing, lambda draft: draft.replace("SignedHeaders=", "Credential=b, SignedHeaders="), INCOMPLETE, REQUIRES.format("Credential")),
    "two signatures": (nothing, lambda draft: draft.replace("Signature=", "Signature=0, Signature="), INCOMPLETE, REQUIRES.format("Signature")),
    "two lists of headers": (nothing, lambda draft: draft.replace("SignedHeaders=", "SignedHeaders=host, SignedHeaders="), INCOMPLETE, REQUIRES.format("SignedHeaders")),
    "no date": (nothing, lambda draft: draft.remove("X-Amz-Date"), INCOMPLETE, NO_DATE),
    "an empty algorithm": (presigned(change(algorithm="")), nothing, INCOMPLETE, QUERY.format("X-Amz-Algorithm") + REEXAMINE),
    "a query without a credential": (presigned(), lambda draft: draft.parameter("X-Amz-Credential", None), INCOMPLETE, QUERY.format("X-Amz-Credential") + REEXAMINE),
    "a query without a signature": (presigned(), lambda draft: draft.parameter("X-Amz-Signature", None), INCOMPLETE, QUERY.format("X-Amz-Signature") + REEXAMINE),
    "a query without signed headers": (presigned(), lambda draft: draft.parameter("X-Amz-SignedHeaders", None), INCOMPLETE, QUERY.format("X-Amz-SignedHeaders") + REEXAMINE),
    "a query without a date": (presigned(), lambda draft: draft.parameter("X-Amz-Date", None), INCOMPLETE, QUERY.format("X-Amz-Date") + REEXAMINE),
    "a query with two dates": (presigned(), lambda draft: draft.query.append(("X-Amz-Date", draft.date)), INCOMPLETE, QUERY.format("X-Amz-Date") + REEXAMINE),
    "a query with two credentials": (presigned(), lambda draft: draft.query.insert(0, ("X-Amz-Credential", "a")), INCOMPLETE, QUERY.format("X-Amz-Credential") + REEXAMINE),
    "both a header and a query": (nothing, lambda draft: draft.query.append(("X-Amz-Algorithm", draft.algorithm)), INVALID, "Found both 'X-Amz-Algorithm' as a query-string param and 'Authorization' as HTTP header."),
    # Not now
    "an old date": (dated(-901), nothing, INVALID, "Signature expired: "),
    "a date of yesterday": (change(date=YESTERDAY), nothing, INVALID, f"Signature expired: {YESTERDAY} is now earlier than "),
    "a date to come": (dated(960), nothing, INVALID, "Signature not yet current: "),
    "an old date in a query": (presigned(dated(-901)), nothing, INVALID, "Signature expired: "),
    "a query that has expired": (presigned(lambda draft: (change(date=at(-60))(draft), draft.query.append(("X-Amz-Expires", "30")))), nothing, INVALID, "Signature expired: "),
    "a query for longer than a week": (presigned(lambda draft: draft.query.append(("X-Amz-Expires", "604801"))), nothing, INCOMPLETE, "X-Amz-Expires must be "),
    "a query for minus a day": (presigned(lambda draft: draft.query.append(("X-Amz-Expires", "-86400"))), nothing, INCOMPLETE, "X-Amz-Expires must be "),
    "a query that is made to last longer": (presigned(lambda draft: (change(date=at(-60))(draft), draft.query.append(("X-Amz-Expires", "30")))), lambda draft: draft.parameter("X-Amz-Expires", "300"), INVALID, MISMATCH),
    "an old request with a new date": (dated_otherwise, lambda draft: draft.set("X-Amz-Date", at(0)), INVALID, MISMATCH),
    "a date that is none": (change(date="20261341T000000Z"), nothing, INCOMPLETE, "Date must be in ISO-8601 'basic format'. Got '20261341T000000Z'. See http://en.wikipedia.org/wiki/ISO_8601"),
    "a date in words": (nothing, lambda draft: draft.set("X-Amz-Date", "Thu, 26 Nov 2026 12:00:00 GMT"), INCOMPLETE, "Date must be in ISO-8601 'basic format'. Got 'Thu, 26 Nov 2026 12:00:00 GMT'."),
    "the day alone": (nothing, lambda draft: draft.set("X-Amz-Date", draft.date[:8]), INCOMPLETE, "Date must be in ISO-8601 'basic format'."),
    "the scope of another day": (change(day=YESTERDAY[:8]), nothing, INVALID, f"Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '{YESTERDAY[:8]}' != "),
    # Not by this key, for this service
    "an unknown key": (change(key="AKIAIOSFODNN7EXAMPLE"), nothing, UNRECOGNIZED, "The security token included in the request is invalid."),
    "a key in small letters": (lambda draft: change(key=draft.key.lower())(draft), nothing, UNRECOGNIZED, "The security token included in the request is invalid."),
    "no key": (change(key=""), nothing, UNRECOGNIZED, "The security token included in the request is invalid."),
    "a key that is not ASCII": (nothing, lambda draft: draft.replace(draft.key, "\xff\xfe"), UNRECOGNIZED, "The security token included in the request is invalid."),
    "an unknown key in a query": (presigned(change(key="AKIAIOSFODNN7EXAMPLE")), nothing, UNRECOGNIZED, "The security token included in the request is invalid."),
    "a wrong secret": (change(secret="x" * 40), nothing, INVALID, MISMATCH),
    "no secret": (change(secret=""), nothing, INVALID, MISMATCH),
    "another service": (change(service="s3"), nothing, INVALID, "Credential should be scoped to correct service: 'dynamodb'. "),
    "another service's name afterwards": (change(service="s3"), lambda draft: draft.replace("/s3/", "/dynamodb/"), INVALID, MISMATCH),
    "no region": (change(region=""), nothing, INVALID, "Credential should be scoped to a valid region, not ''. "),
    "a region that is none": (change(region="eu west"), lambda draft: draft.replace("eu west", "eu_west"), INVALID, "Credential should be scoped to a valid region, not 'eu_west'. "),
    "another region afterwards": (nothing, lambda draft: draft.replace("eu-west-1", "us-east-1"), INVALID, MISMATCH),
    "another terminator": (change(terminator="aws5_request"), nothing, INVALID, "Credential should be scoped with a valid terminator: 'aws4_request', not 'aws5_request'. "),
    "all of the scope wrong": (change(region="", service="s3", terminator="x", day="20000101"), nothing, INVALID, "Credential should be scoped to a valid region, not ''. Credential should be scoped to correct service: 'dynamodb'. Credential should be scoped with a valid terminator: 'aws4_request', not 'x'. Date in Credential scope does not match"),
    "a short scope": (nothing, lambda draft: draft.replace("/aws4_request", ""), INCOMPLETE, "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got '"),
    "a long scope": (nothing, lambda draft: draft.replace("/aws4_request", "/more/aws4_request"), INCOMPLETE, "Credential must have exactly 5 slash-delimited elements"),
    "another algorithm": (change(algorithm="AWS4-HMAC-SHA1"), nothing, INCOMPLETE, "Unsupported AWS 'algorithm': 'AWS4-HMAC-SHA1' (only AWS4-HMAC-SHA256 for now). "),
    "an asymmetric algorithm": (change(algorithm="AWS4-ECDSA-P256-SHA256"), nothing, INCOMPLETE, "Unsupported AWS 'algorithm': 'AWS4-ECDSA-P256-SHA256'"),
    "a session's token": (lambda draft: draft.add("X-Amz-Security-Token", "token"), nothing, UNRECOGNIZED, "The security token included in the request is invalid"),
    "a session's token in a query": (presigned(lambda draft: draft.query.append(("X-Amz-Security-Token", "token"))), nothing, UNRECOGNIZED, "The security token included in the request is invalid"),
    # Another signature
    "a signature of zeros": (nothing, lambda draft: draft.set("Authorization", draft.headers[-1][1].rpartition("=")[0] + "=" + "0" * 64), INVALID, MISMATCH),
    "a signature that is cut short": (nothing, lambda draft: draft.set("Authorization", draft.headers[-1][1][:-1]), INVALID, MISMATCH),
    "a signature that goes on": (nothing, lambda draft: draft.set("Authorization", draft.headers[-1][1] + "0"), INVALID, MISMATCH),
    "a signature in capitals": (nothing, lambda draft: draft.set("Authorization", draft.headers[-1][1].rpartition("=")[0] + "=" + draft.headers[-1][1].rpartition("=")[2].upper()), INVALID, MISMATCH),
    "a signature that is not ASCII": (nothing, lambda draft: draft.set("Authorization", draft.headers[-1][1].rpartition("=")[0] + "=\xe9"), INVALID, MISMATCH),
    # Another request
    "another body": (nothing, lambda draft: change(body=body_of(draft.item))(draft), INVALID, MISMATCH),
    "a longer body": (nothing, lambda draft: change(body=draft.body + b" ")(draft), INVALID, MISMATCH),
    "no body": (nothing, change(body=b""), INVALID, MISMATCH),
    "a body that is no JSON": (nothing, change(body=b"{"), INVALID, MISMATCH),
    "another large body": (nothing, lambda draft: change(body=draft.body + b" " * 100_000)(draft), INVALID, MISMATCH),
    "another body in a query's request": (presigned(), lambda draft: change(body=body_of(draft.item))(draft), INVALID, MISMATCH),
    "another target": (lambda draft: draft.set("X-Amz-Target", "DynamoDB_20120810.GetItem"), lambda draft: draft.set("X-Amz-Target", TARGET), INVALID, MISMATCH),
    "another host": (lambda draft: draft.set("Host", "dynamodb.eu-west-1.amazonaws.com"), lambda draft: draft.set("Host", draft.host), INVALID, MISMATCH),
    "another method": (change(method="PUT"), change(method="POST"), INVALID, MISMATCH),
    "another path": (nothing, change(path="/other"), INVALID, MISMATCH),
    "a query that was not there": (nothing, lambda draft: draft.query.append(("a", "b")), INVALID, MISMATCH),
    "a query that is gone": (lambda draft: draft.query.append(("a", "b")), change(query=[]), INVALID, MISMATCH),
    "a parameter that a presigned query had not": (presigned(), lambda draft: draft.query.append(("a", "b")), INVALID, MISMATCH),
    "another content type": (nothing, lambda draft: draft.set("Content-Type", "application/json"), INVALID, MISMATCH),
    "a signed header that is gone": (lambda draft: draft.add("X-Amz-Meta", "a"), lambda draft: draft.remove("X-Amz-Meta"), INVALID, MISMATCH),
    "a signed header with a space more": (lambda draft: draft.add("Note", "ab"), lambda draft: draft.set("Note", "a b"), INVALID, MISMATCH),
    "a body that is not signed": (lambda draft: (change(payload="UNSIGNED-PAYLOAD")(draft), draft.add("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD")), nothing, INVALID, MISMATCH),
    "a body that is not signed, in a query": (presigned(change(payload="UNSIGNED-PAYLOAD")), nothing, INVALID, MISMATCH),
    "the hash of another body": (lambda draft: (change(payload=hashlib.sha256(b"").hexdigest())(draft), draft.add("X-Amz-Content-Sha256", hashlib.sha256(b"").hexdigest())), nothing, INVALID, MISMATCH),
    "a chunked signature": (lambda draft: (change(payload="STREAMING-AWS4-HMAC-SHA256-PAYLOAD")(draft), draft.add("X-Amz-Content-Sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD")), nothing, INVALID, MISMATCH),
    # Headers that are not signed
    "a host that is not signed": (change(signed=["content-type", "x-amz-date", "x-amz-target"]), nothing, INVALID, "'Host' must be a 'SignedHeader' in the AWS Authorization."),
    "a target that is not signed": (change(signed=["host", "x-amz-date"]), nothing, INVALID, "'x-amz-target' must be a 'SignedHeader' in the AWS Authorization."),
    "a target that is not signed, in a query's request": (presigned(change(signed=["host"])), nothing, INVALID, "'x-amz-target' must be a 'SignedHeader' in the AWS Authorization."),
    "a date that is not signed": (change(signed=["host", "x-amz-target"]), nothing, INVALID, "'x-amz-date' must be a 'SignedHeader' in the AWS Authorization."),
    "a header of AWS's that is added": (nothing, lambda draft: draft.add("X-Amz-Meta", "a"), INVALID, "'x-amz-meta' must be a 'SignedHeader' in the AWS Authorization."),
    "a token that is added": (nothing, lambda draft: draft.add("X-Amz-Security-Token", "a"), INVALID, "'x-amz-security-token' must be a 'SignedHeader' in the AWS Authorization."),
    "a list of headers that is cut short": (nothing, lambda draft: draft.replace("content-type;", ""), INVALID, MISMATCH),
    "no headers that are signed": (nothing, lambda draft: draft.set("Authorization", draft.headers[-1][1].replace("content-type;host;x-amz-date;x-amz-target", ";")), INVALID, "'Host' must be a 'SignedHeader'"),
    # Headers that come twice
    "two signatures in two headers": (nothing, twice("Authorization"), INCOMPLETE, "The header 'authorization' must not be sent more than once."),
    "two targets": (nothing, twice("X-Amz-Target", "DynamoDB_20120810.PutItem"), INCOMPLETE, "The header 'x-amz-target' must not be sent more than once."),
    "two targets in another case": (nothing, twice("x-amz-TARGET", "DynamoDB_20120810.PutItem"), INCOMPLETE, "The header 'x-amz-target' must not be sent more than once."),
    "two targets, both of them signed": (twice("X-Amz-Target", TARGET), nothing, INCOMPLETE, "The header 'x-amz-target' must not be sent more than once."),
    "two dates": (nothing, twice("X-Amz-Date"), INCOMPLETE, "The header 'x-amz-date' must not be sent more than once."),
    "two hosts": (nothing, twice("Host"), INCOMPLETE, "The header 'host' must not be sent more than once."),
    "two other headers, the last one signed": (lambda draft: draft.add("Note", "b"), lambda draft: draft.headers.insert(0, ("Note", "a")), INVALID, MISMATCH),
}  # fmt: skip


@pytest.mark.parametrize("name", FORGED)
def test_it_is_refused(guarded: Guarded, name: str) -> None:
    before, after, error, text = FORGED[name]
    draft = guarded.draft(name)
    before(draft)
    draft.sign()
    after(draft)
    status, body = send(guarded.server.port, draft.raw())
    answer = json.loads(body)
    assert (status, answer["__type"]) == (400, f"com.amazon.coral.service#{error}")
    assert answer["message"].startswith(text)
    assert guarded.key["SecretAccessKey"] not in body.decode()
    assert not guarded.has(name)


GOOD: dict[str, tuple[Change, Change]] = {
    "as SDKs sign": (nothing, nothing),
    "presigned": (presigned(), nothing),
    "presigned for a while": (presigned(lambda draft: (change(date=at(-1_800))(draft), draft.query.append(("X-Amz-Expires", "3600")))), nothing),
    "any region": (change(region="anywhere-7"), nothing),
    "with the header Date": (lambda draft: draft.add("Date", draft.date), nothing),
    "with a query": (lambda draft: (draft.query.append(("b", "a/b c")), draft.query.append(("a", "ሴ"))), nothing),
    "with a path": (change(path="/a%20b//c/"), nothing),
    "minutes ago": (dated(-880), nothing),
    "minutes ahead": (dated(880), nothing),
    "a large body": (lambda draft: change(body=draft.body + b" " * 100_000)(draft), nothing),
    "a content type that is not signed": (change(signed=["host", "x-amz-date", "x-amz-target"]), nothing),
    "a header that comes twice, both of them signed": (lambda draft: draft.add("Note", "a").add("Note", "b"), nothing),
    "spaces in a signed header": (lambda draft: draft.add("Note", "  a   b  "), nothing),
    "the hash of the body": (lambda draft: draft.add("X-Amz-Content-Sha256", hashlib.sha256(draft.body).hexdigest()), nothing),
    "commas without spaces": (nothing, lambda draft: draft.set("Authorization", draft.headers[-1][1].replace(", ", ","))),
    "the signature first": (nothing, lambda draft: draft.set("Authorization", "AWS4-HMAC-SHA256 " + ", ".join(reversed(draft.headers[-1][1].removeprefix("AWS4-HMAC-SHA256 ").split(", "))))),
    "what proxies add": (nothing, lambda draft: draft.add("X-Forwarded-For", "10.0.0.1").add("X-Amzn-Trace-Id", "Root=1")),
}  # fmt: skip


@pytest.mark.parametrize("name", GOOD)
def test_what_is_signed_well_is_answered(guarded: Guarded, name: str) -> None:
    before, after = GOOD[name]
    draft = guarded.draft(name)
    before(draft)
    draft.sign()
    after(draft)
    assert send(guarded.server.port, draft.raw()) == (200, b"{}")
    assert guarded.has(name)


def test_a_removed_key_is_of_no_use(guarded: Guarded) -> None:
    draft = guarded.draft("removed")
    draft.key, draft.secret = guarded.removed["AccessKeyId"], guarded.removed["SecretAccessKey"]
    draft.sign()
    status, body = send(guarded.server.port, draft.raw())
    assert (status, json.loads(body)["__type"]) == (400, f"com.amazon.coral.service#{UNRECOGNIZED}")


def test_a_mismatch_says_what_should_have_been_signed(guarded: Guarded) -> None:
    draft = guarded.draft("explained")
    draft.sign()
    draft.set("Content-Type", "application/json")
    _, body = send(guarded.server.port, draft.raw())
    lines = json.loads(body)["message"].split("\n")
    scope = f"{draft.date[:8]}/eu-west-1/dynamodb/aws4_request"
    assert lines[2:12] == [
        "The Canonical String for this request should have been",
        "'POST",
        "/",
        "",
        "content-type:application/json",
        f"host:{draft.host}",
        f"x-amz-date:{draft.date}",
        f"x-amz-target:{TARGET}",
        "",
        "content-type;host;x-amz-date;x-amz-target",
    ]
    assert lines[14:18] == [
        "The String-to-Sign should have been",
        "'AWS4-HMAC-SHA256",
        draft.date,
        scope,
    ]


def test_a_header_that_is_folded_over_lines_is_no_request(guarded: Guarded) -> None:
    draft = guarded.draft("folded")
    draft.sign()
    raw = draft.raw().replace(b"X-Amz-Target: ", b"X-Amz-Target: a\r\n ")
    assert send(guarded.server.port, raw) == (400, b"Bad Request\n")


def test_an_offered_upgrade_hides_no_header_that_comes_twice(guarded: Guarded) -> None:
    draft = guarded.draft("upgrade")
    draft.sign()
    draft.add("Upgrade", "h2c")
    for status in (b"200", b"400"):
        raw = draft.raw().replace(b"Connection: close", b"Connection: Upgrade")
        with socket.create_connection(("127.0.0.1", guarded.server.port), timeout=60) as connection:
            connection.sendall(raw)
            assert connection.recv(65_536).startswith(b"HTTP/1.1 " + status)
        twice("X-Amz-Target", TARGET)(draft)


def test_requests_on_one_connection_are_verified_each_by_itself(guarded: Guarded) -> None:
    good, forged, last = (guarded.draft(f"pipelined {number}") for number in range(3))
    for draft in (good, forged, last):
        draft.sign()
    twice("X-Amz-Target", TARGET)(forged)
    raw = b"".join(
        draft.raw().replace(b"Connection: close", b"Connection: keep-alive") for draft in (good, forged)
    )
    with socket.create_connection(("127.0.0.1", guarded.server.port), timeout=60) as connection:
        connection.sendall(raw + last.raw())
        received = b""
        while chunk := connection.recv(65_536):
            received += chunk
    assert [part[:3] for part in received.split(b"HTTP/1.1 ")[1:]] == [b"200", b"400", b"200"]


def test_the_same_request_is_known_again_only_as_it_was(guarded: Guarded) -> None:
    """A header Authorization that was seen before is not read again: what it says is, all the same, compared."""
    for number in range(3):
        draft = guarded.draft(f"again {number}")
        draft.sign()
        assert send(guarded.server.port, draft.raw())[0] == 200
        for _ in range(2):
            assert send(guarded.server.port, draft.raw().replace(b"again", b"anew!"))[0] == 400
            assert send(guarded.server.port, draft.add("X-Amz-Meta", "a").raw())[0] == 400
            draft.remove("X-Amz-Meta")
    assert not guarded.has("anew! 0")


def test_health_checks_need_no_signature(guarded: Guarded) -> None:
    for path in ("/", "/localnodes"):
        raw = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        assert send(guarded.server.port, raw.encode())[0] == 200
