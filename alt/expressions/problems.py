"""What can be wrong with an expression, in DynamoDB's words.

A `Problem` is the rest of a message that opens with `Invalid UpdateExpression: `
and the like: whoever knows which parameter the expression came in puts that
before it. The wording is recorded from the service.
"""

from __future__ import annotations

from collections.abc import Sequence

EMPTY = "The expression can not be empty;"
REDUNDANT_PARENTHESES = "The expression has redundant parentheses;"
# Counting stops at the first operator too many, so the number never differs.
TOO_MANY_OPERATORS = "The expression contains too many operators; operator count: 301"
# Of an update, which does not say how large.
UPDATE_TOO_LONG = "Expression size has exceeded the maximum allowed size;"


class Problem(Exception):  # it is the expression that errs
    """An expression that DynamoDB would refuse."""


def too_long(size: int) -> str:
    return f"Expression size has exceeded the maximum allowed size; expression size: {size}"


def syntax(token: str, near: str) -> str:
    text = f'Syntax error; token: "{token}", near: "{near}"'
    # The message is answered, so it must have a UTF-8 form.
    return text.encode(errors="replace").decode()


def undefined_name(name: str) -> str:
    return f"An expression attribute name used in the document path is not defined; attribute name: {name}"


def undefined_value(name: str) -> str:
    return f"An expression attribute value used in expression is not defined; attribute value: {name}"


def reserved_word(word: str) -> str:
    return f"Attribute name is a reserved keyword; reserved keyword: {word}"


def nested_too_deep(levels: int) -> str:
    return f"The document path has too many nesting levels; nesting levels: {levels}"


def index_out_of_range(index: str) -> str:
    return f"List index is not within the allowable range; index: [{index}]"


def unknown_function(name: str) -> str:
    return f"Invalid function name; function: {name}"


def function_not_allowed(kind: str, name: str) -> str:
    """`kind`: "a condition" or "an update"."""
    return f"The function is not allowed in {kind} expression; function: {name}"


def function_misused(name: str) -> str:
    return f"The function is not allowed to be used this way in an expression; function: {name}"


def section_repeated(section: str) -> str:
    return f'The "{section}" section can only be used once in an update expression;'


def operand_count(operator: str, count: int) -> str:
    return (
        "Incorrect number of operands for operator or function; "
        f"operator or function: {operator}, number of operands: {count}"
    )


def operand_type(operator: str, shown_type: str) -> str:
    return (
        "Incorrect operand type for operator or function; "
        f"operator or function: {operator}, operand type: {shown_type}"
    )


def action_operand_type(action: str, shown_type: str, older: bool) -> str:
    """Of ADD and DELETE; the newer layer of the service names ADD's set of types for both."""
    return (
        "Incorrect operand type for operator or function; "
        f"operator: {action}, operand type: {shown_type}, typeSet: ALLOWED_FOR_{action if older else 'ADD'}_OPERAND"
    )


def path_required(function: str) -> str:
    return f"Operator or function requires a document path; operator or function: {function}"


def operand_repeated(operator: str, path: Sequence[str | int]) -> str:
    return (
        "The first operand must be distinct from the remaining operands for this operator or function; "
        f"operator: {operator}, first operand: {path_text(path)}"
    )


def too_many_candidates(count: int) -> str:
    return f"The IN operator is provided with too many operands; number of operands: {count}"


def unknown_type_name(name: str) -> str:
    return f"Invalid attribute type name found; type: {name}, valid types: {{S,SS,N,NS,B,BS,BOOL,NULL,L,M}}"


def bounds_of_two_types(low: str, high: str) -> str:
    """`low` and `high` as type and content: `N:5`."""
    return f"The BETWEEN operator requires same data type for lower and upper bounds; {_bounds(low, high)}"


def bounds_reversed(low: str, high: str) -> str:
    """`low` and `high` as type and content: `N:5`."""
    return (
        "The BETWEEN operator requires upper bound to be greater than or equal to lower bound; "
        f"{_bounds(low, high)}"
    )


def _bounds(low: str, high: str) -> str:
    return f"lower bound operand: AttributeValue: {{{low}}}, upper bound operand: AttributeValue: {{{high}}}"


def paths_overlap(one: Sequence[str | int], two: Sequence[str | int]) -> str:
    return f"Two document paths overlap with each other; {_rewrite(one, two)}"


def paths_conflict(one: Sequence[str | int], two: Sequence[str | int]) -> str:
    return f"Two document paths conflict with each other; {_rewrite(one, two)}"


def _rewrite(one: Sequence[str | int], two: Sequence[str | int]) -> str:
    return (
        f"must remove or rewrite one of these paths; path one: {path_text(one)}, path two: {path_text(two)}"
    )


def path_text(path: Sequence[str | int]) -> str:
    """`a.b[2]` as the service prints it: `[a, b, [2]]`."""
    return "[" + ", ".join(part if isinstance(part, str) else f"[{part}]" for part in path) + "]"
