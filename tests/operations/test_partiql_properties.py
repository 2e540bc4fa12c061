"""A WHERE finds what the same condition finds elsewhere.

Conditions and items are drawn as for filters in SQL (tests/storage/test_filters.py). A run tries 300 of them,
the nightly run 20,000, in searches of 1,000: a search keeps all it has tried in memory.
"""

from __future__ import annotations

import asyncio
import copy
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alt.errors import ApiError
from alt.expressions import Condition
from alt.expressions.nodes import And, Between, Comparison, Function, In, Not, Or, Path, Value
from alt.expressions.partiql import Select, bind, read
from tests.operations.conftest import Service
from tests.storage.test_filters import STRATEGIES, Draw, paths_of

EXAMPLES = 150
NIGHTLY_EXAMPLES = 1_000
NIGHTLY_SEARCHES = 20
MOST_SEARCHES = 10  # until enough was tried
KEYS = [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}]
ATTRIBUTES = [{"AttributeName": "pk", "AttributeType": "S"}, {"AttributeName": "sk", "AttributeType": "N"}]


@pytest.fixture
def tables() -> Iterator[Service]:
    service = Service()
    service.create("T", KeySchema=KEYS, AttributeDefinitions=ATTRIBUTES)
    yield service
    asyncio.run(service.store.close())


class Statable(Draw):
    """Draws conditions that a statement can say: in one, IN has a path before it."""

    def anything(self) -> Any:
        return self.membership()


@st.composite
def items_and_condition(draw: Any) -> Any:
    drawer = Statable(draw, draw(st.sampled_from(STRATEGIES)))
    items = [drawer.item() for _ in range(2)]
    items += [{name: drawer.related(item[name]) for name in reversed(item)} for item in items]
    drawer.occurring = paths_of(items[0]) or paths_of(items[1])
    return items, drawer.condition()


# Rendering


class Writer:
    """A condition as text. What kind of text is told by `path` and `value`."""

    def condition(self, node: Any) -> str:
        if isinstance(node, And | Or):
            word = " AND " if isinstance(node, And) else " OR "
            return word.join(self.grouped(term) for term in node.terms)
        if isinstance(node, Not):
            return f"NOT {self.grouped(node.term)}"
        if isinstance(node, Comparison):
            return f"{self.operand(node.left)} {node.operator} {self.operand(node.right)}"
        if isinstance(node, Between):
            operands = (node.operand, node.low, node.high)
            return "{} BETWEEN {} AND {}".format(*map(self.operand, operands))
        if isinstance(node, In):
            return f"{self.operand(node.operand)} IN ({', '.join(map(self.operand, node.candidates))})"
        return self.call(node)

    def grouped(self, node: Any) -> str:
        return f"({self.condition(node)})" if isinstance(node, And | Or) else self.condition(node)

    def call(self, node: Function) -> str:
        return f"{node.name}({', '.join(map(self.operand, node.operands))})"

    def operand(self, node: Any) -> str:
        if isinstance(node, Path):
            return self.path(node)
        return self.value(node) if isinstance(node, Value) else self.call(node)

    def path(self, node: Path) -> str:
        raise NotImplementedError

    def value(self, node: Value) -> str:
        raise NotImplementedError


class Expression(Writer):
    """With placeholders."""

    def __init__(self) -> None:
        self.names: dict[str, str] = {}
        self.values: dict[str, Any] = {}

    def path(self, node: Path) -> str:
        return ".".join(self._name(step) for step in node.elements).replace(".[", "[")

    def _name(self, step: str | int) -> str:
        if isinstance(step, int):
            return f"[{step}]"
        return next((key for key, name in self.names.items() if name == step), None) or self._new_name(step)

    def _new_name(self, name: str) -> str:
        key = f"#n{len(self.names)}"
        self.names[key] = name
        return key

    def value(self, node: Value) -> str:
        key = f":v{len(self.values)}"
        self.values[key] = copy.deepcopy(node.attribute)
        return key


class Parameters(Writer):
    """A WHERE with a parameter for each value."""

    def __init__(self) -> None:
        self.given: list[Any] = []

    def path(self, node: Path) -> str:
        steps = [f"[{step}]" if isinstance(step, int) else "." + quoted(step, '"') for step in node.elements]
        return "".join(steps)[1:]

    def value(self, node: Value) -> str:
        self.given.append(copy.deepcopy(node.attribute))
        return "?"


