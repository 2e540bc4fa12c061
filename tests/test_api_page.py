"""docs/api.md says of each operation of the API whether it is there, as the code has it."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest

from alt.operations import OPERATIONS
from alt.validation.shapes import operations

ROOT = Path(__file__).parent.parent
GENERATOR = runpy.run_path(str(ROOT / "packaging" / "generate_api_table.py"))
EVERY = operations("dynamodb") | operations("dynamodbstreams")
THERE = {name for _, name in OPERATIONS}


def test_the_page_has_the_table() -> None:
    advice = "python packaging/generate_api_table.py writes it anew"
    assert GENERATOR["api_table"]() in (ROOT / "docs" / "api.md").read_text("utf-8"), advice


def test_each_operation_has_one_row() -> None:
    names = [name for _, name, _, _ in GENERATOR["rows"]()]
    assert sorted(names) == sorted(EVERY)


def test_what_is_said_is_about_operations_that_are_there_or_not() -> None:
    assert set(GENERATOR["REMARKS"]) <= THERE
    assert set(GENERATOR["NOT_BUILT"]) <= THERE
    assert {name for names in GENERATOR["NOT_YET"].values() for name in names} == EVERY - THERE


def test_an_operation_that_is_not_there_is_unknown(dynamodb: Any) -> None:
    for _, name, state, _ in GENERATOR["rows"]():
        if state == "not yet":
            with pytest.raises(dynamodb.exceptions.ClientError, match="UnknownOperationException"):
                dynamodb._make_api_call(name, {})
