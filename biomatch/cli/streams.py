"""What a shell may do to a program: close its output, fill the disk, interrupt it."""

import errno
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import click

__all__ = ["CLOSED_PIPE", "INTERRUPTED", "run"]

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it (128 + SIGINT)."""

CLOSED_PIPE = 141
"""Exit code when nobody reads the output any more, as shells have it (128 + SIGPIPE)."""

UNWRITABLE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EBADF})


def run(command: click.Command) -> int:
    """Run the command line on this process's arguments and return its exit code.

    A closed pipe ends it in silence; a full disk, an interruption or text that is not UTF-8 with
    one sentence on stderr.
    """
    _prepare()
    output = sys.stdout
    with _quiet_at_exit(), _interruptions() as interruptions:
        try:
            code = command.main(prog_name="biomatch", standalone_mode=False)
            sys.stdout.flush()
        except SystemExit as stop:
            # click wraps the output in something deaf when its pipe is closed.
            return int(stop.code or 0) if sys.stdout is output else CLOSED_PIPE
        except BaseException as error:
            if interruptions:
                # A library that was being loaded may have made another error of it.
                return _told("interrupted; what was finished is kept", INTERRUPTED)
            if isinstance(error, click.ClickException):
                error.show()
                return error.exit_code
            if isinstance(error, click.Abort | UnicodeEncodeError | OSError):
                return _ended(error)
            raise
    return code if isinstance(code, int) else 0


@contextmanager
def _interruptions() -> Iterator[list[int]]:
    """Note each Ctrl-C in the list that is yielded, beside what Python does about it."""
    noted: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        noted.append(number)
        signal.default_int_handler(number, frame)

    # Where nobody wants to be interrupted (nohup), or in a thread, all stays as it is.
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield noted
        return
    try:
        signal.signal(signal.SIGINT, note)
    except ValueError:
        yield noted
        return
    try:
        yield noted
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _ended(error: click.Abort | UnicodeEncodeError | OSError) -> int:
    """Say what ended the program and give its exit code."""
    if isinstance(error, UnicodeEncodeError):
        shown = error.object.encode("ascii", "backslashreplace").decode()
        return _told(f"'{shown}' is not in UTF-8", 2)
    if isinstance(error, OSError):
        if error.errno == errno.EPIPE:
            return CLOSED_PIPE
        if error.errno not in UNWRITABLE:
            raise error
        return _told(f"the output cannot be written: {error.strerror}", 1)
    return _told("nothing was done", 1)


def _told(sentence: str, code: int) -> int:
    click.echo(f"Error: {sentence}", err=True)
    return code


def _prepare() -> None:
    """Give closed streams somewhere to go, and letters that a terminal lacks an escape."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115
        elif mode == "w" and hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


@contextmanager
def _quiet_at_exit() -> Iterator[None]:
    """Let the interpreter's own flush at the end find nothing to complain about."""
    try:
        yield
    finally:
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except (OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
