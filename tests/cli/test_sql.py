"""`alt sql` without a prompt: on a data directory, on a server, from the command line, files and pipes."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import ALT

Run = Callable[..., Any]
PAGE = Path(__file__).parents[2] / "docs" / "partiql.md"
ALL = "SELECT * FROM Music"
ONE_AND_TWO = [["Artist", "Song", "Year"], ["A", "one", "1999"], ["A", "two", "1999"]]


@pytest.fixture(params=["server", pytest.param("no server", marks=pytest.mark.nightly)])
def sql(request: Any, alt: Run, with_tables: Any, tmp_path: Path) -> Run:
    """`alt sql` on the directory of `with_tables`, while its server runs and after."""
    if request.param == "no server":
        with_tables.stop()

    def run(*arguments: str | Path, **options: str) -> Any:
        return alt("sql", "--data-dir", tmp_path, *arguments, **options)

    return run


@pytest.fixture
def items(with_tables: Any, start_server: Any, tmp_path: Path) -> Callable[[], list[Any]]:
    """What a server says that Music holds."""

    def read() -> list[Any]:
        server = with_tables if with_tables.process.poll() is None else start_server("--data-dir", tmp_path)
        found: list[Any] = server.client().scan(TableName="Music")["Items"]
        return found

    return read


def test_reads(sql: Run) -> None:
    read = sql("-c", ALL)
    assert (read.status, read.rows, read.err) == (0, ONE_AND_TWO, "")


def test_writes(sql: Run, items: Any) -> None:
    wrote = sql(
        "-c",
        "INSERT INTO Music VALUE {'Artist': 'B', 'Song': 'x', 'tags': <<'b', 'a'>>};"
        "DELETE FROM Music WHERE Artist = 'A' AND Song = 'one'",
        "-c",
        "UPDATE Music SET Year = 2000 WHERE Artist = 'A' AND Song = 'two' RETURNING ALL NEW *",
    )
    assert (wrote.status, wrote.err) == (0, "")
    assert wrote.rows == [["OK"], ["OK"], ["Artist", "Song", "Year"], ["A", "two", "2000"]]
    assert {(item["Artist"]["S"], item["Song"]["S"]) for item in items()} == {("A", "two"), ("B", "x")}


def test_a_write_without_a_server_is_there_for_the_next(alt: Run, with_tables: Any, tmp_path: Path) -> None:
    """Nothing is left to be done by who opens the directory next."""
    with_tables.kill()
    statement = "INSERT INTO Music VALUE {'Artist': 'B', 'Song': 'x'}"
    assert alt("sql", "--data-dir", tmp_path, "-c", statement).out == "OK\n"
    assert alt("tables", "check", "Music", "--data-dir", tmp_path).status == 0
    again = alt("sql", "--data-dir", tmp_path, "-c", statement)
    assert (again.status, again.err) == (1, "Error: Duplicate primary key exists in table\n")


def test_key_attributes_come_first(sql: Run) -> None:
    sql("-c", "INSERT INTO Music VALUE {'a': 1, 'Song': 'x', 'Year': 5, 'Artist': 'B'}")
    assert sql("-c", f"{ALL} WHERE Artist = 'B'").rows[0] == ["Artist", "Song", "a", "Year"]
    by_year = sql("-c", 'SELECT * FROM "Music"."by-year" WHERE Year = 5')
    assert by_year.rows == [["Year", "Artist", "Song", "a"], ["5", "B", "x", "1"]]
    assert sql("-c", "SELECT a, Song FROM Music WHERE Artist = 'B'").rows == [["Song", "a"], ["x", "1"]]
    assert sql("-c", f"{ALL} WHERE Artist = 'nobody'").out == ""


def test_json_is_a_line_an_item(sql: Run) -> None:
    item = "{'Artist': 'B', 'Song': 'x', 'n': 1234567890123456789012345678901234567.5e-1, 's': <<2, 10>>}"
    assert sql("--json", "-c", f"INSERT INTO Music VALUE {item}").out == ""
    line = sql("--json", "-c", "SELECT * FROM Music WHERE Artist = 'B'").out
    assert '"n": 123456789012345678901234567890123456.75' in line
    assert json.loads(line)["s"] == [2, 10]
    wire = sql("--dynamodb-json", "-c", "SELECT s, Song FROM Music WHERE Artist = 'B'").out
    assert json.loads(wire) == {"s": {"NS": ["2", "10"]}, "Song": {"S": "x"}}
    assert len(sql("--json", "-c", ALL).out.splitlines()) == 3


def test_csv(sql: Run) -> None:
    sql("-c", "INSERT INTO Music VALUE {'Artist': 'B, C', 'Song': 'say \"x\"\n', 'l': [1, 'a']}")
    rows = list(csv.DictReader(io.StringIO(sql("--csv", "-c", ALL).out)))
    assert {"Artist": "B, C", "Song": 'say "x"\n', "Year": "", "l": "[1, 'a']"} in rows
    assert len(rows) == 3


def test_on_a_terminal(on_terminal: Run, with_tables: Any, tmp_path: Path) -> None:
    """It is told how many items came, and nothing that it would obey."""
    item = {"Artist": {"S": "B"}, "Song": {"S": "\x1b[2J\u202e"}, "Year": {"N": "12"}}
    with_tables.client().put_item(TableName="Music", Item=item)

    def shown(*arguments: str) -> list[str]:
        return [
            line.strip() for line in on_terminal("sql", "--data-dir", tmp_path, *arguments).out.splitlines()
        ]

    lines = shown("-c", ALL)
    assert lines[-1] == "3 items"
    assert lines[1].split() == ["Artist", "Song", "Year"]
    assert 'B        "\\u001b[2J\\u202e"     12' in lines
    assert "A        one                 1999" in lines
    assert shown("-c", f"{ALL} WHERE Artist = 'C'") == ["0 items"]
    assert shown("-c", "DELETE FROM Music WHERE Artist = 'A' AND Song = 'one'") == ["OK"]
    assert "B, [2J ,12" in shown("--csv", "-c", ALL)
    assert '{"Artist": "B", "Song": "\\u001b[2J\\u202e", "Year": 12}' in shown("--json", "-c", ALL)


def test_one_form_at_a_time(alt: Run, tmp_path: Path) -> None:
    both = alt("sql", "--json", "--csv", "-c", ALL, "--data-dir", tmp_path)
    assert (both.status, both.err.splitlines()[-1]) == (2, "Error: one of --json, --dynamodb-json and --csv.")


def test_all_pages_and_limits(alt: Run, with_tables: Any, tmp_path: Path) -> None:
    """Eight items are three pages."""
    for number in range(8):
        with_tables.client().put_item(
            TableName="Music",
            Item={"Artist": {"S": "C"}, "Song": {"S": str(number)}, "t": {"S": "x" * 300_000}},
        )

    def songs(*options: str) -> list[str]:
        read = alt(
            "sql",
            "--data-dir",
            tmp_path,
            "--json",
            "-c",
            "SELECT Song FROM Music WHERE Artist = 'C'",
            *options,
        )
        return [json.loads(line)["Song"] for line in read.out.splitlines()]

    for _ in range(2):
        assert songs() == list("01234567")
        assert songs("--limit", "5") == list("01234")
        assert songs("--limit", "1", "-c", f"{ALL} WHERE Artist = 'A'") == ["0", "one"]
        with_tables.stop()


def test_a_long_message_is_cut(sql: Run) -> None:
    refused = sql(stdin=f"SELECT '{'x' * 10_000}'")
    assert refused.status == 1
    assert refused.err.startswith("Error: line 1: 1 validation error detected: Value 'SELECT ")
    assert refused.err.endswith("length less than or equal to 8192\n")
    assert len(refused.err) < 1_000


def test_a_file_and_a_pipe(sql: Run, tmp_path: Path) -> None:
    script = tmp_path.parent / f"{tmp_path.name}.sql"
    script.write_text(
        "\ufeff-- it's; a remark\nINSERT INTO Music VALUE {'Artist': 'é;', 'Song': 'it''s; so'};\n\n"
        "/* ; */ SELECT Song FROM \"Music\" WHERE Artist = 'é;' ;\n",
        encoding="utf-8",
    )
    shown = [["OK"], ["Song"], ["it's; so"]]
    assert sql(script).rows == shown
    sql("-c", "DELETE FROM Music WHERE Artist = 'é;' AND Song = 'it''s; so'")
    assert sql(stdin=script.read_text(encoding="utf-8")).rows == shown
    assert sql("-", stdin=f"{ALL} WHERE Song = 'one'").rows == ONE_AND_TWO[:2]
    assert sql(stdin="").out == ""


def test_what_is_wrong_is_marked(sql: Run) -> None:
    wrong = sql("-c", "SELECT * FROM Music\n WHERE foo(x)")
    assert (wrong.status, wrong.out) == (1, "")
    assert wrong.err == "Error: Unrecognized function: foo at 2:8:3\n   WHERE foo(x)\n         ^^^\n"
    bare = sql("-c", "SELECT")
    assert bare.err == "Error: Statement wasn't well formed, can't be processed: Unexpected term\n"
    absent = sql("-c", "SELECT * FROM Absent")
    assert absent.err == "Error: Requested resource not found\n"


def test_the_first_failure_ends_a_script(sql: Run) -> None:
    script = f"{ALL} WHERE Song = 'one';\nSELECT;\n\n  {ALL} WHERE foo(x);\n{ALL} WHERE Song = 'two'"
    malformed = "Statement wasn't well formed, can't be processed: Unexpected term"
    stopped = sql(stdin=script)
    assert (stopped.status, stopped.rows) == (1, ONE_AND_TWO[:2])
    assert stopped.err == f"Error: line 2: {malformed}\n"
    went_on = sql("--keep-going", stdin=script)
    assert went_on.status == 1
    assert went_on.rows == [*ONE_AND_TWO[:2], ONE_AND_TWO[0], ONE_AND_TWO[2]]
    assert went_on.err.splitlines()[1].startswith("Error: line 4: Unrecognized function: foo at 1:27:3")
    assert sql("--keep-going", "-c", ALL).status == 0


def test_parameters(sql: Run) -> None:
    read = sql(
        "-c", f"{ALL} WHERE Artist = ? AND Song IN (?, ?)", "-p", "'A'", "-p", "'two'", "-p", "'it''s'"
    )
    assert read.rows == [ONE_AND_TWO[0], ONE_AND_TWO[2]]
    statement = "INSERT INTO Music VALUE {'Artist': ?, 'Song': ?, 'l': ?}"
    assert sql("-c", statement, "-p", "'B'", "-p", "'x'", "-p", "[1, {'a': <<-2>>}]").out == "OK\n"
    shown = json.loads(sql("--dynamodb-json", "-c", f"{ALL} WHERE Artist = 'B'").out)
    assert shown["l"] == {"L": [{"N": "1"}, {"M": {"a": {"NS": ["-2"]}}}]}
    few = sql("-c", f"{ALL} WHERE Artist = ?")
    assert (few.status, few.err) == (1, "Error: Number of parameters in request and statement don't match.\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["-p", "1"], "--parameter is for the one statement of --command."),
        (["-c", "a; b", "-p", "1"], "--parameter is for the one statement of --command."),
        (
            ["-c", "a", "-p", "b c"],
            "b c is no value in PartiQL: write 'text' in quotes, 5, [1, 2], {'a': 1}.",
        ),
        (["-c", "a", str(PAGE)], "--command or FILE, not both."),
        (["-c", "a", "--endpoint", "http://x"], "--endpoint-url or --data-dir, not both."),
    ],
)
def test_arguments_that_do_not_go_together(alt: Run, tmp_path: Path, arguments: list[str], said: str) -> None:
    refused = alt("sql", "--data-dir", tmp_path, *arguments)
    assert (refused.status, refused.err.splitlines()[-1]) == (2, f"Error: {said}")


def test_commands_in_a_script(sql: Run) -> None:
    listed = sql(stdin="\\d\n")
    assert [(row[0], row[1], row[-1]) for row in listed.rows] == [
        ("Empty", "0", "ACTIVE"),
        ("Music", "2", "ACTIVE"),
    ]
    described = dict(sql(stdin="\\d Music;").rows)
    assert described["Partition key"] == "Artist (S)"
    assert described["Global index"] == "by-year: Year (N); ALL; 2 items"
    assert described["Items"] == "2"
    assert [json.loads(line)["TableName"] for line in sql("--json", "-c", "\\d").out.splitlines()] == [
        "Empty",
        "Music",
    ]
    assert json.loads(sql("--json", "-c", '\\d "Music"').out)["Tags"] == []
    assert sql(stdin=f"\\q\n{ALL}").out == ""
    assert "Ctrl-C" in sql(stdin="\\?").out
    unknown = sql(stdin="\\x\n")
    assert (unknown.status, unknown.err) == (
        1,
        "Error: line 1: \\x is no command: \\? shows those there are\n",
    )
    absent = sql(stdin="\\d Absent\n")
    assert absent.err == "Error: line 1: Requested resource not found: Table: Absent not found\n"


def test_what_cannot_be_read(alt: Run, tmp_path: Path) -> None:
    empty = alt("sql", "-c", ALL, "--data-dir", tmp_path)
    assert empty.status == 1
    assert empty.err.startswith(f"Error: no data in {tmp_path}: ")
    script = tmp_path / "latin.sql"
    script.write_bytes(b"SELECT '\xe9'")
    assert alt("sql", script).err == "Error: the statements are no UTF-8 text\n"


def test_a_damaged_table_is_said_in_a_line(alt: Run, with_tables: Any, tmp_path: Path) -> None:
    with_tables.stop()
    (file,) = (tmp_path / "tables").glob("Empty-*.db")
    with file.open("r+b") as opened:
        opened.write(b"no database at all")
    read = alt("sql", "--data-dir", tmp_path, "-c", "SELECT * FROM Empty")
    assert (read.status, read.out) == (1, "")
    assert read.err.splitlines()[-1] == f"Error: cannot use table Empty ({file}): file is not a database"


def test_a_directory_that_another_command_holds(alt: Run, with_tables: Any, tmp_path: Path) -> None:
    from alt.storage.sqlite.data_directory import ServerLock

    with_tables.kill()
    lock = ServerLock(tmp_path)  # and where the killed server listened is said no more
    threading.Timer(1.0, lock.release).start()
    assert alt("sql", "--data-dir", tmp_path, "-c", ALL).rows == ONE_AND_TWO


def test_a_server_that_listens_everywhere(alt: Run, start_server: Any, tmp_path: Path) -> None:
    server = start_server("--data-dir", tmp_path, "--host", "0.0.0.0")
    assert server.url.startswith("http://0.0.0.0:")
    assert alt("sql", "--data-dir", tmp_path, "-c", "\\d").status == 0


def test_any_server(alt: Run, with_tables: Any) -> None:
    read = alt("sql", "--endpoint", with_tables.url, "-c", ALL, AWS_ACCESS_KEY_ID="somebody")
    assert read.rows == ONE_AND_TWO


def test_the_access_key_of_the_environment_asks(alt: Run, with_tables: Any, tmp_path: Path) -> None:
    alt("sql", "--endpoint", with_tables.url, "-c", ALL, AWS_ACCESS_KEY_ID="somebody")
    with_tables.stop()
    used = json.loads(alt("usage", "--json", "--data-dir", tmp_path).out)
    assert "somebody" in json.dumps(used)


class _Foreign(BaseHTTPRequestHandler):
    """A server that is no DynamoDB."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(404)
        self.end_headers()
        self.wfile.write(b"<html>")

    def log_message(self, *_arguments: Any) -> None:
        pass


