"""A boto3 round trip against an `alt` binary: `python smoke.py PATH`. Exits non-zero if anything is wrong."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import boto3


def main() -> None:
    binary = sys.argv[1]
    _check_version(binary)
    with tempfile.TemporaryDirectory() as folder:
        server, client = _start(binary, folder)
        try:
            _write(client)
        finally:
            _stop(server)
        server, client = _start(binary, folder)
        try:
            _read(client)
        finally:
            _stop(server)
        listed = subprocess.run(
            [binary, "tables", "ls", "--data-dir", folder], capture_output=True, text=True, check=True
        )
        assert listed.stdout.split("\t")[:2] == ["smoke", "10"], listed
        asked = subprocess.run(
            [binary, "sql", "--data-dir", folder, "-c", "SELECT square FROM smoke WHERE pk = 'a' AND sk = 7"],
            capture_output=True,
            text=True,
            check=True,
        )
        assert asked.stdout == "square\n49\n", asked
        _check_encryption(binary, Path(folder))
    _check_driver(binary)


def _check_driver(binary: str) -> None:
    """The driver of databases is in the binary: it looks for one where there is none."""
    nowhere = "postgresql://alt@127.0.0.1:1/alt"
    asked = subprocess.run(
        [binary, "engine", "check", "--engine", nowhere], capture_output=True, text=True, check=False
    )
    assert "the database cannot be reached" in asked.stderr, asked


def _check_encryption(binary: str, folder: Path) -> None:
    """The SQLite in the binary is one that can encrypt."""
    key = folder / "a.key"
    key.write_text("3c" * 32)
    key.chmod(0o600)
    options = ("--data-dir", str(folder))
    subprocess.run([binary, "rekey", *options, "--new-encryption-key-file", str(key)], check=True)
    locked = subprocess.run([binary, "tables", "ls", *options], capture_output=True, text=True, check=False)
    assert "is encrypted: give its key" in locked.stderr, locked
    subprocess.run([binary, "tables", "check", *options, "--encryption-key-file", str(key)], check=True)


def _check_version(binary: str) -> None:
    """The binary is of the version of the wheel it was made from, which is installed here."""
    shown = subprocess.run([binary, "--version"], capture_output=True, text=True, check=True).stdout
    assert shown.split()[-1] == importlib.metadata.version("alt-dynamodb"), shown


def _start(binary: str, folder: str) -> tuple[subprocess.Popen[str], Any]:
    command = [binary, "start", "--port", "0", "--data-dir", folder]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    for line in server.stdout:
        if line.startswith("AWS_ENDPOINT_URL_DYNAMODB="):
            url = line.strip().split("=", 1)[1]
            options = {"aws_access_key_id": "smoke", "aws_secret_access_key": "smoke"}
            return server, boto3.client("dynamodb", endpoint_url=url, region_name="us-east-1", **options)
    raise SystemExit(f"the binary did not start: exit status {server.wait()}")


def _stop(server: subprocess.Popen[str]) -> None:
    server.terminate()
    status = server.wait(timeout=30)
    if status != 0 and sys.platform != "win32":
        raise SystemExit(f"the binary stopped with status {status}")


def _write(client: Any) -> None:
    client.create_table(
        TableName="smoke",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        AttributeDefinitions=[
            {"AttributeName": "pk", "AttributeType": "S"},
            {"AttributeName": "sk", "AttributeType": "N"},
        ],
        BillingMode="PAY_PER_REQUEST",
    )
    client.get_waiter("table_exists").wait(TableName="smoke")
    for number in range(11):
        item = {"pk": {"S": "a"}, "sk": {"N": str(number)}, "square": {"N": str(number**2)}}
        client.put_item(TableName="smoke", Item=item)
    client.delete_item(TableName="smoke", Key={"pk": {"S": "a"}, "sk": {"N": "10"}})


def _read(client: Any) -> None:
    found = client.get_item(TableName="smoke", Key={"pk": {"S": "a"}, "sk": {"N": "7"}})
    assert found["Item"]["square"] == {"N": "49"}, found
    answer = client.query(
        TableName="smoke",
        KeyConditionExpression="pk = :p AND sk > :s",
        FilterExpression="square < :most",
        ExpressionAttributeValues={":p": {"S": "a"}, ":s": {"N": "2"}, ":most": {"N": "50"}},
    )
    assert [item["sk"]["N"] for item in answer["Items"]] == ["3", "4", "5", "6", "7"], answer


if __name__ == "__main__":
    main()
