"""ExecuteStatement: what statements read and write, and what is said of those that cannot be done."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Refusal = Callable[..., tuple[str, str]]
Execute = Callable[..., Any]

MALFORMED = "Statement wasn't well formed, can't be processed: "
INVALID = "One or more parameter values were invalid: "


@pytest.fixture(scope="module")
def music(dynamodb: Any) -> str:
    """A table of items that the tests only read, with a global index of keys and a local one."""
    name = "partiql-music"
    dynamodb.create_table(
        TableName=name,
        AttributeDefinitions=[
            {"AttributeName": attribute, "AttributeType": kind}
            for attribute, kind in (("pk", "S"), ("sk", "N"), ("g", "S"), ("l", "N"))
        ],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "by-g",
                "KeySchema": [{"AttributeName": "g", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "KEYS_ONLY"},
            }
        ],
        LocalSecondaryIndexes=[
            {
                "IndexName": "by-l",
                "KeySchema": [
                    {"AttributeName": "pk", "KeyType": "HASH"},
                    {"AttributeName": "l", "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "KEYS_ONLY"},
            }
        ],
        BillingMode="PAY_PER_REQUEST",
    )
    for pk in "ab":
        for number in range(4):
            item = (
                f"{{'pk': '{pk}', 'sk': {number}, 'g': 'g{number % 2}', 'l': {-number}, 'n': {number * 10}, "
                f"'tags': <<'t{number}', 'all'>>, 'm': {{'x': {{'y': [{number}, 'z']}}}}, 'none': null}}"
            )
            dynamodb.execute_statement(Statement=f'INSERT INTO "{name}" VALUE {item}')
    return name


@pytest.fixture
def found(dynamodb: Any, music: str) -> Callable[..., list[tuple[str, int]]]:
    """The keys of what a WHERE (and what follows it) finds."""

    def find(where: str, *parameters: Any, source: str = f'"{music}"', **more: Any) -> list[tuple[str, int]]:
        if parameters:
            more["Parameters"] = list(parameters)
        answer = dynamodb.execute_statement(Statement=f"SELECT * FROM {source} WHERE {where}", **more)
        return [(item["pk"]["S"], int(item["sk"]["N"])) for item in answer["Items"]]

    return find


A = [("a", number) for number in range(4)]
B = [("b", number) for number in range(4)]


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("pk = 'a'", A),
        ("'a' = pk", A),
        ("PK = 'a'", []),
        ("pk = 'a' AND sk = 2", A[2:3]),
        ("pk = 'a' and sk > 1", A[2:]),
        ("pk = 'a' AND 1 < sk", A[2:]),
        ("pk = 'a' AND sk BETWEEN 1 AND 2", A[1:3]),
        ("pk = 'a' AND sk NOT BETWEEN 1 AND 2", [A[0], A[3]]),
        ("pk = 'a' AND sk IN [3, 1]", [A[1], A[3]]),
        ("pk IN ('b', 'a') AND sk = 0", [B[0], A[0]]),
        ("pk IN ['a'] AND n >= 20", A[2:]),
        ("(pk = 'a' OR pk = 'b') AND sk = 1", [A[1], B[1]]),
        ("(pk = 'a' AND sk = 1) OR (pk = 'b' AND sk = 2)", [A[1], B[2]]),
        ("pk = 'a' AND pk = 'b'", []),
        ("pk = 'a' AND m.x.y[0] = 3", A[3:]),
        ("pk = 'a' AND \"m\".\"x\".y[0] <> 3", A[:3]),
        ("pk = 'a' AND contains(tags, 't1')", A[1:2]),
        ("pk = 'a' AND CONTAINS(tags, 'all') AND NOT sk = 0", A[1:]),
        ("pk = 'a' AND begins_with(g, 'g1')", [A[1], A[3]]),
        ("pk = 'a' AND attribute_type(n, 'N') AND sk != 0", A[1:]),
        ("pk = 'a' AND size(tags) = 2 AND sk < 1", A[:1]),
        ("pk = 'a' AND absent IS MISSING AND sk < 2", A[:2]),
        ("pk = 'a' AND n IS NOT MISSING AND sk < 2", A[:2]),
        ("pk = 'a' AND none IS NULL AND n IS NUMERIC AND g IS STRING AND m IS STRUCT AND sk = 1", A[1:2]),
        ("pk = 'a' AND none IS NOT NULL", []),
        ("pk = 'a' AND NOT (sk = 0 OR sk = 1) AND n < 30", A[2:3]),
        ("pk = 'a' AND tags = <<'all', 't2'>>", A[2:3]),
        ("pk = 'a' AND m = {'x': {'y': [1, 'z']}}", A[1:2]),
        ("pk = 'a' AND sk = 1 -- the rest is silence", A[1:2]),
        ("pk /* key */ = 'a' AND sk = +1.0e0;", A[1:2]),
        ("pk = 'a' AND n = 'ten'", []),
        ("pk = 'a' AND n > 'ten'", []),
        ("pk = 'b' ORDER BY sk DESC", B[::-1]),
        ("pk IN ['a', 'b'] AND sk = 1 ORDER BY pk DESC", [B[1], A[1]]),
        ("pk IN ['b', 'a'] AND sk > 2 ORDER BY pk, sk", [A[3], B[3]]),
    ],
)  # fmt: skip
def test_what_a_where_finds(found: Any, where: str, expected: list[tuple[str, int]]) -> None:
    assert found(where) == expected


@pytest.mark.parametrize(
    ("where", "parameters", "expected"),
    [
        ("pk = ? AND sk = ?", [{"S": "a"}, {"N": "2"}], A[2:3]),
        ("pk = ? AND sk IN [?, 3]", [{"S": "a"}, {"N": "1"}], [A[1], A[3]]),
        ("pk = ? AND tags = ?", [{"S": "a"}, {"SS": ["t3", "all"]}], A[3:]),
        (
            "pk = ? AND m = ?",
            [{"S": "a"}, {"M": {"x": {"M": {"y": {"L": [{"N": "0"}, {"S": "z"}]}}}}}],
            A[:1],
        ),
    ],
)
def test_parameters(found: Any, where: str, parameters: list[Any], expected: list[tuple[str, int]]) -> None:
    for _ in range(2):  # as a first statement and as one that is known
        assert found(where, *parameters) == expected


def test_a_scan_finds_whatever_is_there(found: Any) -> None:
    assert sorted(found("n >= 20")) == [*A[2:], *B[2:]]
    assert sorted(found("pk > 'a'")) == B


@pytest.mark.parametrize(
    ("selected", "expected"),
    [
        ("n, g", {"n": {"N": "10"}, "g": {"S": "g1"}}),
        ('"n"', {"n": {"N": "10"}}),
        ("m.x", {"x": {"M": {"y": {"L": [{"N": "1"}, {"S": "z"}]}}}}),
        ("m.x.y[1], sk", {"y[1]": {"S": "z"}, "sk": {"N": "1"}}),
        ("absent", {}),
        ("m.absent[3], n", {"n": {"N": "10"}}),
    ],
)
def test_what_is_selected(dynamodb: Any, music: str, selected: str, expected: dict[str, Any]) -> None:
    for where in ("pk = 'a' AND sk = 1", "pk = 'a' AND sk BETWEEN 1 AND 1"):
        answer = dynamodb.execute_statement(Statement=f'SELECT {selected} FROM "{music}" WHERE {where}')
        assert answer["Items"] == [expected]


def test_indexes(dynamodb: Any, music: str, found: Any) -> None:
    assert sorted(found("g = 'g1'", source=f'"{music}"."by-g"')) == [A[1], A[3], B[1], B[3]]
    assert found("pk = 'a' ORDER BY l", source=f'"{music}"."by-l"') == A[::-1]
    fetched = dynamodb.execute_statement(
        Statement=f'SELECT n FROM "{music}"."by-l" WHERE pk = \'a\' AND l < -2'
    )
    assert fetched["Items"] == [{"n": {"N": "30"}}]


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
@pytest.mark.parametrize("where", ["pk IN ['a', 'b', 'c']", "n >= 0", "pk = 'b' AND n > 10"])
def test_pages_make_up_the_whole(dynamodb: Any, music: str, found: Any, where: str, limit: int) -> None:
    whole = found(where)
    pages = []
    statement = {"Statement": f'SELECT * FROM "{music}" WHERE {where}', "Limit": limit}
    answer = dynamodb.execute_statement(**statement)
    pages.append(answer)
    while "NextToken" in answer:
        answer = dynamodb.execute_statement(**statement, NextToken=answer["NextToken"])
        pages.append(answer)
    assert [(item["pk"]["S"], int(item["sk"]["N"])) for page in pages for item in page["Items"]] == whole
    assert all(len(page["Items"]) <= limit for page in pages)


def test_a_token_belongs_to_its_statement_and_parameters(dynamodb: Any, music: str, refusal: Refusal) -> None:
    statement = f'SELECT * FROM "{music}" WHERE pk = ?'
    token = dynamodb.execute_statement(Statement=statement, Parameters=[{"S": "a"}], Limit=1)["NextToken"]
    mismatch = ("ValidationException", "NextToken does not match request")
    call = dynamodb.execute_statement
    assert refusal(call, Statement=statement, Parameters=[{"S": "b"}], NextToken=token) == mismatch
    assert (
        refusal(call, Statement=f"{statement} AND sk > 0", Parameters=[{"S": "a"}], NextToken=token)
        == mismatch
    )
    invalid = ("ValidationException", "Invalid NextToken")
    for wrong in ("x", "é", token[:-4], token[8:]):
        assert refusal(call, Statement=statement, Parameters=[{"S": "a"}], NextToken=wrong) in (
            invalid,
            mismatch,
        )


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("SELEC * FROM {t}", MALFORMED + "Expected data manipulation"),
        ("SELECT * FROM {t} WHERE pk = 'a' x", MALFORMED + "Unexpected token after expression"),
        ("SELECT * FROM {t} WHERE n = 1 e5", MALFORMED + "Unexpected token after expression"),
        ("SELECT * FROM {t} WHERE n = 1)", MALFORMED + "Unexpected token after expression"),
        ("DELETE FROM {t} WHERE pk = 'a' AND sk = 1 ORDER BY sk", MALFORMED + "Unexpected token after expression"),
        ("SELECT * FROM {t} ORDER BY sk WHERE pk = 'a'", MALFORMED + "Unexpected token after expression"),
        ("INSERT INTO {t} AS x VALUE {'pk': 'a'}", MALFORMED + "Unexpected token after expression"),
        ("SELECT * FROM {t} WHERE", MALFORMED + "Unexpected term"),
        ("SELECT m.inner FROM {t}", MALFORMED + "Invalid path dot component"),
        ("SELECT * FROM {t} WHERE n = 1e2147483648", MALFORMED),
        ("SELECT * FROM {t} WHERE n = 1.5e-2147483647", MALFORMED),
        ("SELECT * FROM {t} # all", MALFORMED),
        ("SELECT * FROM {t} /* all", MALFORMED),
        ("SELECT * FROM {t} WHERE pk = 'a", MALFORMED),
        ("SELECT * FROM {t} t", "Aliasing is not supported"),
        ("UPDATE {t} t SET n = 1 WHERE pk = 'a' AND sk = 1", "Aliasing is not supported"),
        ("DELETE FROM {t} AS t WHERE pk = 'a' AND sk = 1", "Aliasing is not supported"),
        ("SELECT count(*) FROM {t}", "Unexpected path component at 1:8:5"),
        ("SELECT * FROM {t}\nWHERE exists(pk)", "Unrecognized function: exists at 2:7:6"),
        ("SELECT * FROM {t} WHERE attribute_exists('a')", "Operator or function requires a document path; "
         "operator or function: attribute_exists"),
        ("SELECT * FROM {t} WHERE attribute_exists()", "Incorrect number of operands for operator or function; "
         "operator or function: attribute_exists, number of operands: 0"),
        ("SELECT * FROM {t} WHERE n < TRUE", "Incorrect operand type for operator or function; "
         "operator or function: <, operand type: BOOL"),
        ("SELECT * FROM {t} WHERE n = 1e400",
         "Number overflow. Attempting to store a number with magnitude larger than supported range under root"),
        ("SELECT * FROM {t} WHERE n = [1, 1e400]",
         "Number overflow. Attempting to store a number with magnitude larger than supported range under root[1]"),
        ("SELECT * FROM {t} WHERE tags = <<>>", "Empty bags are not supported"),
        ("SELECT * FROM {t} WHERE tags = <<1, 1>>", INVALID + "Input collection [1, 1] contains duplicates! under root"),
        ("SELECT * FROM {t}.x.y", "A path may contain at most 2 components in the FROM clause"),
        ('SELECT * FROM {t}.""', "Path component cannot be an empty string"),
        ('SELECT * FROM ""', "Path component cannot be an empty string"),
        ("SELECT * FROM {t}.nope WHERE pk = 'a'", "The table does not have the specified index"),
        ("SELECT * FROM {t}.{t} WHERE pk = 'a'", "The table does not have the specified index"),
        ("SELECT n FROM {t}.\"by-g\"", INVALID + "Global secondary index by-g does not project [n]"),
        ("SELECT * FROM {t}.\"by-g\" WHERE g = 'g1' AND n = 1",
         INVALID + "Secondary index by-g does not project one or more filter attributes: [n]"),
        ("DELETE FROM {t}.\"by-g\" WHERE g = 'a'", "This operation is not supported on an index"),
        ("SELECT * FROM {t} WHERE pk = 1", "Key attribute's data type should match its data type in table's schema: "
         "Key pk"),
        ("SELECT * FROM {t} ORDER BY sk", "Must have WHERE clause in the statement when using ORDER BY clause."),
        ("SELECT * FROM {t} WHERE sk = 1 ORDER BY sk",
         "Must have at least one non-optional hash key condition in WHERE clause when using ORDER BY clause."),
        ("SELECT * FROM {t} WHERE pk = 'a' ORDER BY n",
         "Attribute n in ORDER BY clause must be part of the primary key"),
        ("SELECT * FROM {t} WHERE pk IN ['a', 'b'] ORDER BY sk",
         "Must have hash key in ORDER BY clause when more than one hash key condition specified in WHERE clause."),
        ("SELECT * FROM {t} WHERE pk = ?", "Number of parameters in request and statement don't match."),
        ("SELECT * FROM {t} LIMIT 3", "Unsupported clause: LIMIT at 1:{l}:1"),
        ("SELECT *, n FROM {t}", "Other attributes should not be present in the projection when '*' is used."),
        ("SELECT m.x, x FROM {t}", "Duplicate identifiers in select clause: x"),
        ("SELECT * FROM {t} WHERE 1", "WHERE clause must contain an expression that resolves to a boolean"),
        ("SELECT * FROM {t} WHERE n = MISSING", "MISSING must be compared using IS operator"),
        ("SELECT * FROM {t} WHERE n IS INT4", "Unsupported data type for IS operator: INT4. Supported data "
         "types are [MISSING, NULL, BOOLEAN, BLOB, STRING, NUMERIC, STRUCT, TUPLE, LIST]"),
        ("SELECT * FROM {t} WHERE n + 1 = 2", "Unsupported operator in Condition Expression. Operator: +"),
        ("UPDATE {t} SET n = 1 WHERE pk = 'a'", "Where clause does not contain a mandatory equality on all key attributes"),
        ("DELETE FROM {t}", "Where clause does not contain a mandatory equality on all key attributes"),
        ("UPDATE {t} SET pk = 'b' WHERE pk = 'a' AND sk = 1",
         INVALID + "Cannot update attribute pk. This attribute is part of the key"),
        ("UPDATE {t} SET tags = set_add(m, <<'x'>>) WHERE pk = 'a' AND sk = 1",
         "The first argument to SET_ADD must equal the assignment value at 1:{c}:7"),
        ("UPDATE {t} SET tags = set_delete(tags, 'x') WHERE pk = 'a' AND sk = 1",
         "The second argument to SET_DELETE must be a value with type SET at 1:{d}:4"),
        ("UPDATE {t} SET n = set_add(n, <<'x'>>) WHERE pk = 'a' AND sk = 1",
         "An operand in the update expression has an incorrect data type"),
        ("DELETE FROM {t} WHERE pk = 'a' AND sk = 1 RETURNING ALL NEW *",
         "Invalid returning clause: RETURNING ALL NEW *. Only RETURNING ALL OLD * is allowed in DELETE statements."),
        ("INSERT INTO {t} VALUE {'pk': 'a'}", "Key attribute should be present in the item: Key sk"),
        ("INSERT INTO {t} VALUE {'pk': 'a', 'sk': 'x'}",
         "Key attribute's data type should match its data type in table's schema: Key sk"),
        ("INSERT INTO {t} VALUE {'pk': 'a', 'sk': 1, 'sk': 2}", "Duplicate keys in tuple. Key: sk under root"),
        ("INSERT INTO {t} VALUE 'a'", "Unsupported format in item expression. Please use struct format {...} to express "
         "item values for insert statement."),
        ("INSERT INTO {t} VALUE {'pk': 'a', 'sk': 1} RETURNING ALL OLD *", "RETURNING is not supported in INSERT"),
        ("EXISTS(SELECT * FROM {t} WHERE pk = 'a' AND sk = 1 AND n = 1)",
         "EXISTS can only be used in ExecuteTransaction write requests."),
    ],
)  # fmt: skip
def test_what_is_refused(dynamodb: Any, music: str, refusal: Refusal, statement: str, message: str) -> None:
    text = statement.replace("{t}", f'"{music}"')
    message = (
        message.replace("{c}", str(text.find("set_add(") + 1))
        .replace("{d}", str(text.find("set_delete(") + 12))
        .replace("{l}", str(text.find("LIMIT") + 7))
    )
    error, said = refusal(dynamodb.execute_statement, Statement=text)
    assert (error, said) == ("ValidationException", message)


def test_depth_is_bounded(dynamodb: Any, music: str, refusal: Refusal) -> None:
    for opening, closing in (("(", ")"), ("NOT (", ")"), ("[", "]"), ("{'a':", "}")):
        text = f'SELECT * FROM "{music}" WHERE n = {opening * 900}1{closing * 900}'
        assert refusal(dynamodb.execute_statement, Statement=text)[0] == "ValidationException"


def test_reads_of_a_global_index_are_never_consistent(dynamodb: Any, music: str, refusal: Refusal) -> None:
    statement = f'SELECT * FROM "{music}"."by-g" WHERE g = \'g1\''
    assert refusal(dynamodb.execute_statement, Statement=statement, ConsistentRead=True) == (
        "ValidationException",
        "Strongly consistent read is not supported on Global Secondary Indexes",
    )


# Writes


@pytest.fixture
def key(dynamodb: Any, table: str, pk: str) -> str:
    """The key of an item of the test's own."""
    dynamodb.put_item(TableName=table, Item={"pk": {"S": pk}, "n": {"N": "1"}, "s": {"SS": ["a"]}})
    return pk


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ("SET n = n + 4", {"n": {"N": "5"}, "s": {"SS": ["a"]}}),
        ("SET n = 4 - n SET x = 'new'", {"n": {"N": "3"}, "s": {"SS": ["a"]}, "x": {"S": "new"}}),
        ("SET a = {'b': [1]}, c = true REMOVE n", {"s": {"SS": ["a"]}, "a": {"M": {"b": {"L": [{"N": "1"}]}}}, "c": {"BOOL": True}}),
        ("REMOVE n, s", {}),
        ("SET s = set_add(s, <<'b', 'a'>>)", {"n": {"N": "1"}, "s": {"SS": ["a", "b"]}}),
        ("SET s = SET_DELETE(s, <<'a', 'z'>>)", {"n": {"N": "1"}}),
        ("SET t = set_add(t, <<1>>)", {"n": {"N": "1"}, "s": {"SS": ["a"]}, "t": {"NS": ["1"]}}),
        ("SET l = list_append(['x'], ['y'])", {"n": {"N": "1"}, "s": {"SS": ["a"]}, "l": {"L": [{"S": "x"}, {"S": "y"}]}}),
        ("SET n = if_not_exists(z, n)", {"n": {"N": "1"}, "s": {"SS": ["a"]}}),
    ],
)  # fmt: skip
def test_updates(dynamodb: Any, table: str, key: str, changes: str, expected: dict[str, Any]) -> None:
    dynamodb.execute_statement(Statement=f"UPDATE \"{table}\" {changes} WHERE pk = '{key}'")
    item = dynamodb.get_item(TableName=table, Key={"pk": {"S": key}})["Item"]
    assert item == {"pk": {"S": key}, **expected}


