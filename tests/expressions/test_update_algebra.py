"""Laws of updates, on items of any shape."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from alt.errors import ApiError
from alt.expressions import Placeholders
from alt.expressions.paths import check_distinct, lookup
from alt.expressions.problems import Problem
from alt.values.sizes import item_size, resized

Bound = Callable[..., Any]

names = st.sampled_from("abc")
scalars = st.one_of(
    st.integers(-50, 50).map(lambda number: {"N": str(number)}),
    st.sampled_from("xyz").map(lambda text: {"S": text}),
    st.just({"NULL": True}),
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda elements: {"L": elements}),
        st.dictionaries(names, inner, max_size=3).map(lambda entries: {"M": entries}),
    ),
    max_leaves=8,
)
items = st.dictionaries(names, values, min_size=1, max_size=3)
paths = st.tuples(names, st.lists(st.one_of(names, st.integers(0, 3)), max_size=3)).map(
    lambda parts: (parts[0], *parts[1])
)


def text_of(path: tuple[str | int, ...]) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).removeprefix(".")


def update(text: str, value: Any = None) -> Any:
    return Placeholders(None, None if value is None else {":v": value}).update(text)


def projection(text: str) -> Any:
    return Placeholders(None, None).projection(text)


def result(made: Any, item: Any) -> Any:
    """The new item, or the message why there is none."""
    try:
        return made.apply(item)
    except ApiError as error:
        return error.message


def is_list(item: Any, path: tuple[str | int, ...]) -> bool:
    parent = lookup(item, path[:-1]) if len(path) > 1 else None
    return parent is not None and "L" in parent


@given(item=items, path=paths, value=values)
def test_what_was_set_is_read_back(item: Any, path: Any, value: Any) -> None:
    before = copy.deepcopy(item)
    after = result(update(f"SET {text_of(path)} = :v", value), item)
    assert item == before
    if isinstance(after, str):
        assert "document path" in after
        assert len(path) > 1
        return
    if is_list(item, path):
        elements = lookup(item, path[:-1])["L"]
        path = (*path[:-1], min(path[-1], len(elements)))
    assert lookup(after, path) == value
    # Nothing else has changed: without it, both are alike.
    remove = update(f"REMOVE {text_of(path)}")
    assert remove.apply(after) == remove.apply(item)


@given(item=items, path=paths, value=values)
def test_the_size_follows_from_what_was_changed(item: Any, path: Any, value: Any) -> None:
    for made in (update(f"SET {text_of(path)} = :v", value), update(f"REMOVE {text_of(path)}")):
        after = result(made, item)
        if not isinstance(after, str):
            size, names = item_size(after), made.attribute_names
            assert resized(item_size(item), item, after, names, limit=size) == size
            assert resized(item_size(item), item, after, names, limit=size - 1) > size - 1


@given(item=items, path=paths)
def test_what_was_removed_is_gone(item: Any, path: Any) -> None:
    after = result(update(f"REMOVE {text_of(path)}"), item)
    if lookup(item, path) is None:
        assert isinstance(after, str) or after == item
    elif is_list(item, path):
        elements = lookup(item, path[:-1])["L"]
        assert lookup(after, path[:-1])["L"] == elements[: path[-1]] + elements[path[-1] + 1 :]
    else:
        assert lookup(after, path) is None
        assert update(f"SET {text_of(path)} = :v", lookup(item, path)).apply(after) == item


@given(item=items, chosen=st.lists(paths, min_size=1, max_size=4))
def test_the_order_of_actions_does_not_matter(item: Any, chosen: Any) -> None:
    try:
        check_distinct(chosen)
    except Problem:
        assume(False)

    for template, section in (("{}", "REMOVE"), ("{} = a", "SET")):
        actions = [template.format(text_of(path)) for path in chosen]
        one = result(update(f"{section} {', '.join(actions)}"), item)
        other = result(update(f"{section} {', '.join(reversed(actions))}"), item)
        assert isinstance(one, str) == isinstance(other, str)
        if not isinstance(one, str):
            assert one == other


@given(item=items, chosen=st.lists(paths, min_size=1, max_size=4))
def test_a_projection_is_made_of_what_the_paths_lead_to(item: Any, chosen: Any) -> None:
    try:
        made = projection(", ".join(map(text_of, chosen)))
    except ApiError:
        assume(False)
    before = copy.deepcopy(item)
    taken = made.apply(item)
    assert item == before
    assert taken.keys() == {path[0] for path in chosen if lookup(item, path) is not None}
    for path in chosen:
        if not any(isinstance(step, int) for step in path):
            assert lookup(taken, path) == lookup(item, path)
    if all(not any(isinstance(step, int) for step in path) for path in chosen):
        assert made.apply(taken) == taken


@given(start=st.integers(-(10**37), 10**37), step=st.integers(-(10**37), 10**37))
def test_adding_and_subtracting_undo_each_other(start: int, step: int) -> None:
    item = {"a": {"N": str(start)}}
    value = {"N": str(step)}
    there = update("SET a = a + :v", value).apply(item)
    assert there == update("ADD a :v", value).apply(item) == {"a": {"N": str(start + step)}}
    assert update("SET a = a - :v", value).apply(there) == item


texts = st.sets(st.text(max_size=3), min_size=1, max_size=6)


@given(old=texts, given_members=texts)
def test_add_and_delete_are_union_and_difference(old: set[str], given_members: set[str]) -> None:
    item = {"a": {"SS": sorted(old)}}
    value = {"SS": sorted(given_members)}
    assert update("ADD a :v", value).apply(item) == {"a": {"SS": sorted(old | given_members)}}
    left = sorted(old - given_members)
    assert update("DELETE a :v", value).apply(item) == ({"a": {"SS": left}} if left else {})
