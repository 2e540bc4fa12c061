"""Every statement is made of constructs that each engine documents, and of none else.

A word of SQL that stands here under no construct is a construct that nobody has looked up: do that, on each page, and add
it. Citus documents each construct, but FOR UPDATE and joins of distributed tables with `unnest` only within one shard
(https://docs.citusdata.com/en/stable/develop/reference_workarounds.html): there Alt's tables stay undistributed.
"""

from __future__ import annotations

import ast
import inspect
import re
from importlib.resources import files
from pathlib import Path

import asyncpg
import pytest

from alt.storage.postgres import dialect, statements

POSTGRESQL = "https://www.postgresql.org/docs/15/"
COCKROACHDB = "https://www.cockroachlabs.com/docs/stable/"
YUGABYTEDB = "https://docs.yugabyte.com/stable/"
_YB = "api/ysql/the-sql-language/statements/"

# The words of a construct, and where PostgreSQL, CockroachDB and YugabyteDB document it, under the addresses above.
CONSTRUCTS: dict[str, tuple[str, str, str, str]] = {
    "a query": (
        "SELECT FROM WHERE AND AS ORDER BY ASC DESC LIMIT",
        "sql-select.html",
        "selection-queries",
        _YB + "dml_select/",
    ),
    "a place in a query": ("OFFSET", "queries-limit.html", "limit-offset", _YB + "dml_select/"),
    "an array of a query": (
        "ARRAY",
        "sql-expressions.html#SQL-SYNTAX-ARRAY-CONSTRUCTORS",
        "scalar-expressions#conversion-of-subquery-results-to-an-array",
        "api/ysql/datatypes/type_array/array-constructor/",
    ),
    "a join": ("LEFT JOIN ON", "queries-table-expressions.html", "joins", _YB + "dml_select/"),
    "groups": ("GROUP", "sql-select.html", "select-clause", _YB + "dml_select/"),
    "a running sum": (
        "OVER ROWS UNBOUNDED PRECEDING",
        "sql-expressions.html#SYNTAX-WINDOW-FUNCTIONS",
        "window-functions",
        "api/ysql/exprs/window_functions/",
    ),
    "a membership": (
        "IN ANY",
        "functions-comparisons.html",
        "scalar-expressions",
        "api/ysql/exprs/func_index/",
    ),
    "either": ("OR", "functions-logical.html", "functions-and-operators", "api/ysql/exprs/func_index/"),
    "a case": (
        "CASE WHEN THEN END",
        "functions-conditional.html",
        "scalar-expressions",
        "api/ysql/exprs/func_index/",
    ),
    "a locking read": (
        "FOR UPDATE SHARE OF",
        "sql-select.html#SQL-FOR-UPDATE-SHARE",
        "select-for-update",
        "architecture/transactions/explicit-locking/",
    ),
    "an insertion": ("INSERT INTO VALUES", "sql-insert.html", "insert", _YB + "dml_insert/"),
    "an upsert": (
        "ON CONFLICT DO NOTHING UPDATE SET",
        "sql-insert.html#SQL-ON-CONFLICT",
        "insert#on-conflict-clause",
        _YB + "dml_insert/",
    ),
    "an update from a join": ("UPDATE SET FROM", "sql-update.html", "update", _YB + "dml_update/"),
    "a deletion by a join": ("DELETE FROM USING", "sql-delete.html", "delete", _YB + "dml_delete/"),
    "a statement that writes in another": (
        "WITH",
        "queries-with.html#QUERIES-WITH-MODIFYING",
        "common-table-expressions",
        "api/ysql/the-sql-language/with-clause/with-clause-syntax-semantics/",
    ),
    "whether a column has a value": (
        "IS NOT NULL",
        "functions-comparison.html",
        "null-handling",
        "api/ysql/exprs/func_index/",
    ),
    "a transaction": ("BEGIN COMMIT ROLLBACK", "sql-commit.html", "commit-transaction", _YB + "txn_commit/"),
    "a schema": ("CREATE SCHEMA", "sql-createschema.html", "create-schema", _YB + "ddl_create_schema/"),
    "an isolation level": (
        "BEGIN ISOLATION LEVEL REPEATABLE READ",
        "sql-begin.html",
        "begin-transaction",
        _YB + "txn_begin/",
    ),
    "a setting of a transaction": ("SET LOCAL", "sql-set.html", "set-vars", _YB + "cmd_set/"),
    "a setting as it is": ("SHOW", "sql-show.html", "show-vars", _YB + "cmd_show/"),
}
# What of a connection's settings statements mean another thing without: whose relations are named.
SEARCH_PATH = (
    "runtime-config-client.html#GUC-SEARCH-PATH",
    "sql-name-resolution#search-path",
    "api/ysql/name-resolution-in-top-level-sql/",
)
FUNCTIONS: dict[str, tuple[str, str, str]] = {
    "unnest": (
        "functions-array.html",
        "functions-and-operators#array-functions",
        "api/ysql/datatypes/type_array/",
    ),
    "sum": (
        "functions-aggregate.html",
        "functions-and-operators#aggregate-functions",
        "api/ysql/exprs/aggregate_functions/",
    ),
    "count": (
        "functions-aggregate.html",
        "functions-and-operators#aggregate-functions",
        "api/ysql/exprs/aggregate_functions/",
    ),
    "coalesce": ("functions-conditional.html", "functions-and-operators", "api/ysql/exprs/func_index/"),
    "strpos": (
        "functions-string.html",
        "functions-and-operators#string-and-byte-functions",
        "api/ysql/exprs/func_index/",
    ),
    "version": (
        "functions-info.html",
        "functions-and-operators#system-info-functions",
        "api/ysql/exprs/func_index/",
    ),
    "now": (
        "functions-datetime.html",
        "functions-and-operators#date-and-time-functions",
        "api/ysql/datatypes/type_datetime/",
    ),
}
TYPES = {
    "bigint",
    "bigint[]",
    "integer[]",
    "bytea[]",
    "text[]",
    "boolean[]",
    "double precision[]",
    "interval",
}