@pytest.mark.parametrize(
    ("returning", "expected"),
    [
        ("ALL OLD", {"pk", "n", "s"}),
        ("ALL NEW", {"pk", "n", "s", "x"}),
        ("MODIFIED OLD", {"n"}),
        ("MODIFIED NEW", {"n", "x"}),
    ],
)
def test_what_an_update_returns(
    dynamodb: Any, table: str, key: str, returning: str, expected: set[str]
) -> None:
    statement = f"UPDATE \"{table}\" SET n = n + 1, x = 2 WHERE pk = '{key}' RETURNING {returning} *"
    (item,) = dynamodb.execute_statement(Statement=statement)["Items"]
    assert set(item) == expected
    assert item["n"] == {"N": "1" if "OLD" in returning else "2"}


def test_conditions_of_writes(dynamodb: Any, table: str, key: str, refusal: Refusal) -> None:
    execute = dynamodb.execute_statement
    failed = ("ConditionalCheckFailedException", "The conditional request failed")
    where = f"WHERE pk = '{key}'"
    assert refusal(execute, Statement=f'UPDATE "{table}" SET n = 2 {where} AND n = 7') == failed
    assert refusal(execute, Statement=f'DELETE FROM "{table}" {where} AND n = 7') == failed
    assert refusal(execute, Statement=f"UPDATE \"{table}\" SET n = 2 WHERE pk = 'absent {key}'") == failed
    assert execute(Statement=f"DELETE FROM \"{table}\" WHERE pk = 'absent {key}' AND n = 7")["Items"] == []
    (old,) = execute(Statement=f'DELETE FROM "{table}" {where} AND n = 1 RETURNING ALL OLD *')["Items"]
    assert old["n"] == {"N": "1"}
    assert execute(Statement=f'DELETE FROM "{table}" {where} RETURNING ALL OLD *')["Items"] == []


