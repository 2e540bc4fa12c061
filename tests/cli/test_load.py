"""`alt load` and `alt dump`: every format, pipes, duplicates, and what is not taken."""

from __future__ import annotations

import base64
import gzip
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from alt.cli.transfer import batch_writer

Run = Callable[..., Any]

TABLE = {
    "AttributeDefinitions": [
        {"AttributeName": "pk", "AttributeType": "S"},
        {"AttributeName": "n", "AttributeType": "N"},
    ],
    "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "n", "KeyType": "RANGE"}],
}
# Of every type, and whatever is hard to write in some format.
ITEMS: list[dict[str, Any]] = [
    {
        "pk": {"S": 'a,"b"'},
        "n": {"N": "1234567890123456789012345678901234567.8"},
        "text": {"S": "two\n\nlines\r and é\u2028😀"},
        "raw": {"B": "AAE="},
        "texts": {"SS": ["a", "b"]},
        "numbers": {"NS": ["1", "2.5"]},
        "raws": {"BS": ["AA==", "AQ=="]},
        "list": {"L": [{"N": "1"}, {"S": ""}, {"NULL": True}]},
        "map": {"M": {"$B": {"S": "x"}}},
        "flag": {"BOOL": True},
        "mixed": {"S": "x"},
        "empty": {"S": ""},
    },
    {"pk": {"S": "b"}, "n": {"N": "-0.5"}, "mixed": {"N": "1"}, "flag": {"BOOL": False}},
    {"pk": {"S": "c"}, "n": {"N": "0"}},
]


def _sorted(items: list[Any]) -> list[str]:
    return sorted(json.dumps(item, sort_keys=True) for item in items)


def _stored(ask: Any) -> list[str]:
    return _sorted(ask("Scan", TableName="New")["Items"])


def _lines(*items: Any) -> bytes:
    return b"".join(json.dumps(item).encode() + b"\n" for item in items)


@pytest.fixture
def tables(alt_server: Any, ask: Any) -> Any:
    """Ask a server with Tab, which has the items, and New, which has none."""
    alt_server.seed({"Tab": TABLE, "New": TABLE})
    for item in ITEMS:
        ask("PutItem", TableName="Tab", Item=item)
    return ask


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("items.jsonl", []),
        ("items.jsonl.gz", []),
        ("items.jsonl", ["--plain"]),
        ("items.csv", ["--format", "csv"]),
        ("items.csv.gz", ["--format", "csv"]),
        ("folder", ["--format", "aws"]),
    ],
)
def test_what_is_dumped_is_loaded_equal(
    alt_here: Run, tables: Any, tmp_path: Path, name: str, options: list[str]
) -> None:
    file = tmp_path / name
    dumped = alt_here("dump", "Tab", file, *options, "--json")
    assert (dumped.status, dumped.err) == (0, "")
    told = json.loads(dumped.out)
    assert told["dumped"] == 3
    types = ["--types", told["types"]] if "csv" in options else []
    loaded = alt_here("load", "New", file, *options, *types)
    assert (loaded.status, loaded.out) == (0, "Loaded 3 of 3 items into New.\n")
    assert _stored(tables) == _sorted(ITEMS)
    assert not list(tmp_path.glob("*.rejects"))
    assert not list(tmp_path.rglob("*.part"))
    if name.endswith(".gz"):
        assert gzip.decompress(file.read_bytes()).count(b"\n") >= 3


@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_pipes(alt_here: Run, tables: Any, form: str) -> None:
    dumped = alt_here("dump", "Tab", "-", "--format", form)
    assert dumped.err.startswith("Dumped 3 items of Tab.\n")
    types = dumped.err.partition("--types ")[2].strip().strip("'")
    options = ["--types", types] if types else []
    assert alt_here("load", "New", "-", "--format", form, *options, stdin=dumped.out.encode()).status == 0
    assert _stored(tables) == _sorted(ITEMS)


