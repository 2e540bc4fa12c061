"""The prompt of `alt sql`, on a terminal as whoever types there has it."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from alt.cli.sql.prompt import Words
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document

from alt.storage.sqlite.data_directory import AlreadyServedError, ServerLock
from tests.cli.conftest import ALT

pty: Any = pytest.importorskip("pty")

_STYLE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Typing:
    """A running `alt sql`: what is typed there, and what it shows."""

    def __init__(self, home: Path, *arguments: str | Path, **environment: str) -> None:
        self._ours, theirs = pty.openpty()
        self._unread = ""
        self.process = subprocess.Popen(
            [*ALT, "sql", *map(str, arguments)],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            env={
                **os.environ,
                "HOME": str(home),
                "TERM": "xterm",
                "COLUMNS": "100",
                "LINES": "30",
                "PROMPT_TOOLKIT_NO_CPR": "1",
                **environment,
            },
        )
        os.close(theirs)

    def type(self, keys: str) -> None:
        os.write(self._ours, keys.encode())

    def until(self, text: str) -> str:
        """What is shown up to `text`, since the last time."""
        end = time.monotonic() + 60
        while text not in self._unread:
            assert time.monotonic() < end, (text, self._unread)
            if select.select([self._ours], [], [], 0.1)[0]:
                self._unread += _STYLE.sub("", os.read(self._ours, 65_536).decode()).replace("\r", "")
        shown, found, self._unread = self._unread.partition(text)
        return shown + found

    def at_prompt(self) -> str:
        return self.until("alt>")

    def status(self) -> int:
        """The exit status, once what is left to show is read."""
        try:
            while os.read(self._ours, 65_536):
                pass
        except OSError:
            pass
        return self.process.wait(timeout=60)

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._ours)


@pytest.fixture
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture
def typing(home: Path) -> Iterator[Callable[..., Typing]]:
    """Start prompts, each with a home of the test's own."""
    running: list[Typing] = []

    def start(*arguments: str | Path, **environment: str) -> Typing:
        running.append(Typing(home, *arguments, **environment))
        running[-1].at_prompt()
        return running[-1]

    yield start
    for each in running:
        each.end()


@pytest.mark.parametrize("is_served", [True, False], ids=["server", "no server"])
def test_a_statement_over_two_lines(typing: Any, with_tables: Any, tmp_path: Path, is_served: bool) -> None:
    if not is_served:
        with_tables.stop()
    prompt = typing("--data-dir", tmp_path)
    prompt.type("SELECT * FROM Music WHERE Song <> ';'\r")
    prompt.until("  ->")
    prompt.type("AND Song = 'one';\r")
    lines = [line.split() for line in prompt.until("1 item\n").splitlines()]
    assert ["Artist", "Song", "Year"] in lines
    assert ["A", "one", "1999"] in lines
    prompt.at_prompt()
    prompt.type("UPDATE Music SET Year = 5 WHERE Artist = 'A' AND Song = 'one'; SELECT * FROM Empty;\r")
    prompt.until("OK\n0 items\n")
    prompt.at_prompt()
    prompt.type("\x04")
    assert prompt.status() == 0


@pytest.mark.usefixtures("with_tables")
def test_commands(typing: Any, tmp_path: Path) -> None:
    prompt = typing("--data-dir", tmp_path)
    prompt.type("\\d\r")
    assert re.search(r"Empty +0 .* ACTIVE", prompt.until("Music"))
    assert re.match(r" +2 .* ACTIVE", prompt.until("ACTIVE"))
    prompt.at_prompt()
    prompt.type("\\d Music\r")
    prompt.until("by-year: Year (N); ALL; 2 items")
    prompt.at_prompt()
    prompt.type("\\?\r")
    prompt.until("lists the tables")
    prompt.at_prompt()
    prompt.type("\\q\r")
    assert prompt.status() == 0


