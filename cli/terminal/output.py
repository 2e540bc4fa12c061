"""How commands print: a table on a terminal, tab-separated text in a pipe, JSON when asked."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeVar

import click
import ujson

if TYPE_CHECKING:
    from rich.table import Table

# Those above ASCII, and what turns the direction of writing: names and access keys may hold any.
_CONTROL_CODES = re.compile("[\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")

Command = TypeVar("Command", bound=Callable[..., Any])

# A TableDescription, as DescribeTable answers it; where one table is shown, with its Tags and TimeToLiveDescription.
Description = dict[str, Any]


def json_option(shape: str = "") -> Callable[[Command], Command]:
    """`--json`, a flag `as_json`; `shape` says which API call's answer is printed, where it is one's."""
    like = f", as {shape} answers it" if shape else ""
    return click.option("--json", "as_json", is_flag=True, help=f"Print JSON{like}.")


def is_terminal() -> bool:
    """Whether a person reads what is printed."""
    return sys.stdout.isatty()


class Cell(NamedTuple):
    """A value as a program reads it, and as a person does where that differs."""

    plain: str
    pretty: str | None = None


RIGHT_ALIGNED = frozenset(
    (
        "After",
        "Before",
        "Items",
        "Records",
        "Requests",
        "Shards",
        "Size",
        "Tables",
        "Throttled",
        "Read units",
        "Read units/s",
        "Write units",
        "Write units/s",
    )
)
LIST_HEADINGS = ("Table", "Items", "Size", "Created", "Billing", "Status")


def json(value: Any) -> None:
    json_text(ujson.dumps(value, ensure_ascii=False, escape_forward_slashes=False, indent=2))


def json_text(text: str) -> None:
    """A terminal would obey control codes; JSON can do without them."""
    click.echo(_CONTROL_CODES.sub(lambda found: f"\\u{ord(found[0]):04x}", text))


def table(headings: Sequence[str], rows: Iterable[Sequence[Cell]]) -> None:
    """Rows under their headings, which a pipe does without."""
    if not is_terminal():
        tabbed(rows)
        return
    from rich.console import Console

    Console().print(drawn(headings, rows, RIGHT_ALIGNED))


def tabbed(rows: Iterable[Sequence[Cell]]) -> None:
    for row in rows:
        click.echo("\t".join(printable(cell.plain) for cell in row))


def drawn(headings: Sequence[str], rows: Iterable[Sequence[Cell]], right_aligned: Collection[str]) -> Table:
    """A table for a terminal."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    shown = Table(box=box.SIMPLE_HEAD if headings else None, show_header=bool(headings))
    for heading in headings:
        justify: Literal["right", "left"] = "right" if heading in right_aligned else "left"
        # Text: names are not markup.
        shown.add_column(Text(printable(heading)), justify=justify, overflow="fold")
    for row in rows:
        shown.add_row(*(Text(printable(cell.pretty or cell.plain)) for cell in row))
    return shown


def list_row(description: Description) -> list[Cell]:
    return [
        Cell(description["TableName"]),
        _items(description),
        _size(description),
        time(description["CreationDateTime"]),
        Cell(_billing(description)),
        Cell(description["TableStatus"]),
    ]


def show_rows(description: Description) -> list[list[Cell]]:
    """What to show of one table, a name and its value a row."""
    stream = description.get("StreamSpecification", {}).get("StreamViewType", "off")
    protected = "on" if description["DeletionProtectionEnabled"] else "off"
    table_class = description.get("TableClassSummary", {}).get("TableClass", "STANDARD")
    rows = [
        ("Table", Cell(description["TableName"])),
        ("Status", Cell(description["TableStatus"])),
        ("Created", time(description["CreationDateTime"])),
        ("Items", _items(description)),
        ("Size", _size(description)),
        *((kind, Cell(key)) for kind, key in _keys(description, description)),
        ("Billing", Cell(f"{_billing(description)}{_units(description)}")),
        ("Table class", Cell(table_class)),
        ("Deletion protection", Cell(protected)),
        ("Stream", Cell(stream)),
        ("Time to live", Cell(_time_to_live(description["TimeToLiveDescription"]))),
        *(("Local index", index) for index in _indexes(description, "LocalSecondaryIndexes")),
        *(("Global index", index) for index in _indexes(description, "GlobalSecondaryIndexes")),
        *(("Tag", Cell(f"{tag['Key']} = {tag['Value']}")) for tag in description["Tags"]),
        ("ARN", Cell(description["TableArn"])),
        ("Id", Cell(description["TableId"])),
    ]
    return [[Cell(name), value] for name, value in rows]


