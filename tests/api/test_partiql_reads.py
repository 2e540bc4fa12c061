"""SELECT: what a WHERE comes to on tables and indexes, in which order and in which pages. Mostly recorded from the service."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Refusal = Callable[..., tuple[str, str]]

INVALID = "One or more parameter values were invalid: "
OVERLAPPING = "Overlapping conditions with range keys are not supported in where clause"
TOO_MANY_READS = "Too many decomposed read operations for a given query."
MANY = "The IN operator is provided with too many operands; number of operands: 101"


@pytest.fixture(scope="module")
def source(dynamodb: Any) -> str:
    """A table of items that the tests only read, with indexes of each projection."""
    name = "partiql-reads"
    keys = {"pk": "S", "sk": "N", "g": "S", "l": "N", "h1": "S", "h2": "S"}
    some = {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["n"]}

    def index(index: str, projection: Any, **key: str) -> Any:
        schema = [{"AttributeName": each, "KeyType": role} for each, role in key.items()]
        return {"IndexName": index, "KeySchema": schema, "Projection": projection}

    dynamodb.create_table(
        TableName=name,
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": kind} for key, kind in keys.items()],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        GlobalSecondaryIndexes=[
            index("g-all", {"ProjectionType": "ALL"}, g="HASH", l="RANGE"),
            index("g-some", some, g="HASH"),
            index("g-keys", {"ProjectionType": "KEYS_ONLY"}, g="HASH"),
            index("g-several", {"ProjectionType": "ALL"}, h1="HASH", h2="HASH"),
        ],
        LocalSecondaryIndexes=[
            index("l-all", {"ProjectionType": "ALL"}, pk="HASH", l="RANGE"),
            index("l-some", some, pk="HASH", l="RANGE"),
            index("l-keys", {"ProjectionType": "KEYS_ONLY"}, pk="HASH", l="RANGE"),
        ],
        BillingMode="PAY_PER_REQUEST",
    )
    for pk in "ab":
        for sk in range(4):
            item = f"{{'pk': '{pk}', 'sk': {sk}, 'g': 'g{sk % 2}', 'l': {-sk}, 'n': {sk * 10}, 'x': 'x{sk}'}}"
            dynamodb.execute_statement(Statement=f'INSERT INTO "{name}" VALUE {item}')
    dynamodb.execute_statement(Statement=f"INSERT INTO \"{name}\" VALUE {{'pk': 'c', 'sk': 0}}")
    return name


@pytest.fixture
def found(dynamodb: Any, source: str) -> Callable[..., list[str]]:
    """The keys of all that a WHERE finds of the table or of one of its indexes, page after page."""

    def find(where: str, index: str | None = None, **more: Any) -> list[str]:
        name = f'"{source}"' + ("" if index is None else f'."{index}"')
        request = {"Statement": f"SELECT pk, sk FROM {name} WHERE {where}", **more}
        answer = dynamodb.execute_statement(**request)
        items = answer["Items"]
        while "NextToken" in answer:
            answer = dynamodb.execute_statement(**request, NextToken=answer["NextToken"])
            items += answer["Items"]
        return [item["pk"]["S"] + item["sk"]["N"] for item in items]

    return find


def numbers(count: int) -> str:
    return ", ".join(map(str, range(count)))


def texts(count: int) -> str:
    return ", ".join(f"'v{number}'" for number in range(count))


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("pk = 'a' AND (sk = 1 OR sk = 2)", "a1 a2"),
        ("pk = 'a' AND sk IN [2, 1]", "a1 a2"),
        ("pk = 'a' AND (sk < 1 OR sk > 1 OR sk = 1)", "a0 a1 a2 a3"),
        ("pk = 'a' AND (sk < 1 OR sk >= 3)", "a0 a3"),
        ("pk = 'a' AND sk > 0 AND sk < 3 AND sk >= 2", "a2"),
        ("pk = 'a' AND sk BETWEEN 1 AND 3 AND sk <= 2", "a1 a2"),
        ("pk = 'a' AND sk > 3 AND sk < 1", ""),
        ("pk = 'a' AND sk = 1 AND sk > 0", "a1"),
        ("pk = 'a' AND sk = 1 AND sk > 1", ""),
        ("pk = 'a' AND sk = 1 AND sk = 2", ""),
        ("pk = 'a' AND pk = 'a' AND sk = 1", "a1"),
        ("pk = 'a' AND NOT sk = 1", "a0 a2 a3"),
        ("pk = 'a' AND sk > 0 AND sk <> 1", "a2 a3"),
        ("pk = 'a' AND attribute_exists(pk) AND sk < 1", "a0"),
        ("(pk = 'a' OR pk = 'b') AND (n = 10 OR n = 20)", "a1 a2 b1 b2"),
        ("pk IN ['b', 'a'] AND sk IN [3, 0]", "b0 b3 a0 a3"),
        ("(pk = 'b' AND sk > 2) OR (pk = 'a' AND (sk = 0 OR sk = 3))", "b3 a0 a3"),
        # What is said of the sort key and no range can hold: nothing is refused, and nothing comes twice
        ("pk = 'a' AND NOT sk = 1 OR pk = 'a' AND sk = 2", "a0 a2 a3"),
        ("pk = 'a' AND sk <> 1 OR pk = 'a' AND sk = 2", "a0 a2 a3"),
        ("pk = 'a' AND NOT sk IN [1, 3] OR pk = 'a' AND sk = 2", "a0 a2"),
        ("pk = 'a' AND NOT sk > 5 OR pk = 'a' AND sk = 2 OR pk = 'b' AND sk = 0", "a0 a1 a2 a3 b0"),
        ("pk = 'a' OR pk = 'a' AND NOT sk = 1", "a0 a1 a2 a3"),
        # Order
        ("pk = 'a' ORDER BY sk DESC", "a3 a2 a1 a0"),
        ("pk = 'a' ORDER BY sk", "a0 a1 a2 a3"),
        ("pk = 'a' ORDER BY pk ASC", "a3 a2 a1 a0"),
        ("pk IN ['a', 'b'] ORDER BY pk DESC", "b3 b2 b1 b0 a3 a2 a1 a0"),
        ("pk IN ['a', 'b'] ORDER BY pk DESC, sk ASC", "b0 b1 b2 b3 a0 a1 a2 a3"),
        ("pk IN ['b', 'a'] ORDER BY sk, pk", "a0 a1 a2 a3 b0 b1 b2 b3"),
        ("pk = 'a' AND sk IN [1, 3, 0] ORDER BY sk DESC", "a3 a1 a0"),
        ("pk = 'a' AND sk IN [1, 3, 0] ORDER BY \"sk\"", "a0 a1 a3"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("limit", [None, 1, 3])
def test_what_is_read_by_the_key(found: Any, where: str, expected: str, limit: int | None) -> None:
    more = {} if limit is None else {"Limit": limit}
    assert found(where, **more) == expected.split()


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("pk = 'a' OR sk = 1", "a0 a1 a2 a3 b1"),
        ("pk > 'a' AND sk = 0", "b0 c0"),
        ("pk > 1", ""),
        ("pk = 1 OR n = 0", "a0 b0"),
        ("NOT pk = 'a' AND NOT pk = 'b'", "c0"),
        (f"pk IN [{texts(51)}] OR n = 10", "a1 b1"),
        (f"n IN [{numbers(100)}] AND sk > 2", "a3 b3"),
    ],
)
def test_what_is_scanned(found: Any, where: str, expected: str) -> None:
    assert sorted(found(where)) == expected.split()


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("pk IN ['a', 'a']", OVERLAPPING),
        ("pk = 'a' OR pk = 'a'", OVERLAPPING),
        ("pk = 'a' AND (sk > 0 OR sk < 5)", OVERLAPPING),
        ("pk = 'a' AND (sk BETWEEN 0 AND 1 OR sk BETWEEN 1 AND 2)", OVERLAPPING),
        ("pk = 'a' AND (sk = 1 OR n = 10)", OVERLAPPING),
        ("pk = 'a' AND sk IN [1, 1]", OVERLAPPING),
        ("(pk = 'a' AND n = 10) OR (pk = 'a' AND n = 20)", OVERLAPPING),
        ("pk = 'a' AND n = 10 OR pk = 'a' AND sk = 2", OVERLAPPING),
        ("pk = 'a' AND n <> 10 OR pk = 'a' AND sk = 2", OVERLAPPING),
        ("pk = 'a' OR pk = 'a' AND n = 1 AND sk = 0", OVERLAPPING),
        (f"pk IN [{texts(51)}]", TOO_MANY_READS),
        (f"pk = 'a' AND sk IN [{numbers(51)}]", TOO_MANY_READS),
        (f"pk IN [{texts(26)}] AND sk IN [0, 1]", TOO_MANY_READS),
        (f"pk IN [{texts(101)}]", MANY),
        (f"pk = 'a' AND n IN [{numbers(101)}]", MANY),
        ("pk = 1 OR pk = 'a'", "Key attribute's data type should match its data type in table's schema: Key pk"),
        ("pk = 'a' AND sk IN [1, '2']", "Key attribute's data type should match its data type in table's schema: Key sk"),
        ("pk = 'a' AND begins_with(sk, '1')", "Key attribute's data type should match its data type in table's schema: Key sk"),
        ("pk = ''", "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an "
         "empty string value. Key: pk"),
        ("pk = 'a' ORDER BY n DESC", "Attribute n in ORDER BY clause must be part of the primary key"),
        ("pk > 'a' ORDER BY sk",
         "Must have at least one non-optional hash key condition in WHERE clause when using ORDER BY clause."),
        ("pk IN ['a', 'b'] ORDER BY sk DESC",
         "Must have hash key in ORDER BY clause when more than one hash key condition specified in WHERE clause."),
    ],
)  # fmt: skip
def test_what_is_refused(dynamodb: Any, source: str, refusal: Refusal, where: str, message: str) -> None:
    statement = f'SELECT * FROM "{source}" WHERE {where}'
    assert refusal(dynamodb.execute_statement, Statement=statement) == ("ValidationException", message)


@pytest.mark.parametrize("index", ["g-some", "g-keys"])
@pytest.mark.parametrize(
    ("where", "missing"),
    [
        ("g = 'g1' AND x = 'x1'", "x"),
        ("g = 'g1' AND NOT x = 'x1'", "x"),
        ("g = 'g1' AND x IS MISSING", "x"),
        ("g = 'g1' AND begins_with(x, 'x')", "x"),
        ("g = 'g1' AND NOT (x = 'x1' OR pk = 'a')", "x"),
        ("g IN ['g1', 'g0'] AND x = 'x1'", "x"),
        ("(g = 'g0' OR g = 'g1') AND x = 'x1'", "x"),
        ("(g = 'b' AND y = 1) OR (g = 'q' AND z = 1)", "z"),
        ("(g = 'q' AND y = 1) OR (g = 'b' AND z = 1)", "y"),
        ("g = 'g1' AND x = 1 AND (y = 2 OR pk = '3')", "x, y"),
    ],
)
def test_filters_of_an_index_that_lacks_their_attributes(
    dynamodb: Any, source: str, refusal: Refusal, index: str, where: str, missing: str
) -> None:
    statement = f'SELECT pk FROM "{source}"."{index}" WHERE {where}'
    assert refusal(dynamodb.execute_statement, Statement=statement) == (
        "ValidationException",
        f"{INVALID}Secondary index {index} does not project one or more filter attributes: [{missing}]",
    )


@pytest.mark.parametrize(
    ("where", "index", "expected"),
    [
        ("g = 'g1' AND n = 10", "g-some", "a1 b1"),
        ("g = 'g1' AND (n = 10 OR n = 30)", "g-some", "a1 a3 b1 b3"),
        ("x = 'x1'", "g-some", ""),
        ("NOT x = 'x1' AND pk = 'a'", "g-keys", "a0 a1 a2 a3"),
        ("x = 'x1'", "l-keys", ""),
        ("x = 'x1' AND y = 1", "l-some", ""),
        ("(g = 'g1' AND x = 'x1') OR g = 'g0'", "g-some", "a0 a2 b0 b2"),
        ("g > 'g' AND x = 'x1'", "g-some", ""),
        ("g = 'y' AND (g = 'z' OR x = '1')", "g-some", ""),
        ("(g = 'g1' AND x = 'x1') OR y = '1'", "g-some", ""),
        ("pk = 'a'", "g-all", "a0 a1 a2 a3"),
        ("g = 'g1' AND l > -3", "g-all", "a1 b1"),
        ("pk = 'a' AND l BETWEEN -2 AND -1", "l-keys", "a1 a2"),
    ],
)
def test_reads_of_indexes(found: Any, where: str, index: str, expected: str) -> None:
    assert sorted(found(where, index)) == expected.split()


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ('SELECT zz, aa, pk FROM {t}."g-some"', INVALID + "Global secondary index g-some does not project [zz, aa]"),
        ('SELECT x FROM {t}."g-keys" WHERE g = \'g1\'', INVALID + "Global secondary index g-keys does not project [x]"),
        *[
            (statement, "PartiQL statements cannot be executed on tables with multi-attribute HASH keys or multi-attribute RANGE keys.")
            for statement in (
                'SELECT * FROM {t}."g-several" WHERE h1 = \'a\'',
                'SELECT * FROM {t}."g-several" WHERE h1 = 5',
                'SELECT * FROM {t}."g-several"',
                'SELECT COUNT(*) FROM {t}."g-several"',
                'SELECT pk FROM {t}."g-several" WHERE h1 = \'a\' AND h2 = \'b\' ORDER BY h2',
            )
        ],
        ('SELECT * FROM {t}."g-several" WHERE', "Statement wasn't well formed, can't be processed: Unexpected term"),
    ],
)  # fmt: skip
def test_what_indexes_refuse(
    dynamodb: Any, source: str, refusal: Refusal, statement: str, message: str
) -> None:
    text = statement.replace("{t}", f'"{source}"')
    assert refusal(dynamodb.execute_statement, Statement=text) == ("ValidationException", message)


@pytest.mark.parametrize(
    ("selected", "index", "where", "more", "units"),
    [
        ("*", None, "pk = 'a'", {}, {"Table": 0.5}),
        ("*", None, "pk = 'a' AND n = 7", {"ConsistentRead": True}, {"Table": 1.0}),
        ("*", None, "pk IN ['a', 'b']", {}, {"Table": 1.0}),
        ("*", None, "pk = 'a' AND sk IN [1, 2, 9]", {}, {"Table": 1.5}),
        ("*", None, "pk = 'absent'", {}, {"Table": 0.5}),
        ("pk", "g-all", "g = 'g1'", {}, {"Table": 0.0, "g-all": 0.5}),
        ("*", "g-keys", "g = 'g1'", {}, {"Table": 0.0, "g-keys": 0.5}),
        ("*", "l-keys", "pk = 'a'", {"ConsistentRead": True}, {"Table": 0.0, "l-keys": 1.0}),
        ("x", "l-keys", "pk = 'a'", {}, {"Table": 2.0, "l-keys": 0.5}),
        ("x", "l-keys", "pk = 'a'", {"ConsistentRead": True}, {"Table": 4.0, "l-keys": 1.0}),
        ("x", "l-keys", "pk = 'a'", {"Limit": 1}, {"Table": 0.5, "l-keys": 0.5}),
        ("x", "l-some", "pk = 'a' AND n = 7", {}, {"Table": 2.0, "l-some": 0.5}),
        ("l", "l-keys", "pk = 'a'", {}, {"Table": 0.0, "l-keys": 0.5}),
    ],
)
def test_capacity(
    dynamodb: Any,
    source: str,
    selected: str,
    index: str | None,
    where: str,
    more: dict[str, Any],
    units: dict[str, float],
) -> None:
    name = f'"{source}"' + ("" if index is None else f'."{index}"')
    statement = f"SELECT {selected} FROM {name} WHERE {where}"
    answer = dynamodb.execute_statement(Statement=statement, ReturnConsumedCapacity="INDEXES", **more)
    used = answer["ConsumedCapacity"]
    assert used.pop("TableName") == source
    assert used.pop("CapacityUnits") == sum(units.values())
    told = {"Table": used.pop("Table")["CapacityUnits"]}
    for kind in ("GlobalSecondaryIndexes", "LocalSecondaryIndexes"):
        told |= {index: entry["CapacityUnits"] for index, entry in used.pop(kind, {}).items()}
    assert told == units
    assert not used


def test_a_page_reads_ten_partitions(dynamodb: Any, source: str, found: Any) -> None:
    where = f"pk IN [{texts(10)}, 'a']"
    answer = dynamodb.execute_statement(Statement=f'SELECT * FROM "{source}" WHERE {where}')
    assert answer["Items"] == []
    assert "NextToken" in answer
    assert found(where) == ["a0", "a1", "a2", "a3"]
    assert found(f"pk IN [{texts(49)}, 'b']") == ["b0", "b1", "b2", "b3"]


def test_pages_of_a_megabyte_over_several_partitions(dynamodb: Any, table_of: Any, pk: str) -> None:
    table = table_of("S", "N")
    keys = [(f"{partition} {pk}", number) for partition in range(3) for number in range(5)]
    for partition, number in keys:
        item = {"pk": {"S": partition}, "sk": {"N": str(number)}, "x": {"S": "x" * 150_000}}
        dynamodb.put_item(TableName=table, Item=item)
    where = "pk IN [" + ", ".join(f"'{partition} {pk}'" for partition in range(3)) + "]"
    request = {"Statement": f'SELECT pk, sk FROM "{table}" WHERE {where}'}
    pages = [dynamodb.execute_statement(**request)]
    while "NextToken" in pages[-1]:
        pages.append(dynamodb.execute_statement(**request, NextToken=pages[-1]["NextToken"]))
    assert [(item["pk"]["S"], int(item["sk"]["N"])) for page in pages for item in page["Items"]] == keys
    assert len(pages) > 1


def test_names_of_what_is_selected(dynamodb: Any, table: str, pk: str) -> None:
    item = {"pk": {"S": pk}, "m": {"M": {"k": {"L": [{"S": "c"}, {"S": "d"}]}}}, "a.b": {"N": "1"}}
    dynamodb.put_item(TableName=table, Item=item)
    statement = f'SELECT m.k[1], m."k", "a.b", a.b, absent.x FROM "{table}" WHERE pk = \'{pk}\''
    with pytest.raises(dynamodb.exceptions.ClientError, match="identifiers in select clause: b"):
        dynamodb.execute_statement(Statement=statement.replace("absent.x", "absent.b"))
    (found,) = dynamodb.execute_statement(Statement=statement)["Items"]
    assert found == {"k[1]": {"S": "d"}, "k": item["m"]["M"]["k"], "a.b": {"N": "1"}}