def test_of_duplicates_the_last_wins(alt_here: Run, tables: Any) -> None:
    """Within a batch and beyond, and whatever way a number is written."""
    many = [
        {"pk": {"S": str(number % 7)}, "n": {"N": ["1", "1.0", "1e0"][number % 3]}, "v": {"N": str(number)}}
        for number in range(500)
    ]
    loaded = alt_here("load", "New", "-", stdin=_lines(*many))
    assert loaded.out == "Loaded 500 of 500 items into New.\n"
    found = tables("Scan", TableName="New")["Items"]
    assert sorted(int(item["v"]["N"]) for item in found) == list(range(493, 500))


def test_bad_lines_go_to_the_rejects(alt_here: Run, tables: Any, tmp_path: Path) -> None:
    good = {"pk": {"S": "x"}, "n": {"N": "1"}}
    lines = [
        b"\xef\xbb\xbf" + _lines(good),
        b"\n",
        b"{nonsense\n",
        b'{"pk": "plain"}\r\n',
        _lines({"pk": {"S": "y"}}),
        _lines({"pk": {"S": "big"}, "n": {"N": "1"}, "v": {"S": "x" * 500_000}}),
        _lines({"pk": {"S": ""}, "n": {"N": "1"}}),
        b'{"pk": {"S": "\xff"}, "n": {"N": "1"}}\n',
        _lines({"pk": {"S": "z"}, "n": {"N": "nonsense"}}),
        _lines({"pk": {"S": "huge"}, "n": {"N": "1"}, "v": {"S": "x" * 17_000_000}}),
        rb'{"pk": {"S": "\ud800"}, "n": {"N": "1"}}' + b"\n",
        b'{"pk": {"S": "\xed\xa0\x80"}, "n": {"N": "1"}}\n',
        json.dumps({"pk": {"S": "last"}, "n": {"N": "1"}}).encode(),
    ]
    file, rejects = tmp_path / "lines", tmp_path / "bad"
    file.write_bytes(b"".join(lines))
    loaded = alt_here("load", "New", file, "--rejects", rejects)
    assert loaded.status == 1
    assert loaded.out == "Loaded 2 of 12 items into New.\n"
    assert loaded.err.splitlines()[-1] == f"Error: 10 lines were not taken: {rejects} has them and why"
    rejected = sorted(map(json.loads, rejects.read_text().splitlines()), key=lambda each: each["line"])
    assert [each["line"] for each in rejected] == [*range(3, 13)]
    for each in rejected:
        raw = base64.b64decode(each["base64"]) if "base64" in each else each["text"].encode()
        assert raw == lines[each["line"] - 1].rstrip(b"\r\n")
    reasons = [each["reason"] for each in rejected]
    assert reasons[1] == '"pk" is no value like {"S": "text"}: --plain takes JSON\'s own types'
    assert reasons[2] == "the key attribute n, of type N, is missing"
    assert "Item size has exceeded the maximum allowed size" in reasons[3]
    assert "empty string value" in reasons[4]
    assert "nonsense" in reasons[6]
    assert reasons[7].startswith("the request is larger than the 16,777,216 bytes")
    assert reasons[8:] == ["no UTF-8 text: half a surrogate pair"] * 2
    assert f"line 5: {reasons[2]}" in loaded.err.splitlines()
    assert _stored(tables) == _sorted([good, {"pk": {"S": "last"}, "n": {"N": "1"}}])


def test_a_duplicate_that_is_refused_leaves_the_one_before(
    alt_here: Run, tables: Any, tmp_path: Path
) -> None:
    good = {"pk": {"S": "x"}, "n": {"N": "1"}, "v": {"N": "1"}}
    loaded = alt_here(
        "load",
        "New",
        "-",
        "--rejects",
        tmp_path / "bad",
        stdin=_lines(good, {**good, "v": {"S": "x" * 500_000}}),
    )
    assert loaded.status == 1
    assert _stored(tables) == _sorted([good])


def test_where_the_rejects_are_if_nothing_is_said(
    alt_here: Run, tables: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "items").write_text("nonsense\n")
    told = json.loads(alt_here("load", "New", "items", "--json").out)
    assert told == {"loaded": 0, "rejected": 1, "rejects": "items.rejects"}
    assert alt_here("load", "New", "-", stdin="nonsense").status == 1
    assert (tmp_path / "New.rejects").read_text() == (tmp_path / "items.rejects").read_text()
    assert alt_here("load", "New", "items").status == 1
    assert len((tmp_path / "items.rejects").read_text().splitlines()) == 2
    over_itself = alt_here("load", "New", "items", "--rejects", "items")
    assert (over_itself.status, (tmp_path / "items").read_text()) == (2, "nonsense\n")
    assert _stored(tables) == []


