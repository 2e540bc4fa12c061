"""`alt completion`: what a shell runs to complete the words of `alt`."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

SHELLS = ("bash", "zsh", "fish")
VARIABLE = "_ALT_COMPLETE"  # as click names it for a program called alt


@click.command()
@click.argument("shell", metavar="SHELL", type=click.Choice(SHELLS))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print what makes a shell (bash, zsh or fish) complete commands and options when Tab is pressed.

    \b
    Example: alt completion bash > ~/.local/share/bash-completion/completions/alt

    \b
    Example: alt completion zsh > ~/.zfunc/_alt

    \b
    Example: alt completion fish > ~/.config/fish/completions/alt.fish
    """
    made = get_completion_class(shell)
    assert made is not None
    click.echo(made(context.find_root().command, {}, "alt", VARIABLE).source())
