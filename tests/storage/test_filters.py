"""Compiled conditions say of every item what the evaluator says.

Items and conditions are made of few names, texts and numbers, chosen where SQLite
might differ, so that they meet: names that JSON paths must quote, texts with NULs,
quotes and characters of two UTF-16 units, numbers that no double tells apart, maps
with their entries in another order.

A run tries 300 conditions, each on four items; the nightly run 20,000, in 20 searches:
a search keeps all it has tried in memory.
"""

from __future__ import annotations

from base64 import b64encode
from binascii import a2b_base64
from collections import Counter
from decimal import Context, Decimal
from typing import Any

import pytest
import ujson
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alt.expressions.conditions import Condition
from alt.expressions.nodes import And, Between, Comparison, Function, In, Not, Or, Path, Value
from alt.storage.sqlite import connections
from alt.storage.sqlite.filters import compile_condition
from alt.values.attribute import normalize
from alt.values.json import dumps

EXAMPLES = 150
NIGHTLY_EXAMPLES = 1_000
NIGHTLY_SEARCHES = 20
MOST_SEARCHES = 10  # until enough was tried

NAMES = [
    *("a", "b", "c", "a.b", "a[0]", 'a"b', "a\\b", 'a\\"', "'", "$", "#", " ", "S", "M", "é", "𝄞", "\uffff"),
    *("\n", "\x01", "\x7f", "a\0", "a\0b", "\0", "/", "\\u0061"),
]
TEXTS = [
    *("", "a", "ab", "abc", "b", "ba", ",", '"', '","', '"a"', '\\"a', "\\", "\\u0000", "\0", "a\0", "a\0b"),
    *("é", "aé", "𝄞", "a𝄞b", "\uffff", "\ud7ff", "\ue000", "\x7f", "\n", "5", "%", "_", "*", "?", "[a]", "/"),
    # How values are searched for in the text of an item: in its spelling, up to a repeated character or a length.
    *("S", "aS", "a:b", "S:a", ":", 'S":"a', 'a"}', "[", "]", "a*b", "x" * 70, "x" * 70 + "y", "\x01" * 12),
]
BYTES = [b"", b"a", b"ab", b"abc", b"abcd", b"abb", b"b", b"\0", b"\xff", b"\xfb\xef\xbe", b"a\x80", b"a\x7f"]
# Neighbours that round to one double or to two, at every size, and powers of ten from below and above.
NUMBERS = [
    *(
        "0",
        "1",
        "2",
        "3",
        "5",
        "10",
        "9",
        "9.5",
        "10.5",
        "99",
        "100",
        "101",
        "3.5",
        "0.5",
        "0.1",
        "0.09",
        "0.11",
    ),
    "9999999999999999",
    "10000000000000000",
    "10000000000000001",
    "99999999999999999999",
    "100000000000000000000",
    "100000000000000000001",
    "99999999999999999999999999999999999999",
    "10000000000000000000000000000000000000",
    "10000000000000000000000000000000000001",
    "1.0000000000000000000000000000000000001",
    "0.99999999999999999999999999999999999999",
    "9.9999999999999999999999999999999999999",
    "99.999999999999999999999999999999999999",
    "0.1000000000000000055511151231257827",
    "0.10000000000000000555111512312578270212",
    "1700000000123456789",
    "1700000000123456788",
    *("1E-130", "1.1E-130", "1.0000000000000000000000000000000000001E-130", "1E125"),
    "9.9999999999999999999999999999999999999E+125",
    "9.9999999999999999999999999999999999998E+125",
]

digits = st.integers(1, 10**38 - 1).map(str)
numbers = st.builds(
    lambda sign, number: sign + number,
    st.sampled_from(["", "-"]),
    st.one_of(st.sampled_from(NUMBERS), digits, st.builds("{}E{}".format, digits, st.integers(-130, 88))),
)
binaries = (st.sampled_from(BYTES) | st.binary(max_size=5)).map(lambda raw: b64encode(raw).decode())