# What the relations are made by, in sql/postgres.
SCHEMA_CONSTRUCTS: dict[str, tuple[str, str, str, str]] = {
    "a relation": (
        "CREATE TABLE PRIMARY KEY UNIQUE NOT NULL",
        "sql-createtable.html",
        "create-table",
        _YB + "ddl_create_table/",
    ),
    "a further column": (
        "ALTER TABLE ADD COLUMN",
        "sql-altertable.html",
        "alter-table#add-column",
        _YB + "ddl_alter_table/",
    ),
    "rows": ("INSERT INTO VALUES SELECT FROM AS", "sql-insert.html", "insert", _YB + "dml_insert/"),
}
# Names and types of columns; YugabyteDB has all of them on one page, api/ysql/datatypes/.
COLUMN_TYPES: dict[str, tuple[str, str]] = {
    "text": ("datatype-character.html", "string"),
    "integer": ("datatype-numeric.html", "int"),
    "bigint": ("datatype-numeric.html", "int"),
    "double precision": ("datatype-numeric.html", "float"),
    "bytea": ("datatype-binary.html", "bytes"),
    "boolean": ("datatype-boolean.html", "bool"),
    "timestamptz": ("datatype-datetime.html", "timestamp"),
}
SCHEMA_FUNCTIONS: dict[str, tuple[str, str, str]] = {
    "generate_series": (
        "functions-srf.html",
        "functions-and-operators#set-generating-functions",
        "api/ysql/exprs/func_index/",
    ),
}
SCHEMAS = {path.name: path.read_text(encoding="utf-8") for path in (files("alt.sql") / "postgres").iterdir()}

STATEMENTS = {
    name: text for name, text in vars(statements).items() if name.isupper() and not name.startswith("_")
}
WORDS = {word for words, *_ in CONSTRUCTS.values() for word in words.split()}


