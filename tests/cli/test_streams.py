"""What a shell may do to the program: one sentence and the exit code that shells expect."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from biomatch.cli.streams import run as run_on_streams

BIOMATCH = [sys.executable, "-m", "biomatch"]


def start(*arguments: object, **streams: object) -> subprocess.Popen[str]:
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True} | streams
    return subprocess.Popen([*BIOMATCH, *map(str, arguments)], **streams)  # type: ignore[call-overload,no-any-return]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
@pytest.mark.parametrize("format_", ["table", "json", "jsonl", "csv"])
def test_a_full_disk(enrolled: Path, format_: str) -> None:
    with Path("/dev/full").open("w") as full:
        running = start("list", "--db", enrolled, "--format", format_, stdout=full)
        said = running.communicate()[1]
    assert said == "Error: the output cannot be written: No space left on device\n"
    assert running.returncode == 1


@pytest.mark.parametrize("format_", ["table", "csv", "json"])
def test_a_closed_pipe_ends_in_silence(enrolled: Path, format_: str) -> None:
    inlet, outlet = os.pipe()
    os.close(inlet)
    with os.fdopen(outlet, "w") as closed:
        running = start("list", "--db", enrolled, "--format", format_, stdout=closed)
        said = running.communicate()[1]
    assert (running.returncode, said) == (141, "")


def test_a_closed_pipe_while_help_is_shown() -> None:
    inlet, outlet = os.pipe()
    os.close(inlet)
    with os.fdopen(outlet, "w") as closed:
        running = start("--help", stdout=closed)
        said = running.communicate()[1]
    assert (running.returncode, said) == (141, "")


def test_streams_that_are_not_open(enrolled: Path) -> None:
    for closed in (">&-", "2>&-", "<&-", ">&- 2>&-"):
        command = f'"{sys.executable}" -m biomatch list --db "{enrolled}" {closed}'
        assert subprocess.run(["sh", "-c", command], check=False).returncode == 0, closed


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
@pytest.mark.parametrize("format_", ["table", "csv", "json"])
def test_a_terminal_that_lacks_letters(
    run: object, tmp_path: Path, fixtures: Path, encoding: str, format_: str
) -> None:
    database = tmp_path / "x.db"
    photograph = fixtures / "faces" / "gallery" / "hopper.jpg"
    made = run("-q", "enrol", photograph, "-m", "face", "--subject", "日本", "--db", database)  # type: ignore[operator]
    assert made.exit_code == 0
    running = start(
        "list", "--db", database, "--format", format_,
        env={**os.environ, "PYTHONIOENCODING": encoding},
    )  # fmt: skip
    out, said = running.communicate()
    assert (running.returncode, said) == (0, "")
    assert "\\u65e5\\u672c" in out or "日本" in out


@pytest.fixture
def in_foreground() -> Iterator[None]:
    """Undo what a shell does to what it starts in the background: have Ctrl-C ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("in_foreground")
def test_ctrl_c(fixtures: Path, tmp_path: Path) -> None:
    running = start("enrol", fixtures / "fingerprint", "-m", "fingerprint", "--db", tmp_path / "x")
    while not (tmp_path / "x").exists() and running.poll() is None:
        time.sleep(0.05)
    time.sleep(0.3)
    running.send_signal(signal.SIGINT)
    said = running.communicate()[1]
    # Python itself ends by the signal where the interruption came within code of a library's.
    assert running.returncode in {130, -signal.SIGINT}
    assert said.endswith("Error: interrupted; what was finished is kept\n")
    assert "Traceback" not in said


@pytest.mark.usefixtures("in_foreground")
def test_an_interruption_that_a_library_makes_another_error_of(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    @click.command()
    def command() -> None:
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt as error:
            raise ImportError("initialization failed") from error

    monkeypatch.setattr(sys, "argv", ["biomatch"])
    assert run_on_streams(command) == 130
    assert capsys.readouterr().err == "Error: interrupted; what was finished is kept\n"
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_arguments_that_are_not_utf_8(enrolled: Path) -> None:
    command = [*map(os.fsencode, BIOMATCH), b"show", b"\xe9", b"--db", os.fsencode(enrolled)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (2, "Error: '\\udce9' is not in UTF-8\n")


@pytest.mark.parametrize("columns", [12, 60])
def test_a_narrow_terminal_shows_every_value(enrolled: Path, columns: int) -> None:
    import fcntl
    import pty
    import struct
    import termios

    main, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    without = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    running = start("show", "P137", "--db", enrolled, stdout=terminal, env=without)
    os.close(terminal)
    shown = b""
    while True:
        try:
            shown += os.read(main, 4096)
        except OSError:
            break
    os.close(main)
    running.communicate()
    assert running.returncode == 0
    words = shown.decode().split()
    assert "P137" in words
    assert any(word.endswith("database.csv") for word in words)
