"""Clients that sign with a key of a database, and what comes of what they ask."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

PATIENCE_SECONDS = 60.0


def signing(server: Any, key: dict[str, str]) -> Any:
    return boto3.client(
        "dynamodb",
        endpoint_url=server.url,
        region_name="us-east-1",
        aws_access_key_id=key["AccessKeyId"],
        aws_secret_access_key=key["SecretAccessKey"],
        config=Config(retries={"total_max_attempts": 1}),
    )


def refusal(call: Callable[[], Any]) -> str:
    """The error that a call is answered, "" for none."""
    try:
        call()
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return ""


def comes_to(call: Callable[[], Any], expected: str, seconds: float = PATIENCE_SECONDS) -> bool:
    """Whether a call is soon answered so."""
    end = time.monotonic() + seconds
    while refusal(call) != expected:
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True
