"""A Ray node on this machine: started, joined to others, looked at, and stopped again.

Anybody who can reach a Ray port can run code there, so nodes are started with token
authentication on, and with dashboard and usage statistics off. The token is Ray's own: in
``RAY_AUTH_TOKEN``, or in the file ``~/.ray/auth_token``, the same on every machine.

All processes of a node that `up` starts are in one process session of their own, which is
written down, so that `down` ends these and no other Ray that runs on the machine.
"""

import contextlib
import json
import os
import secrets
import socket
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from biomatch.errors import OptionError

__all__ = ["check_address", "down", "ray_module", "secure", "status", "up"]

RAY = (sys.executable, "-m", "ray.scripts.scripts")

SECURE = {
    "RAY_AUTH_MODE": "token",
    "RAY_USAGE_STATS_ENABLED": "0",
}

CONNECT_SECONDS = 5.0
"""How long a cluster's port may take to answer: Ray itself would try for many minutes."""

START_SECONDS = 180.0
"""How long Ray's command may take to start a node, or to report."""

STOP_SECONDS = 10.0
"""How long processes may take to end by themselves."""

SAME_SECONDS = 5.0
"""Most that two looks at a process's start may differ, as when the clock was set meanwhile."""


def _token_file() -> Path:
    return Path.home() / ".ray" / "auth_token"


def _has_token() -> bool:
    named = os.environ.get("RAY_AUTH_TOKEN") or os.environ.get("RAY_AUTH_TOKEN_PATH")
    return bool(named) or _token_file().exists()


def secure(*, joining: bool = False) -> dict[str, str]:
    """Environment of every Ray process that we start; also set in this process.

    Without a token one is drawn for this process and its children.

    Raises
    ------
    OptionError
        A cluster is to be joined, and nothing says its token.
    """
    os.environ.update(SECURE)
    if not _has_token():
        if joining:
            raise OptionError(
                "the cluster's token is missing: put it into RAY_AUTH_TOKEN, or copy "
                f"{_token_file()} from a machine of the cluster"
            )
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
    return dict(os.environ)


def ray_module(*, joining: bool = False) -> ModuleType:
    """Import Ray with its settings in place.

    Raises
    ------
    OptionError
        It is not installed, or the token is missing.
    """
    try:
        secure(joining=joining)
        import ray
    except ImportError as error:
        raise OptionError("Ray is not installed; install biomatch[cluster]") from error
    module: ModuleType = ray
    return module


def check_address(address: str) -> None:
    """Refuse an address where nothing listens.

    Raises
    ------
    OptionError
        It is not HOST:PORT, or no connection can be made.
    """
    if address == "auto" or "://" in address:
        return  # forms of Ray's own
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65_536:
        raise OptionError(f"'{address}' is no address of a cluster; use HOST:PORT")
    try:
        socket.create_connection((host.strip("[]"), int(port)), CONNECT_SECONDS).close()
    except OSError as error:
        cause = error.strerror or str(error)
        raise OptionError(f"no Ray cluster at {address}: {cause}") from error


def up(*, address: str | None = None, port: int = 6379, cpus: int | None = None) -> str:
    """Start a head node on this machine, or join this machine to the cluster at `address`.

    Returns
    -------
    str
        What Ray says, with the address for others to join.

    Raises
    ------
    OptionError
        Ray is not installed, cannot start, or cannot be reached at `address`.
    """
    if address is not None:
        check_address(address)
    note = _keep_token() if address is None else ""
    ray_module(joining=address is not None)
    where = [f"--address={address}"] if address else ["--head", f"--port={port}"]
    more = [] if address else ["--include-dashboard=false"]
    count = [f"--num-cpus={cpus}"] if cpus else []
    return note + _started("start", *where, *more, *count)


def _keep_token() -> str:
    """Draw a token where there is none, and keep it where all of this user's commands look."""
    if _has_token():
        return ""
    file = _token_file()
    file.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="ascii") as opened:
        opened.write(secrets.token_hex(32))
    return f"A token was drawn; machines that join or search need a copy of {file}.\n"


def status(address: str | None = None) -> str:
    """Return Ray's own report on nodes and resources.

    Raises
    ------
    OptionError
        There is no cluster, or its token is another.
    """
    if address is not None:
        check_address(address)
    ray_module(joining=True)
    command = [*RAY, "status", *([f"--address={address}"] if address else [])]
    try:
        done = subprocess.run(  # noqa: S603 - our own fixed words
            command, capture_output=True, text=True, check=False, timeout=START_SECONDS
        )
    except subprocess.TimeoutExpired as error:
        raise OptionError(f"ray status: no answer within {START_SECONDS:g} s") from error
    if done.returncode:
        raise OptionError(f"ray status: {_cause(done.stderr or done.stdout)}")
    return done.stdout


