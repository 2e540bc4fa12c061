"""One BatchWriteItem, until everything in it is done."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import click

from ..asking.client import pause

if TYPE_CHECKING:
    from ..asking.answering import Ask

# A PutRequest or a DeleteRequest.
Change = Mapping[str, Any]

MAX_BATCH_ITEMS = 25
# Of a batch of which nothing is taken: with the pauses some minutes.
MAX_ATTEMPTS = 60


def write_batch(ask: Ask, table: str, changes: list[Change]) -> None:
    """Write at most MAX_BATCH_ITEMS, of different keys; what is left unprocessed is sent again."""
    attempt = 0
    while True:
        answer = ask("BatchWriteItem", {"RequestItems": {table: changes}})
        left: list[Change] = answer.get("UnprocessedItems", {}).get(table, [])
        if not left:
            return
        attempt = attempt + 1 if len(left) == len(changes) else 0
        if attempt == MAX_ATTEMPTS:
            raise click.ClickException(f"{table} takes no more items now: try again later")
        changes = left
        pause(attempt)


def in_batches(changes: Iterable[Change]) -> Iterator[list[Change]]:
    """The changes, as many at once as a batch takes."""
    rest = iter(changes)
    while batch := list(itertools.islice(rest, MAX_BATCH_ITEMS)):
        yield batch
