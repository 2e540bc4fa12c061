"""From text to syntax tree: conditions, updates, projections.

Hand-written recursive descent with one token of lookahead, which finds the first
token that cannot continue the expression, as the service does. Rules that nest are
generators that yield the rules they need and are driven by `_run`, so that their
stack is a list: no input can exhaust Python's.

Conditions are the one place where a parenthesis may hold either a condition or an
operand, and only what follows tells; `_disjunction` therefore answers whichever it
found.

What is wrong with an expression beyond its syntax and does not depend on the
request (reserved words, functions, sections) is noted on the way. The worst kind
of problem wins, in the recorded order of `_Rank`, whichever was written first.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from enum import IntEnum
from functools import lru_cache
from typing import Any, Final, Generic, TypeAlias, TypeVar, cast

from alt.expressions import problems
from alt.expressions.lexer import (
    END,
    INDEX,
    NAME,
    NAME_PLACEHOLDER,
    VALUE_PLACEHOLDER,
    tokenize,
)
from alt.expressions.nodes import (
    Action,
    Add,
    And,
    Arithmetic,
    Between,
    Comparison,
    Condition,
    Delete,
    Elements,
    Function,
    In,
    Not,
    Operand,
    Or,
    PathRef,
    Remove,
    Set,
    ValueRef,
)
from alt.expressions.problems import Problem
from alt.expressions.reserved import is_reserved

MAX_BYTES = 4096  # of an expression as sent
MAX_OPERATORS = 300  # operators and functions of one expression
MAX_PATH_LEVELS = 32
MAX_LIST_INDEX = 2**32 - 2

CONDITION_FUNCTIONS = frozenset(
    {"attribute_exists", "attribute_not_exists", "attribute_type", "begins_with", "contains"}
)
OPERAND_FUNCTIONS = frozenset({"size"})
UPDATE_FUNCTIONS = frozenset({"if_not_exists", "list_append"})

_COMPARATORS = frozenset({"=", "<>", "<", "<=", ">", ">="})

Rule: TypeAlias = Generator["Rule", Any, Any]
Tree = TypeVar("Tree")


class _Rank(IntEnum):
    """Kinds of problems, the ones reported first being lowest."""

    PARENTHESES = 0
    OPERATORS = 1
    FUNCTION = 2
    MISUSE = 3
    NAME = 4
    SECTION = 5


class Parsed(Generic[Tree]):
    """A parsed expression: its tree, its placeholders in the order written, and the paths in it.

    `bound` is for whoever binds it: what was bound once and holds for every
    request, because there are no placeholders.
    """

    __slots__ = ("bound", "names", "paths", "tree", "values")

    def __init__(
        self, tree: Tree, names: tuple[str, ...], values: tuple[str, ...], paths: tuple[Elements, ...]
    ) -> None:
        self.tree: Final = tree
        self.names: Final = names
        self.values: Final = values
        self.paths: Final = paths
        self.bound: Any = None


def _run(rule: Rule) -> Any:
    """Drives nested rules to the result of the outermost."""
    stack = [rule]
    result = None
    while stack:
        try:
            inner = stack[-1].send(result)
        except StopIteration as done:
            stack.pop()
            result = done.value
        else:
            stack.append(inner)
            result = None
    return result


class _Parser:
    """What the three grammars share: tokens, paths, calls, parentheses."""

    keywords: frozenset[str] = frozenset()

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = tokenize(text, self.keywords)
        self.at = 0
        self.kind = self.tokens[0].kind  # of the token that is next
        self.names: dict[str, None] = {}
        self.values: dict[str, None] = {}
        self.paths: dict[Elements, None] = {}
        self.problems: dict[_Rank, str] = {}
        self.operators = 0
        self.closed: dict[int, int] = {}  # opening parenthesis to its closing one, by token

    def advance(self) -> str:
        """The next token's text; moves on."""
        text = self.tokens[self.at].text
        self.at += 1
        self.kind = self.tokens[self.at].kind
        return text

    def expect(self, kind: str) -> str:
        if self.kind != kind:
            raise self.syntax_error()
        return self.advance()

    def syntax_error(self) -> Problem:
        """Names the next token, and shows it with its neighbours as they were written."""
        token = self.tokens[self.at].text
        around = [near for near in self.tokens[max(self.at - 1, 0) : self.at + 2] if near.kind != END]
        near = self.text[around[0].start : around[-1].end] if around else ""
        return Problem(problems.syntax(token, near))

    def note(self, rank: _Rank, message: str) -> None:
        self.problems.setdefault(rank, message)

    def count_operator(self) -> None:
        self.operators += 1
        if self.operators > MAX_OPERATORS:
            self.note(_Rank.OPERATORS, problems.TOO_MANY_OPERATORS)

    def finish(self, tree: Tree) -> Parsed[Tree]:
        if self.kind != END:
            raise self.syntax_error()
        if self.problems:
            raise Problem(self.problems[min(self.problems)])
        return Parsed(tree, tuple(self.names), tuple(self.values), tuple(self.paths))

    def path(self) -> PathRef:
        return self.steps([self.name()])

    def name(self) -> str:
        if self.kind == NAME:
            name = self.advance()
            if is_reserved(name):
                self.note(_Rank.NAME, problems.reserved_word(name))
            return name
        name = self.expect(NAME_PLACEHOLDER)
        self.names[name] = None
        return name

    def steps(self, elements: list[str | int]) -> PathRef:
        """The `.name` and `[index]` steps after what a path begins with."""
        while True:
            if self.kind == ".":
                self.advance()
                elements.append(self.name())
            elif self.kind == "[":
                self.advance()
                index = self.expect(INDEX)
                # The length first: reading a number of many digits takes long.
                if len(index) > 10 or int(index) > MAX_LIST_INDEX:
                    self.note(_Rank.NAME, problems.index_out_of_range(index))
                else:
                    elements.append(int(index))
                self.expect("]")
            else:
                break
        if len(elements) > MAX_PATH_LEVELS:
            self.note(_Rank.NAME, problems.nested_too_deep(len(elements)))
        path = PathRef(tuple(elements))
        self.paths[path.elements] = None
        return path

    def value(self) -> ValueRef:
        name = self.expect(VALUE_PLACEHOLDER)
        self.values[name] = None
        return ValueRef(name)

    def operand(self) -> Rule:
        """A value, a path, a call, or one of them in parentheses."""
        if self.kind == VALUE_PLACEHOLDER:
            return self.value()
        if self.kind == "(":
            return (yield self.group(self.operand()))
        if self.kind == NAME and self.tokens[self.at + 1].kind == "(":
            return (yield self.call())
        return self.path()

    def group(self, content: Rule) -> Rule:
        """`content` in parentheses, of which two pairs around one thing are one too many."""
        start = self.at
        self.expect("(")
        result = yield content
        end = self.at
        self.expect(")")
        self.closed[start] = end
        if self.closed.get(start + 1) == end - 1:
            self.note(_Rank.PARENTHESES, problems.REDUNDANT_PARENTHESES)
        return result

    def call(self) -> Rule:
        name = self.advance()
        self.check_function(name)
        self.count_operator()
        self.expect("(")
        operands = yield self.operand_list()
        self.expect(")")
        return Function(name, operands)

    def operand_list(self) -> Rule:
        operands = [self.as_operand((yield self.operand()))]
        while self.kind == ",":
            self.advance()
            operands.append(self.as_operand((yield self.operand())))
        return tuple(operands)

    def check_function(self, name: str) -> None:
        raise NotImplementedError

    def as_operand(self, operand: Operand) -> Operand:
        raise NotImplementedError


