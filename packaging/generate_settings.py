"""Write docs/settings.md's table of settings as `cli/settings.py` has them: `python packaging/generate_settings.py`."""

from __future__ import annotations

import re
from pathlib import Path

from alt.cli.settings import settings_table

PAGE = Path(__file__).resolve().parent.parent / "docs" / "settings.md"
# The one table of the page.
_TABLE = re.compile(r"^\|.*?\n(?!\|)", re.DOTALL | re.MULTILINE)


def main() -> None:
    text = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(_TABLE.sub(lambda _: settings_table(), text, count=1), encoding="utf-8")


if __name__ == "__main__":
    main()