class Literals(Parameters):
    """A WHERE with literals. Binary values have none."""

    def value(self, node: Value) -> str:
        return super().value(node) if has_binary(node.attribute) else literal(node.attribute)


def quoted(text: str, quote: str) -> str:
    return quote + text.replace(quote, quote * 2) + quote


def has_binary(value: Any) -> bool:
    ((kind, content),) = value.items()
    if kind in ("L", "M"):
        return any(map(has_binary, content.values() if kind == "M" else content))
    return kind in ("B", "BS")


def literal(value: Any) -> str:
    ((kind, content),) = value.items()
    if kind == "S":
        return quoted(content, "'")
    if kind == "N":
        return str(content)
    if kind == "L":
        return f"[{', '.join(map(literal, content))}]"
    if kind == "M":
        entries = [f"{quoted(name, chr(39))}: {literal(entry)}" for name, entry in content.items()]
        return f"{{{', '.join(entries)}}}"
    if kind in ("SS", "NS"):
        return f"<<{', '.join(literal({kind[0]: member}) for member in content)}>>"
    return "null" if kind == "NULL" else str(content).lower()


# The same of a Scan and of statements


@pytest.mark.nightly
@pytest.mark.parametrize("_search", range(NIGHTLY_SEARCHES))
def test_statements_and_scans_find_the_same_in_many_searches(tables: Service, _search: int) -> None:
    compare_with_scans(tables, NIGHTLY_EXAMPLES)


def test_statements_and_scans_find_the_same(tables: Service) -> None:
    compare_with_scans(tables, EXAMPLES)