class Strategies:
    """Of names and values. Few may have NULs: an item with one is all the evaluator's."""

    def __init__(self, nul: bool) -> None:
        self.names = st.sampled_from([name for name in NAMES if nul or "\0" not in name])
        free = st.text(
            st.characters(exclude_categories=["Cs"], exclude_characters="" if nul else "\0"), max_size=6
        )
        self.texts = st.sampled_from([text for text in TEXTS if nul or "\0" not in text]) | free
        self.scalars = st.one_of(
            self.texts.map(lambda text: {"S": text}),
            numbers.map(lambda number: {"N": number}),
            binaries.map(lambda text: {"B": text}),
        )
        self.leaves = st.one_of(
            self.scalars,
            self.scalars,
            st.booleans().map(lambda flag: {"BOOL": flag}),
            st.just({"NULL": True}),
            st.lists(self.texts, min_size=1, max_size=4, unique=True).map(lambda members: {"SS": members}),
            st.lists(st.sampled_from(NUMBERS), min_size=1, max_size=4, unique=True).map(
                lambda members: {"NS": members}
            ),
            st.lists(binaries, min_size=1, max_size=4, unique=True).map(lambda members: {"BS": members}),
        )
        self.values = st.recursive(
            self.leaves,
            lambda inner: (
                st.lists(inner, max_size=3).map(lambda elements: {"L": elements})
                | st.dictionaries(self.names, inner, max_size=3).map(lambda entries: {"M": entries})
            ),
            max_leaves=5,
        )
        self.items = st.dictionaries(self.names, self.values, max_size=4)


STRATEGIES = [Strategies(nul=True), *[Strategies(nul=False)] * 5]


def canonical(value: Any) -> Any:
    value = ujson.loads(dumps(value))  # a copy: `normalize` works in place, on values that strategies share
    normalize(value)
    return value


def paths_of(item: Any) -> list[Any]:
    """All paths that lead to something, with what they lead to."""
    found: list[Any] = []
    todo: list[Any] = [((name,), value) for name, value in item.items()]
    while todo:
        path, value = todo.pop()
        found.append((path, value))
        todo += [((*path, name), inner) for name, inner in value.get("M", {}).items()]
        todo += [((*path, index), inner) for index, inner in enumerate(value.get("L", ()))]
    return found


def reordered(value: Any) -> Any:
    """An equal value with the entries of its maps in another order."""
    ((kind, content),) = value.items()
    if kind == "M":
        return {"M": {name: reordered(content[name]) for name in reversed(content)}}
    if kind == "L":
        return {"L": [reordered(element) for element in content]}
    return value


PRECISE = Context(prec=38, Emin=-130, Emax=125)


def neighbour(number: str, steps: int) -> str:
    """A number of 38 digits next to another, or the double nearest to it."""
    near = Decimal(number)
    for _ in range(abs(steps)):
        near = PRECISE.next_plus(near) if steps > 0 else PRECISE.next_minus(near)
    if not steps:
        near = PRECISE.create_decimal(float(number))
    return number if near.is_infinite() or near.is_subnormal(PRECISE) else str(near)


