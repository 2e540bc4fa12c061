"""A light client for load: one keep-alive connection, JSON in and out, each failure told apart by what it means.

boto3 takes a millisecond a request, most of a processor that the server needs.
"""

from __future__ import annotations

import http.client
import json
from typing import Any

TIMEOUT_SECONDS = 60.0  # an answer that takes longer is a request that hangs
_CREDENTIAL = "Credential=crash/20260101/us-east-1/dynamodb/aws4_request"
_HEADERS = {
    "Content-Type": "application/x-amz-json-1.0",
    "Authorization": f"AWS4-HMAC-SHA256 {_CREDENTIAL}, SignedHeaders=host, Signature={'0' * 64}",
}
_STREAMS = frozenset(("DescribeStream", "GetRecords", "GetShardIterator"))


class Refused(Exception):
    """The service refused the request (4xx): it has changed nothing. `body` is the whole answer."""

    def __init__(self, operation: str, body: dict[str, Any]) -> None:
        self.code: str = body.get("__type", "").rpartition("#")[2]
        self.body = body
        super().__init__(f"{operation}: {self.code}: {body.get('message', body.get('Message', ''))}")


class Failed(Exception):
    """The service failed (5xx): whether anything was changed is not known."""


class Unanswered(Exception):
    """The connection was lost before the answer: whether anything was changed is not known."""


class Client:
    """One connection to the server on this port of the loopback interface."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_SECONDS)

    def call(self, operation: str, **parameters: Any) -> dict[str, Any]:
        """The answer. Raises Refused, Failed, Unanswered, and TimeoutError for a request that hangs."""
        service = "DynamoDBStreams" if operation in _STREAMS else "DynamoDB"
        headers = {**_HEADERS, "X-Amz-Target": f"{service}_20120810.{operation}"}
        try:
            self._connection.request("POST", "/", json.dumps(parameters).encode(), headers)
            response = self._connection.getresponse()
            content = response.read()
        except TimeoutError as error:
            raise TimeoutError(f"{operation} {parameters} had no answer in {TIMEOUT_SECONDS} s") from error
        except (OSError, http.client.HTTPException) as error:
            raise Unanswered(f"{operation}: {error!r}") from error
        if response.status >= 500:
            raise Failed(f"{operation} {parameters}: {content!r}")
        body: dict[str, Any] = json.loads(content)
        if response.status != 200:
            raise Refused(operation, body)
        return body

    def close(self) -> None:
        self._connection.close()


def scan(client: Client, table: str) -> list[dict[str, Any]]:
    """All items, by consistent reads."""
    items: list[dict[str, Any]] = []
    start: dict[str, Any] = {}
    while True:
        page = client.call("Scan", TableName=table, ConsistentRead=True, **start)
        items += page["Items"]
        if "LastEvaluatedKey" not in page:
            return items
        start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}
