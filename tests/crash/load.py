"""Mixed load: what each client of the kill rounds does with items, one request a step.

Every register (tests/crash/worlds.py) belongs to one client, so that it knows what may
be there; what all clients write (accounts, totals of counters) is held to an invariant.
Values are numbers that are never used twice. An item holds its value in several
attributes, which shows whether it is whole.
"""

from __future__ import annotations

import itertools
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

from tests.crash.client import Client, Unanswered
from tests.crash.worlds import Change, Possible, Register, Value, Worlds, becomes

PARTS = [f"part{part}" for part in range(10)]  # attributes of an item, all written with one value
OWN_ITEMS = 12  # of each client in each table
BATCH_ITEMS = 20
GROUP_ITEMS = 3
SEEDED_ITEMS = 600  # of the table that is indexed: an index is built in steps of 200
ACCOUNTS = [(table, f"account-{number}") for table in ("bank1", "bank2") for number in range(4)]
TOTAL_BALANCE = 100 * len(ACCOUNTS)
COUNTERS = 2
BRIEF_SECONDS = 1.0

JOINED = ("one", "two", "three")  # tables that transactions join
PUT_TABLES = ("plain", "streamed", "indexed")
TABLES = (*PUT_TABLES, *JOINED, "bank1", "bank2", "counters", "expiring")

Item = dict[str, Any]


@dataclass(slots=True)
class Backup:
    """A backup that was AVAILABLE, and what it may hold."""

    table: str
    contents: Possible


@dataclass(slots=True)
class Resend:
    """A transaction with a token that had no answer; `loads` tells whether a snapshot was loaded since."""

    parameters: dict[str, Any]
    changes: dict[Register, Change]
    loads: int


@dataclass(slots=True)
class Ledger:
    """What clients share and what outlives a round."""

    worlds: Worlds = field(default_factory=Worlds)
    values: Iterable[int] = field(default_factory=lambda: itertools.count(1))
    backups: dict[str, Backup] = field(default_factory=dict)  # by ARN
    restored: dict[str, Backup] = field(
        default_factory=dict
    )  # by table, the backups that were to be restored
    snapshots: dict[str, Possible] = field(default_factory=dict)  # by name
    resends: list[Resend] = field(default_factory=list)
    streamed: list[tuple[str, int]] = field(default_factory=list)  # names and values that were acknowledged
    requests: dict[str, int] = field(
        default_factory=lambda: defaultdict(int)
    )  # by step, steps that ended well
    faults: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Session:
    """One client: its connection, the choices it makes, and its number among those that do the same."""

    client: Client
    ledger: Ledger
    random: Random
    number: int

    @property
    def worlds(self) -> Worlds:
        return self.ledger.worlds

    def value(self) -> int:
        return next(self.ledger.values)  # type: ignore[call-overload,no-any-return]


# Tables


def create_tables(client: Client, ledger: Ledger) -> None:
    """The tables that are there in every round, and the items that nobody writes alone."""
    for table in TABLES:
        create_table(client, table, **_OPTIONS.get(table, {}))
    ttl = {"Enabled": True, "AttributeName": "expires"}
    client.call("UpdateTimeToLive", TableName="expiring", TimeToLiveSpecification=ttl)
    for table, name in ACCOUNTS:
        client.call("PutItem", TableName=table, Item={"pk": {"S": name}, "balance": {"N": "100"}})
    for first in range(0, SEEDED_ITEMS, 25):
        items = {f"seed-{number}": number for number in range(first, first + 25)}
        with ledger.worlds.writing({Register("indexed", name): becomes(v) for name, v in items.items()}):
            requests = [{"PutRequest": {"Item": item_of(name, value)}} for name, value in items.items()]
            client.call("BatchWriteItem", RequestItems={"indexed": requests})


def create_table(client: Client, name: str, **options: Any) -> None:
    """A table with the partition key `pk`; options of CreateTable go before it."""
    parameters: dict[str, Any] = {
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
        "BillingMode": "PAY_PER_REQUEST",
    }
    client.call("CreateTable", TableName=name, **{**parameters, **options})


def index_on_gk(name: str) -> dict[str, Any]:
    schema = [{"AttributeName": "gk", "KeyType": "HASH"}]
    return {"IndexName": name, "KeySchema": schema, "Projection": {"ProjectionType": "ALL"}}


KEYS_AND_GK = [{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "gk")]
_OPTIONS: dict[str, dict[str, Any]] = {
    "streamed": {"StreamSpecification": {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}},
    "two": {"AttributeDefinitions": KEYS_AND_GK, "GlobalSecondaryIndexes": [index_on_gk("standing")]},
}


# Items and the values they stand for


def item_of(name: str, value: int) -> Item:
    parts = {part: {"N": str(value)} for part in PARTS}
    return {"pk": {"S": name}, "gk": {"S": f"g{value % 7}"}, **parts}


