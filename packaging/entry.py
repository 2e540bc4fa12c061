"""What the one-file binary runs: the `alt` command."""

from alt.cli import main

main()