def test_there_are_statements() -> None:
    assert len(STATEMENTS) > 50
    assert all(isinstance(text, str) for text in STATEMENTS.values())


def test_a_connection_keeps_all_of_them_prepared() -> None:
    kept = inspect.signature(asyncpg.connect).parameters["statement_cache_size"].default
    assert len(STATEMENTS) < kept


@pytest.mark.parametrize("name", STATEMENTS)
def test_a_statement_keeps_to_the_list(name: str) -> None:
    text = STATEMENTS[name]
    assert set(re.findall(r"\b[A-Z]+\b", text)) <= WORDS
    calls = set(re.findall(r"(?<![a-z. ])\b([a-z_]+)\(|(?<= )([a-z_]+)\(", text))
    assert {first or second for first, second in calls} <= FUNCTIONS.keys()
    assert set(re.findall(r"::((?:double precision|[a-z]+)(?:\[\])?)", text)) <= TYPES
    # No operator but comparisons, sums and casts: none of jsonb, arrays or texts.
    assert not re.findall(r"[|#@~?&^%\\]", text)


def test_every_construct_is_used() -> None:
    used = {word for text in STATEMENTS.values() for word in re.findall(r"\b[A-Z]+\b", text)}
    assert used == WORDS


def test_a_connection_says_whose_relations_are_meant() -> None:
    assert dialect.session("alt_acme")["search_path"] == "alt_acme"
    pages = (dialect.session.__doc__ or "").split()
    for address, page in zip((POSTGRESQL, COCKROACHDB, YUGABYTEDB), SEARCH_PATH, strict=True):
        assert address + page in pages


@pytest.mark.parametrize("name", STATEMENTS)
def test_no_statement_says_it(name: str) -> None:
    """A dot stands after the name that a row has in the statement alone."""
    aliases = set(re.findall(r"\bAS ([a-z]+)", STATEMENTS[name])) | {"excluded"}
    assert set(re.findall(r"\b([a-z_]+)\.", STATEMENTS[name])) <= aliases


@pytest.mark.parametrize("name", STATEMENTS)
def test_values_are_parameters(name: str) -> None:
    """Nothing of a request is ever part of a statement, which is the same for all."""
    numbers = {int(number) for number in re.findall(r"\$(\d+)", STATEMENTS[name])}
    assert numbers == set(range(1, len(numbers) + 1))
    assert "'" not in STATEMENTS[name]


@pytest.mark.parametrize("name", SCHEMAS)
def test_what_makes_the_relations_keeps_to_the_list(name: str) -> None:
    text = re.sub(r"--.*", "", SCHEMAS[name])
    words = {word for words, *_ in SCHEMA_CONSTRUCTS.values() for word in words.split()}
    assert set(re.findall(r"\b[A-Z]+\b", text)) <= words
    assert set(re.findall(r"\b([a-z_]+)\(", text)) <= SCHEMA_FUNCTIONS.keys()
    columns = re.findall(
        r"^    [a-z_]+ +([a-z ]+?)(?= [A-Z]|,|\n)|ADD COLUMN [a-z_]+ ([a-z ]+);", text, re.MULTILINE
    )
    assert {first or second for first, second in columns} <= COLUMN_TYPES.keys()
    assert "'" not in text


def test_no_statement_stands_elsewhere() -> None:
    engine = Path(inspect.getfile(dialect)).parent
    strings = {
        (path.name, node.value)
        for path in engine.rglob("*.py")
        if path.name not in ("statements.py", "dialect.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    answers = re.compile(r"(INSERT 0|UPDATE|DELETE) \d+")  # what the database says that it has done
    verbs = re.compile(
        r"(SELECT|INSERT|UPDATE|DELETE|WITH|CREATE|ALTER|DROP|SET|SHOW|BEGIN|COMMIT|ROLLBACK|LOCK)\b"
    )
    assert not {each for each in strings if verbs.match(each[1]) and not answers.fullmatch(each[1])}
