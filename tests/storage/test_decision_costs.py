"""Which writes are decided beside the event loop: those whose item may hold it for long."""

from __future__ import annotations

from typing import Any

import pytest

from alt.storage.model.costs import decision_cost
from alt.storage.model.items import Stored
from alt.storage.sqlite.row_writes import MAX_DECISION_COST
from alt.values.json import dumps
from alt.values.sizes import item_size

LONG: dict[str, Any] = {
    "a list of many elements": {"L": [{"N": "1"}] * 30_000},
    "a map of many entries": {"M": {f"name{number}": {"N": "1"} for number in range(20_000)}},
    "a set of many numbers": {"NS": [str(number) for number in range(10_000)]},
    "a set of many texts": {"SS": [f"{number:06}" for number in range(10_000)]},
}
SHORT: dict[str, Any] = {
    "one long text": {"S": "x" * 390_000},
    "a long text of quotes": {"S": '"' * 390_000},
    "a list of some elements": {"L": [{"N": "1"}] * 3_000},
    "a set of some numbers": {"NS": [str(number) for number in range(3_000)]},
}


@pytest.mark.parametrize("what", LONG)
def test_an_item_of_many_values_takes_long(what: str) -> None:
    assert cost(LONG[what]) > MAX_DECISION_COST


@pytest.mark.parametrize("what", SHORT)
def test_an_item_of_few_values_does_not(what: str) -> None:
    assert cost(SHORT[what]) < MAX_DECISION_COST


def test_a_long_text_that_is_looked_at_often_takes_long() -> None:
    assert cost(SHORT["one long text"], looks=150) > MAX_DECISION_COST


def cost(value: Any, looks: int = 1) -> int:
    item = {"pk": {"S": "k"}, "a": value}
    return decision_cost(Stored(item_size(item), dumps(item)), looks)