@pytest.mark.usefixtures("with_tables")
def test_a_mistake_is_marked_and_the_prompt_stays(typing: Any, tmp_path: Path) -> None:
    prompt = typing("--data-dir", tmp_path)
    prompt.type("SELECT * FROM Music WHERE foo(x); SELECT * FROM Music;\r")
    prompt.until("Error: Unrecognized function: foo at 1:27:3\n")
    assert prompt.at_prompt() == (
        f"  SELECT * FROM Music WHERE foo(x)\n{' ' * 28}^^^\nalt>"
    )  # and what follows it is not done
    prompt.type("\\x\r")
    prompt.until("Error: \\x is no command: \\? shows those there are\n")
    prompt.at_prompt()


@pytest.mark.usefixtures("with_tables")
def test_what_was_typed_is_kept_for_its_user_alone(typing: Any, home: Path, tmp_path: Path) -> None:
    file = home / ".alt_sql_history"
    file.touch(0o644)
    prompt = typing("--data-dir", tmp_path)
    prompt.type("SELECT * FROM Empty;\r")
    prompt.until("0 items")
    prompt.at_prompt()
    prompt.type("\\q\r")
    assert prompt.status() == 0
    assert file.stat().st_mode & 0o777 == 0o600
    assert "+SELECT * FROM Empty;\n" in file.read_text()
    again = typing("--data-dir", tmp_path)
    again.type("\x1b[A\x1b[A")  # up: what was typed last, and before it
    again.until("SELECT * FROM Empty;")
    again.type("\r")
    again.until("0 items")


@pytest.mark.usefixtures("with_tables")
def test_a_home_where_nothing_can_be_written(typing: Any, tmp_path: Path) -> None:
    prompt = typing("--data-dir", tmp_path, HOME="/dev/null")
    prompt.type("SELECT * FROM Empty;\r")
    prompt.until("0 items")


@pytest.mark.usefixtures("with_tables")
def test_tab_completes(typing: Any, tmp_path: Path) -> None:
    prompt = typing("--data-dir", tmp_path)
    prompt.type("SELECT * FROM Mus\t")
    prompt.until("FROM Music")
    prompt.type(";\r")
    prompt.until("2 items")


def test_a_long_table_goes_through_a_pager(typing: Any, with_tables: Any, tmp_path: Path) -> None:
    paged = tmp_path.parent / f"{tmp_path.name}-paged"
    for number in range(40):
        with_tables.client().put_item(
            TableName="Music", Item={"Artist": {"S": "B"}, "Song": {"S": f"song {number:02}"}}
        )
    prompt = typing("--data-dir", tmp_path, PAGER=f"cat > {paged}")
    prompt.type("SELECT * FROM Music WHERE Artist = 'B';\r")
    assert "song 07" not in prompt.until("40 items")
    assert "song 07" in paged.read_text()
    prompt.at_prompt()
    prompt.type("SELECT * FROM Music WHERE Artist = 'A';\r")
    assert "1999" in prompt.until("2 items")


def test_a_prompt_keeps_no_server_from_starting(
    typing: Any, start_server: Any, with_tables: Any, tmp_path: Path
) -> None:
    with_tables.stop()
    prompt = typing("--data-dir", tmp_path)
    server = start_server("--data-dir", tmp_path)
    prompt.type("INSERT INTO Music VALUE {'Artist': 'B', 'Song': 'x'};\r")
    prompt.until("OK\n")
    assert server.client().scan(TableName="Music")["Count"] == 3
    server.kill()
    prompt.at_prompt()
    prompt.type("SELECT * FROM Music;\r")
    prompt.until("3 items")


class _Slow(BaseHTTPRequestHandler):
    """A DynamoDB whose statements take for ever."""

    asked = threading.Event()
    is_over = threading.Event()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers["X-Amz-Target"].endswith(".ExecuteStatement"):
            self.asked.set()
            self.is_over.wait(60)
        body = json.dumps({"TableNames": []}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: Any) -> None:
        pass


@pytest.fixture
def slow() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Slow)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    _Slow.is_over.set()
    server.shutdown()
    server.server_close()


def test_ctrl_c_stops_what_a_server_is_asked(typing: Any, slow: str) -> None:
    prompt = typing("--endpoint", slow)
    prompt.type("INSERT INTO Music VALUE {'Artist': 'B'}; \\q\r")
    assert _Slow.asked.wait(60)
    prompt.process.send_signal(signal.SIGINT)
    prompt.until("Stopped.\n")
    prompt.at_prompt()
    prompt.type("\\d\r")
    prompt.until("Status")
    prompt.at_prompt()
    prompt.type("SELECT\x03")  # as a key: it takes back what is typed
    prompt.at_prompt()
    prompt.type("\\q\r")
    assert prompt.status() == 0


