"""`alt doctor`: what is wrong, and how to mend it."""

from __future__ import annotations

from pathlib import Path

import click

from alt.config import default_data_dir

from ..asking.data_directory import data_dir_option
from ..diagnosis import Finding, State, of_directory, of_installation
from ..terminal import output

HEADINGS = ("Subject", "State", "What", "How to mend it")


@click.command()
@data_dir_option
@output.json_option()
def doctor(data_dir: Path | None, as_json: bool) -> None:
    """Say what is wrong with this installation and with a data directory, and how to mend it.

    Nothing is changed. The exit status is 1 if something is wrong, and 0 where there are warnings only. In a pipe one
    line a finding, tab-separated: subject, state (ok, warning, wrong), what, how to mend it. `alt tables check` looks
    into the tables themselves.

    \b
    Example: alt doctor --data-dir /srv/alt
    """
    directory = (data_dir or default_data_dir()).absolute()
    findings = [*of_installation(), *of_directory(directory, data_dir)]
    if as_json:
        output.json([_as_json(finding) for finding in findings])
    else:
        output.table(HEADINGS, map(_row, findings))
    wrong = [finding.subject for finding in findings if finding.state is State.WRONG]
    if wrong:
        raise click.ClickException(f"not well: {', '.join(wrong)}")


def _as_json(finding: Finding) -> dict[str, str]:
    return {
        "subject": finding.subject,
        "state": finding.state.value,
        "what": finding.what,
        "mend": finding.mend,
    }


def _row(finding: Finding) -> list[output.Cell]:
    return [output.Cell(text) for text in (finding.subject, finding.state.value, finding.what, finding.mend)]
