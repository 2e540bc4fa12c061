"""What UpdateItem charges for an update expression against the item size limit.

The service compares the limit with the size of the finished item and with this
charge, which it computes from the statement alone before it reads the item. The
figures are measured against the service to the byte.
"""

from __future__ import annotations

from collections.abc import Sequence

from alt.expressions.nodes import Action, Add, Arithmetic, Elements, Function, Operand, Path, Set, Value
from alt.values.sizes import text_size, value_size

_STATEMENT = 3
_WRITE = 19  # SET, ADD
_ERASE = 1  # REMOVE, DELETE
_TARGET_STEP = 4  # each element of a target after the first
_READ = 1  # a path that is read
_READ_STEP = 14  # each of its elements
_OPERATOR = {"+": 34, "-": 37}
_FUNCTION = {"if_not_exists": 39, "list_append": 37}


def statement_charge(actions: Sequence[Action]) -> int:
    """Bytes charged for bound actions."""
    charge = _STATEMENT
    for action in actions:
        charge += _target(action.path.elements)
        if isinstance(action, Set | Add):
            charge += _WRITE + _operands(action.value)
        else:
            charge += _ERASE
    return charge


def _target(elements: Elements) -> int:
    return _TARGET_STEP * (len(elements) - 1) + _names(elements)


def _names(elements: Elements) -> int:
    """Bytes of names and of the digits of indexes."""
    return sum([text_size(str(element)) for element in elements])


def _operands(operand: Operand) -> int:
    """Of an operand and all within it. A value counts each time it is used, what a path leads to never."""
    charge = 0
    rest = [operand]
    while rest:
        part = rest.pop()
        if isinstance(part, Value):
            charge += value_size(part.attribute)
        elif isinstance(part, Path):
            charge += _READ + _READ_STEP * len(part.elements) + _names(part.elements)
        elif isinstance(part, Arithmetic):
            charge += _OPERATOR[part.operator]
            rest += (part.left, part.right)
        elif isinstance(part, Function):
            charge += _FUNCTION[part.name]
            rest += part.operands
    return charge
