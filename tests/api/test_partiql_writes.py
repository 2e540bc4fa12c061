"""INSERT, UPDATE and DELETE, batches and transactions of them. Mostly recorded from the service."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Refusal = Callable[..., tuple[str, str]]

MISMATCH = "The provided key element does not match the schema"
INVALID = "One or more parameter values were invalid: "
FAILED = ("ConditionalCheckFailedException", "The conditional request failed")


@pytest.fixture
def key(dynamodb: Any, table: str, pk: str) -> str:
    """The key of an item of the test's own."""
    item = {
        "pk": {"S": pk},
        "n": {"N": "1"},
        "b": {"S": "bee"},
        "l": {"L": [{"N": "1"}, {"N": "2"}, {"N": "3"}]},
        "m": {"M": {"a": {"M": {"b": {"N": "1"}}}}},
        "ss": {"SS": ["a", "b"]},
    }
    dynamodb.put_item(TableName=table, Item=item)
    return pk


@pytest.fixture
def stored(dynamodb: Any, table: str) -> Callable[[str], Any]:
    def read(pk: str) -> Any:
        return dynamodb.get_item(TableName=table, Key={"pk": {"S": pk}}, ConsistentRead=True).get("Item")

    return read


@pytest.mark.parametrize(
    ("changes", "returning", "expected"),
    [
        ("SET n = 2", "MODIFIED OLD", [{"n": {"N": "1"}}]),
        ("SET n = 2", "MODIFIED NEW", [{"n": {"N": "2"}}]),
        ("SET x = 2", "MODIFIED OLD", []),
        ("REMOVE b", "MODIFIED OLD", [{"b": {"S": "bee"}}]),
        ("REMOVE b", "MODIFIED NEW", []),
        ("REMOVE absent", "MODIFIED NEW", []),
        ("SET l[0] = 9", "MODIFIED OLD", [{"l": {"L": [{"N": "1"}]}}]),
        ("SET l[0] = 9, l[2] = 7", "MODIFIED NEW", [{"l": {"L": [{"N": "9"}, {"N": "7"}]}}]),
        ("SET l[2] = 7, l[0] = 9", "MODIFIED OLD", [{"l": {"L": [{"N": "1"}, {"N": "3"}]}}]),
        ("SET l[7] = 9", "MODIFIED NEW", []),
        ("SET l[3] = 9", "MODIFIED NEW", [{"l": {"L": [{"N": "9"}]}}]),
        ("REMOVE l[0]", "MODIFIED OLD", [{"l": {"L": [{"N": "1"}]}}]),
        ("REMOVE l[0]", "MODIFIED NEW", [{"l": {"L": [{"N": "2"}]}}]),
        ("REMOVE l[0], l[2]", "MODIFIED NEW", [{"l": {"L": [{"N": "2"}]}}]),
        ("SET m.a.c = 2", "MODIFIED NEW", [{"m": {"M": {"a": {"M": {"c": {"N": "2"}}}}}}]),
        ("SET m.a.c = 2", "MODIFIED OLD", []),
        ("REMOVE m.a.b", "MODIFIED OLD", [{"m": {"M": {"a": {"M": {"b": {"N": "1"}}}}}}]),
        ("SET ss = set_add(ss, <<'a'>>)", "MODIFIED NEW", [{"ss": {"SS": ["a", "b"]}}]),
        ("SET ss = set_delete(ss, <<'a', 'b'>>)", "MODIFIED NEW", []),
        ("SET ss = set_delete(ss, <<'a', 'b'>>)", "MODIFIED OLD", [{"ss": {"SS": ["a", "b"]}}]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("form", ["UPDATE {t} {c} WHERE {w}", "from {t} where {w} {c}"])
def test_what_an_update_returns(
    dynamodb: Any, table: str, key: str, form: str, changes: str, returning: str, expected: Any
) -> None:
    text = form.format(t=f'"{table}"', c=changes, w=f"pk = '{key}'") + f" RETURNING {returning} *"
    assert dynamodb.execute_statement(Statement=text)["Items"] == expected


@pytest.mark.parametrize("returning", ["MODIFIED NEW", "ALL OLD", "ALL NEW", "MODIFIED OLD"])
def test_a_batch_returns_what_a_statement_does(
    dynamodb: Any, table: str, pk: str, returning: str, stored: Any
) -> None:
    for changes in ("SET n = 2, x = 3", "REMOVE n"):
        text = f"UPDATE \"{table}\" {changes} WHERE pk = '{pk}' RETURNING {returning} *"
        dynamodb.put_item(TableName=table, Item={"pk": {"S": pk}, "n": {"N": "1"}})
        alone = dynamodb.execute_statement(Statement=text)["Items"]
        after = stored(pk)
        dynamodb.put_item(TableName=table, Item={"pk": {"S": pk}, "n": {"N": "1"}})
        (answer,) = dynamodb.batch_execute_statement(Statements=[{"Statement": text}])["Responses"]
        assert answer == {"TableName": table} | ({"Item": alone[0]} if alone else {})
        assert stored(pk) == after


@pytest.mark.parametrize(
    ("statement", "changes"),
    [
        ("FROM {t} WHERE {w} SET c = 1", {"c": {"N": "1"}}),
        ("FROM {t} WHERE {w} REMOVE b", {"b": None}),
        ("FROM {t} WHERE {w} SET c = 2 REMOVE n", {"c": {"N": "2"}, "n": None}),
        ("from {t} where {w} AND n = 1 set e = 4", {"e": {"N": "4"}}),
        ("UPDATE {t} SET n=n-1 WHERE {w}", {"n": {"N": "0"}}),
        ("UPDATE {t} SET n = n - - 2, l = [- 1] WHERE {w}", {"n": {"N": "3"}, "l": {"L": [{"N": "-1"}]}}),
        ("UPDATE {t} SET n = 2 WHERE {w} AND {w}", {"n": {"N": "2"}}),
        ("UPDATE {t} SET n = 2 WHERE ({w} AND n = 1) AND b = 'bee'", {"n": {"N": "2"}}),
        ("UPDATE {t} SET l = list_append([0], l) WHERE {w}", {"l": {"L": [{"N": str(n)} for n in range(4)]}}),
        (
            "UPDATE {t} SET m.a.b = m.a.b + 100 SET m.x=[2020, 'y', 2.4] WHERE {w}",
            {"m": {"M": {"a": {"M": {"b": {"N": "101"}}},
                         "x": {"L": [{"N": "2020"}, {"S": "y"}, {"N": "2.4"}]}}}},
        ),
        ("UPDATE {t} SET l = LIST_APPEND(l, [<<'s'>>]) REMOVE l[0] WHERE {w}", None),
        ("UPDATE {t} SET l = LIST_APPEND(l, [<<'s'>>]) WHERE {w}",
         {"l": {"L": [{"N": "1"}, {"N": "2"}, {"N": "3"}, {"SS": ["s"]}]}}),
        ("UPDATE {t} SET nss = set_add(nss, <<1, 4.5>>) WHERE {w}", {"nss": {"NS": ["1", "4.5"]}}),
        ("UPDATE {t} SET ss = SET_DELETE(ss, <<'a'>>) WHERE {w}", {"ss": {"SS": ["b"]}}),
        ("UPDATE {t} SET nss = set_delete(nss, <<'a'>>) WHERE {w}", {}),
        ("DELETE FROM {t} WHERE ({w}) AND b = 'bee'", "deleted"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("through", ["statement", "batch", "transaction"])
def test_writes(
    dynamodb: Any, table: str, key: str, stored: Any, through: str, statement: str, changes: Any
) -> None:
    before = stored(key)
    wanted = {"Statement": statement.format(t=f'"{table}"', w=f"pk = '{key}'")}
    if changes is None:
        with pytest.raises(dynamodb.exceptions.ClientError, match="Two document paths overlap"):
            dynamodb.execute_statement(**wanted)
        return
    if through == "statement":
        assert dynamodb.execute_statement(**wanted)["Items"] == []
    elif through == "batch":
        assert dynamodb.batch_execute_statement(Statements=[wanted])["Responses"] == [{"TableName": table}]
    else:
        answer = dynamodb.execute_transaction(TransactStatements=[wanted])
        assert answer["Responses"] == []
    if changes == "deleted":
        assert stored(key) is None
    else:
        assert stored(key) == {k: v for k, v in (before | changes).items() if v is not None}


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("UPDATE {t} SET ss = set_add(ss, <<1>>) WHERE {w}", "An operand in the update expression has an incorrect data type"),
        ("UPDATE {t} SET b = set_add(b, <<'x'>>) WHERE {w}", "An operand in the update expression has an incorrect data type"),
        ("UPDATE {t} SET nss = list_append(nss, [1]) WHERE {w}", "The provided expression refers to an attribute that does not exist in the item"),
        ("UPDATE {t} SET nss[0] = 1 WHERE {w}", "The document path provided in the update expression is invalid for update"),
        ("UPDATE {t} SET n = n + 9.9e125 SET m.a.b = m.a.b - 1, x = 9e125 + 9e125 WHERE {w}",
         "Number overflow. Attempting to store a number with magnitude larger than supported range"),
    ],
)  # fmt: skip
def test_what_fails_on_the_item_it_finds(
    dynamodb: Any, table: str, key: str, stored: Any, refusal: Refusal, statement: str, message: str
) -> None:
    before = stored(key)
    wanted = {"Statement": statement.format(t=f'"{table}"', w=f"pk = '{key}'")}
    assert refusal(dynamodb.execute_statement, **wanted) == ("ValidationException", message)
    (failed,) = dynamodb.batch_execute_statement(Statements=[wanted])["Responses"]
    assert failed == {"Error": {"Code": "ValidationError", "Message": message}, "TableName": table}
    assert reasons(dynamodb, wanted) == [("ValidationError", message)]
    assert stored(key) == before


def test_set_functions_create_no_item(
    dynamodb: Any, table: str, pk: str, stored: Any, refusal: Refusal
) -> None:
    for function in ("set_add", "set_delete"):
        text = f"UPDATE \"{table}\" SET ss = {function}(ss, <<'x'>>) WHERE pk = '{pk}'"
        assert refusal(dynamodb.execute_statement, Statement=text) == FAILED
    assert stored(pk) is None


def test_an_item_may_be_as_large_as_an_update_makes_it(dynamodb: Any, table: str, pk: str) -> None:
    """UpdateItem counts its expression, too; an UPDATE only what becomes of the item (recorded)."""
    dynamodb.put_item(TableName=table, Item={"pk": {"S": pk}})
    full = 400 * 1024 - len("pk") - len(pk) - len("b")
    text = f"UPDATE \"{table}\" SET b = ? WHERE pk = '{pk}'"
    dynamodb.execute_statement(Statement=text, Parameters=[{"S": "x" * full}])
    with pytest.raises(dynamodb.exceptions.ClientError, match="Item size to update has exceeded the maximum"):
        dynamodb.execute_statement(Statement=text, Parameters=[{"S": "x" * (full + 1)}])


def reasons(dynamodb: Any, *statements: Any) -> list[tuple[str, str | None]]:
    """Why a transaction was cancelled."""
    with pytest.raises(dynamodb.exceptions.TransactionCanceledException) as raised:
        dynamodb.execute_transaction(TransactStatements=list(statements))
    return [(each["Code"], each.get("Message")) for each in raised.value.response["CancellationReasons"]]


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("UPDATE {t} SET a = 1 WHERE pk = 'p'", MISMATCH),
        ("UPDATE {t} SET a = 1 WHERE pk IN ['p'] AND sk = 1", MISMATCH),
        ("UPDATE {t} SET a = 1 WHERE pk = 'p' AND sk = 1 AND pk = 'q'", MISMATCH),
        ("UPDATE {t} SET a = 1 WHERE pk = 'p' AND sk = '1'", MISMATCH),
        ("DELETE FROM {t} WHERE sk = 1", MISMATCH),
        ("INSERT INTO {t} VALUE {'pk': 'p'}", INVALID + "Missing the key sk in the item"),
        ("INSERT INTO {t} VALUE {'pk': 'p', 'sk': 'x'}", INVALID + "Type mismatch for key sk expected: N actual: S"),
        ("UPDATE {t} SET pk = 'q' WHERE pk = 'p' AND sk = 1",
         INVALID + "Cannot update attribute pk. This attribute is part of the key"),
        ("SELECT * FROM {t} WHERE pk = 'p' AND sk = '1'", MISMATCH),
    ],
)  # fmt: skip
def test_a_key_that_does_not_fit_cancels_a_transaction(
    dynamodb: Any, table_of: Any, statement: str, message: str
) -> None:
    wanted = {"Statement": statement.replace("{t}", f'"{table_of("S", "N")}"')}
    assert reasons(dynamodb, wanted) == [("ValidationError", message)]


def test_a_table_that_is_not_there_cancels_a_transaction(
    dynamodb: Any, table: str, key: str, refusal: Refusal
) -> None:
    absent = ("ResourceNotFound", "Requested resource not found")
    missing = {"Statement": f"UPDATE \"no-{table}\" SET a = 1 WHERE pk = 'x' RETURNING ALL NEW *"}
    there = {"Statement": f"UPDATE \"{table}\" SET a = 1 WHERE pk = '{key}'"}
    assert reasons(dynamodb, missing, missing) == [absent, absent]
    assert reasons(dynamodb, there, missing) == [("None", None), absent]
    returning = {"Statement": there["Statement"] + " RETURNING ALL NEW *"}
    assert refusal(dynamodb.execute_transaction, TransactStatements=[missing, returning]) == (
        "ValidationException",
        "Validation failed in TransactStatements[1]: RETURNING clause is not supported in ExecuteTransaction.",
    )


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("SELECT * FROM {t} WHERE", "Statement wasn't well formed, can't be processed: Unexpected term"),
        ("INSERT INTO {t} VALUE {'pk': 'p', 'x': [<<'a', 'a'>>]}", INVALID + "Input collection [a, a] contains duplicates."),
        ("UPDATE {t} SET n = n + [1] WHERE pk = 'p'", "Incorrect operand type for operator or function; "
         "operator or function: +, operand type: L"),
        ("SELECT * FROM {t} WHERE pk = 'p' AND n = 1",
         "Select statements within ExecuteTransaction must specify the primary key in the where clause."),
        ("SELECT * FROM {t} WHERE pk IN ['p', 'p']", "Overlapping conditions with range keys are not supported in where clause"),
        ("EXISTS(SELECT * FROM {t} WHERE pk IN ['p'] AND n = 1)",
         "EXISTS() must contain a single item read with additional condition"),
    ],
)  # fmt: skip
def test_the_statement_that_a_transaction_is_refused_for_is_numbered(
    dynamodb: Any, table: str, refusal: Refusal, statement: str, message: str
) -> None:
    first = {"Statement": f"DELETE FROM \"{table}\" WHERE pk = 'first'"}
    if statement.startswith("SELECT"):
        first = {"Statement": f"SELECT * FROM \"{table}\" WHERE pk = 'first'"}
    wanted = {"Statement": statement.replace("{t}", f'"{table}"')}
    assert refusal(dynamodb.execute_transaction, TransactStatements=[first, wanted]) == (
        "ValidationException",
        f"Validation failed in TransactStatements[1]: {message}",
    )


