"""Real data: the 3,376 airports that the package vega_datasets ships, through boto3's table resource."""

from __future__ import annotations

import csv
import io
from collections import Counter
from decimal import Decimal
from typing import Any

import boto3
import pytest
import vega_datasets
from boto3.dynamodb.conditions import Attr, Key

MAX_BATCH = 100


@pytest.fixture(scope="module")
def airports() -> list[dict[str, Any]]:
    """One item an airport; a few lack a state or a city."""
    rows = csv.DictReader(io.StringIO(vega_datasets.local_data.airports.raw().decode()))
    return [
        {
            **{name: value for name, value in row.items() if value},
            "state": row["state"] or "none",
            "latitude": Decimal(row["latitude"]),
            "longitude": Decimal(row["longitude"]),
        }
        for row in rows
    ]


@pytest.fixture(scope="module")
def table(server: Any, airports: list[dict[str, Any]]) -> Any:
    resource = boto3.resource(
        "dynamodb",
        endpoint_url=server.url,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    created = resource.create_table(
        TableName="airports",
        KeySchema=[
            {"AttributeName": "state", "KeyType": "HASH"},
            {"AttributeName": "iata", "KeyType": "RANGE"},
        ],
        AttributeDefinitions=[
            {"AttributeName": "state", "AttributeType": "S"},
            {"AttributeName": "iata", "AttributeType": "S"},
        ],
        BillingMode="PAY_PER_REQUEST",
    )
    created.wait_until_exists()
    with created.batch_writer() as batch:
        for airport in airports:
            batch.put_item(Item=airport)
    return created


def _all(read: Any, **parameters: Any) -> list[dict[str, Any]]:
    items = []
    while True:
        page = read(**parameters)
        items += page["Items"]
        if "LastEvaluatedKey" not in page:
            return items
        parameters["ExclusiveStartKey"] = page["LastEvaluatedKey"]


def test_all_are_counted(table: Any, airports: list[dict[str, Any]]) -> None:
    table.reload()
    assert table.item_count == len(airports) == 3_376


def test_each_is_read_back_by_key(table: Any, airports: list[dict[str, Any]]) -> None:
    for first in range(0, len(airports), MAX_BATCH):
        batch = airports[first : first + MAX_BATCH]
        keys = [{"state": airport["state"], "iata": airport["iata"]} for airport in batch]
        found = table.meta.client.batch_get_item(RequestItems={table.name: {"Keys": keys}})
        assert found["Responses"][table.name] == batch
    last = airports[-1]
    assert table.get_item(Key={"state": last["state"], "iata": last["iata"]})["Item"] == last


def test_a_query_finds_each_state_in_order(table: Any, airports: list[dict[str, Any]]) -> None:
    for state in Counter(airport["state"] for airport in airports):
        found = _all(table.query, KeyConditionExpression=Key("state").eq(state), Limit=50)
        assert [airport["iata"] for airport in found] == sorted(
            airport["iata"] for airport in airports if airport["state"] == state
        )


def test_a_scan_returns_all(table: Any, airports: list[dict[str, Any]]) -> None:
    found = _all(table.scan, Limit=1_000)
    assert sorted(found, key=lambda airport: airport["iata"]) == sorted(
        airports, key=lambda airport: airport["iata"]
    )


def test_a_filter_finds_what_python_finds(table: Any, airports: list[dict[str, Any]]) -> None:
    north = Attr("latitude").gt(Decimal("60.5")) & Attr("name").contains("Municipal")
    found = {airport["iata"] for airport in _all(table.scan, FilterExpression=north)}
    expected = {
        airport["iata"]
        for airport in airports
        if airport["latitude"] > Decimal("60.5") and "Municipal" in airport["name"]
    }
    assert found == expected
    assert expected
