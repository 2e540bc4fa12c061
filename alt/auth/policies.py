"""Policy documents: read, checked, and asked what they say of a request.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import ujson

from alt.auth.conditions import MalformedConditionError, Test, read_condition, texts
from alt.auth.patterns import Pattern, Values, matches

MAX_POLICY_BYTES = 20 * 1024  # DynamoDB's, for resources; IAM allows a user 2 KB to 10 KB

_VARIABLES_VERSION = "2012-10-17"
_VERSIONS = (_VARIABLES_VERSION, "2008-10-17")
_ACTION = re.compile(r"\*|[A-Za-z0-9-]+:[A-Za-z0-9*?]+")
_SID = re.compile(r"[A-Za-z0-9 _.-]{0,128}")
_POLICY_MEMBERS = {"Version", "Id", "Statement"}
_STATEMENT_MEMBERS = {
    "Sid",
    "Effect",
    "Principal",
    "NotPrincipal",
    "Action",
    "NotAction",
    "Resource",
    "NotResource",
    "Condition",
}
_ACTION_PREFIX = "dynamodb:"
_ARN_PARTS, _REGION, _ACCOUNT = 6, 3, 4


class MalformedPolicyError(ValueError):
    """The message says in one line what is wrong with a document."""


class Wanted(NamedTuple):
    """What a request asks for: an action without its prefix, the ARN of its resource or `*`, and what conditions read."""

    action: str
    resource: str
    values: Values


@dataclass(frozen=True, slots=True)
class _Choice:
    """What a statement says of an action, a resource or a principal: one of these, or none of these."""

    patterns: Sequence[Pattern]
    is_negated: bool

    def includes(self, value: str, values: Values) -> bool:
        found = False
        for pattern in self.patterns:
            filled = pattern.filled(values)
            if filled is not None and matches(filled, value):
                found = True
                break
        return found != self.is_negated


@dataclass(frozen=True, slots=True)
class Statement:
    """`name` is its Sid, or its number where it has none."""

    name: str
    denies: bool
    actions: _Choice
    resources: _Choice
    principals: _Choice | None
    tests: Sequence[Test]

    def applies(self, wanted: Wanted, principals: Iterable[str]) -> bool:
        values = wanted.values
        return (
            self.actions.includes(f"{_ACTION_PREFIX}{wanted.action}".lower(), values)
            and self.resources.includes(wanted.resource, values)
            and self._is_for(principals, values)
            and all(test.holds(values, denies=self.denies) for test in self.tests)
        )

    def _is_for(self, principals: Iterable[str], values: Values) -> bool:
        """`principals` are the names that one caller has; a statement that means all but some must mean none of them."""
        if self.principals is None:
            return True
        included = [self.principals.includes(each, values) for each in principals]
        return all(included) if self.principals.is_negated else any(included)


@dataclass(frozen=True, slots=True)
class Policy:
    """A document that was read: `text` is the one that was given."""

    text: str
    statements: Sequence[Statement]

    def deciding(self, wanted: Wanted, principals: Iterable[str] = ()) -> Statement | None:
        """The statement that decides: the first that denies, else the first that allows; None where none applies."""
        allowing = None
        for statement in self.statements:
            if (statement.denies or allowing is None) and statement.applies(wanted, principals):
                if statement.denies:
                    return statement
                allowing = statement
        return allowing


def read_policy(text: str, *, is_of_resource: bool = False) -> Policy:
    """A policy of a user, or of a resource, which names principals. Raises MalformedPolicyError."""
    if len(text.encode("utf-8", "surrogatepass")) > MAX_POLICY_BYTES:
        raise MalformedPolicyError(f"the policy has more than {MAX_POLICY_BYTES} bytes")
    try:
        document = ujson.loads(text)
    except ValueError:
        raise MalformedPolicyError("the policy is no JSON") from None
    _check_members(document, _POLICY_MEMBERS, "the policy")
    version = document.get("Version", _VERSIONS[-1])
    if version not in _VERSIONS:
        raise MalformedPolicyError(f"Version must be one of {', '.join(_VERSIONS)}")
    given = document.get("Statement")
    if not given:
        raise MalformedPolicyError("there is no Statement")
    reader = _Reader(version == _VARIABLES_VERSION, is_of_resource)
    statements = [
        reader.statement(number, each)
        for number, each in enumerate(given if isinstance(given, list) else [given], 1)
    ]
    sids = [each["Sid"] for each in (given if isinstance(given, list) else [given]) if "Sid" in each]
    if len(sids) > len(set(sids)):
        raise MalformedPolicyError("two statements have the same Sid")
    return Policy(text, statements)


class _Reader:
    """Reads the statements of one policy."""

    def __init__(self, has_variables: bool, is_of_resource: bool) -> None:
        self._has_variables = has_variables
        self._is_of_resource = is_of_resource

    def statement(self, number: int, given: Any) -> Statement:
        name = f"statement {number}"
        _check_members(given, _STATEMENT_MEMBERS, name)
        sid = given.get("Sid", "")
        if not isinstance(sid, str) or not _SID.fullmatch(sid):
            raise MalformedPolicyError(f"{name} has a Sid that is none")
        if given.get("Effect") not in ("Allow", "Deny"):
            raise MalformedPolicyError(f"{name}: Effect must be Allow or Deny")
        try:
            tests = read_condition(given.get("Condition", {}), has_variables=self._has_variables)
        except MalformedConditionError as error:
            raise MalformedPolicyError(f"{name}: {error}") from None
        denies = given["Effect"] == "Deny"
        return Statement(
            sid or name,
            denies,
            self._choice(name, given, "Action", self._action),
            self._choice(name, given, "Resource", self._denied if denies else self._resource),
            self._principals(name, given),
            tests,
        )

    def _choice(
        self, name: str, given: dict[str, Any], member: str, read: Callable[[str, str], Pattern]
    ) -> _Choice:
        negated = f"Not{member}"
        if (member in given) == (negated in given):
            raise MalformedPolicyError(f"{name} must have either {member} or {negated}")
        written = texts(given.get(member, given.get(negated)))
        if not written:
            raise MalformedPolicyError(f"{name}: {member} must be a text or a list of texts")
        return _Choice([read(name, each) for each in written], negated in given)

    def _action(self, name: str, text: str) -> Pattern:
        if not _ACTION.fullmatch(text):
            raise MalformedPolicyError(f"{name}: {text!r} is no action, such as dynamodb:GetItem")
        return Pattern(text.lower(), has_variables=False)

    def _resource(self, name: str, text: str) -> Pattern:
        if text != "*" and not text.startswith(("arn:", "*")):
            raise MalformedPolicyError(f"{name}: {text!r} is no resource: give an ARN, or *")
        return Pattern(text, has_variables=self._has_variables)

    def _denied(self, name: str, text: str) -> Pattern:
        """What is denied in one region is denied in all: they have the same tables, whichever a request is signed for."""
        parts = text.split(":", _ARN_PARTS - 1)
        if len(parts) == _ARN_PARTS:
            parts[_REGION], parts[_ACCOUNT] = "*", "*"
        return self._resource(name, ":".join(parts))

    def _principals(self, name: str, given: dict[str, Any]) -> _Choice | None:
        has_one = "Principal" in given or "NotPrincipal" in given
        if has_one != self._is_of_resource:
            only = "must name a Principal" if self._is_of_resource else "must not name a Principal"
            raise MalformedPolicyError(f"{name} {only}: the policy is a {self._kind}'s")
        return self._choice(name, _flat(name, given), "Principal", self._principal) if has_one else None

    @property
    def _kind(self) -> str:
        return "resource" if self._is_of_resource else "user"

    def _principal(self, _name: str, text: str) -> Pattern:
        return Pattern(text, has_wildcards=text == "*", has_variables=False)


def _flat(name: str, given: dict[str, Any]) -> dict[str, Any]:
    """`{"AWS": ...}` as what it holds. Services and federated users are nobody here."""
    found: dict[str, Any] = {}
    for member in ("Principal", "NotPrincipal"):
        if member in given:
            principal = given[member]
            if isinstance(principal, dict):
                if not principal or not principal.keys() <= {"AWS", "Service", "Federated", "CanonicalUser"}:
                    raise MalformedPolicyError(f"{name}: {member} has the wrong members")
                named = [texts(kind) for kind in principal.values()]
                principal = None if None in named else [each for kind in named for each in kind or ()]
            elif principal != "*":
                raise MalformedPolicyError(f'{name}: {member} must be "*" or an object')
            found[member] = principal
    return found


def _check_members(given: Any, known: set[str], name: str) -> None:
    if not isinstance(given, dict):
        raise MalformedPolicyError(f"{name} is not an object")
    if unknown := sorted(given.keys() - known):
        raise MalformedPolicyError(f"{name} has the unknown member {unknown[0]}")
