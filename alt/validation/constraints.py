"""The constraints on a request's members: the breaches, worded as the operation's layer does."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from alt import errors
from alt.errors import ApiError
from alt.validation import policy, wording
from alt.validation.limits import Breach, Limits, enum_set
from alt.validation.shapes import Shape
from alt.validation.wording import Place

_MISSING = Breach("Member must not be null")


class Violation(NamedTuple):
    """A breach and where it is. `member`: the member of the request it is in. `value` None: missing."""

    member: str
    place: Place
    breach: Breach
    value: Any
    shape: Shape


def check(operation: str, shape: Shape, request: dict[str, Any]) -> None:
    """Raises ValidationException when a member breaks a constraint. The JSON types are right."""
    _check_sentences(operation, request)
    found = violations(shape, request)
    if not found:
        return
    if operation in policy.STAGES and not _is_read_by_older_layer(operation, request, found):
        raise _newer(operation, found)
    if operation == policy.LATE_MAP[0]:
        within = [violation for violation in found if not violation.breach.of_map]
        if not within and not request[policy.LATE_MAP[1]]:
            raise errors.validation(policy.EMPTY_MAP)
        found = within or found
    raise _older(found)


def violations(shape: Shape, request: dict[str, Any]) -> list[Violation]:
    """The breaches in a request, in the service's order; it stops counting at ten."""
    found: list[Violation] = []
    for name in shape.order:
        _walk_member(found, name, Place().member(name), shape, name, request)
    return found[: policy.MOST_REPORTED]


def is_deep(request: object) -> bool:
    """Whether a request carries an attribute value in about 62 or more lists and maps."""
    pending = [(request, 0)]
    while pending:
        value, levels = pending.pop()
        if levels >= policy.DEEP_LEVELS:
            return True
        if type(value) is dict:
            pending += ((content, levels + (kind in ("L", "M"))) for kind, content in value.items())
        elif type(value) is list:
            pending += ((element, levels) for element in value)
    return False


def _check_sentences(operation: str, request: dict[str, Any]) -> None:
    """The few constraints with sentences of their own, ahead of all others."""
    if operation in policy.REQUIRES_TABLE_NAME and "TableName" not in request:
        raise errors.validation(policy.TABLE_NAME_REQUIRED)
    for name, value in request.items():
        label = policy.NAMES_WITH_LENGTH.get((operation, name))
        if label is not None and not 3 <= len(value) <= 255:
            raise errors.validation(policy.NAME_LENGTH.format(label))


def _walk_member(
    found: list[Violation], member: str, place: Place, shape: Shape, name: str, structure: dict[str, Any]
) -> None:
    content = shape.members[name]
    if name in structure:
        _walk(found, member, place, content, structure[name])
    elif name in shape.required:
        found.append(Violation(member, place, _MISSING, None, content))


def _walk(found: list[Violation], member: str, place: Place, shape: Shape, value: Any) -> None:
    if len(found) >= policy.MOST_REPORTED:
        return
    if value is None:
        found.append(Violation(member, place, _MISSING, None, shape))
        return
    breaches = shape.limits.breaches(value) if shape.limits else []
    if shape.kind == "map":
        breaches += _map_breaches(shape, value)
    elif shape.kind == "list":
        breaches += _list_breaches(shape, value)
    found += (Violation(member, place, breach, value, shape) for breach in breaches)
    if shape.kind == "structure":
        for name in shape.order:
            _walk_member(found, member, place.member(name), shape, name, value)
    elif shape.element is not None:
        _walk_elements(found, member, place, shape.element, value)


def _walk_elements(found: list[Violation], member: str, place: Place, shape: Shape, collection: Any) -> None:
    """The elements' own limits are the collection's to report, those of what they hold are not."""
    if shape.kind in ("attribute", "blob"):
        return
    elements = enumerate(collection, 1) if type(collection) is list else collection.items()
    for key, element in elements:
        if element is None or shape.kind == "structure":
            _walk(found, member, place.element(key), shape, element)
        elif shape.element is not None:
            _walk_elements(found, member, place.element(key), shape.element, element)


def _map_breaches(shape: Shape, value: dict[str, Any]) -> list[Breach]:
    breaches = []
    keys = shape.key_limits
    if keys and _any_breach(keys, value):
        breaches.append(
            Breach(f"Map keys must satisfy constraint: [{', '.join(keys.phrases())}]", True, True)
        )
    assert shape.element is not None
    elements = shape.element.limits
    if elements and _any_breach(elements, value.values()):
        breaches.append(Breach(f"Map value must satisfy constraint: [{', '.join(elements.phrases())}]", True))
    return breaches


def _list_breaches(shape: Shape, value: list[Any]) -> list[Breach]:
    assert shape.element is not None
    elements = shape.element.limits
    if not elements or not _any_breach(elements, value):
        return []
    return [Breach(f"Member must satisfy constraint: [{', '.join(elements.phrases())}]", True)]


def _any_breach(limits: Limits, values: Iterable[Any]) -> bool:
    return any(value is not None and limits.breaches(value) for value in values)


def _is_read_by_older_layer(operation: str, request: dict[str, Any], found: list[Violation]) -> bool:
    """A missing member, or a very deep value, sends a request the older way."""
    if any(violation.value is None for violation in found):
        return True
    return operation in policy.OLDER_WHEN_DEEP and is_deep(request)


def _older(found: list[Violation]) -> ApiError:
    """Every breach, echoed."""
    return wording.enveloped([wording.echoed(v.place, v.breach, v.value, v.shape) for v in found])


def _newer(operation: str, found: list[Violation]) -> ApiError:
    """The breaches of the first stage that has any."""
    stages = policy.STAGES[operation]
    named = {member for stage in stages for member in stage}
    for stage in stages:
        if stage == (policy.REST,):
            reported = [v for v in found if v.member not in named][:1]
        else:
            reported = [v for member in stage for v in found if v.member == member]
        if reported:
            break
    sentences = [_newer_sentence(violation) for violation in reported]
    if (operation, reported[0].member) in policy.BARE:
        return errors.validation(sentences[0])
    return wording.enveloped(sentences)


def _newer_sentence(violation: Violation) -> str:
    _, place, breach, value, shape = violation
    if shape.name in policy.NAMELESS:
        return wording.nameless(Breach(enum_set(policy.NAMELESS[shape.name])))
    if breach.echoed:
        return wording.echoed(place, breach, value, shape, as_json=True)
    return wording.generic(place, breach)
