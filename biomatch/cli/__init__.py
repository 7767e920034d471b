"""The command line: click commands, one module per group; no logic of its own."""

import click

__all__ = ["main"]


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="biomatch")
def main() -> None:
    """Match fingerprints, faces and DNA profiles 1:N, with a ranked candidate list."""
