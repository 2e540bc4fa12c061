"""What the statements are, parsed: names as they stand there, and values that may still be parameters.

In a parsed statement a value is a `Value`, or a `ValueRef` to a parameter (`?0`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from alt.expressions.nodes import Action, Condition, Elements, Value, ValueRef

Term: TypeAlias = "Value | ValueRef"


@dataclass(frozen=True, slots=True)
class OrderTerm:
    name: str
    is_descending: bool


@dataclass(frozen=True, slots=True)
class Select:
    """`paths` None: all attributes. `where` None: there is none.

    `refused` says what is wrong with what is selected, which is told only once the table is known.
    """

    table: str
    index: str | None
    paths: tuple[Elements, ...] | None
    where: Condition | None
    order: tuple[OrderTerm, ...]
    refused: str | None = None


@dataclass(frozen=True, slots=True)
class Insert:
    """`item` are its attributes by their names."""

    table: str
    item: tuple[tuple[str, Term], ...]


@dataclass(frozen=True, slots=True)
class Update:
    """`returning` as ReturnValues has it: ALL_OLD, ALL_NEW, UPDATED_OLD, UPDATED_NEW or NONE."""

    table: str
    actions: tuple[Action, ...]
    where: Condition | None
    returning: str


@dataclass(frozen=True, slots=True)
class Delete:
    """`returning` is ALL_OLD or NONE."""

    table: str
    where: Condition | None
    returning: str


@dataclass(frozen=True, slots=True)
class Exists:
    """What a transaction checks."""

    select: Select


Statement: TypeAlias = Select | Insert | Update | Delete | Exists


def table_of(statement: Statement) -> str:
    """The name of the table that it is about."""
    return statement.select.table if isinstance(statement, Exists) else statement.table
