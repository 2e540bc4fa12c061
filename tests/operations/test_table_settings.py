"""The ARN that a key's name stands for."""

from __future__ import annotations

import pytest

from alt.operations.arns import DEFAULT_PLACE
from alt.operations.tables.settings import key_arn

HERE = "arn:aws:kms:us-east-1:000000000000:"


@pytest.mark.parametrize(
    ("key", "arn"),
    [
        ("1234abcd", HERE + "key/1234abcd"),
        ("arn:aws:kms:eu-west-1:111122223333:key/1234", "arn:aws:kms:eu-west-1:111122223333:key/1234"),
    ],
)
def test_keys(key: str, arn: str) -> None:
    assert key_arn(key, DEFAULT_PLACE) == arn


def test_an_alias_always_stands_for_one_key() -> None:
    arn = key_arn("alias/mine", DEFAULT_PLACE)
    assert arn.startswith(HERE + "key/")
    assert arn == key_arn("alias/mine", DEFAULT_PLACE) == key_arn(HERE + "alias/mine", DEFAULT_PLACE)
    assert arn != key_arn("alias/yours", DEFAULT_PLACE)
