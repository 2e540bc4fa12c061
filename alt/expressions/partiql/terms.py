"""Conditions, operands and paths in a statement: what WHERE has, and what is set."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from alt.errors import validation
from alt.expressions import nodes
from alt.expressions.nodes import (
    And,
    Arithmetic,
    Between,
    Comparison,
    Condition,
    Function,
    In,
    Not,
    Operand,
    Or,
    Path,
    Value,
)
from alt.expressions.parser import CONDITION_FUNCTIONS, MAX_LIST_INDEX, MAX_OPERATORS, UPDATE_FUNCTIONS
from alt.expressions.partiql.lexer import END, NAME, NUMBER, QUOTED, STRING
from alt.expressions.partiql.malformed import (
    INVALID_DOT,
    NO_RIGHT_SIDE,
    NO_TYPE_NAME,
    UNEXPECTED_OPERATOR,
    UNEXPECTED_TERM,
    malformed,
)
from alt.expressions.partiql.values import FALSE, ROOT, TRUE, ValueReader
from alt.expressions.partiql.words import FUNCTIONS, KEYWORDS, SECOND_WORDS, TYPE_NAMES, TYPES

_CONDITIONS = (And, Or, Not, Comparison, Between, In, Function)
_COMPARATORS = {"=": "=", "<>": "<>", "!=": "<>", "<": "<", "<=": "<=", ">": ">", ">=": ">="}
_ARITHMETIC = ("+", "-", "*", "/", "%", "||")
_LITERALS = ("TRUE", "FALSE", "NULL", "MISSING")
_OPERAND_FUNCTIONS = frozenset({"size"})
_TYPES_OF_IS = "[MISSING, NULL, BOOLEAN, BLOB, STRING, NUMERIC, STRUCT, TUPLE, LIST]"
_NEVER = Comparison("=", TRUE, FALSE)


class TermReader(ValueReader):
    """Conditions and operands are read alike, and told apart once both sides of an operator are known."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._operators = 0

    # Conditions

    def _or(self) -> Any:
        return self._chain("OR", Or, self._and)

    def _and(self) -> Any:
        return self._chain("AND", And, self._not)

    def _chain(self, word: str, make: Callable[..., Any], inner: Callable[[], Any]) -> Any:
        terms = [inner()]
        while self._accept_word(word):
            self._count_operators()
            self._expect_right_side()
            terms.append(inner())
        if len(terms) == 1:
            return terms[0]
        if not all(is_condition(term) for term in terms):
            self._break("The arguments to AND/OR must be Expressions")
            return _NEVER
        return make(tuple(terms))

    def _not(self) -> Any:
        is_negated = is_word = False
        while self._accept_word("NOT"):
            self._count_operators()
            is_word, is_negated = True, not is_negated
        condition = self._predicate()
        if is_word and not is_condition(condition):
            self._break("The argument to NOT must be a Type or Expression")
            return _NEVER
        return Not(condition) if is_negated else condition

    def _count_operators(self, count: int = 1) -> None:
        self._operators += count
        if self._operators > MAX_OPERATORS:
            raise validation(
                f"The expression contains too many operators; operator count: {MAX_OPERATORS + 1}"
            )

    def _expect_right_side(self) -> None:
        if self._token.kind == END:
            raise malformed(NO_RIGHT_SIDE)

    def _predicate(self) -> Any:
        left = self._sum()
        token = self._token
        if token.kind in _COMPARATORS:
            self._next()
            self._count_operators()
            self._expect_right_side()
            return self._comparison(_COMPARATORS[token.kind], left, self._sum())
        is_negated = self._is_word("NOT")
        if is_negated:
            self._next()
        if self._accept_word("BETWEEN"):
            self._count_operators()
            low = self._operand_of(self._sum())
            self._expect_word("AND")
            found: Condition = Between(self._operand_of(left), low, self._operand_of(self._sum()))
        elif self._accept_word("IN"):
            self._count_operators()
            found = self._in(left)
        elif is_negated:
            raise malformed(UNEXPECTED_TERM)
        elif self._accept_word("IS"):
            self._count_operators()
            is_negated = self._accept_word("NOT")
            found = self._is(left)
        else:
            return left
        return Not(found) if is_negated else found

    def _comparison(self, operator: str, left: Any, right: Any) -> Condition:
        if not is_condition(left) and not is_condition(right):
            return Comparison(operator, self._operand_of(left), self._operand_of(right))
        if operator not in ("=", "<>"):
            self._break(
                "Incorrect operand type for operator or function; "
                f"operator or function: {operator}, operand type: BOOL"
            )
            return _NEVER
        found = self._same(left, right) if is_condition(left) else self._same(right, left)
        return found if operator == "=" else Not(found)

    def _same(self, condition: Condition, other: Any) -> Condition:
        """`condition = other`: a condition is a boolean like others."""
        if isinstance(other, Value):
            if other.type != "BOOL":
                return _NEVER
            return condition if other.attribute["BOOL"] else Not(condition)
        self._count_operators(sum(1 for _ in nodes.walk(condition)))
        if is_condition(other):
            self._count_operators(sum(1 for _ in nodes.walk(other)))
            both: Condition = other
            neither: Condition = Not(other)
        else:
            operand = self._operand_of(other)
            both, neither = Comparison("=", operand, TRUE), Comparison("=", operand, FALSE)
        return Or((And((condition, both)), And((Not(condition), neither))))

    def _operand_of(self, operand: Any) -> Operand:
        """An operand that no condition and no sum can be."""
        if is_condition(operand):
            self._break(f"Unsupported operator in Condition Expression. Operator: {_operator(operand)}")
            return TRUE
        if isinstance(operand, Arithmetic):
            self._break(f"Unsupported operator in Condition Expression. Operator: {operand.operator}")
            return TRUE
        checked: Operand = operand
        return checked

    def _in(self, left: Any) -> Condition:
        closing = {"[": "]", "(": ")", "<<": ">>"}.get(self._token.kind)
        candidates: list[Any] = []
        if closing is None:
            self._sum()
        else:
            self._next()
            while not self._accept(closing):
                if candidates:
                    self._expect(",")
                candidates.append(self._sum())
        if not candidates or not (isinstance(left, Path) or is_condition(left)):
            self._break(
                "IN operator must have a left hand argument of type Variable Reference and "
                "right hand argument of type Seq with at least one member"
            )
            return _NEVER
        if is_condition(left):
            return Or(tuple([self._same(left, candidate) for candidate in candidates]))
        return In(left, tuple([self._operand_of(candidate) for candidate in candidates]))

    def _is(self, left: Any) -> Condition:
        token = self._next()
        wanted = token.text.upper()
        if token.kind is not NAME or wanted not in TYPE_NAMES:
            raise malformed(NO_TYPE_NAME)
        if wanted in SECOND_WORDS and self._accept_word(SECOND_WORDS[wanted]):
            wanted += f" {SECOND_WORDS[wanted]}"
        if not isinstance(left, Path):
            self._break("The left hand side argument to IS must be a Variable Reference, Literal, or Path")
            return _NEVER
        if wanted == "MISSING":
            return Function("attribute_not_exists", (left,))
        if wanted not in TYPES:
            self._break(
                f"Unsupported data type for IS operator: {wanted}. Supported data types are {_TYPES_OF_IS}"
            )
            return _NEVER
        return Function("attribute_type", (left, Value({"S": TYPES[wanted]})))

    # Operands

    def _sum(self, *, in_set: bool = False) -> Any:
        left = self._primary(in_set=in_set)
        while self._token.kind in _ARITHMETIC:
            operator = self._next().kind
            self._count_operators()
            self._expect_right_side()
            right = self._primary(in_set=in_set)
            if operator not in ("+", "-"):
                kind = "Update" if in_set else "Condition"
                self._break(f"Unsupported operator in {kind} Expression. Operator: {operator}")
            left = Arithmetic(operator, left, right)
        return left

    def _primary(self, *, in_set: bool) -> Any:
        token = self._token
        if token.kind == "(":
            self._deeper()
            self._next()
            inner = self._sum(in_set=True) if in_set else self._or()
            self._expect(")")
            self._depth -= 1
            return inner
        if token.kind is NAME and token.text.upper() not in _LITERALS:
            is_function = token.text.upper() in FUNCTIONS or token.text.upper() not in KEYWORDS
            if is_function and self._tokens[self._at + 1].kind == "(":
                return self._function(in_set=in_set)
            return self._path()
        if token.kind is QUOTED:
            return self._path()
        if token.kind in _COMPARATORS:
            raise malformed(UNEXPECTED_OPERATOR)
        return self._checked(self._literal(ROOT, 0))

    def _function(self, *, in_set: bool) -> Any:
        token = self._next()
        name = token.text.lower()
        self._next()
        self._count_operators()
        self._deeper()
        operands: list[Operand] = []
        while not self._accept(")"):
            if operands:
                self._expect(",")
            operands.append(self._sum(in_set=in_set))
        self._depth -= 1
        allowed = UPDATE_FUNCTIONS if in_set else CONDITION_FUNCTIONS | _OPERAND_FUNCTIONS
        if name not in allowed:
            self._break(f"Unrecognized function: {name} at {self._position(token)}")
            return TRUE if in_set else _NEVER
        for operand in operands:
            self._operand_of(operand)
        return Function(name, tuple(operands))

    def _path(self) -> Path:
        if not self._is_name():
            raise malformed(self._unexpected())
        elements: list[str | int] = [self._next().text]
        while True:
            if self._accept("."):
                elements.append(self._dot_component())
            elif self._accept("["):
                elements.append(self._bracket_component())
            else:
                break
        if "" in elements:
            self._break("Path component cannot be an empty string")
        return Path(tuple(elements))

    def _dot_component(self) -> str:
        if self._accept("*"):
            self._break("Unpivot path component like a.*.b are not supported")
            return "*"
        if self._is_name():
            return self._next().text
        raise malformed(INVALID_DOT)

    def _bracket_component(self) -> str | int:
        if self._accept("*"):
            self._expect("]")
            self._break("Wildcard path component like a[*].b are not supported")
            return 0
        is_negative = self._accept("-")
        token = self._next()
        if token.kind is STRING and not is_negative:
            element: str | int = token.text
        elif token.kind is NUMBER and token.text.isdigit():
            element = int(token.text) if len(token.text) < 12 else MAX_LIST_INDEX + 1
            if element > (0 if is_negative else MAX_LIST_INDEX):
                self._break(
                    "List index is not within the allowable range; "
                    f"index: [{'-' * is_negative}{token.text}] at {self._position(token)}"
                )
        else:
            raise malformed(UNEXPECTED_TERM)
        self._expect("]")
        return element


def is_condition(node: Any) -> bool:
    return isinstance(node, _CONDITIONS) and not _is_operand(node)


def _is_operand(node: Any) -> bool:
    return isinstance(node, Function) and node.name not in CONDITION_FUNCTIONS


def _operator(node: Any) -> str:
    if isinstance(node, Comparison):
        return node.operator
    return node.name if isinstance(node, Function) else node.__class__.__name__.upper()
