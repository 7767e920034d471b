"""``biomatch completion``: what the shell needs to complete commands and options."""

import click
from click.shell_completion import get_completion_class

from biomatch.cli.options import examples

__all__ = ["completion"]


@click.command(
    epilog=examples(
        "biomatch completion bash >> ~/.bashrc",
        "biomatch completion zsh > ~/.zfunc/_biomatch",
        "biomatch completion fish > ~/.config/fish/completions/biomatch.fish",
    )
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script for a shell."""
    from biomatch.cli.app import cli

    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"shell '{shell}' is not supported")
    click.echo(kind(cli, {}, "biomatch", "_BIOMATCH_COMPLETE").source())
