"""What the README and docs/ show is run as it stands there."""

from __future__ import annotations

import contextlib
import os
import random
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from alt.cli import main

from tests.cli.pages import PAGES, Block, Section, sections

SECTIONS = list(sections())
# Output, and what other programs are configured with.
SHOWN = {"", "json", "yaml"}
# A block of these is run where it stands; one that begins with a comment naming a file becomes that file.
RUN = {"sh", "python", "toml"}
# What a test of its own runs.
ELSEWHERE = {
    ("docs/testing.md", "python"): "tests/testing/test_page.py",
    ("docs/partiql.md", "python"): "tests/cli/test_sql.py",
    ("docs/partiql.md", "sh"): "tests/cli/test_sql.py",
}
RUN_SECONDS = 600
# `alt start` returns once the server answers, and ends the server before it.
BEGINNING = """\
set -e
end() { if [ -n "$server" ]; then kill "$server" 2>/dev/null || true; wait "$server" || true; fi; server=; }
alt() {
    if [ "$1" != start ]; then python -m alt.cli "$@"; return; fi
    end
    : >started
    ALT_PORT="$port" python -m alt.cli "$@" >started &
    server=$!
    until grep -q AWS_ENDPOINT_URL_DYNAMODB= started; do kill -0 "$server"; sleep 0.1; done
}
trap 'kill $(jobs -p) 2>/dev/null || true; wait' EXIT
"""
PORTS = ("8000", "8001", "8443", "9100")
# Programs that not every machine has.
PROGRAMS = ("openssl", "sqlite3")


def _is_run(section: Section, block: Block) -> bool:
    return block.language in RUN and block.excuse is None and (section.page, block.language) not in ELSEWHERE


RUNNABLE = [section for section in SECTIONS if any(_is_run(section, block) for block in section.blocks)]


def _free_ports() -> dict[str, str]:
    """For each of PORTS one that nobody is given who asks for any, as clients and other tests do while a section runs."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 4
    candidates = random.sample(range(10_000 + 5_000 * worker, 15_000 + 5_000 * worker), 100)
    free: list[str] = []
    for port in candidates:
        with socket.socket() as bound, contextlib.suppress(OSError):
            bound.bind(("127.0.0.1", port))
            free.append(str(port))
    return dict(zip(PORTS, free, strict=False))


def _command(block: Block, number: int, folder: Path) -> str:
    """What runs a block; programs become files."""
    if block.language == "sh":
        return block.text
    named = re.match(r"# (\w+\.\w+)\b", block.text)
    name = named[1] if named else f"block{number}.py"
    (folder / name).write_text(block.text, "utf-8")
    if named:
        return ""
    tool = "-m pytest -q -p no:cacheprovider -p no:xdist" if "def test_" in block.text else ""
    return f"python {tool} {name}\n"


def _environment(home: Path) -> dict[str, str]:
    """A user's own, with nothing set that Alt or an SDK reads."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("ALT_", "AWS_", "XDG_"))
    }
    # Python and the AWS CLI are found as in an environment that is activated.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**kept, "HOME": str(home), "PATH": path, "AWS_EC2_METADATA_DISABLED": "true"}


@pytest.mark.nightly
@pytest.mark.skipif(sys.platform == "win32", reason="the blocks are written for a POSIX shell")
@pytest.mark.parametrize("section", RUNNABLE, ids=lambda section: f"{section.page}: {section.title}")
def test_the_blocks_of_a_section_run_in_a_home_of_their_own(section: Section, tmp_path: Path) -> None:
    ran = [block for block in section.blocks if _is_run(section, block)]
    ports = _free_ports()
    on_free_ports = [
        Block(block.language, re.sub("|".join(ports), lambda found: ports[found[0]], block.text))
        for block in ran
    ]
    commands = [_command(block, number, tmp_path) for number, block in enumerate(on_free_ports)]
    script = "".join((f"port={ports['8000']}\n", BEGINNING, *commands))
    for program in PROGRAMS:
        if f"{program} " in script and shutil.which(program) is None:
            pytest.skip(f"{program} is not there")
    _run(script, tmp_path)


def _run(script: str, home: Path) -> None:
    """Run a script to its end, and nothing of it longer than RUN_SECONDS."""
    with subprocess.Popen(
        ["bash", "-c", script],
        cwd=home,
        env=_environment(home),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as shell:
        try:
            printed, _ = shell.communicate(timeout=RUN_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(shell.pid, signal.SIGKILL)
            raise
    assert shell.returncode == 0, printed


def test_every_block_is_run_or_says_why_not() -> None:
    for section in SECTIONS:
        for block in section.blocks:
            place = (section.page, section.title, block.text)
            assert block.excuse or block.language in SHOWN | RUN, place


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)]+)\)", page.read_text("utf-8")):
        name, _, anchor = link.partition("#")
        target = page.parent / name if name else page
        assert target.exists(), link
        if anchor:
            headings = re.findall(r"^#+ (.*)$", target.read_text("utf-8"), re.MULTILINE)
            assert anchor in {heading.lower().replace(" ", "-") for heading in headings}, link


def _commands() -> Iterator[tuple[str, list[str]]]:
    """Each command of Alt's in the pages, those that are not run, too, with its words."""
    for section in SECTIONS:
        for block in section.blocks:
            if block.language == "sh":
                for line in block.text.replace("\\\n", " ").splitlines():
                    yield from ((section.page, words) for words in _commands_of(line))


def _commands_of(line: str) -> Iterator[list[str]]:
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    words: list[str] = []
    for word in [*lexer, ";"]:
        if set(word) <= set("();<>|&"):
            if words[:1] == ["alt"]:
                yield words
            words = []
        else:
            words.append(word)


@pytest.mark.parametrize(("page", "words"), list(_commands()))
def test_a_command_and_its_options_are_known(page: str, words: list[str]) -> None:
    command: click.Command = main
    context = click.Context(main, info_name="alt")
    rest = words[1:]
    while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        found = command.get_command(context, rest.pop(0))
        assert found is not None, (page, words)
        command, context = found, click.Context(found, context)
    command.make_parser(context).parse_args(rest)
