"""What `alt sql` is made of: scripts cut into statements, values as text, places marked, signatures."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from alt.cli.asking.signing import signed
from alt.cli.sql import output as sql_output
from alt.cli.sql.script import split
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from alt.errors import ApiError
from alt.expressions.partiql import literal_of, read_literal
from alt.values.attribute import normalize

# A semicolon in each does not end anything.
SHELTERED = ["'a;b'", "'it''s; so'", '"a;b"', '"a"";b"', "/* a; ' b */", "-- it's; so\n", '-- "\n']
PLAIN = ["SELECT", "*", "a", " ", "\n", "[1, 2]", "<<", "-", "/"]


@given(st.lists(st.lists(st.sampled_from(SHELTERED + PLAIN), min_size=1, max_size=6), max_size=5))
def test_a_script_is_its_statements(parts: list[list[str]]) -> None:
    statements = [" ".join(["x", *each]) for each in parts]
    found = split(";".join(statements) + ";")
    assert [piece.text for piece in found.pieces] == [each.strip() for each in statements]
    assert (found.rest, found.opened) == (None, "")


def test_lines_and_the_last_statement() -> None:
    found = split("a;\n\n  b\nc ;; -- nothing\n/* nothing; */ ;\n d")
    assert [tuple(piece) for piece in found.all] == [("a", 1), ("b\nc", 3), ("d", 6)]


@pytest.mark.parametrize(
    ("text", "opened"),
    [("a '; b", "'"), ('a ";', '"'), ("a /* ;", "/*"), ("'a'' ;", "'"), ("a", ""), ("-- '\na", "")],
)
def test_what_has_not_ended(text: str, opened: str) -> None:
    found = split(text)
    assert (found.pieces, found.opened) == ([], opened)
    assert found.rest is not None


def test_commands_end_with_their_line() -> None:
    found = split("\\d\n\\d Music\na \\d;b; \\q")
    assert [piece.text for piece in found.all] == ["\\d", "\\d Music", "a \\d", "b", "\\q"]
    assert found.rest is None


VALUES = [
    ({"S": "it's"}, "it's", "'it''s'", "it's"),
    ({"S": ""}, "", "''", ""),
    ({"N": "-0.5"}, "-0.5", "-0.5", Decimal("-0.5")),
    ({"N": "1" * 38}, "1" * 38, "1" * 38, Decimal("1" * 38)),
    ({"BOOL": True}, "true", "true", True),
    ({"BOOL": False}, "false", "false", False),
    ({"NULL": True}, "NULL", "NULL", None),
    ({"NS": ["1", "2"]}, "<<1, 2>>", "<<1, 2>>", [1, 2]),
    ({"SS": ["a", "b'"]}, "<<'a', 'b'''>>", "<<'a', 'b'''>>", ["a", "b'"]),
    ({"L": [{"N": "1"}, {"S": "a"}]}, "[1, 'a']", "[1, 'a']", [1, "a"]),
    ({"M": {"a'": {"L": []}, "b": {"M": {}}}}, "{'a''': [], 'b': {}}", None, {"a'": [], "b": {}}),
]


@pytest.mark.parametrize(("value", "plain", "literal", "from_json"), VALUES)
def test_values_are_written(value: Any, plain: str, literal: str | None, from_json: Any) -> None:
    assert sql_output.plain(value) == plain
    assert literal_of(value) == (literal or plain)
    assert json.loads(sql_output.plain_json(value), parse_int=Decimal, parse_float=Decimal) == from_json
    assert read_literal(literal_of(value)) == value


def test_binaries_are_base64() -> None:
    for value in ({"B": "YQ=="}, {"BS": ["YQ==", "Yg=="]}):
        assert sql_output.plain(value) == {"B": "YQ==", "BS": "<<YQ==, Yg==>>"}[next(iter(value))]
        assert json.loads(sql_output.plain_json(value)) == next(iter(value.values()))


_leaves = st.one_of(
    st.builds(lambda text: {"S": text}, st.text(st.characters(exclude_categories=["Cs"]))),
    st.builds(lambda number: {"N": str(number)}, st.integers(-(10**30), 10**30)),
    st.builds(lambda flag: {"BOOL": flag}, st.booleans()),
    st.builds(lambda texts: {"SS": sorted(texts)}, st.sets(st.text("ab';"), min_size=1, max_size=3)),
)
_values = st.recursive(
    _leaves,
    lambda inner: st.one_of(
        st.builds(lambda values: {"L": values}, st.lists(inner, max_size=3)),
        st.builds(
            lambda values: {"M": values}, st.dictionaries(st.text("ab' ", min_size=1), inner, max_size=3)
        ),
    ),
    max_leaves=8,
)


@given(_values)
def test_a_value_is_read_as_it_was_written(value: Any) -> None:
    normalize(value)
    assert read_literal(literal_of(value)) == value


@pytest.mark.parametrize(
    "text", ["", "a", "?", "[?]", "1 2", "'", "1; 2", "SELECT", "<<1, 'a'>>", "MISSING", "1e999"]
)
def test_what_is_no_value(text: str) -> None:
    with pytest.raises(ApiError):
        read_literal(text)


def test_the_place_is_marked_in_its_line() -> None:
    assert sql_output.marked("wrong at 2:4:3", "ab\nxy foo(z)") == ["xy foo(z)", "   ^^^"]
    assert sql_output.marked("wrong at 1:3:1", "日本x") == ["日本x", "    ^"]
    assert sql_output.marked("wrong at 1:2:1", "\tx\x1b") == [" x ", " ^"]
    assert sql_output.marked("wrong", "x") == []
    assert sql_output.marked("wrong at 9:1:1", "x") == []
    line, carets = sql_output.marked("wrong at 1:1001:5", "a" * 1000 + "12345" + "b" * 1000)
    assert line[carets.index("^") : len(carets)] == "12345"
    assert len(line) < 130


@pytest.mark.parametrize("token", [None, "token"])
def test_requests_are_signed_as_sdks_sign_them(token: str | None) -> None:
    moment = datetime.now(UTC)
    environment = {"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "eu-west-1"}
    if token is not None:
        environment["AWS_SESSION_TOKEN"] = token
    headers = {"host": "localhost:8000", "content-type": "application/x-amz-json-1.0", "x-amz-target": "X.Y"}
    ours = signed(headers, b"{}", "/", moment, environment)
    theirs = AWSRequest("POST", "http://localhost:8000/", dict(headers), b"{}")
    theirs.context["timestamp"] = moment.strftime("%Y%m%dT%H%M%SZ")
    signer = SigV4Auth(Credentials("AKID", "secret", token), "dynamodb", "eu-west-1")
    signature = signer.signature(
        signer.string_to_sign(theirs, signer.canonical_request(_with(theirs, ours))), theirs
    )
    assert ours["authorization"].endswith(f"Signature={signature}")
    assert ours.get("x-amz-security-token") == token


def _with(request: Any, headers: dict[str, str]) -> Any:
    for name, value in headers.items():
        if name.startswith("x-amz-") and name not in request.headers:
            request.headers[name] = value
    return request