def _cause(text: str) -> str:
    """Last line of what a failed command said, which names the exception."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1].removeprefix("Exception: ")[:400] if lines else "no reason given"


# What was started


@dataclass(frozen=True, slots=True)
class _Node:
    """The processes of one node, as they were when it was up.

    Attributes
    ----------
    session
        Process session that they are in.
    processes
        Pid and start (seconds since 1970) of each.
    """

    session: int
    processes: tuple[tuple[int, float], ...]


def _psutil() -> Any:
    try:
        import psutil
    except ImportError as error:
        raise OptionError("psutil is not installed; install biomatch[cluster]") from error
    return psutil


def _started(*words: str) -> str:
    """Run a command of Ray's that leaves processes, and write these down; all or nothing."""
    process = subprocess.Popen(  # noqa: S603 - our own fixed words
        [*RAY, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        said, complaint = process.communicate(timeout=START_SECONDS)
        if process.returncode:
            raise OptionError(f"ray {words[0]}: {_cause(complaint or said)}")
        node = _Node(process.pid, tuple((p.pid, p.create_time()) for p in _members(process.pid)))
        _write([*_nodes(), node])
    except BaseException as error:
        process.kill()
        process.wait()
        _end(_members(process.pid))
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()
        if isinstance(error, subprocess.TimeoutExpired):
            raise OptionError(f"ray {words[0]}: not up within {START_SECONDS:g} s") from error
        raise
    return said


def down() -> str:
    """Stop the nodes that `up` started on this machine, and no other Ray.

    Returns
    -------
    str
        How many processes were stopped.
    """
    stopped = sum(_end(_members(node.session)) for node in _nodes() if _lives(node))
    _state_file().unlink(missing_ok=True)
    if not stopped:
        return "Nothing that 'biomatch cluster up' started runs on this machine."
    return f"Stopped {stopped} processes that 'biomatch cluster up' started."


def _lives(node: _Node) -> bool:
    """Whether one of its processes is still there: else its session may be another's by now."""
    psutil = _psutil()
    for pid, start in node.processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            if abs(psutil.Process(pid).create_time() - start) < SAME_SECONDS:
                return True
    return False


def _members(session: int) -> list[Any]:
    """Living processes of a session, and what they started elsewhere."""
    psutil = _psutil()
    found = {}
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError, PermissionError):
            if os.getsid(process.pid) == session and process.status() != psutil.STATUS_ZOMBIE:
                found[process.pid] = process
                found |= {child.pid: child for child in process.children(recursive=True)}
    return list(found.values())


def _end(processes: Sequence[Any]) -> int:
    """End processes, the cluster's directory after the others, which report to it."""
    psutil = _psutil()
    directory = []
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            if process.name().startswith("gcs_server"):
                directory.append(process)
    others = [process for process in processes if process not in directory]
    for some in (others, directory):
        _signal(some, "terminate")
        _, left = psutil.wait_procs(some, timeout=STOP_SECONDS)
        _signal(left, "kill")
        psutil.wait_procs(left, timeout=STOP_SECONDS)
    return len(processes)


def _signal(processes: Iterable[Any], how: str) -> None:
    for process in processes:
        with contextlib.suppress(_psutil().NoSuchProcess):
            getattr(process, how)()


def _state_file() -> Path:
    """Where the nodes of this machine are written down, also if homes are shared."""
    state = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    return state / "biomatch" / f"cluster-{socket.gethostname()}.json"


def _nodes() -> list[_Node]:
    file = _state_file()
    try:
        listed = json.loads(file.read_text(encoding="utf-8"))
        return [
            _Node(int(n["session"]), tuple((int(p), float(s)) for p, s in n["processes"]))
            for n in listed
        ]
    except FileNotFoundError:
        return []
    except (ValueError, TypeError, KeyError) as error:
        raise OptionError(
            f"{file}: cannot be read ({error}); stop the cluster by hand and delete the file"
        ) from error


def _write(nodes: Sequence[_Node]) -> None:
    file = _state_file()
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_name(f".{file.name}.{os.getpid()}")
    temporary.write_text(json.dumps([asdict(node) for node in nodes if _lives(node)]))
    temporary.replace(file)
