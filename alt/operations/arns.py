"""Amazon Resource Names of tables and what belongs to them."""

from __future__ import annotations

import re
from typing import NamedTuple

from alt.config import ACCOUNT_ID, DEFAULT_REGION
from alt.errors import validation


class Place(NamedTuple):
    """Where a resource is, as its ARN says."""

    region: str
    account: str


# What Alt itself names without being asked by anybody.
DEFAULT_PLACE = Place(DEFAULT_REGION, ACCOUNT_ID)

# arn:aws:dynamodb:us-east-1:123456789012:table/Name
_TABLE_ARN = re.compile(r"arn:aws[a-z-]*:dynamodb:([a-z0-9-]*):([0-9]*):table/([a-zA-Z0-9_.-]{3,255})")
_RESOURCE = re.compile(r"arn:aws[a-z-]*:dynamodb:[^:]*:[^:]*:table/([^/]*)(?:/([^/]*)/(.*))?", re.DOTALL)


def table_name(name_or_arn: str) -> str:
    """The name that a TableName member means, which may be an ARN."""
    return parse_table_arn(name_or_arn)[1] if name_or_arn.startswith("arn:") else name_or_arn


def parse_table_arn(arn: str) -> tuple[Place, str]:
    """Where the table is, and its name. Raises ValidationException for what is no table's ARN."""
    match = _TABLE_ARN.fullmatch(arn)
    if match is None:
        raise validation(f"Invalid TableArn: Invalid ResourceArn provided as input {arn}")
    return Place(match[1], match[2]), match[3]


def resource_of(arn: str) -> tuple[str, str, str]:
    """The table's name of an ARN; then, of what belongs to it, its kind, such as `index`, and its name. Empty for others."""
    match = _RESOURCE.fullmatch(arn)
    name, kind, rest = (None, None, None) if match is None else match.groups()
    return name or "", kind or "", rest or ""


def table_arn(place: Place, name: str) -> str:
    return f"arn:aws:dynamodb:{place.region}:{place.account}:table/{name}"


def index_arn(table: str, index: str) -> str:
    """The ARN of an index of the table whose ARN is given."""
    return f"{table}/index/{index}"