@pytest.mark.nightly
def test_ctrl_c_stops_a_statement_on_files(typing: Any, with_tables: Any, tmp_path: Path) -> None:
    client = with_tables.client()
    names = {"L": [{"S": "y" * 9}] * 30_000}
    for number in range(40):
        client.put_item(
            TableName="Music", Item={"Artist": {"S": str(number)}, "Song": {"S": "x"}, "l": names}
        )
    with_tables.stop()
    prompt = typing("--data-dir", tmp_path)
    some_seconds = " OR ".join(f"contains(l, 'y{number}')" for number in range(145))
    prompt.type(f"SELECT * FROM Music WHERE {some_seconds};\r")
    while True:  # until it is under way
        try:
            ServerLock(tmp_path).release()
        except AlreadyServedError:
            break
    begun = time.monotonic()
    prompt.process.send_signal(signal.SIGINT)
    prompt.until("Stopped.\n")
    assert time.monotonic() - begun < 20
    prompt.at_prompt()
    prompt.type("SELECT Year FROM Music WHERE Artist = 'A';\r")
    prompt.until("2 items")


@pytest.mark.usefixtures("with_tables")
def test_without_prompt_toolkit(home: Path, tmp_path: Path) -> None:
    """It is said how to install it, and nothing but the prompt needs it."""
    (home / "prompt_toolkit.py").write_text("raise ModuleNotFoundError(name=__name__)")
    program = f"import sys; sys.path.insert(0, {str(home)!r}); from alt.cli import main; main()"
    command = [ALT[0], "-c", program, "sql", "--data-dir", str(tmp_path)]
    ours, theirs = pty.openpty()
    asked = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=subprocess.PIPE, text=True)
    os.close(theirs)
    _, said = asked.communicate(timeout=60)
    os.close(ours)
    assert said == "Error: the prompt needs prompt_toolkit: pip install 'alt-dynamodb[sql]'\n"
    assert asked.returncode == 1
    read = subprocess.run(command, input="SELECT * FROM Music", capture_output=True, text=True, check=True)
    assert read.stdout.startswith("Artist\tSong\tYear\n")


# Completion


@pytest.fixture
def words() -> Words:
    found = Words()
    found.know_tables({"Music", "my-table", "Order"})
    found.know(
        {
            "TableName": "Music",
            "GlobalSecondaryIndexes": [{"IndexName": "by-year"}],
            "AttributeDefinitions": [{"AttributeName": "Artist"}],
        }
    )
    found.know_attributes({"Title": {"S": "x"}, "two words": {"S": "x"}})
    return found


@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("sel", ["SELECT"]),
        ("SELECT * FROM mu", ["Music"]),
        ("SELECT * FROM m", ["Music", '"my-table"', "MISSING", "MODIFIED"]),
        ('SELECT * FROM "m', ['"Music"', '"my-table"']),
        ('SELECT * FROM "Music"."by', ['"by-year"']),
        ("SELECT * FROM ord", ['"Order"', "ORDER"]),
        ("SELECT ti", ["Title"]),
        ("SELECT tw", ['"two words"']),
        ("SELECT Art", ["Artist"]),
        ("SELECT * FROM Music WHERE a = 'mu", []),
        ("SELECT 1 /* mu", []),
        ("\\", ["\\d", "\\q", "\\?"]),
        ("\\d mu", ["Music"]),
        ("\\d a", []),
        ("SELECT \\", []),
    ],
)
def test_what_a_word_is_completed_to(words: Words, typed: str, completed: list[str]) -> None:
    found = list(words.get_completions(Document(typed), CompleteEvent()))
    assert [each.text for each in found] == completed


def test_tables_that_are_gone_are_not_completed(words: Words) -> None:
    words.know_tables({"Other"})
    document = Document("\\d ")
    assert [each.text for each in words.get_completions(document, CompleteEvent())] == ["Other"]
