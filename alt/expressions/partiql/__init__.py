"""PartiQL: statements as text, parsed to the tree that expressions have, and bound to a request's parameters.

`read` and `bind` are the way in. What they answer knows nothing of tables: what its words come to there is the
operations' business. The reference is
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ql-reference.html.
"""

from __future__ import annotations

from alt.expressions.partiql.binding import Asked, bind, read, read_parameters
from alt.expressions.partiql.literals import literal_of
from alt.expressions.partiql.parser import parse, read_literal
from alt.expressions.partiql.statements import (
    Delete,
    Exists,
    Insert,
    OrderTerm,
    Select,
    Statement,
    Update,
    table_of,
)

__all__ = [
    "Asked",
    "Delete",
    "Exists",
    "Insert",
    "OrderTerm",
    "Select",
    "Statement",
    "Update",
    "bind",
    "literal_of",
    "parse",
    "read",
    "read_literal",
    "read_parameters",
    "table_of",
]
