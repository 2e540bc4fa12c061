"""The AWS CLI, unmodified."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.api.conftest import guarded_server

AWS = Path(sys.executable).parent / "aws"


@pytest.fixture
def environment(server: Any, tmp_path: Path) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "AWS_ENDPOINT_URL_DYNAMODB": server.url,
        "AWS_ACCESS_KEY_ID": "any",
        "AWS_SECRET_ACCESS_KEY": "any",
        "AWS_DEFAULT_REGION": "eu-central-1",
    }


@pytest.mark.nightly
def test_a_session_of_the_aws_cli(environment: dict[str, str]) -> None:

    def aws(*arguments: str) -> Any:
        done = subprocess.run(
            [sys.executable, str(AWS), "dynamodb", *arguments],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        return json.loads(done.stdout) if done.stdout else None

    table = ("--table-name", "from-the-cli")
    created = aws(
        "create-table", *table,
        "--attribute-definitions", "AttributeName=pk,AttributeType=S", "AttributeName=sk,AttributeType=N",
        "--key-schema", "AttributeName=pk,KeyType=HASH", "AttributeName=sk,KeyType=RANGE",
        "--billing-mode", "PAY_PER_REQUEST",
    )  # fmt: skip
    assert created["TableDescription"]["TableArn"].startswith("arn:aws:dynamodb:eu-central-1:")
    aws("wait", "table-exists", *table)
    puts = [{"PutRequest": {"Item": {"pk": {"S": "a"}, "sk": {"N": number}}}} for number in ("1", "2")]
    written = aws("batch-write-item", "--request-items", json.dumps({"from-the-cli": puts}))
    assert written == {"UnprocessedItems": {}}
    key = json.dumps({"pk": {"S": "a"}, "sk": {"N": "2"}})
    assert aws("get-item", *table, "--key", key) == {"Item": {"pk": {"S": "a"}, "sk": {"N": "2"}}}
    values = json.dumps({":p": {"S": "a"}})
    found = aws(
        "query", *table, "--key-condition-expression", "pk = :p", "--expression-attribute-values", values
    )
    assert found["Count"] == 2
    aws("delete-table", *table)
    aws("wait", "table-not-exists", *table)
    assert "from-the-cli" not in aws("list-tables")["TableNames"]


def test_signed_and_over_https(environment: dict[str, str], tmp_path: Path) -> None:
    with guarded_server(tmp_path, "readonly") as served:
        environment |= {
            "AWS_ENDPOINT_URL_DYNAMODB": served.url,
            "AWS_ACCESS_KEY_ID": served.key.id,
            "AWS_SECRET_ACCESS_KEY": served.key.secret,
            "AWS_CA_BUNDLE": str(served.ca),
        }
        command = [sys.executable, str(AWS), "dynamodb"]
        listed = subprocess.run(
            [*command, "list-tables"], env=environment, capture_output=True, text=True, check=True
        )
        assert json.loads(listed.stdout) == {"TableNames": []}
        denied = subprocess.run(
            [*command, "delete-table", "--table-name", "Music"],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert "AccessDeniedException" in denied.stderr
