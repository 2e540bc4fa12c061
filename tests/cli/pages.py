"""The README and the pages of docs/, cut into their sections and blocks of code.

A comment in the markdown says what readers do not see: `<!-- not run: WHY -->` before a block that is only shown, and
`<!-- run: COMMANDS -->` for what has to be done there before the next block can be run.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))

# A heading, a comment or a block; headings and comments inside a block are part of it.
_PIECES = re.compile(
    r"^## (?P<title>[^\n]*)$"
    r"|^<!-- (?P<marker>run|not run): (?P<said>.*?) -->$"
    r"|^```(?P<language>\w*)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Block:
    """Code with its language (empty where it has none), and why it is not run, where the page says so.

    What readers do not see `is_hidden`.
    """

    language: str
    text: str
    excuse: str | None = None
    is_hidden: bool = False


@dataclass(frozen=True)
class Section:
    """What stands under one heading; the page's beginning has an empty title."""

    page: str
    title: str
    blocks: list[Block] = field(default_factory=list)


def sections() -> Iterator[Section]:
    for path in PAGES:
        section, excuse = Section(path.relative_to(ROOT).as_posix(), ""), None
        for piece in _PIECES.finditer(path.read_text("utf-8")):
            if piece["title"] is not None:
                yield section
                section = Section(section.page, piece["title"])
            elif piece["marker"] == "not run":
                excuse = piece["said"]
            elif piece["marker"] == "run":
                section.blocks.append(Block("sh", piece["said"] + "\n", is_hidden=True))
            else:
                section.blocks.append(Block(piece["language"], piece["text"], excuse))
                excuse = None
        yield section


def section(page: str, title: str) -> Section:
    (found,) = (each for each in sections() if (each.page, each.title) == (page, title))
    return found
