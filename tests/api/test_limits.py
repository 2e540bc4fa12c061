"""DescribeLimits and DescribeEndpoints."""

from __future__ import annotations

import http.client
import json
from typing import Any

import boto3


def test_limits(dynamodb: Any) -> None:
    answer = dynamodb.describe_limits()
    del answer["ResponseMetadata"]
    assert answer == {
        "AccountMaxReadCapacityUnits": 80_000,
        "AccountMaxWriteCapacityUnits": 80_000,
        "TableMaxReadCapacityUnits": 40_000,
        "TableMaxWriteCapacityUnits": 40_000,
    }


def test_the_endpoint_leads_back_here(server: Any, dynamodb: Any) -> None:
    (endpoint,) = dynamodb.describe_endpoints()["Endpoints"]
    assert endpoint == {"Address": f"127.0.0.1:{server.port}", "CachePeriodInMinutes": 1440}
    again = boto3.client(
        "dynamodb",
        endpoint_url=f"http://{endpoint['Address']}",
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    assert again.describe_endpoints()["Endpoints"] == [endpoint]


def endpoint_as_reached_by(port: int, host: str) -> str:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    headers = {
        "Host": host,
        "X-Amz-Target": "DynamoDB_20120810.DescribeEndpoints",
        "Content-Type": "application/x-amz-json-1.0",
    }
    connection.request("POST", "/", b"{}", headers)
    answer = json.loads(connection.getresponse().read())
    connection.close()
    address: str = answer["Endpoints"][0]["Address"]
    return address


def test_the_endpoint_is_named_as_the_client_names_it(start_server: Any) -> None:
    server = start_server("--memory", "--allowed-host", "*")
    assert endpoint_as_reached_by(server.port, "alt.internal:8000") == "alt.internal:8000"
    # Not a host's name: the address listened on.
    assert endpoint_as_reached_by(server.port, 'x"}<script>') == f"127.0.0.1:{server.port}"