class _ConditionParser(_Parser):
    keywords = frozenset({"AND", "OR", "NOT", "BETWEEN", "IN"})

    def parse(self) -> Parsed[Condition]:
        return self.finish(_run(self.disjunction(False)))

    def disjunction(self, grouped: bool) -> Rule:
        """A condition; or, where a closing parenthesis follows (`grouped`), perhaps an operand."""
        terms = [(yield self.conjunction(grouped))]
        while self.kind == "OR":
            self.advance()
            self.count_operator()
            terms.append((yield self.conjunction(False)))
        return terms[0] if len(terms) == 1 else Or(tuple(terms))

    def conjunction(self, grouped: bool) -> Rule:
        terms = [(yield self.negation(grouped))]
        while self.kind == "AND":
            self.advance()
            self.count_operator()
            terms.append((yield self.negation(False)))
        return terms[0] if len(terms) == 1 else And(tuple(terms))

    def negation(self, grouped: bool) -> Rule:
        if self.kind != "NOT":
            return (yield self.predicate(grouped))
        self.advance()
        self.count_operator()
        return Not((yield self.negation(False)))

    def predicate(self, grouped: bool) -> Rule:
        if self.kind == "(":
            left = yield self.group(self.disjunction(True))
            if isinstance(left, PathRef):
                left = self.steps(list(left.elements))
        else:
            left = yield self.operand()
        if not isinstance(left, PathRef | ValueRef | Function):
            return left
        if self.kind in _COMPARATORS:
            return (yield self.comparison(left))
        if self.kind == "BETWEEN":
            return (yield self.between(left))
        if self.kind == "IN":
            return (yield self.membership(left))
        if grouped and self.kind == ")":
            return left  # what follows the parenthesis tells what it is
        if not isinstance(left, Function):
            raise self.syntax_error()
        if left.name in OPERAND_FUNCTIONS:
            self.note(_Rank.MISUSE, problems.function_misused(left.name))
        return left

    def comparison(self, left: Operand) -> Rule:
        self.as_operand(left)
        operator = self.advance()
        self.count_operator()
        return Comparison(operator, left, self.as_operand((yield self.operand())))

    def between(self, operand: Operand) -> Rule:
        self.as_operand(operand)
        self.advance()
        self.count_operator()
        low = self.as_operand((yield self.operand()))
        self.expect("AND")
        return Between(operand, low, self.as_operand((yield self.operand())))

    def membership(self, operand: Operand) -> Rule:
        self.as_operand(operand)
        self.advance()
        self.count_operator()
        self.expect("(")
        candidates = yield self.operand_list()
        self.expect(")")
        return In(operand, candidates)

    def operand(self) -> Rule:
        grouped = self.kind == "("
        result = yield super().operand()
        # Here, unlike in updates, a path goes on after a parenthesis: (a.b)[0].c
        return self.steps(list(result.elements)) if grouped and isinstance(result, PathRef) else result

    def check_function(self, name: str) -> None:
        if name in UPDATE_FUNCTIONS:
            self.note(_Rank.FUNCTION, problems.function_not_allowed("a condition", name))
        elif name not in CONDITION_FUNCTIONS and name not in OPERAND_FUNCTIONS:
            self.note(_Rank.FUNCTION, problems.unknown_function(name))

    def as_operand(self, operand: Operand) -> Operand:
        if isinstance(operand, Function) and operand.name not in OPERAND_FUNCTIONS:
            self.note(_Rank.MISUSE, problems.function_misused(operand.name))
        return operand


