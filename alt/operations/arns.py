"""Amazon Resource Names of tables and what belongs to them."""

from __future__ import annotations

import re

from alt.config import ACCOUNT_ID
from alt.errors import validation

# arn:aws:dynamodb:us-east-1:123456789012:table/Name
_TABLE_ARN = re.compile(r"arn:aws[a-z-]*:dynamodb:([a-z0-9-]*):[0-9]*:table/([a-zA-Z0-9_.-]{3,255})")


def table_name(name_or_arn: str) -> str:
    """The name that a TableName member means, which may be an ARN."""
    return parse_table_arn(name_or_arn)[1] if name_or_arn.startswith("arn:") else name_or_arn


def parse_table_arn(arn: str) -> tuple[str, str]:
    """The region and the table's name. Raises ValidationException for what is no table's ARN."""
    match = _TABLE_ARN.fullmatch(arn)
    if match is None:
        raise validation(f"Invalid TableArn: Invalid ResourceArn provided as input {arn}")
    return match.group(1), match.group(2)


def table_arn(region: str, name: str) -> str:
    return f"arn:aws:dynamodb:{region}:{ACCOUNT_ID}:table/{name}"


def index_arn(table: str, index: str) -> str:
    """The ARN of an index of the table whose ARN is given."""
    return f"{table}/index/{index}"