def test_an_insert_never_replaces(dynamodb: Any, table: str, key: str, refusal: Refusal) -> None:
    statement = f"INSERT INTO \"{table}\" VALUE {{'pk': '{key}', 'n': 2}}"
    assert refusal(dynamodb.execute_statement, Statement=statement) == (
        "DuplicateItemException",
        "Duplicate primary key exists in table",
    )
    assert dynamodb.get_item(TableName=table, Key={"pk": {"S": key}})["Item"]["n"] == {"N": "1"}


def test_a_failed_condition_shows_the_item_where_asked(dynamodb: Any, table: str, key: str) -> None:
    with pytest.raises(dynamodb.exceptions.ConditionalCheckFailedException) as raised:
        dynamodb.execute_statement(
            Statement=f"UPDATE \"{table}\" SET n = 2 WHERE pk = '{key}' AND n = 7",
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )
    assert raised.value.response["Item"]["n"] == {"N": "1"}


def test_capacity(dynamodb: Any, table: str, key: str) -> None:
    def units(statement: str, **more: Any) -> float:
        answer = dynamodb.execute_statement(Statement=statement, ReturnConsumedCapacity="TOTAL", **more)
        return float(answer["ConsumedCapacity"]["CapacityUnits"])

    assert units(f"SELECT * FROM \"{table}\" WHERE pk = '{key}'") == 0.5
    assert units(f"SELECT * FROM \"{table}\" WHERE pk = '{key}'", ConsistentRead=True) == 1.0
    assert units(f"UPDATE \"{table}\" SET n = 2 WHERE pk = '{key}'") == 1.0
    assert units(f"DELETE FROM \"{table}\" WHERE pk = '{key}'") == 1.0


