"""How commands print: one decorator, one function, four formats."""

import csv
import errno
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import click

__all__ = ["emit", "emit_record", "output_options", "say"]

F = TypeVar("F", bound=Callable[..., Any])
FORMATS = ("table", "json", "jsonl", "csv")
Row = Mapping[str, Any]


def output_options(command: F) -> F:
    """Add ``--format table|json|jsonl|csv`` to a command as the argument `format_`."""
    return click.option(
        "--format",
        "format_",
        type=click.Choice(FORMATS),
        default="table",
        envvar="BIOMATCH_FORMAT",
        help="How to print results.",
    )(command)


def say(text: str) -> None:
    """Tell the person something beside the results: one line on stderr."""
    click.echo(_visible(text), err=True)


def _visible(text: str) -> str:
    """Spell control characters out: a file's name must not break a line or steer a terminal."""
    if text.isprintable():
        return text
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode()
        for letter in text
    )


def emit(
    rows: Sequence[Row],
    format_: str,
    *,
    columns: Sequence[str] | None = None,
    title: str = "",
    note: str = "",
) -> None:
    """Print rows on stdout.

    Parameters
    ----------
    rows
        Mappings with the same keys.
    format_
        One of `FORMATS`; json and jsonl keep nested values, table and csv show `columns`.
    columns
        Keys to show, in order; default: the first row's.
    title, note
        Shown above and below a table.
    """
    shown = list(columns or (rows[0] if rows else ()))
    if format_ == "json":
        click.echo(json.dumps(_plain(list(rows)), indent=2, ensure_ascii=False))
    elif format_ == "jsonl":
        for row in rows:
            click.echo(json.dumps(_plain(row), ensure_ascii=False))
    elif format_ == "csv":
        _csv(rows, shown)
    else:
        _table(rows, shown, title, note)


def emit_record(record: Row, format_: str, *, title: str = "") -> None:
    """Print one record: as two columns in a table, else as one object or row."""
    if format_ == "table":
        _pairs(record, title)
    elif format_ == "json":
        click.echo(json.dumps(_plain(record), indent=2, ensure_ascii=False))
    else:
        emit([record], format_)


def _csv(rows: Sequence[Row], columns: Sequence[str]) -> None:
    table = csv.writer(sys.stdout, lineterminator="\n")
    table.writerow(columns)
    table.writerows([_cell(row.get(column)) for column in columns] for row in rows)


def _plain(value: Any) -> Any:
    from biomatch.report.plain import plain  # numpy comes with it

    return plain(value)


def _cell(value: Any) -> str:
    value = _plain(value)
    if value is None:
        return ""
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False)
    return str(value)


def _table(rows: Sequence[Row], columns: Sequence[str], title: str, note: str) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    class Screen(Console):
        def on_broken_pipe(self) -> None:
            """Leave the exit code to the command line."""
            raise BrokenPipeError(errno.EPIPE, "nobody reads the output")

    console = Screen() if sys.stdout.isatty() else Screen(width=160)
    numeric = {
        column
        for column in columns
        if rows and all(isinstance(row.get(column), int | float) for row in rows)
    }
    table = Table(title=title or None, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(
            _heading(column),
            justify="right" if column in numeric else "left",
            overflow="fold",
        )
    for row in rows:
        table.add_row(*(Text(_shown(row.get(column))) for column in columns))
    needed = console.measure(table, options=console.options.update(width=1000)).minimum
    if rows and needed > console.width:
        console.print(Text(title))
        for row in rows:
            _pairs({column: row.get(column) for column in columns}, "")
            click.echo()
    else:
        console.print(table)
    if note:
        console.print(Text(note))


def _pairs(record: Row, title: str) -> None:
    if title:
        click.echo(title)
    width = max((len(key) for key in record), default=0)
    for key, value in record.items():
        click.echo(f"{_heading(key):<{width}}  {_shown(value)}")


HEADINGS = {"log10_lr": "log10 LR", "fmr": "FMR", "sha256": "sha256"}


def _heading(key: str) -> str:
    return HEADINGS.get(key, key.replace("_", " "))


def _shown(value: Any) -> str:
    value = _plain(value)
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list):
        return ", ".join(map(_shown, value))
    if isinstance(value, dict):
        return ", ".join(f"{key}={_shown(entry)}" for key, entry in value.items())
    return _visible(str(value))
