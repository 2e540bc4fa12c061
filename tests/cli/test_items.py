"""`alt items`: as DynamoDB JSON and as plain JSON, in a pipe and on a terminal, with a server and without."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]

MUSIC = {
    "AttributeDefinitions": [
        {"AttributeName": "Artist", "AttributeType": "S"},
        {"AttributeName": "Year", "AttributeType": "N"},
        {"AttributeName": "Label", "AttributeType": "S"},
    ],
    "KeySchema": [
        {"AttributeName": "Artist", "KeyType": "HASH"},
        {"AttributeName": "Year", "KeyType": "RANGE"},
    ],
    "GlobalSecondaryIndexes": [
        {
            "IndexName": "by-label",
            "KeySchema": [{"AttributeName": "Label", "KeyType": "HASH"}],
            "Projection": {"ProjectionType": "ALL"},
        }
    ],
    "Items": [
        {"Artist": {"S": "A"}, "Year": {"N": str(year)}, "Label": {"S": "L"}} for year in range(1990, 2000)
    ],
}


@pytest.fixture
def items(alt_here: Run, alt_server: Any) -> Run:
    """`alt items` where there is the table Music."""
    alt_server.seed({"Music": MUSIC})
    return lambda *arguments, **options: alt_here("items", *arguments, **options)


def _years(result: Any) -> list[int]:
    assert result.status == 0, result.err
    return [int(json.loads(line)["Year"]["N"]) for line in result.out.splitlines()]


@pytest.mark.parametrize(
    "key",
    [
        ["Artist=A", "Year=1990"],
        ["Year=1990", "Artist=A"],
        ['{"Artist": {"S": "A"}, "Year": {"N": "1990"}}'],
        ['{"Artist": "A", "Year": 1990}', "--plain"],
    ],
)
def test_an_item_by_its_key(items: Run, key: list[str]) -> None:
    got = items("get", "Music", *key)
    assert (got.status, got.err) == (0, "")
    plain = {"Artist": "A", "Year": 1990, "Label": "L"}
    assert json.loads(got.out) == (plain if "--plain" in key else MUSIC["Items"][0])
    assert len(got.out.splitlines()) == 1


def test_no_such_item(items: Run) -> None:
    got = items("get", "Music", "Artist=A", "Year=1")
    assert (got.status, got.out, got.err) == (1, "", "Error: Music has no item with this key\n")


def test_what_is_put_comes_back(items: Run) -> None:
    item = (
        '{"Artist":"B","Year":1234567890123456789012345678901234567.8,"s":{"$SS":["a","b"]},'
        '"b":{"$B":"AAE="},"m":{"$M":{"$B":"x"}},"l":[1.50,null,true]}'
    )
    put = items("put", "Music", item, "--plain")
    assert (put.status, put.out, put.err) == (0, "", "")
    key = ["Artist=B", "Year=1234567890123456789012345678901234567.8"]
    got = json.loads(items("get", "Music", *key, "--plain").out, parse_float=str)
    assert got == json.loads(item.replace("1.50", "1.5"), parse_float=str)
    assert json.loads(items("get", "Music", *key).out)["b"] == {"B": "AAE="}


def test_put_reads_standard_input_and_tells_what_was_there(items: Run) -> None:
    item = '{"Artist": {"S": "A"}, "Year": {"N": "1990"}}'
    assert json.loads(items("put", "Music", "-", "--json", stdin=item).out) == MUSIC["Items"][0]
    assert items("put", "Music", item.replace("1990", "5"), "--json").out == "null\n"


def test_a_condition(items: Run) -> None:
    item = '{"Artist": "A", "Year": 1990}'
    refused = items("put", "Music", item, "--plain", "--condition", "attribute_not_exists(Artist)")
    assert (refused.status, refused.err) == (1, "Error: The conditional request failed\n")
    condition = ["--condition", "#l = :l", "--names", '{"#l": "Label"}', "--values", '{":l": "L"}']
    assert items("rm", "Music", item, "--plain", *condition).status == 0
    assert items("get", "Music", "Artist=A", "Year=1990").status == 1


def test_remove(items: Run) -> None:
    removed = items("rm", "Music", "Artist=A", "Year=1990", "--json")
    assert json.loads(removed.out) == MUSIC["Items"][0]
    again = items("rm", "Music", "Artist=A", "Year=1990")
    assert (again.status, again.out) == (0, "")


@pytest.mark.parametrize(
    ("arguments", "years"),
    [
        (["Artist=A"], range(1990, 2000)),
        (["Artist=A", "Year=1995"], [1995]),
        (["Artist=A", "--reverse", "--limit", "2"], [1999, 1998]),
        (["Artist=B"], []),
        (
            [
                "Artist = :a AND #y < :y",
                "--names",
                '{"#y": "Year"}',
                "--values",
                '{":a": {"S": "A"}, ":y": {"N": "1992"}}',
            ],
            [1990, 1991],
        ),
        (["Label=L", "--index", "by-label", "--filter", "Artist = :b", "--values", '{":b": {"S": "B"}}'], []),
    ],
)
def test_queries(items: Run, arguments: list[str], years: Any) -> None:
    assert _years(items("query", "Music", *arguments)) == list(years)


def test_values_may_be_plain(items: Run) -> None:
    found = items("query", "Music", "Artist = :a", "--values", '{":a": "A"}', "--limit", "1", "--plain")
    assert json.loads(found.out) == {"Artist": "A", "Year": 1990, "Label": "L"}


def test_scans(items: Run) -> None:
    assert sorted(_years(items("scan", "Music"))) == list(range(1990, 2000))
    assert len(_years(items("scan", "Music", "--index", "by-label", "--limit", "3"))) == 3
    later = ["--filter", "#y >= :y", "--names", '{"#y": "Year"}', "--values", '{":y": {"N": "1998"}}']
    assert sorted(_years(items("scan", "Music", *later))) == [1998, 1999]
    assert len(_years(items("scan", "Music", *later, "--limit", "1"))) == 1


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["get", "Music", "Artist=A"], 2, "the key has Artist and Year: Year=VALUE is missing."),
        (["get", "Music", "Song=A"], 2, "Song=A is no key attribute: give Artist=VALUE Year=VALUE, or JSON."),
        (["get", "Music", '{"Artist": "A"}'], 2, 'the key is "Artist" is no value like'),
        (["put", "Music", "{"], 2, "the item: no JSON: "),
        (["get", "Absent", "a=b"], 1, "Requested resource not found: Table: Absent not found"),
        (["query", "Music", "a=1", "--index", "x"], 1, "Music has no index x; there are: by-label"),
        (["scan", "Music", "--filter", "("], 1, "Invalid FilterExpression: Syntax error"),
    ],
)
def test_mistakes(items: Run, arguments: list[str], status: int, message: str) -> None:
    wrong = items(*arguments)
    assert (wrong.status, wrong.out) == (status, "")
    assert wrong.err.splitlines()[-1].startswith(f"Error: {message}")


def test_a_table_on_a_terminal(on_terminal: Run, with_tables: Any, tmp_path: Path) -> None:
    with_tables.stop()  # the command is the directory's server
    shown = on_terminal("items", "query", "Music", "Artist=A", "--data-dir", tmp_path)
    assert next(line.split() for line in shown.out.splitlines() if line.strip()) == ["Artist", "Song", "Year"]
    assert shown.status == 0
    lines = on_terminal("items", "get", "Music", "Artist=A", "Song=one", "--json", "--data-dir", tmp_path)
    assert json.loads(lines.out)["Song"] == {"S": "one"}
