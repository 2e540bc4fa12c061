"""The reads that a WHERE comes to.

Where it says in each of its alternatives which value the partition key has, it is a read of each: OR, and IN as a
short form of it, are taken apart as far as they are about the keys. What it says beside that is a filter.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any, NamedTuple

from alt.errors import validation
from alt.expressions import KeyRange, nodes
from alt.expressions.conditions import read_names
from alt.expressions.nodes import And, Comparison, In, Or, Path, Value, conjuncts
from alt.operations.partiql.keys import KeyTerm, check_type, key_term
from alt.operations.queries.source import Source
from alt.storage.model.ranges import Bound, PartitionRange

MAX_BRANCHES = 50  # documented for IN on a partition key, and counted over all that is taken apart


class Branch(NamedTuple):
    """Terms that are all to be true.

    `key`: the values that it gives the key attributes, from the first on. `others` are the terms that say more than the
    range. `is_plain`: no key attribute is given its value twice; `is_empty`: one is given two values. `is_loose`:
    something is said of the sort key that no range can hold.
    """

    key: Sequence[Value]
    range: PartitionRange
    others: Sequence[nodes.Condition]
    is_plain: bool
    is_empty: bool
    is_loose: bool


def branches(source: Source, where: nodes.Condition | None, *, descending: bool) -> list[Branch] | None:
    """The branches of a WHERE; None where one of them leaves the partition key open, so that it is a Scan.

    Raises what is wrong with them.
    """
    name = source.hash_keys[0].name
    if where is None or not _pins(where, name):
        return None
    names = frozenset(key.name for key in (*source.hash_keys, *source.range_keys))
    return [_branch(source, terms, descending) for terms in _expanded(where, names)]


def refuse_overlaps(found: Sequence[Branch]) -> bool:
    """Whether some of the branches may share items, though nothing is refused of it.

    The service refuses ranges that overlap; those beside a term on the sort key that is no range it lets pass (recorded).
    """
    by_partition: dict[object, list[Branch]] = {}
    for branch in found:
        if not branch.is_empty:
            by_partition.setdefault(_partition(branch), []).append(branch)
    shared = [each for each in by_partition.values() if _overlap(each)]
    if any(not any(branch.is_loose for branch in each) for each in shared):
        raise validation("Overlapping conditions with range keys are not supported in where clause")
    return bool(shared)


def readable(found: Sequence[Branch]) -> Sequence[Branch]:
    """Those that may find something; one in any case."""
    return [branch for branch in found if not branch.is_empty] or found[:1]


def ordered(found: Sequence[Branch], *, by_partition: bool, descending: bool) -> list[Branch]:
    """As they are read: by partition, in the order written or `by_partition`, and within one by the sort key.

    `descending` is the partitions' order; the sort key's is that of the ranges.
    """
    first: dict[object, int] = {}
    for branch in found:
        first.setdefault(_partition(branch), len(first))
    is_reversed = bool(found) and found[0].range.descending
    by_sort_key = sorted(found, key=lambda branch: _interval(branch)[0], reverse=is_reversed)
    if by_partition:
        return sorted(by_sort_key, key=_partition, reverse=descending)
    return sorted(by_sort_key, key=lambda branch: first[_partition(branch)])


def filtered_names(found: Sequence[Branch]) -> frozenset[str]:
    """The attributes that an index must have for a read of it: those that the branch of the last partition filters by."""
    return read_names(*max(found, key=_partition).others)


def _pins(node: nodes.Condition, name: str) -> bool:
    """Whether the condition says which value, or values, the attribute has."""
    if isinstance(node, Or):
        return all(_pins(term, name) for term in node.terms)
    if isinstance(node, And):
        return any(_pins(term, name) for term in node.terms)
    if isinstance(node, In):
        return _is_list_of_values(node, (name,))
    term = key_term(node, (name,))
    return term is not None and term.operator == "="


def _is_list_of_values(node: In, names: Sequence[str] | frozenset[str]) -> bool:
    path = node.operand
    is_key = isinstance(path, Path) and len(path.elements) == 1 and path.elements[0] in names
    return is_key and all(isinstance(each, Value) for each in node.candidates)


def _expanded(node: nodes.Condition, names: frozenset[str]) -> list[list[nodes.Condition]]:
    """The alternatives of a condition, as lists of terms."""
    found: list[list[nodes.Condition]]
    if isinstance(node, And):
        parts = [_expanded(term, names) for term in node.terms]
        count = 1
        for part in parts:
            count *= len(part)
        _refuse_many(count)
        found = [[term for part in chosen for term in part] for chosen in product(*parts)]
    elif isinstance(node, Or) and _is_about(node, names):
        found = [terms for term in node.terms for terms in _expanded(term, names)]
    elif isinstance(node, In) and _is_list_of_values(node, names):
        found = [[Comparison("=", node.operand, candidate)] for candidate in node.candidates]
    else:
        return [[node]]
    _refuse_many(len(found))
    return found


def _refuse_many(count: int) -> None:
    if count > MAX_BRANCHES:
        raise validation("Too many decomposed read operations for a given query.")


def _is_about(node: nodes.Condition, names: frozenset[str]) -> bool:
    """Whether it says something of a key that a range can hold."""
    if isinstance(node, And | Or):
        return any(_is_about(term, names) for term in node.terms)
    if isinstance(node, In):
        return _is_list_of_values(node, names)
    return key_term(node, names) is not None


def _branch(source: Source, terms: Sequence[nodes.Condition], descending: bool) -> Branch:
    hash_key = source.hash_keys[0]
    sort_key = source.range_keys[0] if source.range_keys else None
    hash_terms: list[tuple[nodes.Condition, KeyTerm]] = []
    sort_terms: list[tuple[nodes.Condition, KeyTerm]] = []
    others = []
    for node in _flat(terms):
        said = key_term(node, [key.name for key in (hash_key, sort_key) if key is not None])
        if said is None or (said.name == hash_key.name and said.operator != "="):
            others.append(node)
        elif said.name == hash_key.name:
            check_type(hash_key, said.operands[0].attribute)
            hash_terms.append((node, said))
        else:
            sort_terms.append((node, said))
    for _, said in sort_terms:
        for operand in said.operands:
            assert sort_key is not None
            check_type(sort_key, operand.attribute)
    is_loose = sort_key is not None and any(sort_key.name in read_names(node) for node in others)
    (value,) = hash_terms[0][1].operands
    points = [said for _, said in sort_terms if said.operator == "="]
    others += [node for node, said in hash_terms if said.operands[0] != value]
    is_empty = any(said.operands[0] != value for _, said in hash_terms) or any(
        said.operands != points[0].operands for said in points
    )
    point = points[0].operands[0] if points else None
    if point is not None:
        rows = source.partition(KeyRange((value,), (point,), None, ()), descending=descending)
        others += [node for node, said in sort_terms if said.operator != "=" or said.operands[0] != point]
    else:
        rows = source.partition(KeyRange((value,), (), None, ()), descending=descending)
        for _, said in sort_terms:
            bounded = KeyRange((value,), (), said.operator, said.operands)
            rows = _meet(rows, source.partition(bounded, descending=descending))
    key = (value,) if point is None else (value, point)
    is_plain = len(hash_terms) == 1 and len(points) < 2
    return Branch(key, rows, others, is_plain, is_empty, is_loose)


def _flat(terms: Sequence[nodes.Condition]) -> list[nodes.Condition]:
    return [node for term in terms for node in conjuncts(term)]


def _meet(one: PartitionRange, other: PartitionRange) -> PartitionRange:
    """What lies in both of two ranges of one partition."""
    lows = [low for low in (one.low, other.low) if low is not None]
    highs = [high for high in (one.high, other.high) if high is not None]
    low = max(lows, key=_low_place) if lows else None
    high = min(highs, key=_high_place) if highs else None
    return one._replace(low=low, high=high)


def _low_place(bound: Bound) -> tuple[object, int]:
    return bound[1], int(bound[0] == ">")


def _high_place(bound: Bound) -> tuple[object, int]:
    return bound[1], int(bound[0] == "<=")


def _partition(branch: Branch) -> Any:
    return branch.range.prefix[1]


# A place before everything, and one behind.
_LOWEST, _HIGHEST = (0,), (2,)


def _interval(branch: Branch) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """Where the branch begins and ends among the sort keys of its partition."""
    rows = branch.range
    if len(rows.prefix) > 2:
        return (1, rows.prefix[2], 0), (1, rows.prefix[2], 0)
    low = _LOWEST if rows.low is None else (1, rows.low[1], int(rows.low[0] == ">"))
    high = _HIGHEST if rows.high is None else (1, rows.high[1], -int(rows.high[0] == "<"))
    return low, high


def _overlap(found: Sequence[Branch]) -> bool:
    """Whether any two ranges of one partition have a place in common."""
    intervals = sorted(low_high for low_high in map(_interval, found) if low_high[0] <= low_high[1])
    reach = None
    for low, high in intervals:
        if reach is not None and low <= reach:
            return True
        reach = high if reach is None else max(reach, high)
    return False
