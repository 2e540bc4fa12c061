"""The AWS SDK for JavaScript v3, unmodified, from npm."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from contextlib import ExitStack
from pathlib import Path

import pytest

from alt import testing
from tests.api.conftest import guarded_server

PACKAGES = ("@aws-sdk/client-dynamodb", "@aws-sdk/lib-dynamodb")
SCRIPT = """
import { DynamoDBClient, CreateTableCommand, DeleteTableCommand, waitUntilTableExists } from "@aws-sdk/client-dynamodb";
import { DynamoDBDocumentClient, PutCommand, GetCommand, UpdateCommand, QueryCommand, DeleteCommand }
  from "@aws-sdk/lib-dynamodb";
import assert from "node:assert";

const client = new DynamoDBClient({});
const documents = DynamoDBDocumentClient.from(client);
const TableName = "from-javascript";
await client.send(new CreateTableCommand({
  TableName, BillingMode: "PAY_PER_REQUEST",
  KeySchema: [{ AttributeName: "pk", KeyType: "HASH" }, { AttributeName: "sk", KeyType: "RANGE" }],
  AttributeDefinitions: [{ AttributeName: "pk", AttributeType: "S" }, { AttributeName: "sk", AttributeType: "N" }],
}));
await waitUntilTableExists({ client, maxWaitTime: 60 }, { TableName });
for (let sk = 0; sk < 5; sk++)
  await documents.send(new PutCommand({ TableName, Item: { pk: "a", sk, tags: new Set(["x", "y"]), deep: { n: sk } } }));
const got = await documents.send(new GetCommand({ TableName, Key: { pk: "a", sk: 3 } }));
assert.deepStrictEqual(got.Item, { pk: "a", sk: 3, tags: new Set(["x", "y"]), deep: { n: 3 } });
const updated = await documents.send(new UpdateCommand({
  TableName, Key: { pk: "a", sk: 3 }, UpdateExpression: "SET deep.n = deep.n + :one",
  ExpressionAttributeValues: { ":one": 1 }, ReturnValues: "ALL_NEW",
}));
assert.strictEqual(updated.Attributes.deep.n, 4);
const found = await documents.send(new QueryCommand({
  TableName, KeyConditionExpression: "pk = :p AND sk >= :s", ExpressionAttributeValues: { ":p": "a", ":s": 2 },
}));
assert.deepStrictEqual(found.Items.map((item) => item.sk), [2, 3, 4]);
await documents.send(new DeleteCommand({ TableName, Key: { pk: "a", sk: 3 } }));
assert.strictEqual((await documents.send(new GetCommand({ TableName, Key: { pk: "a", sk: 3 } }))).Item, undefined);
await assert.rejects(documents.send(new PutCommand({
  TableName, Item: { pk: "a", sk: 0 }, ConditionExpression: "attribute_not_exists(pk)",
})), { name: "ConditionalCheckFailedException" });
await client.send(new DeleteTableCommand({ TableName }));
"""


@pytest.fixture(scope="module")
def packages() -> Path:
    """A folder in which node finds them. The first to want them installs them."""
    folder = Path(tempfile.gettempdir()) / "alt-test-javascript-sdk"
    if not all((folder / "node_modules" / package).exists() for package in PACKAGES):
        folder.mkdir(exist_ok=True)
        install = [
            "npm",
            "install",
            "--silent",
            "--no-save",
            "--no-audit",
            "--no-fund",
            "--prefix",
            str(folder),
        ]
        subprocess.run([*install, *PACKAGES], check=True)
    return folder


@pytest.mark.skipif(shutil.which("npm") is None, reason="node is not installed")
@pytest.mark.xdist_group("javascript-sdk")  # one after the other: the first one installs
@pytest.mark.parametrize("is_guarded", [False, True])
def test_a_program_of_the_javascript_sdk(is_guarded: bool, packages: Path, tmp_path: Path) -> None:
    """By HTTP without a key, and by HTTPS with one that is asked for."""
    script = packages / f"session-{is_guarded}.mjs"
    script.write_text(SCRIPT, encoding="utf-8")
    with ExitStack() as servers:
        if is_guarded:
            server = servers.enter_context(guarded_server(tmp_path, "readwrite"))
            environment = {
                "AWS_ENDPOINT_URL_DYNAMODB": server.url,
                "AWS_ACCESS_KEY_ID": server.key.id,
                "AWS_SECRET_ACCESS_KEY": server.key.secret,
                "NODE_EXTRA_CA_CERTS": str(server.ca),
            }
        else:
            url = servers.enter_context(testing.serve()).url
            environment = {
                "AWS_ENDPOINT_URL_DYNAMODB": url,
                "AWS_ACCESS_KEY_ID": "any",
                "AWS_SECRET_ACCESS_KEY": "any",
            }
        environment |= {"PATH": os.environ["PATH"], "AWS_REGION": "us-east-1"}
        done = subprocess.run(
            ["node", str(script)], env=environment, capture_output=True, text=True, check=False
        )
    assert done.returncode == 0, done.stderr