def compare_with_scans(tables: Service, examples: int) -> None:
    counts: Counter[str] = Counter()

    @settings(max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(items_and_condition())
    def agree(example: Any) -> None:
        items, node = example
        for number, item in enumerate(items):
            whole = {**copy.deepcopy(item), "pk": {"S": "p"}, "sk": {"N": str(number)}}
            tables("PutItem", TableName="T", Item=whole)
        expression = Expression()
        request = {"TableName": "T", "FilterExpression": expression.condition(node)}
        if expression.names:
            request["ExpressionAttributeNames"] = expression.names
        if expression.values:
            request["ExpressionAttributeValues"] = expression.values
        scanned = found(tables, "Scan", request)
        counts["examples"] += 1
        counts["refused"] += scanned is None
        counts["found"] += bool(scanned)
        for writer in (Parameters(), Literals()):
            text = f"SELECT * FROM T WHERE {writer.condition(node)}"
            stated = {"Statement": text} | ({"Parameters": writer.given} if writer.given else {})
            assert found(tables, "ExecuteStatement", stated) == scanned, text

    search_until_enough(agree, counts)


def search_until_enough(search: Callable[[], None], counts: Counter[str]) -> None:
    """Most searches refuse a third and find a third, but one that stays near one example does not: then there is another."""

    def is_enough() -> bool:
        return counts["refused"] < 0.6 * counts["examples"] and counts["found"] > 0.1 * counts["examples"]

    for _ in range(MOST_SEARCHES):
        search()
        if is_enough():
            break
    assert is_enough(), counts


def found(tables: Service, operation: str, request: Any) -> list[str] | None:
    """The keys of what is found, None where the condition is refused."""
    answer = answer_of(tables, operation, request)
    if isinstance(answer, ApiError):
        assert answer.type == "ValidationException"
        return None
    return [item["sk"]["N"] for item in answer["Items"]]


def answer_of(tables: Service, operation: str, request: Any) -> Any:
    try:
        return tables(operation, **request)
    except ApiError as error:
        return error


# Keys

PARTITIONS = "abc"
ROWS = [
    {"pk": {"S": pk}, "sk": {"N": str(sk)}, "n": {"N": str(n)}}
    for n, (pk, sk) in enumerate((pk, sk) for pk in PARTITIONS for sk in range(-1, 5))
]
sort_keys = st.integers(-1, 5).map(str)
hash_terms = st.one_of(
    st.sampled_from(PARTITIONS).map("pk = '{}'".format),
    st.sampled_from(PARTITIONS).map("'{}' = pk".format),
    st.lists(st.sampled_from(PARTITIONS), min_size=1, max_size=3, unique=True).map(
        lambda values: f"pk IN [{', '.join(map(repr, values))}]"
    ),
)
sort_terms = st.one_of(
    st.tuples(st.sampled_from(["=", "<", "<=", ">", ">=", "<>"]), sort_keys).map("sk {0[0]} {0[1]}".format),
    st.tuples(sort_keys, st.sampled_from(["=", "<", "<=", ">", ">="])).map("{0[0]} {0[1]} sk".format),
    st.tuples(sort_keys, sort_keys).map(sorted).map("sk BETWEEN {0[0]} AND {0[1]}".format),
    st.lists(sort_keys, min_size=1, max_size=3).map(lambda values: f"sk IN ({', '.join(values)})"),
)
other_terms = st.one_of(
    st.integers(0, 17).map("n > {}".format),
    st.sampled_from(["attribute_exists(sk)", "begins_with(pk, 'a') = false", "n IS MISSING", "pk > 'a'"]),
)
wheres = st.recursive(
    st.one_of(hash_terms, hash_terms, sort_terms, other_terms),
    lambda inner: st.one_of(
        st.tuples(hash_terms, inner).map(lambda two: "({} AND {})".format(*two)),
        st.tuples(inner, st.sampled_from(["AND", "AND", "OR"]), inner).map(
            lambda three: "({} {} {})".format(*three)
        ),
        inner.map(lambda term: f"NOT {term}"),
    ),
    max_leaves=6,
)
orders = st.sampled_from(["", "", " ORDER BY pk", " ORDER BY pk DESC, sk", " ORDER BY sk DESC"])
REFUSALS = (
    "Overlapping conditions",
    "Too many decomposed read operations",
    "Must have hash key in ORDER BY",
    "Must have at least one non-optional hash key condition",
    "The BETWEEN operator requires upper bound",
)


@pytest.mark.nightly
@pytest.mark.parametrize("_search", range(NIGHTLY_SEARCHES))
def test_what_is_read_by_keys_is_what_the_condition_holds_of_in_many_searches(
    tables: Service, _search: int
) -> None:
    compare_with_conditions(tables, NIGHTLY_EXAMPLES)


def test_what_is_read_by_keys_is_what_the_condition_holds_of(tables: Service) -> None:
    compare_with_conditions(tables, EXAMPLES)


def compare_with_conditions(tables: Service, examples: int) -> None:
    for row in ROWS:
        tables("PutItem", TableName="T", Item=copy.deepcopy(row))
    counts: Counter[str] = Counter()

    @settings(max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(wheres, orders, st.sampled_from([None, 1, 2, 5]))
    def agree(where: str, order: str, limit: int | None) -> None:
        counts["examples"] += 1
        request: dict[str, Any] = {"Statement": f"SELECT * FROM T WHERE {where}{order}"}
        if limit is not None:
            request["Limit"] = limit
        answer = answer_of(tables, "ExecuteStatement", request)
        if isinstance(answer, ApiError):
            assert str(answer.message).startswith(REFUSALS), request
            counts["refused"] += 1
            return
        items = answer["Items"]
        while "NextToken" in answer:
            answer = tables("ExecuteStatement", **request, NextToken=answer["NextToken"])
            items += answer["Items"]
        select = bind(read(request["Statement"], None))
        assert isinstance(select, Select)
        assert select.where is not None
        condition = Condition(select.where)
        expected = [row for row in ROWS if condition.matches(row)]
        counts["found"] += bool(expected)
        numbers = [int(item["n"]["N"]) for item in items]
        assert sorted(numbers) == [int(row["n"]["N"]) for row in expected], request
        if order:
            assert items == sorted(sorted(items, key=_sort_key, reverse=_falls(order)), key=_partition,
                                   reverse="pk DESC" in order)  # fmt: skip

    search_until_enough(agree, counts)


def _sort_key(item: Any) -> int:
    return int(item["sk"]["N"])


def _partition(item: Any) -> str:
    return str(item["pk"]["S"])


def _falls(order: str) -> bool:
    """Whether the sort key does: also where the partition key alone is named."""
    return order.endswith("sk DESC") or "sk" not in order