def test_what_several_statements_may_be(dynamodb: Any, table: str, key: str, refusal: Refusal) -> None:
    read = {"Statement": f"SELECT * FROM \"{table}\" WHERE pk = '{key}'"}
    write = {"Statement": f"DELETE FROM \"{table}\" WHERE pk = 'other {key}'"}
    mixed = "{} API does not support both read and write operations in the same request."
    assert refusal(dynamodb.execute_transaction, TransactStatements=[read, write]) == (
        "ValidationException",
        mixed.format("ExecuteTransaction"),
    )
    assert refusal(dynamodb.batch_execute_statement, Statements=[read, write]) == (
        "ValidationException",
        mixed.format("BatchExecuteStatement"),
    )
    assert refusal(dynamodb.execute_transaction, TransactStatements=[read, read]) == (
        "ValidationException",
        "Transaction request cannot include multiple operations on one item",
    )
    for call, member, most in (
        (dynamodb.batch_execute_statement, "Statements", 25),
        (dynamodb.execute_transaction, "TransactStatements", 100),
    ):
        many = [
            {"Statement": f'SELECT * FROM "{table}" WHERE pk = ?', "Parameters": [{"S": f"{key} {n}"}]}
            for n in range(most + 1)
        ]
        assert len(call(**{member: many[:most]})["Responses"]) == most
        error, message = refusal(call, **{member: many})
        assert error == "ValidationException"
        assert message.endswith(f"Member must have length less than or equal to {most}")
        assert refusal(call, **{member: []})[0] == "ValidationException"


