"""The ``biomatch`` command: each sub-command mirrors one function of the Python API."""

__all__ = ["main"]


def main() -> None:
    """Run the command line; the console script's entry point."""
    from biomatch.cli.app import cli

    cli(prog_name="biomatch")