class _UpdateParser(_Parser):
    keywords = frozenset({"SET", "REMOVE", "ADD", "DELETE"})

    def parse(self) -> Parsed[tuple[Action, ...]]:
        """Sections in any order, each at most once."""
        rules: dict[str, Callable[[], Action]] = {
            "SET": self.set_action,
            "REMOVE": lambda: Remove(self.path()),
            "ADD": lambda: Add(self.path(), self.value()),
            "DELETE": lambda: Delete(self.path(), self.value()),
        }
        actions: list[Action] = []
        seen: set[str] = set()
        while self.kind != END or not actions:
            section = self.kind
            if section not in rules:
                raise self.syntax_error()
            if section in seen:
                self.note(_Rank.SECTION, problems.section_repeated(section))
            seen.add(section)
            self.advance()
            actions.append(rules[section]())
            while self.kind == ",":
                self.advance()
                actions.append(rules[section]())
        return self.finish(tuple(actions))

    def set_action(self) -> Set:
        path = self.path()
        self.expect("=")
        return Set(path, cast(Operand, _run(self.assigned())))

    def assigned(self) -> Rule:
        """`operand`, `operand + operand` or `operand - operand`; the whole may stand in parentheses."""
        left = yield self.group(self.assigned()) if self.kind == "(" else self.operand()
        if isinstance(left, Arithmetic) or self.kind not in ("+", "-"):
            return left
        operator = self.advance()
        self.count_operator()
        right = yield self.operand()
        return Arithmetic(operator, self.as_operand(left), self.as_operand(right))

    def check_function(self, name: str) -> None:
        if name in CONDITION_FUNCTIONS or name in OPERAND_FUNCTIONS:
            self.note(_Rank.FUNCTION, problems.function_not_allowed("an update", name))
        elif name not in UPDATE_FUNCTIONS:
            self.note(_Rank.FUNCTION, problems.unknown_function(name))

    def as_operand(self, operand: Operand) -> Operand:
        """Recorded: list_append takes an if_not_exists, but no list_append."""
        if isinstance(operand, Function) and operand.name == "list_append":
            self.note(_Rank.MISUSE, problems.function_misused(operand.name))
        return operand


class _ProjectionParser(_Parser):
    def parse(self) -> Parsed[tuple[PathRef, ...]]:
        paths = [self.path()]
        while self.kind == ",":
            self.advance()
            paths.append(self.path())
        return self.finish(tuple(paths))


_SHORT = 512  # characters
_SHORT_CACHED = 1024  # expressions
_LONG_CACHED = 32


def _cached(parse: Callable[[str], Parsed[Tree]]) -> Callable[[str], Parsed[Tree]]:
    """Keeps the trees of expressions met before; few of the long ones, whose trees are large."""
    short = lru_cache(_SHORT_CACHED)(parse)
    long = lru_cache(_LONG_CACHED)(parse)

    def parse_cached(text: str) -> Parsed[Tree]:
        return short(text) if len(text) <= _SHORT else long(text)

    return parse_cached


def _check_size(text: str, too_long: Callable[[int], str] = problems.too_long) -> str:
    if not text:
        raise Problem(problems.EMPTY)
    # No character takes more than four bytes.
    if len(text) * 4 > MAX_BYTES:
        size = len(text.encode(errors="surrogatepass"))
        if size > MAX_BYTES:
            raise Problem(too_long(size))
    return text


@_cached
def parse_condition(text: str) -> Parsed[Condition]:
    """A condition, filter or key condition. Raises Problem."""
    return _ConditionParser(_check_size(text)).parse()


@_cached
def parse_update(text: str) -> Parsed[tuple[Action, ...]]:
    """An update's actions in the order written. Raises Problem."""
    return _UpdateParser(_check_size(text, lambda _size: problems.UPDATE_TOO_LONG)).parse()


@_cached
def parse_projection(text: str) -> Parsed[tuple[PathRef, ...]]:
    """A projection's paths in the order written. Raises Problem."""
    return _ProjectionParser(_check_size(text)).parse()
