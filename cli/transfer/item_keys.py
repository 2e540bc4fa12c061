"""Keys of items as they are written on a command line: JSON, or NAME=VALUE typed by the table's key schema."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import click

from .item_json import read_item

if TYPE_CHECKING:
    from alt.values.types import AttributeValue, Item

    from ..terminal.output import Description


def key_types(description: Description, index: str | None = None) -> dict[str, str]:
    """The key attributes of a table, or of its index, in their order: `{"Artist": "S", ...}`."""
    types = {each["AttributeName"]: each["AttributeType"] for each in description["AttributeDefinitions"]}
    keyed = description if index is None else _index(description, index)
    return {key["AttributeName"]: types[key["AttributeName"]] for key in keyed["KeySchema"]}


def read_key(texts: Sequence[str], types: Mapping[str, str], *, plain: bool) -> Item:
    """The whole key of an item: one JSON object, or a pair for each key attribute."""
    if texts[0].lstrip().startswith("{"):
        try:
            return read_item(" ".join(texts), plain=plain)
        except ValueError as fault:
            raise click.UsageError(f"the key is {fault}.") from None
    key = read_pairs(texts, types)
    if missing := [name for name in types if name not in key]:
        raise click.UsageError(f"the key has {' and '.join(types)}: {missing[0]}=VALUE is missing.")
    return key


def read_pairs(texts: Iterable[str], types: Mapping[str, str]) -> Item:
    """Key attributes by name. A binary is given in base64."""
    key: dict[str, AttributeValue] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or name not in types:
            raise click.UsageError(
                f"{text} is no key attribute: give {' '.join(f'{each}=VALUE' for each in types)}, or JSON."
            )
        key[name] = {types[name]: value}
    return key


def _index(description: Description, name: str) -> Description:
    indexes = [*description.get("LocalSecondaryIndexes", ()), *description.get("GlobalSecondaryIndexes", ())]
    for index in indexes:
        if index["IndexName"] == name:
            found: Description = index
            return found
    there = ", ".join(sorted(each["IndexName"] for each in indexes)) or "none"
    raise click.ClickException(f"{description['TableName']} has no index {name}; there are: {there}")
