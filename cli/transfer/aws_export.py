"""AWS's layout of a table's export to S3, as a folder: manifests, and compressed files of items.

    manifest-summary.json    one object about the export, and its checksum in manifest-summary.md5
    manifest-files.json      a line for each file of items, and its checksum in manifest-files.md5
    data/NAME.json.gz        a line for each item: {"Item": {...}}, or NAME.ion.gz in Amazon Ion

See https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/S3DataExport.Output.html.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Any, NamedTuple

import click

from alt.values.json import dumps

from .files import Reading, reading, writing
from .ion_items import read_ion_item, require_ion
from .item_json import parsed, wire_item
from .records import Record, numbered

if TYPE_CHECKING:
    from alt.values.types import Item

    from ..terminal.output import Description

SUMMARY, SUMMARY_SUM = "manifest-summary.json", "manifest-summary.md5"
FILES, FILES_SUM = "manifest-files.json", "manifest-files.md5"
DATA = "data"
VERSION = "2020-06-30"
ITEMS_A_FILE = 250_000
_BLOCK_BYTES = 1024 * 1024


class DataFile(NamedTuple):
    """A file of items, and its MD5 in base64 as the manifest says it; empty if that does not."""

    path: Path
    md5: str


class Export:
    """An export to be read: its files are there, and are what the manifest says they are."""

    def __init__(self, folder: Path) -> None:
        self._folder = _folder(folder)
        summary = _object(self._folder / SUMMARY)
        form = str(summary.get("outputFormat", "DYNAMODB_JSON"))
        if form not in _READERS:
            raise click.ClickException(f"{self._folder}: {form} is no format of exports that Alt reads")
        if summary.get("exportType", "FULL_EXPORT") != "FULL_EXPORT":
            raise click.ClickException(
                f"{self._folder} has the changes of some hours only: load a full export first"
            )
        if form == "ION":
            require_ion()
        self._read = _READERS[form]
        self.files = [self._file(line) for line in _lines(self._folder / FILES)]
        for file in self.files:
            _check(file)
        self.bytes = sum(file.path.stat().st_size for file in self.files)
        self._bytes_before = 0
        self._opened: Reading | None = None

    def records(self) -> Iterator[Record]:
        """Each item."""
        for file in self.files:
            name = f"{DATA}/{file.path.name}"
            with reading(str(file.path)) as self._opened:
                for number, raw in numbered(self._opened.lines, str(file.path)):
                    if not raw.isspace():
                        yield self._record(number, raw, name)
            self._opened = None
            self._bytes_before += file.path.stat().st_size

    def position(self) -> int:
        """How many bytes of all files have been read."""
        return self._bytes_before + (0 if self._opened is None else self._opened.position())

    def _record(self, number: int, raw: bytes, name: str) -> Record:
        try:
            return Record(number, raw, self._read(raw), file=name)
        except ValueError as fault:
            return Record(number, raw, None, str(fault), file=name)

    def _file(self, line: dict[str, Any]) -> DataFile:
        """Beside the manifest, or in the folder that several exports share."""
        name = PurePosixPath(str(line.get("dataFileS3Key"))).name
        for folder in (self._folder / DATA, self._folder.parent / DATA):
            if (folder / name).is_file():
                return DataFile(folder / name, str(line.get("md5Checksum") or ""))
        raise click.ClickException(f"{self._folder / DATA / name} is missing, which {FILES} names")


def _folder(folder: Path) -> Path:
    """The one with the manifest: this, or the only export below it."""
    if (folder / SUMMARY).is_file():
        return folder
    found = sorted(path.parent for path in folder.glob(f"**/{SUMMARY}"))
    if len(found) == 1:
        return found[0]
    there = f"{len(found)} exports: name one, as {found[0]}" if found else f"no {SUMMARY}"
    raise click.ClickException(f"{folder} has {there}")


def _object(path: Path) -> dict[str, Any]:
    read = next(iter(_lines(path)), None)
    if read is None:
        raise click.ClickException(f"{path} is empty")
    return read


def _lines(path: Path) -> list[dict[str, Any]]:
    """JSON objects, one a line; or one over several."""
    try:
        text = path.read_text(encoding="utf-8")
        try:
            return [_as_object(line) for line in text.splitlines() if line.strip()]
        except ValueError:
            return [_as_object(text)]
    except OSError as fault:
        raise click.ClickException(f"cannot read {path}: {fault.strerror}") from None
    except ValueError as fault:
        raise click.ClickException(f"{path} is no manifest: {fault}") from None


def _as_object(text: str) -> dict[str, Any]:
    read = parsed(text, plain=False)
    if not isinstance(read, dict):
        raise ValueError("no JSON object")
    return read


def _check(file: DataFile) -> None:
    with file.path.open("rb") as opened:
        if file.md5 and _md5(opened) != file.md5:
            raise click.ClickException(
                f"{file.path} is not as it was exported: its MD5 differs; copy it again"
            )


def _md5(file: IO[bytes]) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    while block := file.read(_BLOCK_BYTES):
        digest.update(block)
    return base64.b64encode(digest.digest()).decode()


def _json_item(raw: bytes) -> Item:
    read = parsed(raw, plain=False)
    if not isinstance(read, dict) or "Item" not in read:
        raise ValueError('no JSON object with an "Item"')
    return wire_item(read["Item"])


# How outputFormat calls what a line is, and who reads it.
_READERS: dict[str, Callable[[bytes], Item]] = {"DYNAMODB_JSON": _json_item, "ION": read_ion_item}


class ExportWriter:
    """Writes items as an export of a table, into a folder that is made."""

    def __init__(self, folder: Path, table: Description) -> None:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise click.ClickException(
                f"{folder} is there already: an export goes to a new or an empty folder"
            )
        self._folder = folder
        self._table = table
        self._begun = datetime.now(UTC)
        self._id = f"{int(time.time() * 1000):014d}-{secrets.token_hex(4)}"
        self._files: list[dict[str, Any]] = []
        self._items = 0
        try:
            (folder / DATA).mkdir(parents=True)
        except OSError as fault:
            raise click.ClickException(f"cannot make {folder}: {fault.strerror}") from None

    def write(self, items: Iterator[Item]) -> None:
        """All items. The manifests are written last: a folder without them is none of a whole export."""
        is_more = True
        while is_more:
            is_more = self._data_file(items)
        files = "".join(dumps(line) + "\n" for line in self._files)
        self._manifest(FILES, FILES_SUM, files)
        self._manifest(SUMMARY, SUMMARY_SUM, dumps(self._summary()))

    def _data_file(self, items: Iterator[Item]) -> bool:
        """Whether there may be more items than these."""
        name = f"{secrets.token_hex(13)}.json.gz"
        path = self._folder / DATA / name
        count = 0
        with writing(str(path)) as file:
            for item in items:
                file.write(b'{"Item":%s}\n' % dumps(item).encode())
                count += 1
                if count == ITEMS_A_FILE:
                    break
        with path.open("rb") as written:
            md5 = _md5(written)
        etag = base64.b64decode(md5).hex() + "-1"
        key = f"AWSDynamoDB/{self._id}/{DATA}/{name}"
        self._files.append({"itemCount": count, "md5Checksum": md5, "etag": etag, "dataFileS3Key": key})
        self._items += count
        return count == ITEMS_A_FILE

    def _summary(self) -> dict[str, Any]:
        arn = self._table["TableArn"]
        return {
            "version": VERSION,
            "exportArn": f"{arn}/export/{self._id}",
            "startTime": _time(self._begun),
            "endTime": _time(datetime.now(UTC)),
            "tableArn": arn,
            "tableId": self._table.get("TableId"),
            "exportTime": _time(self._begun),
            "s3Bucket": "",
            "s3Prefix": None,
            "s3SseAlgorithm": "AES256",
            "s3SseKmsKeyId": None,
            "manifestFilesS3Key": f"AWSDynamoDB/{self._id}/{FILES}",
            "billedSizeBytes": 0,
            "itemCount": self._items,
            "outputFormat": "DYNAMODB_JSON",
        }

    def _manifest(self, name: str, sum_name: str, text: str) -> None:
        raw = text.encode()
        md5 = base64.b64encode(hashlib.md5(raw, usedforsecurity=False).digest())
        for each, content in ((sum_name, md5), (name, raw)):
            with writing(str(self._folder / each)) as file:
                file.write(content)


def _time(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