def test_csv_types_and_lines(alt_here: Run, tables: Any, tmp_path: Path) -> None:
    text = (
        "pk,n,when,flag,tags,note\r\n"
        'a,1,5,true,"{""$SS"": [""x""]}","two\nlines"\r\n'
        "b,2,,,,\n"
        "\n"
        "c,3\n"
        "d,4,5,yes,,\n"
        'e,5,5,true,"1,""x"":2",\n'
        "f,many,,,,\n"
        'g,6,,,,"unended\n'
    )
    rejects = tmp_path / "bad"
    options = ["--format", "csv", "--types", "when=N,flag=BOOL,tags=JSON", "--rejects", rejects]
    loaded = alt_here("load", "New", "-", *options, stdin=text)
    assert loaded.out == "Loaded 2 of 7 items into New.\n"
    rejected = sorted(map(json.loads, rejects.read_text().splitlines()), key=lambda each: each["line"])
    assert [(each["line"], each["text"]) for each in rejected] == [
        (6, "c,3"),
        (7, "d,4,5,yes,,"),
        (8, 'e,5,5,true,"1,""x"":2",'),
        (9, "f,many,,,,"),
        (10, 'g,6,,,,"unended'),
    ]
    assert [each["reason"].partition(":")[0] for each in rejected[:3]] == [
        "2 cells where the first line names 6",
        "flag",
        "tags",
    ]
    assert _stored(tables) == _sorted(
        [
            {
                "pk": {"S": "a"},
                "n": {"N": "1"},
                "when": {"N": "5"},
                "flag": {"BOOL": True},
                "tags": {"SS": ["x"]},
                "note": {"S": "two\nlines"},
            },
            {"pk": {"S": "b"}, "n": {"N": "2"}},
        ]
    )


@pytest.mark.parametrize(
    ("arguments", "text", "message"),
    [
        (["Absent", "-"], "", "Requested resource not found: Table: Absent not found"),
        (["New", "nowhere"], "", "cannot read nowhere: No such file or directory"),
        (["New", "-", "--format", "csv"], "pk\n", "-: its first line names the attributes, and n, "),
        (["New", "-", "--format", "csv"], "pk,n,n\n", "-: its first line names n twice"),
        (["New", "-", "--format", "csv", "--types", "x=N"], "pk,n\n", "- has no column x for --types"),
        (["New", "-", "--format", "csv", "--types", "x=Q"], "", "Invalid value for '--types': x=Q is no"),
        (["New", "-", "--types", "x=N"], "", "--types is about --format csv."),
        (["New", "-", "--format", "aws"], "", "--format aws takes a folder"),
        (["New", "nowhere", "--format", "aws"], "", "nowhere has no manifest-summary.json"),
    ],
)
@pytest.mark.usefixtures("tables")
def test_what_cannot_be_loaded(alt_here: Run, arguments: list[str], text: str, message: str) -> None:
    refused = alt_here("load", *arguments, stdin=text)
    assert (refused.status != 0, refused.out) == (True, "")
    assert refused.err.splitlines()[-1].startswith(f"Error: {message}")


@pytest.mark.usefixtures("tables")
@pytest.mark.parametrize("fault", ["cut", "damaged", "not compressed"])
def test_a_compressed_file_that_is_not_whole(alt_here: Run, tmp_path: Path, fault: str) -> None:
    file = tmp_path / "items.gz"
    whole = gzip.compress(_lines(*ITEMS) * 1_000)
    middle = len(whole) // 2
    broken = {
        "cut": whole[:-20],
        "damaged": whole[:middle] + b"\xff" * 20 + whole[middle:],
        "not compressed": b"{}\n",
    }
    file.write_bytes(broken[fault])
    refused = alt_here("load", "New", file)
    assert refused.status == 1
    assert refused.err.splitlines()[-1].startswith(f"Error: cannot read {file} beyond line ")


