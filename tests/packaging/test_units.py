"""The services of systemd and launchd."""

from __future__ import annotations

import plistlib
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from alt.cli import main
from click.testing import CliRunner

PACKAGING = Path(__file__).parent.parent.parent / "packaging"
PROGRAM = Path(sys.executable).parent / "alt"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd")
def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    text = (PACKAGING / "systemd" / "alt.service").read_text(encoding="utf-8")
    assert "ExecStart=/usr/local/bin/alt start" in text
    unit = tmp_path / "alt.service"
    unit.write_text(text.replace("/usr/local/bin/alt", str(PROGRAM)), encoding="utf-8")
    checked = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")


def test_launchd_starts_a_command_of_alts() -> None:
    with (PACKAGING / "launchd" / "alt-dynamodb.plist").open("rb") as file:
        agent = plistlib.load(file)
    assert agent["Umask"] == 0o077
    program, *words = agent["ProgramArguments"]
    assert program == "/usr/local/bin/alt"
    assert CliRunner().invoke(main, [*words, "--help"]).exit_code == 0
