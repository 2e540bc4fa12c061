"""From text to a parsed statement.

Recursive descent with one token of lookahead, which goes no deeper than MAX_DEPTH: values nest 32 levels
at most. What is wrong with a literal is told only when the whole statement is well-formed, and what breaks a
rule only when all its literals are right, as the service does: the first of each is kept until then, and
something harmless stands in its place.

A reader for each layer of the language, the later on top of the earlier: tokens, values, terms, and here statements.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from alt.errors import validation
from alt.expressions.nodes import (
    Action,
    Add,
    Condition,
    Elements,
    Operand,
    Path,
    Remove,
    Set,
    Value,
    ValueRef,
)
from alt.expressions.nodes import Delete as DeleteMembers
from alt.expressions.partiql.lexer import END, NAME
from alt.expressions.partiql.malformed import (
    NO_IDENTIFIER,
    NO_MANIPULATION,
    UNEXPECTED_TERM,
    UNEXPECTED_TOKEN,
    malformed,
)
from alt.expressions.partiql.statements import (
    Delete,
    Exists,
    Insert,
    OrderTerm,
    Select,
    Statement,
    Term,
    Update,
)
from alt.expressions.partiql.terms import TermReader, is_condition
from alt.expressions.partiql.values import ROOT, TRUE
from alt.values.types import AttributeValue

# Statements that are kept, and their length: a tree takes two hundred times as much as its text.
MAX_PARSED = 512
MAX_KEPT_CHARACTERS = 512

_JOINS = ("CROSS", "FULL", "INNER", "JOIN", "LEFT", "OUTER", "RIGHT")
_SET_FUNCTIONS = ("set_add", "set_delete")
_SETS = ("SS", "NS", "BS")


class Parsed(NamedTuple):
    """A statement, the number of its parameters, which of them have to be sets, and which rule it breaks, if any.

    Those come with what is said of them if they are none. A statement that breaks a rule is nothing to go by.
    """

    statement: Statement
    parameters: int
    sets: tuple[tuple[str, str], ...]
    broken: str | None


def parse(text: str) -> Parsed:
    """Raises ValidationException. Short statements are kept by their text; one of 8 KB takes up to 20 ms."""
    return _parse_kept(text) if len(text) <= MAX_KEPT_CHARACTERS else _Parser(text).parse()


@lru_cache(MAX_PARSED)
def _parse_kept(text: str) -> Parsed:
    return _Parser(text).parse()


def read_literal(text: str) -> AttributeValue:
    """The value of a literal that stands alone. Raises ValidationException."""
    return _Parser(text).literal()


class _Parser(TermReader):
    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._sets: list[tuple[str, str]] = []

    def parse(self) -> Parsed:
        statement = self._statement()
        self._accept(";")
        if self._token.kind != END:
            raise malformed(UNEXPECTED_TOKEN)
        if self._wrong_literal is not None:
            raise self._wrong_literal
        return Parsed(statement, self._parameters, tuple(self._sets), self._broken)

    def literal(self) -> AttributeValue:
        term = self._checked(self._literal(ROOT, 0))
        if self._token.kind != END:
            raise malformed(UNEXPECTED_TOKEN)
        if not isinstance(term, Value):  # but a parameter, or something with one in it
            raise malformed(UNEXPECTED_TERM)
        if self._wrong_literal is not None:
            raise self._wrong_literal
        if self._broken is not None:
            raise validation(self._broken)
        return term.attribute

    # Statements

    def _statement(self) -> Statement:
        if self._accept_word("SELECT"):
            return self._select()
        if self._accept_word("INSERT"):
            return self._insert()
        if self._accept_word("UPDATE"):
            return self._update()
        if self._accept_word("FROM"):
            return self._update_from()
        if self._accept_word("DELETE"):
            return self._delete()
        if self._is_word("EXISTS"):
            return self._exists()
        raise malformed(NO_MANIPULATION)

    def _select(self) -> Select:
        if self._is_word("VALUE", "PIVOT"):
            raise validation("Select projection doesn't support value or pivot keywords")
        if self._accept_word("DISTINCT"):
            self._break("Unsupported clause: DISTINCT")
        paths, refused = self._select_list()
        self._expect_word("FROM")
        table, index = self._source()
        self._refuse_alias()
        if self._token.kind == "," or self._is_word(*_JOINS):
            raise validation("Only select from a single table or index is supported.")
        where = self._where()
        order = self._order()
        if self._is_word("GROUP", "HAVING"):
            raise validation(f"Unsupported clause: {self._token.text.upper()}")
        for clause in ("LIMIT", "OFFSET"):
            if self._accept_word(clause):
                token = self._token
                self._sum()
                self._break(f"Unsupported clause: {clause} at {self._position(token)}")
        return Select(table, index, paths, where, order, refused)

    def _select_list(self) -> tuple[tuple[Elements, ...] | None, str | None]:
        """The paths, None for all, and what is wrong with them."""
        paths: list[Elements] = []
        refused = None
        stars = others = 0
        while True:
            token = self._token
            if self._accept("*"):
                stars += 1
            else:
                others += 1
                if token.kind is NAME and self._tokens[self._at + 1].kind == "(":
                    self._skip_call()
                    refused = refused or f"Unexpected path component at {self._position(token)}"
                else:
                    paths.append(self._path().elements)
            self._refuse_alias()
            if not self._accept(","):
                break
        if stars and stars + others > 1:
            self._break("Other attributes should not be present in the projection when '*' is used.")
        return None if stars else tuple(paths), refused

    def _refuse_alias(self) -> None:
        is_alias = self._accept_word("AS")
        if self._is_name():
            self._next()
            is_alias = True
        elif is_alias:
            raise malformed(UNEXPECTED_TERM)
        if is_alias:
            self._break("Aliasing is not supported")

    def _source(self) -> tuple[str, str | None]:
        """A table, or an index of one."""
        return self._two_names(self._from_name)

    def _target(self) -> str:
        """The table that a statement changes."""
        table, index = self._two_names(self._target_name)
        if index is not None:
            self._break("This operation is not supported on an index")
        return table

    def _two_names(self, name: Callable[[], str]) -> tuple[str, str | None]:
        names = [name()]
        while self._accept("."):
            names.append(name())
        if len(names) > 2:
            self._break("A path may contain at most 2 components in the FROM clause")
        if "" in names:
            self._break("Path component cannot be an empty string")
        return names[0], names[1] if len(names) > 1 else None

    def _from_name(self) -> str:
        if self._is_name():
            return self._next().text
        raise malformed(UNEXPECTED_TERM if self._token.kind == END else "Unexpected from source")

    def _target_name(self) -> str:
        if self._is_name():
            return self._next().text
        raise malformed(NO_IDENTIFIER)

    def _order(self) -> tuple[OrderTerm, ...]:
        if not self._accept_word("ORDER"):
            return ()
        self._expect_word("BY")
        terms = []
        while True:
            path = self._path()
            if len(path.elements) > 1:
                self._break("Argument to ORDER BY must be of type VariableReference. Type: Path")
            is_descending = self._accept_word("DESC")
            if not is_descending:
                self._accept_word("ASC")
            terms.append(OrderTerm(str(path.elements[0]), is_descending))
            if not self._accept(","):
                return tuple(terms)

    def _where(self) -> Condition | None:
        if not self._accept_word("WHERE"):
            return None
        condition = self._or()
        if is_condition(condition):
            found: Condition = condition
            return found
        self._break("WHERE clause must contain an expression that resolves to a boolean")
        return None

    def _insert(self) -> Insert:
        self._expect_word("INTO")
        table, index = self._two_names(self._target_name)
        if index is not None:
            self._break("FROM clause may only contain a single table name in data manipulation statements")
        if self._is_word("AS") or self._is_name():
            raise malformed(UNEXPECTED_TOKEN)
        if not self._accept_word("VALUE"):
            raise validation(
                "Unsupported operation: Inserting multiple items in a single statement is not supported, "
                'use "INSERT INTO tableName VALUE item" instead'
            )
        entries: dict[str, Term] = {}
        if self._accept("{"):
            # Each attribute is a value of its own: where something stands is told from there (recorded).
            entries = self._entries(lambda _name: self._literal(ROOT, 0), ROOT)
        else:
            self._literal(ROOT, 0)
            self._break(
                "Unsupported format in item expression. "
                "Please use struct format {...} to express item values for insert statement."
            )
        if self._is_word("RETURNING"):
            self._returning(None)
            self._break("RETURNING is not supported in INSERT")
        return Insert(table, tuple(entries.items()))

    def _update(self) -> Update:
        table = self._target()
        self._refuse_alias()
        actions = self._actions()
        where = self._where()
        return Update(table, actions, where, self._returning("UPDATE"))

    def _update_from(self) -> Update:
        """`FROM table WHERE condition SET path = value`: an UPDATE in another order."""
        table, index = self._source()
        if index is not None:
            self._break("This operation is not supported on an index")
        self._refuse_alias()
        where = self._where()
        return Update(table, self._actions(), where, self._returning("UPDATE"))

    def _actions(self) -> tuple[Action, ...]:
        actions: list[Action] = []
        while True:
            if self._accept_word("SET"):
                one = self._set
            elif self._accept_word("REMOVE"):
                one = self._remove
            elif actions:
                return tuple(actions)
            else:
                raise malformed(NO_MANIPULATION)
            actions.append(one())
            while self._accept(","):
                actions.append(one())

    def _delete(self) -> Delete:
        self._expect_word("FROM")
        table = self._target()
        self._refuse_alias()
        where = self._where()
        return Delete(table, where, self._returning("DELETE"))

    def _returning(self, statement: str | None) -> str:
        if not self._accept_word("RETURNING"):
            return "NONE"
        words = (self._next().text.upper(), self._next().text.upper())
        if words[0] not in ("ALL", "MODIFIED") or words[1] not in ("OLD", "NEW"):
            raise malformed(UNEXPECTED_TERM)
        if not self._accept("*"):
            raise validation("Expected '*' after ( MODIFIED | ALL ) ( NEW | OLD ) in RETURNING clause")
        if self._token.kind == ",":
            raise validation("Invalid syntax with multiple returning elements in RETURNING clause")
        if statement == "DELETE" and words != ("ALL", "OLD"):
            self._break(
                f"Invalid returning clause: RETURNING {' '.join(words)} *. "
                "Only RETURNING ALL OLD * is allowed in DELETE statements."
            )
        return f"{'ALL' if words[0] == 'ALL' else 'UPDATED'}_{words[1]}"

    def _exists(self) -> Exists:
        self._next()
        self._expect("(")
        self._expect_word("SELECT")
        select = self._select()
        self._expect(")")
        return Exists(select)

    # Assignments

    def _remove(self) -> Action:
        return Remove(self._path())

    def _set(self) -> Action:
        path = self._path()
        self._expect("=")
        token = self._token
        if (
            token.kind is NAME
            and token.text.lower() in _SET_FUNCTIONS
            and self._tokens[self._at + 1].kind == "("
        ):
            return self._set_function(path)
        return Set(path, self._sum(in_set=True))

    def _set_function(self, path: Path) -> Action:
        """`a = set_add(a, <<...>>)`, which is ADD and DELETE by other names."""
        function = self._next()
        name = function.text.lower()
        shown = name.upper()
        where = self._position(function)
        self._next()
        first_token = self._token
        arguments: list[Operand] = []
        if not self._accept(")"):
            arguments.append(self._sum(in_set=True))
            while self._accept(","):
                arguments.append(self._sum(in_set=True))
            self._expect(")")
        problem = (
            f"The second argument to {shown} must be a value with type SET at {self._position(first_token)}"
        )
        second = arguments[1] if len(arguments) > 1 else None
        if len(arguments) != 2:
            self._break(f"{shown} must have exactly two arguments at {where}")
        elif not isinstance(arguments[0], Path) or arguments[0].elements != path.elements:
            self._break(f"The first argument to {shown} must equal the assignment value at {where}")
        elif isinstance(second, ValueRef):
            self._sets.append((second.name, problem))
        elif not isinstance(second, Value) or second.type not in _SETS:
            self._break(problem)
        operand = second if isinstance(second, Value | ValueRef) else TRUE
        return Add(path, operand) if name == "set_add" else DeleteMembers(path, operand)