def figure(name: str, value: int) -> str:
    """A counted thing in words; bytes in a unit that fits."""
    if name == "bytes":
        return _readable(value)
    return f"{value:,} {name}"


BACKUP_HEADINGS = ("Backup", "Name", "Table", "Size", "Created", "Status")


def backup_row(summary: Description) -> list[Cell]:
    """Of a BackupSummary, as ListBackups answers it."""
    return [
        Cell(summary["BackupArn"].rpartition("/")[2]),
        Cell(summary["BackupName"]),
        Cell(summary["TableName"]),
        size_cell(summary["BackupSizeBytes"]),
        time(summary["BackupCreationDateTime"]),
        Cell(summary["BackupStatus"]),
    ]


SNAPSHOT_HEADINGS = ("Snapshot", "Tables", "Items", "Size", "Created")


def snapshot_row(snapshot: Description) -> list[Cell]:
    return [
        Cell(snapshot["name"]),
        Cell(str(snapshot["tables"])),
        Cell(str(snapshot["items"]), f"{snapshot['items']:,}"),
        size_cell(snapshot["bytes"]),
        time(snapshot["created"]),
    ]


def counted(number: int, noun: str = "item") -> str:
    """How many there are, for a person."""
    return f"1 {noun}" if number == 1 else f"{number:,} {noun}s"


def items_of(description: Description) -> str:
    """How many items a table has, for a person; "its items" if that is not known."""
    return counted(description["ItemCount"]) if "ItemCount" in description else "its items"


def _items(described: Description) -> Cell:
    items = described.get("ItemCount")
    return Cell("") if items is None else Cell(str(items), f"{items:,}")


def _size(described: Description) -> Cell:
    size = described.get("TableSizeBytes")
    return Cell("") if size is None else size_cell(size)


def size_cell(size: int) -> Cell:
    return Cell(str(size), _readable(size))


def _readable(size: float) -> str:
    for unit in ("bytes", "KB", "MB"):
        if size < 1_000:
            return f"{size:,.0f} {unit}" if unit == "bytes" else f"{size:,.1f} {unit}"
        size /= 1_000
    return f"{size:,.1f} GB"


def time(epoch_seconds: float) -> Cell:
    moment = datetime.fromtimestamp(epoch_seconds, UTC)
    plain = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return Cell(plain, moment.astimezone().strftime("%Y-%m-%d %H:%M:%S"))


def _billing(description: Description) -> str:
    mode: str = description.get("BillingModeSummary", {}).get("BillingMode", "PROVISIONED")
    return mode


def _units(described: Description) -> str:
    if _billing(described) != "PROVISIONED":
        return ""
    units = described["ProvisionedThroughput"]
    return f", {units['ReadCapacityUnits']} read and {units['WriteCapacityUnits']} write units"


def _time_to_live(described: dict[str, str]) -> str:
    status = described["TimeToLiveStatus"]
    if status == "DISABLED":
        return "off"
    return described["AttributeName"] if status == "ENABLED" else f"{described['AttributeName']}; {status}"


def _keys(description: Description, keyed: Description) -> list[tuple[str, str]]:
    """The keys of a table or an index: `("Partition key", "artist (S)")`, ..."""
    types = {
        attribute["AttributeName"]: attribute["AttributeType"]
        for attribute in description["AttributeDefinitions"]
    }
    return [
        (
            "Partition key" if key["KeyType"] == "HASH" else "Sort key",
            f"{key['AttributeName']} ({types[key['AttributeName']]})",
        )
        for key in keyed["KeySchema"]
    ]


def _indexes(description: Description, kind: str) -> list[Cell]:
    cells = []
    for index in description.get(kind, ()):
        keys = ", ".join(key for _, key in _keys(description, index))
        projection = index["Projection"]["ProjectionType"]
        parts = [f"{index['IndexName']}: {keys}; {projection}; {index['ItemCount']} items"]
        status = index.get("IndexStatus", "ACTIVE")
        cells.append(Cell("; ".join(parts if status == "ACTIVE" else [*parts, status])))
    return cells


def printable(text: str) -> str:
    """Attribute names may hold tabs, newlines and a terminal's control codes."""
    return text if text.isprintable() else ujson.dumps(text)
