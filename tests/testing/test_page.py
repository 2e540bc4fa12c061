"""What docs/testing.md shows works as it stands there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

pytest_plugins = ["pytester"]

PAGE = Path(__file__).parents[2] / "docs" / "testing.md"
# Each begins with its file's name.
SNIPPETS = re.findall(r"^```python\n# (\S+)\n(.*?)^```", PAGE.read_text("utf-8"), re.DOTALL | re.MULTILINE)
DJANGO = """
import django
from django.conf import settings

settings.configure(ROOT_URLCONF="songs", DYNAMODB_ENDPOINT=None, ALLOWED_HOSTS=["testserver"])
django.setup()
"""


def test_every_snippet_is_run() -> None:
    assert PAGE.read_text("utf-8").count("```python") == len(SNIPPETS) == 8


@pytest.mark.nightly
def test_the_snippets(pytester: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION"):
        monkeypatch.setenv(name, "us-east-1")
    pytester.makeconftest(DJANGO)
    for name, text in SNIPPETS:
        (pytester.path / name).write_text(text, "utf-8")
    wanted = sum(len(re.findall(r"^ *def test_", text, re.MULTILINE)) for _, text in SNIPPETS)
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", "-p", "no:xdist", "-W", "ignore")
    result.assert_outcomes(passed=wanted)