class Draw:
    """Draws values and conditions that have to do with given values, or nearly, or nothing at all."""

    def __init__(self, draw: Any, strategies: Strategies) -> None:
        self.draw = draw
        self.strategies = strategies
        self.occurring: list[Any] = []

    def one_of(self, choices: Any) -> Any:
        return self.draw(st.sampled_from(choices))

    def chance(self, one_in: int) -> bool:
        return bool(self.draw(st.integers(1, one_in)) == 1)

    # Values

    def any_value(self) -> Any:
        return canonical(self.draw(self.strategies.values))

    def related(self, value: Any) -> Any:
        """A value of the same type, mostly: the same, next to it, or a little changed."""
        if self.chance(12):
            return self.any_value()
        ((kind, content),) = value.items()
        if kind == "N":
            return canonical({"N": neighbour(content, self.draw(st.integers(-2, 2)))})
        if kind == "S":
            return {"S": self.cut(content, self.draw(self.strategies.texts))}
        if kind == "B":
            raw = self.cut(a2b_base64(content), self.one_of(BYTES))
            return {"B": b64encode(raw).decode()}
        if kind == "BOOL":
            return {"BOOL": self.draw(st.booleans())}
        if kind == "NULL":
            return value
        if kind in ("SS", "NS", "BS"):
            other = self.draw(self.strategies.values)
            members = [*content[self.draw(st.integers(0, 1)) :], *other.get(kind, ())]
            unique = list(dict.fromkeys(canonical({kind[0]: member})[kind[0]] for member in members))
            return canonical({kind: unique or content})
        value = reordered(value) if self.chance(2) else value
        return {kind: self.changed_entries(value[kind])}

    def cut(self, whole: Any, tail: Any) -> Any:
        start, end = sorted((self.draw(st.integers(0, 6)), self.draw(st.integers(0, 6))))
        return self.one_of([whole, whole[start:end], whole[:end], whole + tail])

    def changed_entries(self, content: Any) -> Any:
        """A list or map as it is, with one entry less or more, or one that is another."""
        entries = list(content.items() if isinstance(content, dict) else enumerate(content))
        choice = self.draw(st.integers(0, 4))
        if choice == 0 and entries:
            entries.pop(self.draw(st.integers(0, len(entries) - 1)))
        elif choice == 1 and entries:
            index = self.draw(st.integers(0, len(entries) - 1))
            entries[index] = (entries[index][0], self.related(entries[index][1]))
        elif choice == 2:
            entries.append((self.draw(self.strategies.names), self.any_value()))
        return dict(entries) if isinstance(content, dict) else [entry for _, entry in entries]

    def part(self, value: Any) -> Any:
        """What a value may begin with or contain."""
        ((kind, content),) = value.items()
        if kind in ("SS", "NS", "BS"):
            return self.related({kind[0]: self.one_of(content)})
        if kind == "L" and content:
            return self.related(self.one_of(content))
        return self.related(value)

    def item(self) -> Any:
        item = {name: canonical(value) for name, value in self.draw(self.strategies.items).items()}
        for name in list(item):
            if self.chance(3):
                item[self.draw(self.strategies.names)] = self.related(item[name])
        return item

    # Operands

    def occurrence(self) -> Any:
        return self.one_of(self.occurring)

    def path(self) -> Path:
        if not self.occurring or self.chance(8):
            steps = st.lists(self.strategies.names | st.sampled_from([0, 1, 7, 2**32 - 2]), max_size=2)
            return Path((self.draw(self.strategies.names), *self.draw(steps)))
        return Path(self.occurrence()[0])

    def size(self) -> Function:
        return Function("size", (self.path(),))

    def value(self) -> Value:
        return Value(self.related(self.occurrence()[1]))

    def operand(self) -> Any:
        return self.one_of([self.path, self.path, self.size, self.value, self.value])()

    # Predicates

    def operator(self) -> str:
        operator: str = self.one_of(["=", "<>", "<", "<=", ">", ">="])
        return operator

    def comparison(self) -> Any:
        path, value = self.occurrence()
        pair = (Path(path), Value(self.related(value)))
        return Comparison(self.operator(), *(reversed(pair) if self.chance(4) else pair))

    def comparison_of_paths(self) -> Any:
        path, value = self.occurrence()
        alike = [other for other, found in self.occurring if found.keys() == value.keys()]
        return Comparison(self.operator(), Path(path), Path(self.one_of(alike)))

    def comparison_of_size(self) -> Any:
        """With a number near the size of something."""
        path, value = self.occurrence()
        size = len(next(iter(value.values()))) if "BOOL" not in value and "NULL" not in value else 1
        offset = self.one_of(["-1.5", "-1", "-0.5", "0", "0.5", "1", "1.5", "1E30", "-1E30"])
        number = canonical({"N": str(size + Decimal(offset))})
        return Comparison(self.operator(), Function("size", (Path(path),)), Value(number))

    def between(self) -> Any:
        path, value = self.occurrence()
        return Between(Path(path), Value(self.related(value)), Value(self.related(value)))

    def membership(self) -> Any:
        path, value = self.occurrence()
        candidates = [Value(self.related(value)) for _ in range(self.draw(st.integers(1, 4)))]
        others = [self.operand() for _ in range(self.draw(st.integers(0, 1)))]
        return In(Path(path), (*candidates, *others))

    def prefix(self) -> Any:
        path, value = self.occurrence()
        return Function("begins_with", (Path(path), Value(self.part(value))))

    def containment(self) -> Any:
        path, value = self.occurrence()
        return Function("contains", (Path(path), Value(self.part(value))))

    def containment_in_value(self) -> Any:
        path, value = self.occurrence()
        whole = {"L": [self.related(value), self.any_value()]}
        for kind in ("S", "N", "B"):
            if kind in value and self.chance(2):
                whole = canonical({kind + "S": [value[kind]]})
        return Function("contains", (Value(self.related(whole)), Path(path)))

    def existence(self) -> Any:
        return Function(self.one_of(["attribute_exists", "attribute_not_exists"]), (self.path(),))

    def type_test(self) -> Any:
        kinds = ["S", "N", "B", "BOOL", "NULL", "SS", "NS", "BS", "L", "M"]
        return Function("attribute_type", (self.path(), Value({"S": self.one_of(kinds)})))

    def anything(self) -> Any:
        """Any operands anywhere, whether or not a request may say so."""
        first, second, third = self.operand(), self.operand(), self.operand()
        return self.one_of(
            [
                Comparison(self.operator(), first, second),
                Between(first, second, third),
                In(first, (second, third)),
                Function("begins_with", (first, second)),
                Function("contains", (first, second)),
            ]
        )

    def predicate(self) -> Any:
        if not self.occurring:
            return self.existence()
        common = [
            self.comparison,
            self.comparison_of_paths,
            self.comparison_of_size,
            self.prefix,
            self.containment,
        ]
        rare = [self.between, self.membership, self.containment_in_value, self.existence, self.type_test]
        return self.one_of([*common, *common, *rare, self.anything])()

    def condition(self, level: int = 3) -> Any:
        choice = self.draw(st.integers(0, 7)) if level else 0
        if choice == 5:
            return Not(self.condition(level - 1))
        if choice > 5:
            terms = tuple(self.condition(level - 1) for _ in range(self.draw(st.integers(2, 3))))
            return (And if choice == 6 else Or)(terms)
        return self.predicate()


