"""What the image runs: `alt`, told in its own options or in those of `amazon/dynamodb-local`.

Nothing at all starts a server, and so do options alone (`--memory`); words are a command (`tables ls`). What begins
with one hyphen, or with `-jar`, is of DynamoDB Local, whose options are documented at
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/DynamoDBLocal.UsageNotes.html
"""

from __future__ import annotations

import os
import sys
import urllib.request
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

DEFAULT_PORT = "8000"
HEALTH = "--healthy"
HEALTH_SECONDS = 5.0
# All of the container's network reaches the port, by whatever name; web pages are refused by their Origin all the same.
OPEN = ("--host", "0.0.0.0", "--allowed-host", "*")

_WITH_VALUE = {"-port", "-dbPath", "-cors"}
_FLAGS = {
    "-sharedDb",
    "-inMemory",
    "-delayTransientStatuses",
    "-optimizeDbBeforeStartup",
    "-disableTelemetry",
}


class UnknownOptionError(ValueError):
    """An option that DynamoDB Local does not have, or one without its value."""


def command(words: Sequence[str]) -> list[str]:
    """The words after `alt`. Raises UnknownOptionError."""
    if is_dynamodb_locals(words):
        return ["start", *OPEN, *translated(words)]
    if not words or (words[0].startswith("-") and words[0] not in ("--help", "--version")):
        words = ["start", *words]
    return [words[0], *OPEN, *words[1:]] if words[0] == "start" else list(words)


def is_dynamodb_locals(words: Sequence[str]) -> bool:
    return bool(words) and words[0].startswith("-") and not words[0].startswith("--")


def translated(words: Sequence[str]) -> list[str]:
    """Alt's options for DynamoDB Local's.

    Without `-sharedDb` it keeps apart what different access keys and regions store, unless it keeps all in memory.
    What only it needs is left out: Alt has no heap to set, no file to optimize, and reports to nobody. Nor does it
    delay statuses: a status shows what is being done.
    """
    given = _read(words)
    if "-inMemory" in given and "-dbPath" in given:
        raise UnknownOptionError("-inMemory and -dbPath exclude each other")
    options = ["--port", given.get("-port", DEFAULT_PORT)]
    if "-inMemory" in given:
        options.append("--memory")
    else:
        options += ["--data-dir", given.get("-dbPath", ".")]
        if "-sharedDb" not in given:
            options += ["--isolate", "account"]
    for origin in filter(None, given.get("-cors", "").split(",")):
        options += ["--cors-origin", origin.strip()]
    return options


def _read(words: Sequence[str]) -> dict[str, str]:
    given: dict[str, str] = {}
    left = list(words)
    while left:
        word = left.pop(0)
        if word in _WITH_VALUE | {"-jar"}:
            if not left:
                raise UnknownOptionError(f"{word} needs a value")
            given[word] = left.pop(0)
        elif word in _FLAGS:
            given[word] = ""
        elif not word.startswith(("-D", "-X")):  # what Java is told
            raise UnknownOptionError(f"{word} is no option of DynamoDB Local")
    return given


def environment(arguments: Sequence[str], given: Mapping[str, str]) -> dict[str, str]:
    """The image's `ALT_DATA_DIR`, which commands find the server by, goes with no server in memory or on a database."""
    options = {word.partition("=")[0] for word in arguments}
    if not options & {"--memory", "--engine"} and not given.keys() & {"ALT_MEMORY", "ALT_ENGINE"}:
        return dict(given)
    return {name: value for name, value in given.items() if name != "ALT_DATA_DIR"}


def port_of(words: Sequence[str]) -> str:
    """The port in a command line, of either kind."""
    for option, value in pairwise(words):
        if option in ("-port", "--port"):
            return value
    return next((word[len("--port=") :] for word in words if word.startswith("--port=")), DEFAULT_PORT)


def is_healthy(words: Sequence[str]) -> bool:
    """Whether the server that was started with these words answers."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port_of(words)}/", timeout=HEALTH_SECONDS) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def main() -> None:
    words = sys.argv[1:]
    if words == [HEALTH]:
        started = Path("/proc/1/cmdline").read_bytes().decode().split("\0")
        sys.exit(0 if is_healthy(started) else 1)
    try:
        arguments = command(words)
    except UnknownOptionError as error:
        sys.exit(f"Error: {error}")
    os.execvpe("alt", ["alt", *arguments], environment(arguments, os.environ))


if __name__ == "__main__":
    main()