# Batches and transactions


def test_a_batch_of_reads(dynamodb: Any, table: str, key: str) -> None:
    answer = dynamodb.batch_execute_statement(
        Statements=[
            {"Statement": f'SELECT n FROM "{table}" WHERE pk = ?', "Parameters": [{"S": key}]},
            {"Statement": f"SELECT * FROM \"{table}\" WHERE pk = 'absent {key}'"},
            {"Statement": f'SELECT * FROM "{table}" WHERE n = 1'},
            {"Statement": "SELECT"},
            {"Statement": f"SELECT * FROM \"no-{table}\" WHERE pk = 'a'"},
        ],
        ReturnConsumedCapacity="TOTAL",
    )
    first, second, *failed = answer["Responses"]
    assert first == {"TableName": table, "Item": {"n": {"N": "1"}}}
    assert second == {"TableName": table}
    assert [each["Error"]["Code"] for each in failed] == [
        "ValidationError",
        "ValidationError",
        "ResourceNotFound",
    ]
    assert failed[0]["Error"]["Message"] == (
        "Select statements within BatchExecuteStatement must specify the primary key in the where clause."
    )
    assert [each["CapacityUnits"] for each in answer["ConsumedCapacity"]] == [1.0]


def test_a_batch_of_writes(dynamodb: Any, table: str, key: str) -> None:
    answer = dynamodb.batch_execute_statement(
        Statements=[
            {"Statement": f"INSERT INTO \"{table}\" VALUE {{'pk': '{key}'}}"},
            {"Statement": f"INSERT INTO \"{table}\" VALUE {{'pk': 'new {key}'}}"},
            {"Statement": f"UPDATE \"{table}\" SET n = 5 WHERE pk = 'gone {key}'"},
            {"Statement": f"INSERT INTO \"{table}\" VALUE {{'pk': 'new {key}'}}"},
        ]
    )
    codes = [each.get("Error", {}).get("Code") for each in answer["Responses"]]
    assert codes == ["DuplicateItem", None, "ConditionalCheckFailed", "ValidationError"]
    assert "Item" in dynamodb.get_item(TableName=table, Key={"pk": {"S": f"new {key}"}})


