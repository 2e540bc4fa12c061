"""`alt load --format aws`: exports as AWS makes them, in DynamoDB JSON and in Ion."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]

ION = (
    '$ion_1_0 {Item:{pk:"a",n:6d2,long:1234567890123456789012345678901234567.5,raw:{{AAE=}},'
    'texts:$dynamodb_SS::["x","y"],numbers:$dynamodb_NS::[1.,2.5],raws:$dynamodb_BS::[{{AAE=}}],'
    'list:[1.,"a",null,true],map:{b:false}}}'
)
WIRE = {
    "pk": {"S": "a"},
    "n": {"N": "600"},
    "long": {"N": "1234567890123456789012345678901234567.5"},
    "raw": {"B": "AAE="},
    "texts": {"SS": ["x", "y"]},
    "numbers": {"NS": ["1", "2.5"]},
    "raws": {"BS": ["AAE="]},
    "list": {"L": [{"N": "1"}, {"S": "a"}, {"NULL": True}, {"BOOL": True}]},
    "map": {"M": {"b": {"BOOL": False}}},
}


def _export(folder: Path, form: str, *files: list[str], **summary: Any) -> Path:
    """An export as it is copied from S3, under its prefix and id; one line and its file's name an item."""
    root = folder / "prefix" / "AWSDynamoDB" / "01693685827463-2d8752fd"
    (root / "data").mkdir(parents=True)
    manifest = []
    for number, lines in enumerate(files):
        name = f"file{number}.{'ion' if form == 'ION' else 'json'}.gz"
        raw = gzip.compress("".join(line + "\n" for line in lines).encode())
        (root / "data" / name).write_bytes(raw)
        manifest.append(
            {
                "itemCount": len(lines),
                "md5Checksum": base64.b64encode(hashlib.md5(raw).digest()).decode(),
                "etag": "x",
                "dataFileS3Key": f"prefix/AWSDynamoDB/01693685827463-2d8752fd/data/{name}",
            }
        )
    (root / "manifest-files.json").write_text("\n".join(map(json.dumps, manifest)))
    (root / "manifest-summary.json").write_text(
        json.dumps({"version": "2020-06-30", "outputFormat": form, **summary}, indent=2)
    )
    return root


@pytest.fixture
def table(alt_server: Any, ask: Any) -> Any:
    alt_server.seed({"Tab": {}})
    return ask


def _stored(ask: Any) -> list[Any]:
    found: list[Any] = ask("Scan", TableName="Tab")["Items"]
    return sorted(found, key=lambda item: str(item["pk"]["S"]))


def test_dynamodb_json(alt_here: Run, table: Any, tmp_path: Path) -> None:
    _export(tmp_path, "DYNAMODB_JSON", [json.dumps({"Item": WIRE})], [], ['{"Item":{"pk":{"S":"b"}}}'])
    loaded = alt_here("load", "Tab", tmp_path, "--format", "aws")
    assert (loaded.status, loaded.out) == (0, "Loaded 2 of 2 items into Tab.\n")
    assert _stored(table) == [WIRE, {"pk": {"S": "b"}}]


def test_ion(alt_here: Run, table: Any, tmp_path: Path) -> None:
    root = _export(tmp_path, "ION", [ION, "$ion_1_0 {Item:", "$ion_1_0 5", "$ion_1_0 {Item:{pk:2000-01-01}}"])
    loaded = alt_here("load", "Tab", root, "--format", "aws", "--rejects", tmp_path / "bad")
    assert loaded.out == "Loaded 1 of 4 items into Tab.\n"
    assert _stored(table) == [WIRE]
    rejected = [json.loads(line) for line in (tmp_path / "bad").read_text().splitlines()]
    assert [(each["file"], each["line"]) for each in rejected] == [
        ("data/file0.ion.gz", number) for number in (2, 3, 4)
    ]
    assert rejected[2]["reason"] == "an Ion timestamp is no value of DynamoDB's"


@pytest.mark.usefixtures("table")
def test_ion_without_its_package(alt_here: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "amazon.ion.simpleion", None)
    _export(tmp_path, "ION", [ION])
    refused = alt_here("load", "Tab", tmp_path, "--format", "aws")
    assert (refused.status, refused.err.splitlines()[0]) == (
        1,
        "Error: this export is in Amazon Ion, which needs the amazon.ion package: pip install 'alt-dynamodb[ion]'",
    )


@pytest.mark.usefixtures("table")
def test_exports_that_are_not_whole(alt_here: Run, tmp_path: Path) -> None:
    def refused(folder: Path) -> str:
        result = alt_here("load", "Tab", folder, "--format", "aws")
        assert (result.status, result.out) == (1, "")
        return str(result.err)

    changed = _export(tmp_path / "a", "DYNAMODB_JSON", ['{"Item":{"pk":{"S":"b"}}}'])
    (changed / "data" / "file0.json.gz").write_bytes(gzip.compress(b"{}"))
    assert "is not as it was exported: its MD5 differs; copy it again" in refused(changed)
    (changed / "data" / "file0.json.gz").unlink()
    assert "file0.json.gz is missing, which manifest-files.json names" in refused(changed)
    part = _export(tmp_path / "b", "DYNAMODB_JSON", [], exportType="INCREMENTAL_EXPORT")
    assert "has the changes of some hours only" in refused(part)
    assert "XML is no format of exports" in refused(_export(tmp_path / "c", "XML", []))
    assert "has 3 exports: name one" in refused(tmp_path)


def test_a_dump_is_an_export(alt_here: Run, table: Any, tmp_path: Path) -> None:
    table("PutItem", TableName="Tab", Item=WIRE)
    folder = tmp_path / "export"
    assert alt_here("dump", "Tab", folder, "--format", "aws").status == 0
    summary = json.loads((folder / "manifest-summary.json").read_text())
    assert (summary["itemCount"], summary["outputFormat"]) == (1, "DYNAMODB_JSON")
    (file,) = [json.loads(line) for line in (folder / "manifest-files.json").read_text().splitlines()]
    data = folder / "data" / file["dataFileS3Key"].rpartition("/")[2]
    assert json.loads(gzip.decompress(data.read_bytes())) == {"Item": WIRE}
    again = alt_here("dump", "Tab", folder, "--format", "aws")
    assert again.err == f"Error: {folder} is there already: an export goes to a new or an empty folder\n"
