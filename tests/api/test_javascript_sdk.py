"""The AWS SDK for JavaScript v3, unmodified, from npm."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest

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


@pytest.mark.skipif(shutil.which("npm") is None, reason="node is not installed")
def test_a_program_of_the_javascript_sdk(server: Any) -> None:
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
    script = folder / "session.mjs"
    script.write_text(SCRIPT, encoding="utf-8")
    environment = {
        "PATH": os.environ["PATH"],
        "AWS_ENDPOINT_URL_DYNAMODB": server.url,
        "AWS_ACCESS_KEY_ID": "any",
        "AWS_SECRET_ACCESS_KEY": "any",
        "AWS_REGION": "us-east-1",
    }
    done = subprocess.run(["node", str(script)], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
