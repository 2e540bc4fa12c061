"""The README's picture of a terminal shows what is typed and printed today, and fetches nothing."""

from __future__ import annotations

import html
import re
import runpy
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
PICTURE = (ROOT / "docs" / "terminal.svg").read_text("utf-8")
ADVICE = "python packaging/generate_picture.py draws it anew"


@pytest.fixture(scope="module")
def generator() -> dict[str, Any]:
    pytest.importorskip("pty")
    return runpy.run_path(str(ROOT / "packaging" / "generate_picture.py"))


def _lines() -> list[str]:
    """What is drawn, by the place of its line from top to bottom."""
    ET.fromstring(PICTURE)
    rows: dict[float, str] = {}
    for place, text in re.findall(r'<text [^>]*? y="([\d.]+)"[^>]*clip-path[^>]*>([^<]*)</text>', PICTURE):
        rows[float(place)] = rows.get(float(place), "") + html.unescape(text).replace("\xa0", " ")
    return [rows[place].rstrip() for place in sorted(rows)]


def test_the_readme_shows_it() -> None:
    assert "](docs/terminal.svg)" in (ROOT / "README.md").read_text("utf-8")


def test_it_has_the_commands(generator: dict[str, Any]) -> None:
    typed = [line.removeprefix("$ ").removesuffix(" &") for line in _lines() if line.startswith("$ ")]
    assert typed == list(generator["COMMANDS"]), ADVICE


def test_it_fetches_nothing() -> None:
    assert not re.search(r"url\(\s*[\"']?(?!#)|href|@import|<script", PICTURE)


@pytest.mark.nightly
def test_it_shows_what_the_commands_print(generator: dict[str, Any]) -> None:
    def of_any_moment(lines: list[str]) -> list[str]:
        """Without moments, styles and spaces, which the picture has as places."""
        plain = (re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", line) for line in lines)
        return ["".join(re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "MOMENT", line).split()) for line in plain]

    drawn = [line for line in of_any_moment(_lines()) if line]
    printed = [line for line in of_any_moment(generator["scene"]().splitlines()) if line]
    assert drawn == printed, ADVICE