class _Stingy(BaseHTTPRequestHandler):
    """A server that takes two items of a batch, and is throttled at first."""

    protocol_version = "HTTP/1.1"
    taken: list[Any]
    refusals: list[str]

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        status, answer = 200, {}
        if self.headers["X-Amz-Target"].endswith("DescribeTable"):
            answer = {"Table": {"TableName": "New", **TABLE}}
        elif self.refusals:
            status, answer = 400, {"__type": f"x#{self.refusals.pop()}", "message": "slower"}
        else:
            puts = request["RequestItems"]["New"]
            self.taken += [put["PutRequest"]["Item"]["pk"]["S"] for put in puts[:2]]
            answer = {"UnprocessedItems": {"New": puts[2:]} if puts[2:] else {}}
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: Any) -> None:
        pass


@pytest.fixture
def stingy(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setattr("alt.cli.asking.client.FIRST_PAUSE_SECONDS", 0.001)
    handler = type("Handler", (_Stingy,), {"taken": [], "refusals": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield handler, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_unprocessed_items_and_throttled_requests_are_tried_again(alt_here: Run, stingy: Any) -> None:
    handler, url = stingy
    handler.refusals += ["ProvisionedThroughputExceededException", "ThrottlingException"]
    items = [{"pk": {"S": f"{number:02d}"}, "n": {"N": "1"}} for number in range(60)]
    loaded = alt_here("load", "New", "-", "--endpoint-url", url, stdin=_lines(*items))
    assert (loaded.status, loaded.err) == (0, "")
    assert sorted(handler.taken) == [f"{number:02d}" for number in range(60)]


def test_what_is_no_items_fault_ends_it(alt_here: Run, stingy: Any, tmp_path: Path) -> None:
    handler, url = stingy
    handler.refusals += ["AccessDeniedException"] * batch_writer.CONNECTIONS
    refused = alt_here(
        "load", "New", "-", "--endpoint-url", url, "--rejects", tmp_path / "bad", stdin=_lines(*ITEMS)
    )
    assert refused.status == 1
    assert refused.err.splitlines() == [
        "Stopped after 3 items; to load them again does no harm.",
        "Error: slower: `alt keys create` makes a key that may",
    ]
    assert (tmp_path / "bad").read_text() == ""


def test_without_a_server(alt: Run, with_tables: Any, tmp_path: Path) -> None:
    with_tables.stop()
    assert alt("dump", "Music", tmp_path / "m.csv", "--format", "csv", "--data-dir", tmp_path).status == 0
    loaded = alt(
        "load", "Music", tmp_path / "m.csv", "--format", "csv", "--types", "Year=N", "--data-dir", tmp_path
    )
    assert (loaded.out, loaded.err) == ("Loaded 2 of 2 items into Music.\n", "")


def test_a_file_is_whole_or_as_it_was(alt_here: Run, tmp_path: Path) -> None:
    file = tmp_path / "items"
    file.write_text("before")
    assert alt_here("dump", "Absent", file).status == 1
    assert file.read_text() == "before"
    assert alt_here("dump", "Absent", tmp_path / "no" / "items").status == 1


@pytest.mark.nightly
def test_a_hundred_thousand_items_come_back(alt: Run, start_server: Any, tmp_path: Path) -> None:
    server = start_server("--data-dir", tmp_path / "data")
    server.client().create_table(TableName="Many", BillingMode="PAY_PER_REQUEST", **TABLE)
    lines = [
        json.dumps({"pk": f"user-{number}", "n": number, "v": {"$SS": [str(number), "a"]}})
        for number in range(100_000)
    ]
    (tmp_path / "in.jsonl").write_text("\n".join(lines))
    place = ["--data-dir", tmp_path / "data"]
    loaded = alt("load", "Many", tmp_path / "in.jsonl", "--plain", *place)
    assert loaded.out == "Loaded 100,000 of 100,000 items into Many.\n"
    assert alt("dump", "Many", tmp_path / "out.jsonl.gz", "--plain", *place).status == 0
    dumped = gzip.decompress((tmp_path / "out.jsonl.gz").read_bytes()).splitlines()
    assert _sorted(list(map(json.loads, dumped))) == _sorted(list(map(json.loads, lines)))