def test_a_batch_names_the_table_of_what_was_run(dynamodb: Any, table: str, key: str) -> None:
    statements = [
        {"Statement": f"UPDATE \"{table}\" SET a = 1 WHERE pk = '{key}' AND n = 7"},
        {"Statement": f"INSERT INTO \"{table}\" VALUE {{'pk': '{key}'}}"},
        {"Statement": f'DELETE FROM "{table}" WHERE n = 7'},
        {"Statement": f"DELETE FROM \"no-{table}\" WHERE pk = 'p'"},
        {"Statement": f"DELETE FROM \"{table}\" WHERE pk = '{key}' RETURNING MODIFIED OLD *"},
    ]
    answers = [dynamodb.batch_execute_statement(Statements=[each])["Responses"][0] for each in statements]
    assert [(each["Error"]["Code"], each.get("TableName")) for each in answers] == [
        ("ConditionalCheckFailed", table),
        ("DuplicateItem", table),
        ("ValidationError", None),
        ("ResourceNotFound", None),
        ("ValidationError", None),
    ]


@pytest.mark.parametrize("wanted", ["ALL_OLD", "NONE", None])
def test_a_failed_condition_shows_the_item_where_asked(
    dynamodb: Any, table: str, key: str, stored: Any, wanted: str | None
) -> None:
    more = {} if wanted is None else {"ReturnValuesOnConditionCheckFailure": wanted}
    shown = stored(key) if wanted == "ALL_OLD" else None
    for statement in (
        f"UPDATE \"{table}\" SET a = 1 WHERE pk = '{key}' AND n = 7",
        f"DELETE FROM \"{table}\" WHERE pk = '{key}' AND n = 7",
    ):
        with pytest.raises(dynamodb.exceptions.ConditionalCheckFailedException) as failed:
            dynamodb.execute_statement(Statement=statement, **more)
        assert failed.value.response.get("Item") == shown
        each = {"Statement": statement, **more}
        (answer,) = dynamodb.batch_execute_statement(Statements=[each])["Responses"]
        assert answer["Error"].get("Item") == shown
        assert "Item" not in answer
        with pytest.raises(dynamodb.exceptions.TransactionCanceledException) as cancelled:
            dynamodb.execute_transaction(TransactStatements=[each])
        assert cancelled.value.response["CancellationReasons"][0].get("Item") == shown
