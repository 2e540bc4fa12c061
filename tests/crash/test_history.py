"""The checker of histories: what it must refuse, and what it must let pass."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations, permutations
from math import inf
from random import Random
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.crash.history import ANY, Access, Request, Value, find_violation

KEYS = ("a", "b", "c")
NEVER = 1_000_000  # more than any generated history comes to


def request(begin: float, end: float, *accesses: Access, outcome: Any = "done") -> Request:
    return Request(begin, end, accesses, outcome)


def get(answer: Value, key: str = "a") -> Access:
    return Access(key, "get", answer=answer)


def put(value: int, key: str = "a", **more: Any) -> Access:
    return Access(key, "put", value, **more)


def add(value: int, answer: Any = ANY, key: str = "a") -> Access:
    return Access(key, "add", value, answer=answer)


POSSIBLE = {
    "nothing": [],
    "a read of what was never written": [request(0, 1, get(None))],
    "a read of what was written before": [request(0, 1, put(1)), request(2, 3, get(1))],
    "a read beside a write sees it": [request(0, 3, put(1)), request(1, 2, get(1))],
    "a read beside a write misses it": [request(0, 3, put(1)), request(1, 2, get(None))],
    "writes side by side, in the other order than they began": [
        request(0, 9, put(1)),
        request(1, 9, put(2)),
        request(10, 11, get(1)),
    ],
    "counted one after another": [request(0, 9, add(1, 3)), request(1, 9, add(2, 2))],
    "a deleted item counts from nothing": [
        request(0, 1, put(7)),
        request(2, 3, Access("a", "delete", answer=7)),
        request(4, 5, add(1, 1)),
    ],
    "a condition that holds": [request(0, 1, put(1, condition=None)), request(2, 3, put(2, condition=1))],
    "a condition that fails": [
        request(0, 1, put(1)),
        request(2, 3, put(2, condition=None, answer=1), outcome="refused"),
        request(4, 5, get(1)),
    ],
    "no answer, and it was done much later": [
        request(0, inf, put(1), outcome="unknown"),
        request(1, 2, get(None)),
        request(3, 4, get(1)),
    ],
    "no answer, and it was never done": [
        request(0, inf, put(1), outcome="unknown"),
        request(1, 2, get(None)),
    ],
    "no answer, and it was done before the server died": [
        request(0, 1, put(1), outcome="unknown"),
        request(2, 3, get(1)),
    ],
    "two without an answer, one of them done": [
        request(0, 5, add(1), outcome="unknown"),
        request(0, 5, add(2), outcome="unknown"),
        request(6, 7, get(2)),
    ],
    "a transaction read between two": [
        request(0, 9, put(1), put(1, "b")),
        request(1, 2, get(None), get(None, "b")),
        request(3, 4, get(1), get(1, "b")),
    ],
    "items read one by one beside a transaction, in its middle": [
        request(0, 9, put(1), put(1, "b")),
        request(10, 19, put(2), put(2, "b")),
        request(11, 12, get(2)),
        request(13, 14, get(2, "b")),
    ],
    "items read one by one beside a transaction, one after it and a later one before it": [
        request(0, 9, put(1), put(1, "b")),
        request(1, 2, get(1)),
        request(3, 4, get(None, "b")),
    ],
    "a transaction without an answer, whole": [
        request(0, 5, put(1), put(1, "b"), outcome="unknown"),
        request(6, 7, get(1)),
        request(8, 9, get(1, "b")),
    ],
}

IMPOSSIBLE = {
    "a read of what nobody wrote": [request(0, 1, put(1)), request(2, 3, get(2))],
    "a write is lost": [request(0, 1, put(1)), request(2, 3, get(None))],
    "a read of what was overwritten": [
        request(0, 1, put(1)),
        request(2, 3, put(2)),
        request(4, 5, get(1)),
    ],
    "two reads turn back": [
        request(0, 9, put(1)),
        request(1, 2, get(1)),
        request(3, 4, get(None)),
    ],
    "a read from the future": [request(0, 1, get(1)), request(2, 3, put(1))],
    "both counted to the same": [request(0, 9, add(1, 1)), request(1, 9, add(1, 1))],
    "both conditions held": [
        request(0, 9, put(1, condition=None)),
        request(1, 9, put(2, condition=None)),
    ],
    "a condition failed though it held": [request(0, 1, put(2, condition=None), outcome="refused")],
    "what was refused was done": [
        request(0, 1, put(1)),
        request(2, 3, put(2, condition=None), outcome="refused"),
        request(4, 5, get(2)),
    ],
    "a refusal tells a wrong item": [
        request(0, 1, put(1)),
        request(2, 3, put(2, condition=None, answer=5), outcome="refused"),
    ],
    "what had no answer was done after the server died": [
        request(0, 1, put(1), outcome="unknown"),
        request(2, 3, get(None)),
        request(4, 5, get(1)),
    ],
    "what had no answer was done before it was sent": [
        request(0, 1, get(1)),
        request(2, inf, put(1), outcome="unknown"),
    ],
    "what had no answer was done twice": [
        request(0, inf, add(1), outcome="unknown"),
        request(1, 2, get(2)),
    ],
    "a transaction read in its middle": [
        request(0, 9, put(1), put(1, "b")),
        request(1, 2, get(1), get(None, "b")),
    ],
    "half of a transaction is lost": [
        request(0, 5, put(1), put(1, "b"), outcome="unknown"),
        request(6, 7, get(1)),
        request(8, 9, get(None, "b")),
    ],
    "two transactions seen in either order": [
        request(0, 9, put(1), put(1, "b")),
        request(0, 9, put(2), put(2, "b")),
        request(10, 11, get(1)),
        request(10, 11, get(2, "b")),
    ],
    "read before a transaction that another read has seen and that had ended": [
        request(0, 3, put(1), put(1, "b")),
        request(1, 2, get(1)),
        request(4, 5, get(None, "b")),
    ],
    "beside a transaction, a read before a write that had ended": [
        request(0, 9, put(1), put(1, "b")),
        request(1, 2, put(5, "b")),
        request(3, 4, get(None, "b")),
    ],
    "two readers disagree on the order of two items": [
        request(0, 9, put(1), put(1, "c")),
        request(0, 9, put(1, "b")),
        request(1, 8, get(1), get(None, "b")),
        request(1, 8, get(None), get(1, "b")),
    ],
}


@pytest.mark.parametrize("history", POSSIBLE.values(), ids=POSSIBLE)
def test_possible(history: list[Request]) -> None:
    assert find_violation(history) is None


@pytest.mark.parametrize("history", IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_impossible(history: list[Request]) -> None:
    assert find_violation(history) is not None


def test_items_may_be_there_from_the_beginning() -> None:
    history = [request(0, 1, get(5))]
    assert find_violation(history, {"a": 5}) is None
    assert find_violation(history, {"a": 4}) is not None


def test_a_violation_says_where_it_stuck() -> None:
    lost = request(2, 3, get(None))
    violation = find_violation([request(0, 1, put(1)), lost, request(4, 5, get(1))])
    assert violation is not None
    assert violation.state == {"a": 1}
    assert violation.stuck == [lost]


def generated(random: Random) -> list[Request]:
    """Requests done one after another at times 0, 1, 2, ..., each with an interval about its time.

    Of some the answers are not told; others were never done, or were refused, rightly.
    """
    state: dict[str, Value] = dict.fromkeys(KEYS)
    history = []
    for time in range(random.randint(1, 40)):
        begin, end = time - random.choice((0, 0.5, 1, 4)), time + random.choice((0, 0.5, 1, 4))
        keys = random.sample(KEYS, random.randint(1, 3))
        fate = random.choice(("done", "done", "done", "done", "unknown", "never", "refused"))
        if fate == "refused":
            refused = [Access(key, "put", condition=NEVER, answer=state[key]) for key in keys]
            history.append(request(begin, end, *refused, outcome="refused"))
            continue
        done = [_access(random, key, state[key]) for key in keys]
        if fate == "done":
            history.append(request(begin, end, *done))
        else:
            untold = [each._replace(answer=ANY) for each in done]
            history.append(request(begin, random.choice((end, inf)), *untold, outcome="unknown"))
        if fate != "never":
            state.update((each.key, each.after(state[each.key])) for each in done)
    random.shuffle(history)
    return history


def _access(random: Random, key: str, before: Value) -> Access:
    """One on this item as it is, with the answer it gets."""
    kind = random.choice(("get", "put", "add", "delete", "check"))
    condition = before if kind == "check" or random.random() < 0.3 else ANY
    access = Access(key, kind, random.randint(1, 9), condition)
    answer = access.after(before) if kind == "add" else before
    return access._replace(answer=answer if kind == "get" or random.random() < 0.5 else ANY)


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 2**32))
def test_what_was_done_one_by_one_passes(seed: int) -> None:
    assert find_violation(generated(Random(seed))) is None


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 2**32))
def test_one_impossible_answer_is_found(seed: int) -> None:
    random = Random(seed)
    history = generated(random)
    told = [
        (number, place)
        for number, each in enumerate(history)
        for place, access in enumerate(each.accesses)
        if each.is_answered and access.answer is not ANY
    ]
    assume(told)
    number, place = random.choice(told)
    changed = list(history[number].accesses)
    changed[place] = changed[place]._replace(answer=NEVER)
    history[number] = replace(history[number], accesses=tuple(changed))
    assert find_violation(history) is not None


def possible_by_trying_all(history: list[Request]) -> bool:
    """The definition itself, too slow for more than a few requests."""
    answered = [each for each in history if each.is_answered]
    unknown = [each for each in history if not each.is_answered]
    for count in range(len(unknown) + 1):
        for applied in combinations(unknown, count):
            for order in permutations([*answered, *applied]):
                if _follows_time(order) and _answers_fit(order):
                    return True
    return False


def _follows_time(order: tuple[Request, ...]) -> bool:
    return all(later.end >= each.begin for place, each in enumerate(order) for later in order[place + 1 :])


def _answers_fit(order: tuple[Request, ...]) -> bool:
    state: dict[str, Value] = dict.fromkeys(KEYS)
    for each in order:
        after = each.apply(state)
        if after is None:
            return False
        state.update(after)
    return True


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 2**32))
def test_it_agrees_with_trying_all_orders(seed: int) -> None:
    """On a few requests with answers at random, about half of them impossible.

    No plain reads: those are held to less than the order of all.
    """
    random = Random(seed)
    history = []
    for _ in range(random.randint(2, 5)):
        begin = random.randint(0, 6)
        accesses = [
            Access(
                key,
                random.choice(("put", "add", "delete")),
                random.randint(1, 2),
                random.choice((ANY, ANY, None, 1, 2)),
                random.choice((ANY, ANY, None, 1, 2)),
            )
            for key in random.sample(("a", "b"), random.choice((1, 1, 2)))
        ]
        outcome = random.choice(("done", "done", "unknown"))
        if outcome == "unknown":
            accesses = [each._replace(answer=ANY) for each in accesses]
        end = begin + random.choice((0, 1, 2, 4))
        history.append(request(begin, end, *accesses, outcome=outcome))
    assert (find_violation(history) is None) is possible_by_trying_all(history)
