"""TransactWriteItems: all or nothing, its cancellation reasons, what fails the whole request, and its tokens."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

Refusal = Callable[..., tuple[str, str]]
Action = dict[str, Any]

INVALID = "One or more parameter values were invalid: "
MISMATCH = "The provided key element does not match the schema"
SCALARS = "Key attributes must be scalars; list random access '[]' and map lookup '.' are not allowed:"
FAILED = {"Code": "ConditionalCheckFailed", "Message": "The conditional request failed"}
NONE = {"Code": "None"}


def key(pk: str) -> dict[str, Any]:
    return {"pk": {"S": pk}}


def put(table: str, pk: str, /, **more: Any) -> Action:
    condition = {name: more.pop(name) for name in list(more) if name[:1].isupper()}
    return {"Put": {"TableName": table, "Item": {**key(pk), **more}, **condition}}


def check(table: str, pk: str, condition: str, **more: Any) -> Action:
    return {"ConditionCheck": {"TableName": table, "Key": key(pk), "ConditionExpression": condition, **more}}


def update(table: str, pk: str, expression: str, values: Any = None, **more: Any) -> Action:
    given = {} if values is None else {"ExpressionAttributeValues": values}
    return {"Update": {"TableName": table, "Key": key(pk), "UpdateExpression": expression, **given, **more}}


def delete(table: str, pk: str, **more: Any) -> Action:
    return {"Delete": {"TableName": table, "Key": key(pk), **more}}


@pytest.fixture
def write(dynamodb: Any) -> Callable[..., Any]:
    def transact(*actions: Action, **parameters: Any) -> Any:
        answer = dynamodb.transact_write_items(TransactItems=list(actions), **parameters)
        del answer["ResponseMetadata"]
        return answer

    return transact


@pytest.fixture
def cancelled(dynamodb: Any, write: Callable[..., Any]) -> Callable[..., list[dict[str, Any]]]:
    """The CancellationReasons of a transaction that must be cancelled; its message is checked against them."""

    def reasons(*actions: Action) -> list[dict[str, Any]]:
        with pytest.raises(dynamodb.exceptions.TransactionCanceledException) as error:
            write(*actions)
        found: list[dict[str, Any]] = error.value.response["CancellationReasons"]
        codes = ", ".join(reason["Code"] for reason in found)
        assert error.value.response["Error"]["Message"] == (
            f"Transaction cancelled, please refer cancellation reasons for specific reasons [{codes}]"
        )
        return found

    return reasons


@pytest.fixture
def stored(dynamodb: Any, table: str) -> Callable[[str], Any]:
    def item(pk: str, name: str = table) -> Any:
        return dynamodb.get_item(TableName=name, Key=key(pk), ConsistentRead=True).get("Item")

    return item


@pytest.fixture(scope="module")
def other(dynamodb: Any) -> str:
    """A second table with the same key, and a global index by the string `a`."""
    name = f"other-{uuid.uuid4()}"
    dynamodb.create_table(
        TableName=name,
        AttributeDefinitions=[
            {"AttributeName": attribute, "AttributeType": "S"} for attribute in ("pk", "a")
        ],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "by-a",
                "KeySchema": [{"AttributeName": "a", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
        BillingMode="PAY_PER_REQUEST",
    )
    return name


# All or nothing


def test_the_four_actions_on_two_tables(
    write: Callable[..., Any], stored: Callable[..., Any], dynamodb: Any, table: str, other: str, pk: str
) -> None:
    for name in ("updated", "deleted", "checked"):
        dynamodb.put_item(TableName=table, Item={**key(pk + name), "n": {"N": "1"}})
    answer = write(
        put(other, pk, a={"S": pk}),
        update(table, pk + "updated", "SET n = n + :one", {":one": {"N": "1"}}),
        delete(
            table,
            pk + "deleted",
            ConditionExpression="n = :one",
            ExpressionAttributeValues={":one": {"N": "1"}},
        ),
        check(table, pk + "checked", "attribute_exists(n)"),
    )
    assert answer == {}
    assert stored(pk + "updated")["n"] == {"N": "2"}
    assert stored(pk + "deleted") is None
    assert stored(pk, other) == {**key(pk), "a": {"S": pk}}
    found = dynamodb.query(
        TableName=other,
        IndexName="by-a",
        KeyConditionExpression="a = :a",
        ExpressionAttributeValues={":a": {"S": pk}},
    )
    assert found["Count"] == 1


def test_one_false_condition_undoes_everything(
    cancelled: Callable[..., Any], stored: Callable[..., Any], table: str, other: str, pk: str
) -> None:
    assert cancelled(
        put(table, pk + "1"),
        put(other, pk + "2"),
        check(table, pk + "3", "attribute_exists(pk)"),
        put(table, pk + "4"),
    ) == [NONE, NONE, FAILED, NONE]
    assert [stored(pk + "1"), stored(pk + "2", other), stored(pk + "4")] == [None, None, None]


def test_actions_see_the_items_as_they_were(cancelled: Callable[..., Any], table: str, pk: str) -> None:
    reasons = cancelled(put(table, pk + "1"), check(table, pk + "2", "attribute_exists(pk)"))
    assert reasons == [NONE, FAILED]


def test_a_failed_condition_answers_its_item_where_that_is_asked_for(
    cancelled: Callable[..., Any], dynamodb: Any, table: str, pk: str
) -> None:
    item = {**key(pk + "1"), "a": {"L": [{"S": "é"}]}}
    dynamodb.put_item(TableName=table, Item=item)
    asked = {"ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
    absent = "attribute_not_exists(pk)"
    assert cancelled(
        check(table, pk + "1", absent, **asked),
        check(table, pk + "2", "attribute_exists(pk)", **asked),
        put(table, pk + "3"),
    ) == [{**FAILED, "Item": item}, FAILED, NONE]
    assert cancelled(put(table, pk + "1", ConditionExpression=absent)) == [FAILED]


def test_a_hundred_actions(write: Callable[..., Any], dynamodb: Any, table: str, pk: str) -> None:
    write(*(put(table, f"{pk}-{number}") for number in range(100)))
    keys = [key(f"{pk}-{number}") for number in range(100)]
    answer = dynamodb.batch_get_item(RequestItems={table: {"Keys": keys}})
    assert len(answer["Responses"][table]) == 100


def test_counters_lose_nothing_under_concurrent_transactions(
    server: Any, dynamodb: Any, table: str, other: str, pk: str
) -> None:
    """Each moves one from one table's counter to the other's; single updates come between.

    Transactions over two tables take a while, so they meet: who comes second is refused, and tries again.
    """
    for name in (table, other):
        dynamodb.put_item(TableName=name, Item={**key(pk), "n": {"N": "0"}})

    def until_done(request: Callable[..., Any], **parameters: Any) -> Any:
        while True:
            try:
                return request(**parameters)
            except ClientError as error:
                if error.response["Error"]["Code"] != "TransactionConflictException":
                    reasons = {reason["Code"] for reason in error.response["CancellationReasons"]}
                    assert reasons == {"TransactionConflict"}

    def move() -> None:
        client = server.client()
        for _ in range(15):
            until_done(
                client.transact_write_items,
                TransactItems=[
                    update(table, pk, "ADD n :n", {":n": {"N": "-1"}}),
                    update(other, pk, "ADD n :n", {":n": {"N": "1"}}),
                ],
            )
            until_done(
                client.update_item,
                TableName=table,
                Key=key(pk),
                UpdateExpression="ADD n :n",
                ExpressionAttributeValues={":n": {"N": "1"}},
            )

    seen = []
    threads = [threading.Thread(target=move) for _ in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        got = until_done(
            dynamodb.transact_get_items,
            TransactItems=[{"Get": {"TableName": name, "Key": key(pk)}} for name in (table, other)],
        )
        seen.append([int(each["Item"]["n"]["N"]) for each in got["Responses"]])
    for thread in threads:
        thread.join()
    moved = [dynamodb.get_item(TableName=name, Key=key(pk))["Item"]["n"]["N"] for name in (table, other)]
    assert moved == ["0", "60"]
    # What was moved is never seen missing: between -4 (moves whose single update is due) and 0 in all.
    assert all(-4 <= left <= 0 for left, _ in seen)
    assert [right for _, right in seen] == sorted(right for _, right in seen)


# Cancelled for a reason of one action


CANCELLING: list[tuple[str, Callable[[str, str, str], Action], str]] = [
    ("put of a wrong-typed key", lambda t, _, pk: put(t, pk, pk={"N": "1"}), f"{INVALID}Type mismatch for key pk expected: S actual: N"),
    ("put of a key that is a list", lambda t, _, pk: put(t, pk, pk={"L": []}), f"{INVALID}Type mismatch for key pk expected: S actual: L"),
    ("put without the key", lambda t, _, __: {"Put": {"TableName": t, "Item": {"a": {"S": "x"}}}}, f"{INVALID}Missing the key pk in the item"),
    ("update of a wrong-typed key", lambda t, _, __: {"Update": {"TableName": t, "Key": {"pk": {"N": "1"}}, "UpdateExpression": "REMOVE a"}}, MISMATCH),
    ("delete with no key at all", lambda t, _, __: {"Delete": {"TableName": t, "Key": {}}}, MISMATCH),
    ("check with a member too many", lambda t, _, pk: {"ConditionCheck": {"TableName": t, "Key": {**key(pk), "b": {"S": "b"}}, "ConditionExpression": "attribute_exists(a)"}}, MISMATCH),
    ("update of the key itself", lambda t, _, pk: update(t, pk, "SET pk = :v", {":v": {"S": "x"}}), f"{INVALID}Cannot update attribute pk. This attribute is part of the key"),
    ("operand of another type", lambda t, _, pk: update(t, pk, "SET n = s + :v", {":v": {"N": "1"}}), "An operand in the update expression has an incorrect data type"),
    ("path that leads nowhere", lambda t, _, pk: update(t, pk, "SET m.a = :v", {":v": {"N": "1"}}), "The document path provided in the update expression is invalid for update"),
    ("attribute that is not there", lambda t, _, pk: update(t, pk, "SET n = absent"), "The provided expression refers to an attribute that does not exist in the item"),
    ("update that grows too large", lambda t, _, pk: update(t, pk, "SET big = :v", {":v": {"S": "x" * 409_600}}), "Item size to update has exceeded the maximum allowed size"),
    ("put of a wrong-typed index key", lambda _, o, pk: put(o, pk, a={"N": "1"}), f"{INVALID}Type mismatch for Index Key a Expected: S Actual: N IndexName: by-a"),
    ("nested condition on a key", lambda t, _, pk: check(t, pk, "attribute_exists(pk.x)"), f"{SCALARS} Key: pk"),
    ("nested update of an index key", lambda _, o, pk: update(o, pk, "SET a.x = :v", {":v": {"N": "1"}}), f"{SCALARS} IndexKey: a"),
    ("nested read of an index key", lambda _, o, pk: update(o, pk, "SET b = a[0]"), f"{SCALARS} IndexKey: a"),
    ("nested condition on an index key", lambda _, o, pk: delete(o, pk, ConditionExpression="attribute_exists(a.x)"), f"{SCALARS} IndexKey: a"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("action", "message"), [case[1:] for case in CANCELLING], ids=[case[0] for case in CANCELLING]
)
def test_what_cancels_a_transaction(
    cancelled: Callable[..., Any],
    stored: Callable[..., Any],
    dynamodb: Any,
    table: str,
    other: str,
    pk: str,
    action: Callable[[str, str, str], Action],
    message: str,
) -> None:
    dynamodb.put_item(TableName=table, Item={**key(pk), "s": {"S": "text"}})
    reasons = cancelled(put(table, pk + "before"), action(table, other, pk))
    assert reasons == [NONE, {"Code": "ValidationError", "Message": message}]
    assert stored(pk + "before") is None


def test_of_what_does_not_fit_only_the_first_is_told(
    cancelled: Callable[..., Any], table: str, other: str, pk: str
) -> None:
    """Conditions are not looked at then."""
    reasons = cancelled(
        check(table, pk, "attribute_exists(pk)"),
        put(table, pk, pk={"N": "1"}),
        update(other, pk, "SET a = :v", {":v": {"N": "1"}}),
    )
    assert [reason["Code"] for reason in reasons] == ["None", "ValidationError", "None"]


# Refused as a whole


NEST = "Nesting Levels have exceeded supported limits: Attributes in the item have nested levels beyond supported limit"


def deep(levels: int) -> dict[str, Any]:
    value: dict[str, Any] = {"S": "leaf"}
    for _ in range(levels):
        value = {"L": [value]}
    return value


EMPTY_KEY = (
    "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty "
    "string value. Key: pk"
)
EMPTY_INDEX_KEY = (
    "One or more parameter values are not valid. A value specified for a secondary index key is not supported. "
    "The AttributeValue for a key attribute cannot contain an empty string value. IndexName: by-a, IndexKey: a"
)
WRONG_OPERAND = (
    "Invalid UpdateExpression: Incorrect operand type for operator or function; "
    "operator: {}, operand type: STRING, typeSet: ALLOWED_FOR_{}_OPERAND"
)
UNUSED = "Value provided in ExpressionAttributeValues unused in expressions: keys: {:u}"
REFUSED: list[tuple[str, Callable[[str, str, str], list[Action]], str]] = [
    ("one item twice", lambda t, _, pk: [put(t, pk), delete(t, pk)], "Transaction request cannot include multiple operations on one item"),
    ("no action", lambda *_: [{}], "TransactItems can only contain one of Check, Put, Update or Delete"),
    ("two actions in one", lambda t, _, pk: [{**put(t, pk), **delete(t, pk + "2")}], "TransactItems can only contain one of Check, Put, Update or Delete"),
    ("a syntax error", lambda t, _, pk: [check(t, pk, "a = = b")], 'Invalid ConditionExpression: Syntax error; token: "=", near: "= = b"'),
    ("a string added", lambda t, _, pk: [update(t, pk, "ADD a :v", {":v": {"S": "x"}})], WRONG_OPERAND.format("ADD", "ADD")),
    ("a string deleted", lambda t, _, pk: [update(t, pk, "DELETE a :v", {":v": {"S": "x"}})], WRONG_OPERAND.format("DELETE", "DELETE")),
    ("an unused value", lambda t, _, pk: [put(t, pk, ConditionExpression="attribute_exists(pk)", ExpressionAttributeValues={":u": {"S": "x"}})], UNUSED),
    ("a number that is none", lambda t, _, pk: [put(t, pk, n={"N": "abc"})], "The parameter cannot be converted to a numeric value: abc"),
    ("an empty number", lambda t, _, pk: [put(t, pk, n={"N": ""})], "The parameter cannot be converted to a numeric value"),
    ("an exponent that wraps", lambda t, _, pk: [put(t, pk, n={"N": "1e2147483647"})], "Number underflow. Attempting to store a number with magnitude smaller than supported range"),
    ("a set that repeats", lambda t, _, pk: [put(t, pk, n={"SS": ["b", "a", "b"]})], f"{INVALID}Input collection [b, a, b] contains duplicates."),
    ("too deep a put", lambda t, _, pk: [put(t, pk, n=deep(32))], NEST),
    ("too large a put", lambda t, _, pk: [put(t, pk, n={"S": "x" * 409_600})], "Item size has exceeded the maximum allowed size"),
    ("an empty key", lambda t, _, __: [put(t, "")], EMPTY_KEY),
    ("an empty key to delete", lambda t, _, __: [delete(t, "")], EMPTY_KEY),
    ("an empty index key", lambda _, o, pk: [put(o, pk, a={"S": ""})], EMPTY_INDEX_KEY),
    ("an empty attribute name", lambda t, _, pk: [put(t, pk, **{"": {"S": "x"}})], "Empty attribute name"),
    ("too long an expression", lambda t, _, pk: [check(t, pk, "attribute_exists(pk)" + " " * 4_077)], "Invalid ConditionExpression: Expression size has exceeded the maximum allowed size; expression size: 4097"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("actions", "message"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED]
)
def test_what_fails_the_whole_request(
    refusal: Refusal,
    dynamodb: Any,
    stored: Callable[..., Any],
    table: str,
    other: str,
    pk: str,
    actions: Callable[[str, str, str], list[Action]],
    message: str,
) -> None:
    wanted = [put(table, pk + "before"), *actions(table, other, pk)]
    assert refusal(dynamodb.transact_write_items, TransactItems=wanted) == ("ValidationException", message)
    assert stored(pk + "before") is None


def test_an_absent_table_fails_the_whole_request(
    refusal: Refusal, dynamodb: Any, table: str, pk: str
) -> None:
    actions = [put(table, pk), put("no-such-table", pk)]
    assert refusal(dynamodb.transact_write_items, TransactItems=actions) == (
        "ResourceNotFoundException",
        "Requested resource not found",
    )


@pytest.mark.parametrize("last", ["syntax", "unused"])
def test_an_expression_beats_an_absent_table_and_a_repeated_item(
    refusal: Refusal, dynamodb: Any, table: str, pk: str, last: str
) -> None:
    bad = check(table, pk + "x", "a = = b")
    message = 'Invalid ConditionExpression: Syntax error; token: "=", near: "= = b"'
    if last == "unused":
        bad = check(table, pk + "x", "attribute_exists(a)", ExpressionAttributeValues={":u": {"S": "x"}})
        message = UNUSED
    actions = [put("no-such-table", pk), put(table, pk), put(table, pk), bad]
    assert refusal(dynamodb.transact_write_items, TransactItems=actions) == ("ValidationException", message)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        (
            {"TransactItems": []},
            "1 validation error detected: Value '[]' at 'transactItems' failed to satisfy constraint: "
            "Member must have length greater than or equal to 1",
        ),
        (
            {"ClientRequestToken": "x" * 37},
            f"1 validation error detected: Value '{'x' * 37}' at 'clientRequestToken' failed to satisfy constraint: "
            "Member must have length less than or equal to 36",
        ),
    ],
)
def test_members_out_of_bounds(
    refusal: Refusal, dynamodb: Any, table: str, pk: str, parameters: dict[str, Any], message: str
) -> None:
    request = {"TransactItems": [put(table, pk)], **parameters}
    assert refusal(dynamodb.transact_write_items, **request) == ("ValidationException", message)


def test_more_than_a_hundred_actions(refusal: Refusal, dynamodb: Any, table: str, pk: str) -> None:
    actions = [put(table, f"{pk}-{number}") for number in range(101)]
    kind, message = refusal(dynamodb.transact_write_items, TransactItems=actions)
    assert kind == "ValidationException"
    assert message.startswith("1 validation error detected: Value '[")
    assert message.endswith(
        "]' at 'transactItems' failed to satisfy constraint: Member must have length less than or equal to 100"
    )


LARGE = {"S": "x" * 400_000}


@pytest.mark.parametrize(
    "action",
    [
        lambda table, pk: put(table, pk, a=LARGE),
        lambda table, pk: update(table, pk, "SET a = :v", {":v": LARGE}),
        lambda table, pk: check(table, pk, "a <> :v", ExpressionAttributeValues={":v": LARGE}),
    ],
)
def test_more_than_4_mb(
    refusal: Refusal, dynamodb: Any, table: str, pk: str, action: Callable[[str, str], Action]
) -> None:
    actions = [action(table, f"{pk}-{number}") for number in range(11)]
    kind, message = refusal(dynamodb.transact_write_items, TransactItems=actions)
    assert kind == "ValidationException"
    assert "size cannot exceed" in message


def test_items_of_more_than_4_mb_can_be_deleted(
    write: Callable[..., Any], stored: Callable[..., Any], dynamodb: Any, table: str, pk: str
) -> None:
    """What counts is what the request has in it."""
    keys = [f"{pk}-{number}" for number in range(11)]
    for each in keys:
        dynamodb.put_item(TableName=table, Item={**key(each), "a": LARGE})
    write(*(delete(table, each) for each in keys))
    assert [stored(each) for each in keys] == [None] * len(keys)


PLACEHOLDERS: list[dict[str, Any]] = [
    {"ExpressionAttributeNames": {"#unused": "a"}},
    {"ExpressionAttributeValues": {":unused": {"S": "x"}}},
]


@pytest.mark.parametrize("placeholders", PLACEHOLDERS)
def test_placeholders_are_idle_without_an_expression(
    write: Callable[..., Any], stored: Callable[..., Any], table: str, pk: str, placeholders: dict[str, Any]
) -> None:
    write(put(table, pk, **placeholders))
    assert stored(pk) == key(pk)
    write(delete(table, pk, **placeholders))
    assert stored(pk) is None


# Tokens


def test_a_token_makes_a_transaction_once(
    write: Callable[..., Any], stored: Callable[..., Any], table: str, pk: str
) -> None:
    action = update(table, pk, "ADD n :one", {":one": {"N": "1"}})
    for _ in range(3):
        assert write(action, ClientRequestToken=pk) == {}
    assert stored(pk)["n"] == {"N": "1"}
    write(action, ClientRequestToken=pk[1:])
    assert stored(pk)["n"] == {"N": "2"}


def test_a_token_is_any_text(
    write: Callable[..., Any], stored: Callable[..., Any], table: str, pk: str
) -> None:
    action = update(table, pk, "ADD n :one", {":one": {"N": "1"}})
    tokens = [pk[:30] + end for end in ("\0", "\\0", "\\\\0", "\\", "é\uffff")]
    for token in tokens * 2:
        assert write(action, ClientRequestToken=token) == {}
    assert stored(pk)["n"] == {"N": str(len(tokens))}


def test_a_token_of_another_request_is_refused(
    write: Callable[..., Any], refusal: Refusal, dynamodb: Any, table: str, pk: str
) -> None:
    write(put(table, pk), ClientRequestToken=pk)
    kind, _ = refusal(
        dynamodb.transact_write_items, TransactItems=[put(table, pk, a={"S": "x"})], ClientRequestToken=pk
    )
    assert kind == "IdempotentParameterMismatchException"


def test_a_cancelled_transaction_does_not_use_up_its_token(
    write: Callable[..., Any], dynamodb: Any, table: str, pk: str
) -> None:
    action = check(table, pk, "attribute_exists(pk)")
    with pytest.raises(dynamodb.exceptions.TransactionCanceledException):
        write(action, ClientRequestToken=pk)
    dynamodb.put_item(TableName=table, Item=key(pk))
    assert write(action, ClientRequestToken=pk) == {}


@pytest.mark.parametrize("tables", [1, 2])
def test_tokens_outlive_the_server(start_server: Any, tmp_path: Path, tables: int) -> None:
    server = start_server("--data-dir", tmp_path)
    client = server.client()
    names = [f"Music-{number}" for number in range(tables)]
    for name in names:
        client.create_table(
            TableName=name,
            AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
            BillingMode="PAY_PER_REQUEST",
        )
    actions = [update(name, "x", "ADD n :one", {":one": {"N": "1"}}) for name in names]
    client.transact_write_items(TransactItems=actions, ClientRequestToken="token")
    server.kill()
    client = start_server("--data-dir", tmp_path).client()
    client.transact_write_items(TransactItems=actions, ClientRequestToken="token")
    for name in names:
        assert client.get_item(TableName=name, Key=key("x"))["Item"]["n"] == {"N": "1"}
    with pytest.raises(client.exceptions.IdempotentParameterMismatchException):
        client.transact_write_items(
            TransactItems=[*actions[:1], put(names[0], "y")], ClientRequestToken="token"
        )
