"""Progress on stderr: a bar with rate and time left on a terminal, plain lines elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

__all__ = ["Advance", "progress"]

Advance = Callable[..., None]
LINE_EVERY = 10.0
"""Seconds between two plain lines."""


@contextmanager
def progress(label: str, total: int | None) -> Iterator[Advance]:
    """Show how far a job is; the value is called with the number of items done since.

    Parameters
    ----------
    label
        What is counted.
    total
        Number of items, or None when nobody knows.
    """
    settings = click.get_current_context().find_root().obj or {}
    if settings.get("quiet"):
        yield lambda _count=1: None
    elif sys.stderr.isatty():
        with _bar(label, total) as advance:
            yield advance
    else:
        lines = _Lines(label, total)
        yield lines
        lines.close()


@contextmanager
def _bar(label: str, total: int | None) -> Iterator[Advance]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        Task,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    class Rate(ProgressColumn):
        """Items a second."""

        def render(self, task: Task) -> Text:
            return Text(f"{task.speed:,.1f}/s" if task.speed else "")

    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        Rate(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=False,
    ) as bar:
        task = bar.add_task(label, total=total)
        yield lambda count=1: bar.advance(task, count)


class _Lines:
    """Plain lines for logs: one at most every `LINE_EVERY` seconds, and one at the end."""

    def __init__(self, label: str, total: int | None) -> None:
        self.label = label
        self.total = total
        self.done = 0
        self.begun = self.told = time.monotonic()

    def __call__(self, count: int = 1) -> None:
        self.done += count
        if time.monotonic() - self.told >= LINE_EVERY:
            self._tell()

    def close(self) -> None:
        """Write the last line."""
        self._tell()

    def _tell(self) -> None:
        self.told = time.monotonic()
        seconds = max(self.told - self.begun, 1e-9)
        rate = self.done / seconds
        left = ""
        if self.total and rate and self.done < self.total:
            left = f", {(self.total - self.done) / rate:,.0f} s left"
        of = f" of {self.total:,}" if self.total is not None else ""
        click.echo(f"{self.label}: {self.done:,}{of}, {rate:,.1f}/s{left}", err=True)