def test_batches_and_transactions_do_not_mix_reads_and_writes(
    dynamodb: Any, table: str, key: str, refusal: Refusal
) -> None:
    statements = [
        {"Statement": f"SELECT * FROM \"{table}\" WHERE pk = '{key}'"},
        {"Statement": f"DELETE FROM \"{table}\" WHERE pk = '{key}'"},
    ]
    assert refusal(dynamodb.batch_execute_statement, Statements=statements)[0] == "ValidationException"
    assert refusal(dynamodb.execute_transaction, TransactStatements=statements)[0] == "ValidationException"


def test_a_transaction_of_reads(dynamodb: Any, table: str, key: str) -> None:
    answer = dynamodb.execute_transaction(
        TransactStatements=[
            {"Statement": f"SELECT n FROM \"{table}\" WHERE pk = '{key}'"},
            {"Statement": f"SELECT n FROM \"{table}\" WHERE pk = 'absent {key}'"},
        ]
    )
    assert answer["Responses"] == [{"Item": {"n": {"N": "1"}}}, {}]


def test_a_transaction_of_writes_is_done_whole_or_not(dynamodb: Any, table: str, key: str) -> None:
    def statements(n: int) -> list[dict[str, Any]]:
        return [
            {"Statement": f"INSERT INTO \"{table}\" VALUE {{'pk': 'in {key}'}}"},
            {"Statement": f"EXISTS(SELECT * FROM \"{table}\" WHERE pk = '{key}' AND n = {n})"},
            {"Statement": f'UPDATE "{table}" SET n = 9 WHERE pk = ?', "Parameters": [{"S": f"up {key}"}]},
        ]

    dynamodb.put_item(TableName=table, Item={"pk": {"S": f"up {key}"}})
    with pytest.raises(dynamodb.exceptions.TransactionCanceledException) as raised:
        dynamodb.execute_transaction(TransactStatements=statements(2))
    codes = [reason["Code"] for reason in raised.value.response["CancellationReasons"]]
    assert codes == ["None", "ConditionalCheckFailed", "None"]
    assert "Item" not in dynamodb.get_item(TableName=table, Key={"pk": {"S": f"in {key}"}})
    for _ in range(2):  # the second is the first again
        dynamodb.execute_transaction(TransactStatements=statements(1), ClientRequestToken=key)
    assert dynamodb.get_item(TableName=table, Key={"pk": {"S": f"up {key}"}})["Item"]["n"] == {"N": "9"}
    with pytest.raises(dynamodb.exceptions.TransactionCanceledException) as raised:
        dynamodb.execute_transaction(TransactStatements=statements(1))
    assert raised.value.response["CancellationReasons"][0]["Code"] == "DuplicateItem"


@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        ("SELECT * FROM {t} WHERE n = 1",
         "Select statements within ExecuteTransaction must specify the primary key in the where clause."),
        ("EXISTS(SELECT * FROM {t} WHERE pk = 'a')", "EXISTS() must contain a single item read with additional condition"),
        ("DELETE FROM {t} WHERE pk = 'a' RETURNING ALL OLD *",
         "RETURNING clause is not supported in ExecuteTransaction."),
        ("SELECT * FROM {t}.x WHERE pk = 'a'", "Reads on indices are not supported within transactions."),
    ],
)  # fmt: skip
def test_what_a_transaction_refuses(
    dynamodb: Any, table: str, refusal: Refusal, statement: str, problem: str
) -> None:
    wanted = [{"Statement": statement.replace("{t}", f'"{table}"')}]
    assert refusal(dynamodb.execute_transaction, TransactStatements=wanted) == (
        "ValidationException",
        f"Validation failed in TransactStatements[0]: {problem}",
    )
