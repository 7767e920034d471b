"""The ``biomatch`` command: each sub-command mirrors one function of the Python API."""

__all__ = ["main"]


def main() -> None:
    """Run the command line; the console script's entry point."""
    import sys

    try:
        from biomatch.cli.app import cli
        from biomatch.cli.streams import run
    except KeyboardInterrupt:
        sys.exit(130)
    sys.exit(run(cli))
