"""`alt tls init`, and what `alt start` says of certificates that it cannot use."""

from __future__ import annotations

import json
import ssl
from pathlib import Path
from typing import Any

import boto3
import pytest


def test_a_server_is_reached_with_what_it_prints(alt: Any, start_server: Any, tmp_path: Path) -> None:
    made = alt("tls", "init", "--data-dir", tmp_path, "--name", "db.example")
    assert made.status == 0
    (bundle,) = [
        line.partition("=")[2] for line in made.out.splitlines() if line.startswith("AWS_CA_BUNDLE=")
    ]
    assert "db.example" in made.out
    server = start_server("--data-dir", tmp_path, "--tls-port", "0")
    client = boto3.client(
        "dynamodb",
        endpoint_url=server.urls[1].replace("127.0.0.1", "localhost"),
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        verify=bundle,
    )
    assert client.list_tables()["TableNames"] == []


def test_its_files_are_private_and_the_authority_stays(alt: Any, tmp_path: Path) -> None:
    directory = tmp_path / "data"
    first = json.loads(alt("tls", "init", "--json", "--data-dir", directory).out)
    authority = Path(first["authority"]).read_bytes()
    certificate = Path(first["certificate"]).read_bytes()
    again = json.loads(alt("tls", "init", "--json", "--name", "other", "--data-dir", directory).out)
    assert Path(again["authority"]).read_bytes() == authority
    assert Path(again["certificate"]).read_bytes() != certificate
    assert "other" in again["names"]
    modes = {path.name: path.stat().st_mode & 0o777 for path in (directory / "tls").iterdir()}
    assert modes == dict.fromkeys(("ca.pem", "ca-key.pem", "server.pem", "server-key.pem"), 0o600)
    assert (directory / "tls").stat().st_mode & 0o777 == 0o700
    ssl.create_default_context(cafile=first["authority"])


def test_a_link_leads_no_key_out_of_the_directory(alt: Any, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "tls").symlink_to(outside)
    refused = alt("tls", "init", "--data-dir", tmp_path / "data")
    assert refused.status == 1
    assert "is a link" in refused.err
    assert not list(outside.iterdir())


@pytest.mark.parametrize(
    ("options", "status", "message"),
    [
        (["--tls-port", "0"], 1, "`alt tls init` makes it"),
        (["--tls-cert", "{dir}/none.pem", "--tls-key", "{dir}/none.pem"], 1, "No such file or directory"),
        (["--tls-cert", "{dir}/text", "--tls-key", "{dir}/text"], 1, "it is no PEM file"),
        (["--tls-cert", "{dir}/text"], 2, "--tls-cert and --tls-key go together"),
        (["--tls-client-ca", "{dir}/text"], 2, "--tls-client-ca is about HTTPS"),
    ],
)
def test_what_cannot_be_used(alt: Any, tmp_path: Path, options: list[str], status: int, message: str) -> None:
    (tmp_path / "text").write_text("no certificate")
    named = [option.format(dir=tmp_path) for option in options]
    refused = alt("start", "--port", "0", "--data-dir", tmp_path / "data", *named)
    assert refused.status == status
    assert message in refused.err
