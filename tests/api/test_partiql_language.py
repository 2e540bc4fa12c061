"""What statements may be made of, and what is said of those that cannot be read or that break a rule.

Nearly all of it was recorded from the service.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Refusal = Callable[..., tuple[str, str]]

MALFORMED = "Statement wasn't well formed, can't be processed: "
LEFTOVER = MALFORMED + "Unexpected token after expression"
TERM = MALFORMED + "Unexpected term"
KEYWORD = MALFORMED + "Unexpected keyword"
OPERATOR = MALFORMED + "Unexpected operator"
RIGHT_SIDE = MALFORMED + "Missing right-hand side expression of infix operator"
INVALID = "One or more parameter values were invalid: "
OVERFLOW = "Number overflow. Attempting to store a number with magnitude larger than supported range"
UNDERFLOW = "Number underflow. Attempting to store a number with magnitude smaller than supported range"
DIGITS = "Attempting to store more than 38 significant digits in a Number"
TOO_DEEP = "Nesting Levels have exceeded supported limits"
NO_KEY = "Where clause does not contain a mandatory equality on all key attributes"
NO_BOOLEAN = "WHERE clause must contain an expression that resolves to a boolean"
UNCONVERTIBLE = "The parameter cannot be converted to a numeric value"
WHERE = "SELECT * FROM {t} WHERE pk = 'p' AND "
SET = "UPDATE {t} SET "
KEY = " WHERE pk = 'p'"


@pytest.fixture
def execute(dynamodb: Any, table: str) -> Callable[..., Any]:
    def run(statement: str, *parameters: Any, **more: Any) -> Any:
        if parameters:
            more["Parameters"] = list(parameters)
        return dynamodb.execute_statement(Statement=statement.replace("{t}", f'"{table}"'), **more)

    return run


@pytest.fixture
def item(dynamodb: Any, table: str) -> Callable[[str], Any]:
    def read(pk: str) -> Any:
        return dynamodb.get_item(TableName=table, Key={"pk": {"S": pk}}, ConsistentRead=True).get("Item")

    return read


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        # Where something else should stand
        ("SELECT * FROM {t} WHERE", TERM),
        ("SELECT * FROM {t} WHERE;", TERM),
        ("SELECT * FROM {t} WHERE   ", TERM),
        ("SELECT pk FROM {t} WHERE", TERM),
        ("UPDATE {t} SET a = 1 WHERE", TERM),
        ("DELETE FROM {t} WHERE", TERM),
        ("SELECT * FROM {t} WHERE NOT", TERM),
        ("SELECT * FROM {t} WHERE (", TERM),
        ("SELECT * FROM absent WHERE", TERM),
        ("SELECT count(*) FROM absent WHERE", TERM),
        ("SELECT * FROM {t} WHERE pk = 'p' AND", RIGHT_SIDE),
        ("SELECT * FROM {t} WHERE pk = 'p' OR", RIGHT_SIDE),
        ("SELECT * FROM {t} WHERE pk =", RIGHT_SIDE),
        ("SELECT * FROM {t} WHERE ORDER BY pk", KEYWORD),
        ("SELECT * FROM {t} WHERE date = 1", KEYWORD),
        ("SELECT user FROM {t}", KEYWORD),
        ("SELECT * FROM {t} WHERE IS NULL", OPERATOR),
        ("SELECT * FROM {t} WHERE pk = LIKE", OPERATOR),
        (WHERE + "x IS FOO", MALFORMED + "Expected type name"),
        (WHERE + "attribute_exists(m.inner)", MALFORMED + "Invalid path dot component"),
        ("SELECT m.size FROM {t}", MALFORMED + "Invalid path dot component"),
        (SET + "m.inner = set_add(m.inner, <<'y'>>)" + KEY, MALFORMED + "Invalid path dot component"),
        ("SELECT * FROM", TERM),
        ("DELETE FROM", MALFORMED + "Expected identifier for simple path"),
        ("DELETE FROM;", MALFORMED + "Expected identifier for simple path"),
        ("DELETE FROM WHERE pk = 'a'", MALFORMED + "Expected identifier for simple path"),
        ("UPDATE SET a = 1", MALFORMED + "Expected identifier for simple path"),
        ("SLECT * FROM {t}", MALFORMED + "Expected data manipulation"),
        ("FROM {t} WHERE pk = 'p'", MALFORMED + "Expected data manipulation"),
        (" ", MALFORMED + "Expected data manipulation"),
        # What is left over
        (WHERE + "n = 1 foo", LEFTOVER),
        ("SELECT * FROM {t} WHERE n = 1 e5", LEFTOVER),
        ("INSERT INTO {t} VALUE {'pk': 'p'} foo", LEFTOVER),
        (SET + "a = 9" + KEY + " foo", LEFTOVER),
        ("DELETE FROM {t}" + KEY + " foo", LEFTOVER),
        ("DELETE FROM {t}" + KEY + " ORDER BY pk", LEFTOVER),
        ("SELECT * FROM {t} ORDER BY pk WHERE pk = 'p'", LEFTOVER),
        ("INSERT INTO {t} t VALUE {'pk': 'x'}", LEFTOVER),
        ("FROM {t} SET c = 1" + KEY, LEFTOVER),
        ("FROM {t} SET c = 1" + KEY + " SET d = 2", LEFTOVER),
        ("SELECT * FROM {t}; SELECT * FROM {t}", LEFTOVER),
        # Literals
        ("SELECT * FROM {t} WHERE n = 1e99999999999", MALFORMED),
        ("SELECT * FROM {t} WHERE n = 1 # note", MALFORMED),
        ("SELECT * FROM {t} WHERE n = 1 /* note", MALFORMED),
        ("SELECT * FROM \"open", MALFORMED),
        ("SELECT * FROM {t} WHERE n = 1e126", OVERFLOW + " under root"),
        ("SELECT * FROM {t} WHERE n = 1e-131", UNDERFLOW + " under root"),
        ("SELECT * FROM {t} WHERE n = " + "1" * 39, DIGITS + " under root"),
        ("INSERT INTO {t} VALUE {'pk': 1e126}", OVERFLOW + " under root"),
        (SET + "a = 1e-131" + KEY, UNDERFLOW + " under root"),
        ("INSERT INTO {t} VALUE {'pk': 'p', 'm': {'x': 1e126}}", OVERFLOW + " under root.x"),
        ("INSERT INTO {t} VALUE {'pk': 'p', 'l': [1, 1e126]}", OVERFLOW + " under root[1]"),
        (SET + "a = <<>>" + KEY, "Empty bags are not supported"),
        (SET + "a = <<1, 'a'>>" + KEY, "Unsupported data type in Bag. DynamoDB only supports either numbers or strings in bags"),
        (SET + "s = set_add(s, <<'b', 'b'>>)" + KEY, INVALID + "Input collection [b, b] contains duplicates."),
        (SET + "n = set_add(n, <<2, 2.0>>)" + KEY, INVALID + "Input collection [2, 2.0] contains duplicates! under root"),
        (SET + "d = " + "{'a':" * 32 + "1" + "}" * 32 + KEY, TOO_DEEP + " under root" + ".a" * 32),
        (SET + "d = {'a':" + "[" * 31 + "1" + "]" * 31 + "}" + KEY, TOO_DEEP + " under root.a" + "[0]" * 31),
        ("INSERT INTO {t} VALUE {'pk': 'p', 'ss': §set_add(<<'a'>>, <<'b'>>)}", "Unsupported data type: set_add under key root at §7"),
        # Rules
        ("SELECT * FROM {t} AS t WHERE pk = 'x'", "Aliasing is not supported"),
        ("SELECT * FROM {t} t WHERE pk = 'x' AND", RIGHT_SIDE),
        ("SELECT pk AS p FROM {t}", "Aliasing is not supported"),
        ("SELECT §attribute_exists(ss) FROM {t}", "Unexpected path component at §16"),
        (WHERE + "§EXISTS(ss)", "Unrecognized function: exists at §6"),
        (WHERE + "§set_add(ss, <<'x'>>) = ss", "Unrecognized function: set_add at §7"),
        (WHERE + "attribute_exists(ss, ns)", "Incorrect number of operands for operator or function; "
         "operator or function: attribute_exists, number of operands: 2"),
        (WHERE + "attribute_exists(ss) > false", "Incorrect operand type for operator or function; "
         "operator or function: >, operand type: BOOL"),
        (WHERE + "attribute_type(ss, 1)", "Incorrect operand type for operator or function; "
         "operator or function: attribute_type, operand type: N"),
        (WHERE + "val BETWEEN true AND false", "Incorrect operand type for operator or function; "
         "operator or function: BETWEEN, operand type: BOOL"),
        (SET + "t = §set_add(ss, <<'x'>>)" + KEY, "The first argument to SET_ADD must equal the assignment value at §7"),
        (SET + "ss = §set_add(<<'a'>>, <<'b'>>)" + KEY, "The first argument to SET_ADD must equal the assignment value at §7"),
        (SET + "ss = set_add(§ss, 'x')" + KEY, "The second argument to SET_ADD must be a value with type SET at §2"),
        (SET + "ss = set_delete(§\"ss\", ['x'])" + KEY, "The second argument to SET_DELETE must be a value with type SET at §4"),
        (SET + "ss = §set_add(ss)" + KEY, "SET_ADD must have exactly two arguments at §7"),
        (SET + "ss = §set_add(ss, <<'x'>>, <<'y'>>)" + KEY, "SET_ADD must have exactly two arguments at §7"),
        ("SELECT l[-§1] FROM {t}", "List index is not within the allowable range; index: [-1] at §1"),
        ("SELECT * FROM {t} WHERE pk", NO_BOOLEAN),
        ("SELECT * FROM {t} LIMIT §5", "Unsupported clause: LIMIT at §1"),
        (SET + "n = 'a' + 1" + KEY + " AND nope = 'x'", "Incorrect operand type for operator or function; "
         "operator or function: +, operand type: S"),
        ("INSERT INTO {t}.\"gsi\" VALUE {'pk': 'p'}",
         "FROM clause may only contain a single table name in data manipulation statements"),
        (SET.replace("{t}", "{t}.\"gsi\"") + "a = 1" + KEY, "This operation is not supported on an index"),
        ("SELECT s, s FROM {t}", "Duplicate identifiers in select clause: s"),
        # Keys
        ("FROM {t} SET c = 1", NO_KEY),
        ("FROM {t} REMOVE a", NO_KEY),
        ("FROM {t} WHERE a = 1 SET c = 1", NO_KEY),
        ("UPDATE {t} SET a = 1 WHERE pk = 'p' AND pk = 'q'",
         "Multiple conditions on same key pk. Only single item Update/Insert/Delete are supported"),
    ],
)  # fmt: skip
def test_what_is_refused(execute: Any, refusal: Refusal, table: str, statement: str, message: str) -> None:
    """`§` marks where in the statement a message says that something stands; a length follows there."""
    statement = statement.replace("{t}", f'"{table}"')
    column = statement.find("§") + 1
    message = message.replace("§", f"1:{column}:")
    assert refusal(execute, statement=statement.replace("§", "")) == ("ValidationException", message)


@pytest.mark.parametrize("statement", ["SELECT count(*) FROM absent", "FROM absent WHERE pk = 'x' SET c = 1"])
def test_the_table_is_looked_for_before_what_is_about_it(
    execute: Any, refusal: Refusal, statement: str
) -> None:
    assert refusal(execute, statement=statement)[0] == "ResourceNotFoundException"


@pytest.mark.parametrize(
    ("parameter", "message"),
    [
        ({"N": "1e99999999999"}, UNCONVERTIBLE + ": 1e99999999999"),
        ({"N": "1e2147483647"}, UNDERFLOW),
        ({"N": ""}, UNCONVERTIBLE),
        ({"L": [{"N": "1"}, {"N": "x"}]}, UNCONVERTIBLE + ": x"),
        ({"SS": ["a", "a"]}, INVALID + "Input collection [a, a] contains duplicates."),
        ({"SS": []}, INVALID + "An string set  may not be empty"),
        ({"NULL": False}, INVALID + "Null attribute value types must have the value of true"),
    ],
)
@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM {t} WHERE pk = 'p' AND n = ?",
        "SELECT * FROM {t} WHERE pk = ?",
        "INSERT INTO {t} VALUE {'pk': 'never', 'n': ?}",
        "UPDATE {t} SET n = ? WHERE pk = 'p'",
        "DELETE FROM absent WHERE pk = ?",
    ],
)
def test_parameters_are_looked_at_before_rules_and_tables(
    dynamodb: Any, refusal: Refusal, table: str, statement: str, parameter: Any, message: str
) -> None:
    text = statement.replace("{t}", f'"{table}"')
    wanted = {"Statement": text, "Parameters": [parameter]}
    assert refusal(dynamodb.execute_statement, **wanted) == ("ValidationException", message)
    (failed,) = dynamodb.batch_execute_statement(Statements=[wanted])["Responses"]
    assert failed == {"Error": {"Code": "ValidationError", "Message": message}}
    assert refusal(dynamodb.execute_transaction, TransactStatements=[wanted]) == (
        "ValidationException",
        message,
    )


@pytest.mark.parametrize(
    ("statement", "place", "length"),
    [
        ("UPDATE {t} SET x = [?] WHERE pk = 'p'", "root[0]", 1),
        ("INSERT INTO {t} VALUE {'pk': 'never', 'm': {'k': ?}}", "root.k", 1),
        ("SELECT * FROM {t} WHERE s = <<'a', ?>>", "root[1]", 1),
    ],
)
def test_a_parameter_stands_in_no_collection(
    dynamodb: Any, refusal: Refusal, table: str, statement: str, place: str, length: int
) -> None:
    text = statement.replace("{t}", f'"{table}"')
    assert refusal(dynamodb.execute_statement, Statement=text, Parameters=[{"S": "v"}]) == (
        "ValidationException",
        f"Unsupported data type: Parameter under key {place} at 1:{text.index('?') + 1}:{length}",
    )


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ("n = - - 1", True),
        ("n > -/* c */-1", False),
        ("n BETWEEN - 2 AND +5 AND n IN [- 1, 1]", True),
        ("n>-5", True),
        ("flag IS BOOL AND s IS STRING AND nul IS NULL AND n IS NOT NULL", True),
        ("s IS BOOL", False),
        ("absent IS NULL", False),
        ("attribute_exists(m.x) AND ATTRIBUTE_NOT_EXISTS (nope) AND attribute_exists(l[0])", True),
        ("(attribute_exists(nope) OR NOT attribute_exists(\"m\"))", False),
        ("attribute_exists(nope) = false", True),
        ("true = attribute_exists(n)", True),
        ("attribute_exists(n) <> 1", True),
        ("contains(nope, 'z') = false", True),
        ("(n BETWEEN 0 AND 5) = true", True),
        ("(n = 5 OR s = 'x') = false", True),
        ("attribute_exists(nope) IN [true, false]", True),
        ("attribute_exists(n) = attribute_exists(s)", True),
        ("attribute_exists(n) = flag", True),
        ("attribute_exists(n) = 1", False),
        ("NOT attribute_exists(n) = true", False),
        ("(attribute_exists(n) = true) = false", False),
        ("attribute_exists(n) = s", False),
        ("s = 'it''s' AND \"a.b c\" = 1 AND \"date\" = 2", True),
        ("l[-0] = 'a'", True),
        ("n = 1.0E0 AND n = 10e-1 AND n = .1e1 AND n = 1.", True),
        ("pk = 'p' AND s <> 'x' -- and nothing else", True),
    ],
)  # fmt: skip
def test_conditions(dynamodb: Any, table: str, pk: str, condition: str, holds: bool) -> None:
    dynamodb.put_item(
        TableName=table,
        Item={
            "pk": {"S": pk},
            "n": {"N": "1"},
            "s": {"S": "it's"},
            "flag": {"BOOL": True},
            "nul": {"NULL": True},
            "m": {"M": {"x": {"S": "y"}}},
            "l": {"L": [{"S": "a"}]},
            "a.b c": {"N": "1"},
            "date": {"N": "2"},
        },
    )
    condition = condition.replace("pk = 'p'", f"pk = '{pk}'")
    text = f"SELECT pk FROM \"{table}\" WHERE pk = '{pk}' AND {condition}"
    assert dynamodb.execute_statement(Statement=text)["Items"] == [{"pk": {"S": pk}}] * holds


@pytest.mark.parametrize("quote", ["", '"'])
@pytest.mark.parametrize(
    "text",
    ["", "'", "''", '"', "--", "/*", "?", ";", "\n", "日本", "\U0001f600", "x" * 7000, "\\", "\x00", "é'--"],
)
def test_texts_and_names_are_what_is_between_quotes(
    dynamodb: Any, table: str, pk: str, item: Any, quote: str, text: str
) -> None:
    quoted = text.replace("'", "''")
    name = quote + ("a" if not text or not quote else text.replace('"', '""')[:200]) + quote
    dynamodb.put_item(TableName=table, Item={"pk": {"S": pk}})
    dynamodb.execute_statement(Statement=f"UPDATE \"{table}\" SET {name} = '{quoted}' WHERE pk = '{pk}'")
    stored = name.strip('"').replace('""', '"') if text != '"' or not quote else '"'
    assert item(pk) == {"pk": {"S": pk}, stored: {"S": text}}


def test_a_statement_has_8192_characters_at_most(dynamodb: Any, table: str, refusal: Refusal) -> None:
    text = f"SELECT * FROM \"{table}\" WHERE pk = 'absent'"
    assert dynamodb.execute_statement(Statement=text.ljust(8192))["Items"] == []
    error, message = refusal(dynamodb.execute_statement, Statement=text.ljust(8193))
    assert error == "ValidationException"
    assert message.endswith("Member must have length less than or equal to 8192")


@pytest.mark.parametrize(
    "where", ["pk = '\ud800'", "pk = 'p' AND n = '\udfff'", "pk = 'p' AND \"\ud800\" = 1"]
)
def test_lone_surrogates_are_refused(dynamodb: Any, table: str, refusal: Refusal, where: str) -> None:
    statement = f'SELECT * FROM "{table}" WHERE {where}'
    assert refusal(dynamodb.execute_statement, Statement=statement)[0] == "SerializationException"


@pytest.mark.parametrize("number", ["9" * 38, "-" + "9" * 38, "0." + "0" * 129 + "1", "9" * 38 + "0" * 88])
def test_numbers_keep_all_their_digits(dynamodb: Any, table: str, pk: str, item: Any, number: str) -> None:
    dynamodb.execute_statement(Statement=f"INSERT INTO \"{table}\" VALUE {{'pk': '{pk}', 'n': {number}}}")
    assert item(pk)["n"] == {"N": number}
    found = dynamodb.execute_statement(
        Statement=f"SELECT * FROM \"{table}\" WHERE pk = '{pk}' AND n = {number}"
    )
    assert len(found["Items"]) == 1