@pytest.fixture
def foreign() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), _Foreign)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_addresses_where_nobody_answers(alt: Run, foreign: str) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{bound.getsockname()[1]}"
        refused = alt("sql", "--endpoint", url, "--keep-going", "-c", ALL, "-c", ALL)
    assert refused.status == 1
    assert refused.err.startswith(f"Error: cannot reach {url}: ")
    assert len(refused.err.splitlines()) == 1
    for no_url in ("localhost:8000", "ftp://x", "http://", "http://a:b"):
        wrong = alt("sql", "--endpoint", no_url, "-c", ALL)
        assert wrong.err == f"Error: {no_url} is no address of a server: give http://HOST:PORT\n"
    other = alt("sql", "--endpoint", foreign, "-c", ALL)
    assert other.err == f"Error: {foreign} answers as no DynamoDB does (status 404)\n"


@pytest.mark.nightly
def test_the_cars_of_the_page(start_server: Any, tmp_path: Path) -> None:
    server = start_server("--data-dir", tmp_path / "data")
    section = PAGE.read_text(encoding="utf-8")
    (program,) = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    (commands,) = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)
    (mistake,) = re.findall(r"```\n(Error: .*?)```", section, re.DOTALL)
    (tmp_path / "cars.py").write_text(program, encoding="utf-8")
    environment = {
        **os.environ,
        "ALT_DATA_DIR": str(tmp_path / "data"),
        "AWS_ENDPOINT_URL_DYNAMODB": server.url,
        "AWS_ACCESS_KEY_ID": "any",
        "AWS_SECRET_ACCESS_KEY": "any",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    functions = f'python() {{ "{sys.executable}" "$@"; }}\nalt() {{ python -m alt.cli "$@"; }}\n'
    done = subprocess.run(
        ["sh", "-c", functions + commands],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    lines = done.stdout.splitlines()
    assert lines.count("OK") == 403
    assert sorted(lines[403:408]) == sorted(
        [
            "Name,Horsepower",
            "toyota mark ii,122",
            "datsun 280-zx,132",
            "toyota cressida,116",
            "datsun 810 maxima,120",
        ]
    )
    assert json.loads(lines[408])["Miles_per_Gallon"] == 14
    assert len(lines) == 409
    assert done.stderr.splitlines() == [
        f"Error: line {line}: Duplicate primary key exists in table" for line in (182, 350, 391)
    ]
    wrong = subprocess.run(
        [*ALT, "sql", "-c", mistake.splitlines()[1]],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert wrong.stderr == mistake