def value_of(item: Item) -> Value:
    """The value of an item made by `item_of`; a text that matches no value if it is not whole."""
    values = {item[part]["N"] for part in PARTS if part in item}
    return int(values.pop()) if len(values) == 1 and all(part in item for part in PARTS) else f"torn: {item}"


def registers_of(table: str, items: Iterable[Item]) -> dict[Register, Value]:
    """What the items of a table say of its registers."""
    found: dict[Register, Value] = {}
    groups: dict[str, list[Value]] = defaultdict(list)
    for item in items:
        name = item["pk"]["S"]
        if table == "counters":
            clients = (attribute for attribute in item if attribute.startswith("client"))
            found |= {Register(table, f"{name} {client}"): int(item[client]["N"]) for client in clients}
        elif table in JOINED:
            groups[name.partition("/")[0]].append((int(item["v"]["N"]), int(item["n"]["N"])))
        elif not table.startswith("bank"):
            found[Register(table, name)] = value_of(item)
    for name, values in groups.items():
        whole = len(set(values)) == 1 and len(values) == (GROUP_ITEMS if name.startswith("within") else 1)
        found[Register(table, name)] = values[0] if whole else f"torn: {values}"
    return found


def broken_invariants(tables: Mapping[str, list[Item]]) -> list[str]:
    """What all clients write together: whether money, counts and transactions over tables add up."""
    wrong = []
    balance = sum(int(item["balance"]["N"]) for table in ("bank1", "bank2") for item in tables[table])
    if balance != TOTAL_BALANCE:
        wrong.append(f"the accounts hold {balance}, not {TOTAL_BALANCE}")
    for item in tables["counters"]:
        counts = {name: int(value["N"]) for name, value in item.items() if "N" in value}
        if counts.pop("total") != sum(counts.values()):
            wrong.append(f"the counter's total is not the sum of its clients' counts: {item}")
    over = [
        {item["pk"]["S"]: item["v"] for item in tables[table] if item["pk"]["S"].startswith("over")}
        for table in JOINED
    ]
    if any(each != over[0] for each in over):
        wrong.append(f"transactions over tables are not whole: {over}")
    return wrong


# Steps


def put(session: Session) -> None:
    """Put, update or delete one item."""
    table = session.random.choice(PUT_TABLES)
    name = f"put-{session.number}-{session.random.randrange(OWN_ITEMS)}"
    kind = session.random.random()
    value = session.value()
    key = {"TableName": table, "Key": {"pk": {"S": name}}}
    if kind < 0.15:
        with session.worlds.writing({Register(table, name): becomes(None)}):
            session.client.call("DeleteItem", **key)
        return
    with session.worlds.writing({Register(table, name): becomes(value)}):
        if kind < 0.4:
            update = ", ".join(f"{part} = :v" for part in PARTS)
            values = {":v": {"N": str(value)}, ":gk": {"S": f"g{value % 7}"}}
            update = f"SET gk = :gk, {update}"
            session.client.call(
                "UpdateItem", **key, UpdateExpression=update, ExpressionAttributeValues=values
            )
        else:
            session.client.call("PutItem", TableName=table, Item=item_of(name, value))
    if table == "streamed":
        session.ledger.streamed.append((name, value))


def batch(session: Session) -> None:
    """Put and delete items of two tables; each is a write of its own."""
    requests: dict[str, list[dict[str, Any]]] = {"plain": [], "streamed": []}
    changes: dict[Register, Change] = {}
    streamed = []
    for number in range(BATCH_ITEMS):
        table, name = session.random.choice(list(requests)), f"batch-{session.number}-{number}"
        value = None if session.random.random() < 0.2 else session.value()
        changes[Register(table, name)] = becomes(value)
        if value is None:
            requests[table].append({"DeleteRequest": {"Key": {"pk": {"S": name}}}})
            continue
        requests[table].append({"PutRequest": {"Item": item_of(name, value)}})
        if table == "streamed":
            streamed.append((name, value))
    with session.worlds.writing(changes):
        wanted = {table: each for table, each in requests.items() if each}
        answer = session.client.call("BatchWriteItem", RequestItems=wanted)
        if answer["UnprocessedItems"]:
            raise AssertionError(f"a batch was not done: {answer}")
    session.ledger.streamed += streamed


def transact_within(session: Session) -> None:
    """Write a group of items of one table."""
    name = f"within-{session.number}"
    items = [("one", f"{name}/{number}") for number in range(GROUP_ITEMS)]
    _transact(session, items, [Register("one", name)])


def transact_over(session: Session) -> None:
    """Write an item in each of several tables."""
    name = f"over-{session.number}"
    _transact(session, [(table, name) for table in JOINED], [Register(table, name) for table in JOINED])


