"""What the text of every item has in it that meets a condition: the database keeps those without it to itself.

An item's text spells equal values alike (alt/values/json.py, alt/values/numbers.py), so a condition `a = :v` is met only
where the text has `"a":{"S":"v"}`. That may also stand elsewhere in it: of what is found the evaluator decides.
"""

from __future__ import annotations

from alt.expressions import nodes
from alt.expressions.conditions import Condition
from alt.expressions.nodes import Comparison, Function, In, Path, Value
from alt.values.json import dumps, is_encodable

# Of what is sought, more tells little more, and a text that was made for it is searched by each of its characters.
MAX_SOUGHT = 128
# What no item's text has in it: JSON has an escape for it.
NOWHERE = "\n"
_SCALARS = frozenset({"S", "N", "B", "BOOL", "NULL"})


def sought(condition: Condition) -> str | None:
    """The longest such text that is known, or how it begins; None if there is none."""
    texts = [text for term in nodes.conjuncts(condition.node) if (text := _of(term)) and is_encodable(text)]
    return max(texts, key=len, default="")[:MAX_SOUGHT] or None


def _of(node: nodes.Condition) -> str | None:
    if isinstance(node, Comparison):
        return _of_comparison(node.left, node.operator, node.right)
    if isinstance(node, In):
        return _of_comparison(node.operand, "=", node.candidates[0]) if len(node.candidates) == 1 else None
    return _of_function(node) if isinstance(node, Function) else None


def _of_comparison(left: nodes.Operand, operator: str, right: nodes.Operand) -> str | None:
    if isinstance(right, Path):
        left, right = right, left
    if not isinstance(left, Path) or not isinstance(right, Value) or operator == "<>":
        return None
    if operator == "=" and right.type in _SCALARS:
        return _name(left) + dumps(right.attribute)
    return _typed(left, right.type)


def _of_function(node: Function) -> str | None:
    path = node.operands[0]
    if not isinstance(path, Path):
        return None
    if node.name == "attribute_exists":
        return _name(path)
    value = node.operands[1] if len(node.operands) > 1 else None
    if not isinstance(value, Value) or value.type != "S":
        return None
    content = value.attribute["S"]
    if node.name == "attribute_type":
        return _typed(path, content)
    if node.name == "begins_with":
        return f'{_typed(path, "S")}"{_within(content)}'
    return _within(content) if node.name == "contains" else None


def _name(path: Path) -> str:
    """How the name of what a path leads to is spelled; an element of a list has none."""
    name = path.elements[-1]
    return f"{dumps(name)}:" if isinstance(name, str) else ""


def _typed(path: Path, kind: str) -> str:
    """How a value of this type begins, with its name."""
    return f'{_name(path)}{{"{kind}":'


def _within(content: str) -> str:
    """How it is spelled inside of a longer text."""
    return dumps(content)[1:-1]