@st.composite
def items_and_condition(draw: Any) -> Any:
    drawer = Draw(draw, draw(st.sampled_from(STRATEGIES)))
    items = [drawer.item() for _ in range(2)]
    items += [{name: drawer.related(item[name]) for name in reversed(item)} for item in items]
    # Mostly of one item, so that two paths lead somewhere at once.
    drawer.occurring = paths_of(items[0]) or paths_of(items[1])
    return items, drawer.condition()


@pytest.mark.nightly
@pytest.mark.parametrize("_search", range(NIGHTLY_SEARCHES))
def test_compiled_and_evaluated_conditions_agree_in_many_searches(_search: int) -> None:
    compare(NIGHTLY_EXAMPLES)


def test_compiled_and_evaluated_conditions_agree() -> None:
    compare(EXAMPLES)


def compare(examples: int) -> None:
    """Let both decide about many conditions and items, and see to it that enough of both was tried."""
    connection = connections.connect(connections.MEMORY)
    counts: Counter[str] = Counter()

    def holds(*arguments: Any) -> Any:
        counts["asked"] += 1
        return arguments[0](ujson.loads(arguments[1]))

    connection.create_scalar_function("holds", holds, 2)

    @settings(max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(items_and_condition())
    def agree(example: Any) -> None:
        items, node = example
        condition = Condition(node)
        compiled = compile_condition(condition)
        counts["conditions"] += 1
        if compiled is None:
            return
        counts["compiled"] += 1
        sql, bound = compiled
        for item in items:
            counts["decisions"] += 1
            counts["no NUL"] += "\\u0000" not in dumps(item)
            found = connection.execute(f"SELECT {sql} FROM (SELECT ? AS item)", (*bound, dumps(item))).get
            evaluated = condition.matches(item)
            counts["true"] += evaluated
            assert found in (0, 1)
            assert bool(found) is evaluated

    def is_enough() -> bool:
        """Most searches compile nineteen of twenty and find a quarter true, but one that stays near one example does not."""
        return (
            counts["compiled"] > 0.75 * counts["conditions"] and counts["true"] > 0.05 * counts["decisions"]
        )

    for _ in range(MOST_SEARCHES):
        agree()
        if is_enough():
            break
    assert is_enough(), counts