def _transact(session: Session, items: list[tuple[str, str]], registers: list[Register]) -> None:
    """Set one value and count by one in all the items, which stand for the registers."""
    value = session.value()
    values = {":v": {"N": str(value)}, ":gk": {"S": f"g{value % 7}"}, ":one": {"N": "1"}}
    update = {"UpdateExpression": "SET v = :v, gk = :gk ADD n :one", "ExpressionAttributeValues": values}
    actions = [{"Update": {"TableName": t, "Key": {"pk": {"S": name}}, **update}} for t, name in items]
    parameters: dict[str, Any] = {"TransactItems": actions}
    if session.random.random() < 0.5:
        parameters["ClientRequestToken"] = f"token-{value}"

    def once(old: Any) -> Value:
        """Sent again, a transaction with a token changes nothing more."""
        return old if old and old[0] == value else (value, (old[1] if old else 0) + 1)

    changes: dict[Register, Change] = dict.fromkeys(registers, once)
    loads = session.worlds.loads
    try:
        _send(session, parameters, changes)
    except Unanswered:
        if "ClientRequestToken" in parameters:
            session.ledger.resends.append(Resend(parameters, changes, loads))
        raise
    if "ClientRequestToken" in parameters and session.random.random() < 0.3:
        _send(session, parameters, changes)


def _send(session: Session, parameters: dict[str, Any], changes: dict[Register, Change]) -> None:
    with session.worlds.writing(changes):
        session.client.call("TransactWriteItems", **parameters)


def send_again(session: Session) -> None:
    """After a restart: what had a token and no answer is done once, whether it had been done or not."""
    while session.ledger.resends:
        resend = session.ledger.resends.pop()
        if resend.loads == session.worlds.loads:
            _send(session, resend.parameters, resend.changes)
            session.ledger.requests["sent again"] += 1


def transfer(session: Session) -> None:
    """Move money from one account to another, most often of another table."""
    source, target = session.random.sample(ACCOUNTS, 2)
    amount = session.random.randint(1, 30)

    def action(account: tuple[str, str], change: int) -> dict[str, Any]:
        update: dict[str, Any] = {
            "TableName": account[0],
            "Key": {"pk": {"S": account[1]}},
            "UpdateExpression": "ADD balance :change",
            "ExpressionAttributeValues": {":change": {"N": str(change)}},
        }
        if change < 0:
            update["ConditionExpression"] = "balance >= :amount"
            update["ExpressionAttributeValues"][":amount"] = {"N": str(amount)}
        return {"Update": update}

    session.client.call("TransactWriteItems", TransactItems=[action(source, -amount), action(target, amount)])


def audit(session: Session) -> None:
    """Read all accounts in one transaction: no money is on its way."""
    gets = [{"Get": {"TableName": table, "Key": {"pk": {"S": name}}}} for table, name in ACCOUNTS]
    responses = session.client.call("TransactGetItems", TransactItems=gets)["Responses"]
    balance = sum(int(each["Item"]["balance"]["N"]) for each in responses)
    if balance != TOTAL_BALANCE:
        raise AssertionError(f"a transaction read {balance} in all accounts, not {TOTAL_BALANCE}")


def count(session: Session) -> None:
    """Count in an item that all clients count in: for oneself and for all."""
    name, own = f"count-{session.random.randrange(COUNTERS)}", f"client{session.number}"
    register = Register("counters", f"{name} {own}")

    def one_more(old: Any) -> Value:
        return (old or 0) + 1

    with session.worlds.writing({register: one_more}):
        session.client.call(
            "UpdateItem",
            TableName="counters",
            Key={"pk": {"S": name}},
            UpdateExpression=f"ADD {own} :one, #total :one",
            ExpressionAttributeNames={"#total": "total"},
            ExpressionAttributeValues={":one": {"N": "1"}},
        )


def expire(session: Session) -> None:
    """Put an item that expires soon; it may be given more time before that, and then must stay."""
    name = f"expiring-{session.number}-{session.random.randrange(OWN_ITEMS)}"
    register = Register("expiring", name)
    session.worlds.fleeting.add(register)
    put_expiring(session, register, BRIEF_SECONDS)
    if session.random.random() < 0.5:
        time.sleep(session.random.uniform(0, BRIEF_SECONDS))
        put_expiring(session, register, 100_000)
        session.worlds.fleeting.discard(register)


def put_expiring(session: Session, register: Register, seconds: float) -> None:
    value = session.value()
    item = {**item_of(register.name, value), "expires": {"N": str(int(time.time() + seconds))}}
    with session.worlds.writing({register: becomes(value)}):
        session.client.call("PutItem", TableName="expiring", Item=item)


# How many clients do what.
STEPS: list[tuple[Callable[[Session], None], int]] = [
    (put, 3),
    (batch, 1),
    (transact_within, 1),
    (transact_over, 2),
    (transfer, 2),
    (audit, 1),
    (count, 2),
    (expire, 1),
]
