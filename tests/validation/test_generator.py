"""What is generated: up to date with botocore, and in the orders the service was recorded to use."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
TABLE = ROOT / "alt" / "validation" / "shapes.json"
REQUESTS = ROOT / "alt" / "validation" / "requests.py"


def load_generator(name: str) -> ModuleType:
    # By its path: an installed library is called `packaging`, too.
    spec = importlib.util.spec_from_file_location(name, ROOT / "packaging" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


generator = load_generator("generate_validation")
request_generator = load_generator("generate_requests")
table: dict[str, Any] = json.loads(TABLE.read_text(encoding="utf-8"))


def test_the_committed_table_is_what_the_generator_writes() -> None:
    if table["botocore"] != importlib.metadata.version("botocore"):
        pytest.skip(f"the table is of botocore {table['botocore']}")
    assert TABLE.read_text(encoding="utf-8") == generator.render(generator.table())


def test_the_committed_types_are_what_the_generator_writes() -> None:
    assert REQUESTS.read_text(encoding="utf-8") == request_generator.render(request_generator.operations())


def test_every_shape_is_reachable_and_defined() -> None:
    shapes = table["shapes"]
    named = {name for inputs in table["operations"].values() for name in inputs.values()}
    for shape in shapes.values():
        named |= {
            *shape.get("members", {}).values(),
            *(shape[part] for part in ("key", "element") if part in shape),
        }
    assert named == set(shapes)


def test_an_order_holds_exactly_the_members() -> None:
    for shape in table["shapes"].values():
        assert sorted(shape.get("order", shape.get("members", ()))) == sorted(shape.get("members", ()))


@pytest.mark.parametrize(
    ("text", "code"), [("", 0), ("a", 97), ("Aa", 2112), ("BB", 2112), ("polygenelubricants", 2**31)]
)
def test_strings_are_hashed_as_by_java(text: str, code: int) -> None:
    assert generator.java_hash(text) == code


# Enum sets as the service prints them.
@pytest.mark.parametrize(
    ("shape", "printed"),
    [
        ("ReturnConsumedCapacity", "INDEXES, TOTAL, NONE"),
        ("ReturnItemCollectionMetrics", "SIZE, NONE"),
        ("ReturnValue", "ALL_NEW, UPDATED_OLD, ALL_OLD, NONE, UPDATED_NEW"),
        ("ConditionalOperator", "OR, AND"),
        ("Select", "SPECIFIC_ATTRIBUTES, COUNT, ALL_ATTRIBUTES, ALL_PROJECTED_ATTRIBUTES"),
        ("KeyType", "HASH, RANGE"),
        ("ScalarAttributeType", "B, N, S"),
        ("BillingMode", "PROVISIONED, PAY_PER_REQUEST"),
        ("SSEType", "AES256, KMS"),
        ("StreamViewType", "OLD_IMAGE, KEYS_ONLY, NEW_AND_OLD_IMAGES, NEW_IMAGE"),
        ("ContributorInsightsAction", "ENABLE, DISABLE"),
        ("ContributorInsightsMode", "THROTTLED_KEYS, ACCESSED_AND_THROTTLED_KEYS"),
        (
            "ComparisonOperator",
            "IN, NULL, BETWEEN, LT, NOT_CONTAINS, EQ, GT, NOT_NULL, NE, LE, BEGINS_WITH, GE, CONTAINS",
        ),
    ],
)
def test_enum_sets_are_in_the_order_printed(shape: str, printed: str) -> None:
    assert ", ".join(table["shapes"][shape]["enum"]) == printed


# Members in the order in which the service was recorded to report them.
@pytest.mark.parametrize(
    ("shape", "members"),
    [
        ("PutItemInput", "ReturnValues TableName"),
        ("UpdateItemInput", "ReturnConsumedCapacity TableName ReturnValues ConditionalOperator Key"),
        ("BatchWriteItemInput", "ReturnConsumedCapacity ReturnItemCollectionMetrics"),
        ("TransactWriteItemsInput", "ClientRequestToken ReturnConsumedCapacity ReturnItemCollectionMetrics"),
        ("CreateTableInput", "GlobalSecondaryIndexes LocalSecondaryIndexes"),
        ("AttributeDefinition", "AttributeType AttributeName"),
        ("KeySchemaElement", "AttributeName KeyType"),
        ("GlobalSecondaryIndex", "IndexName KeySchema Projection"),
        ("ProvisionedThroughput", "WriteCapacityUnits ReadCapacityUnits"),
        ("TimeToLiveSpecification", "AttributeName Enabled"),
        (
            "ScanInput",
            "Select IndexName TotalSegments ReturnConsumedCapacity TableName ConditionalOperator ScanFilter "
            "Segment Limit AttributesToGet",
        ),
    ],
)
def test_members_are_walked_in_the_order_reported(shape: str, members: str) -> None:
    condensed = table["shapes"][shape]
    order = condensed.get("order", list(condensed["members"]))
    assert [member for member in order if member in members.split()] == members.split()
