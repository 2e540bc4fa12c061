"""Expressions: conditions, filters, key conditions, updates and projections.

`Placeholders` takes one request's names and values and binds its expressions;
`write_expressions` does so for those of a write, faster where it has seen the like, by
what `rebinding` has for whoever sees the like again.
What it answers works on items in their wire form. `nodes` is the tree that all of
it stands on, for whoever makes conditions and updates of other syntax or compiles
them to something else.
"""

from __future__ import annotations

from alt.expressions.conditions import Condition
from alt.expressions.key_conditions import KeyClause, KeyCondition, KeyRange
from alt.expressions.placeholders import Placeholders
from alt.expressions.projection import Projection
from alt.expressions.update import Update
from alt.expressions.writes import write_expressions

__all__ = [
    "Condition",
    "KeyClause",
    "KeyCondition",
    "KeyRange",
    "Placeholders",
    "Projection",
    "Update",
    "write_expressions",
]
