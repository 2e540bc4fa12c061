"""Draw docs/terminal.svg, the README's picture: `python packaging/generate_picture.py`, on Linux or macOS.

The commands are run on a terminal, with a server and a home of their own, and what they print is drawn. Only the home and
the port, which are of the moment, are written as a user has them.
"""

from __future__ import annotations

import os
import pty
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

PICTURE = Path(__file__).resolve().parent.parent / "docs" / "terminal.svg"
COMMANDS = (
    "alt start",
    "alt tables create Music --hash Artist:S --range Song:S",
    """alt items put Music '{"Artist": "Acme", "Song": "Happy Day", "Year": 1999}' --plain""",
    """alt items put Music '{"Artist": "Acme", "Song": "Rainy Night", "Year": 2003}' --plain""",
    "alt items query Music Artist=Acme",
    "alt tables ls",
)
COLUMNS = 90
ALT = (sys.executable, "-m", "alt.cli")
SHOWN_HOME, SHOWN_PORT = "/home/you", "8000"
READY = b"AWS_ENDPOINT_URL_DYNAMODB="
# rich has browsers fetch a font; the picture is to fetch nothing.
_FETCHED_FONT = re.compile(r"\s*@font-face \{.*?\}", re.DOTALL)


def _begin(command: str, environment: dict[str, str]) -> tuple[subprocess.Popen[bytes], int]:
    """Run a command on a terminal, of which the other end is returned."""
    ours, theirs = pty.openpty()
    words = [*ALT, *shlex.split(command)[1:]]
    process = subprocess.Popen(words, stdin=theirs, stdout=theirs, stderr=theirs, env=environment)
    os.close(theirs)
    return process, ours


def _read(terminal: int, until: bytes | None = None) -> str:
    """What is printed until the program ends, or until the line that begins so."""
    printed = b""
    # At the end of the process Linux says EIO, others give nothing.
    try:
        while chunk := os.read(terminal, 65_536):
            printed += chunk
            if until is not None and until in printed and printed.endswith(b"\n"):
                break
    except OSError:
        pass
    return printed.decode().replace("\r\n", "\n")


def scene() -> str:
    """The commands behind their prompts, each with what it printed."""
    with tempfile.TemporaryDirectory() as home:
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("ALT_", "AWS_", "XDG_"))
        }
        environment = {**kept, "HOME": home, "COLUMNS": str(COLUMNS), "TERM": "xterm-256color", "TZ": "UTC"}
        server, terminal = _begin(COMMANDS[0], {**environment, "ALT_PORT": "0"})
        shown = [f"$ {COMMANDS[0]} &", _read(terminal, until=READY).rstrip("\n")]
        for command in COMMANDS[1:]:
            process, its_terminal = _begin(command, environment)
            shown += [f"$ {command}", _read(its_terminal).rstrip("\n")]
            os.close(its_terminal)
            if process.wait() != 0:
                raise RuntimeError(f"{command}: {shown[-1]}")
        server.terminate()
        server.wait()
        os.close(terminal)
        text = re.sub(r"127\.0\.0\.1:\d+", f"127.0.0.1:{SHOWN_PORT}", "\n".join(shown))
        return text.replace(home, SHOWN_HOME)


def main() -> None:
    with open(os.devnull, "w") as nowhere:
        console = Console(record=True, width=COLUMNS, file=nowhere, force_terminal=True)
        console.print(Text.from_ansi(scene()))
        picture = console.export_svg(title="alt", unique_id="alt")
    PICTURE.write_text(_FETCHED_FONT.sub("", picture), "utf-8")


if __name__ == "__main__":
    main()
