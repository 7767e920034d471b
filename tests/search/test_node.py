"""`biomatch cluster`: what was started here is stopped, and nobody else's Ray."""

import importlib.util
import socket
import subprocess
import sys
import textwrap
import time
import uuid
from pathlib import Path

import numpy as np
import psutil
import pytest

import biomatch
from biomatch.errors import OptionError
from biomatch.search import cluster, node

MARK = f"raylet-{uuid.uuid4().hex}"
SLEEPER = [sys.executable, "-c", "import time; time.sleep(600)", MARK]

STARTER = textwrap.dedent(
    f"""
    import subprocess, sys, time
    sleeper = {SLEEPER}
    stubborn = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
    inner = "import subprocess, sys, time; subprocess.Popen(sys.argv[1:]); time.sleep(600)"
    quiet = dict(stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    subprocess.Popen(sleeper, **quiet)
    subprocess.Popen([sys.executable, "-c", stubborn + "time.sleep(600)", "{MARK}"], **quiet)
    subprocess.Popen([sys.executable, "-c", inner, *sleeper], **quiet)
    time.sleep(1)
    print("up with", *sys.argv[1:])
    if "--port=7" in sys.argv:
        sys.exit("Traceback:\\nException: it could not start\\n")
    """
)
"""Does what `ray start` does: leaves processes, one with a child, one that must be killed."""


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A home of its own, and a `ray start` that starts sleepers; ends what a test leaves."""
    for module in (node, cluster):  # Ray itself would remember the first token that it sees
        monkeypatch.setattr(module, "ray_module", node.secure)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", "RAY_AUTH_MODE"):
        monkeypatch.setenv(name, "x")  # so that what the code sets is undone afterwards
        monkeypatch.delenv(name)
    monkeypatch.setattr(node, "RAY", (sys.executable, "-c", STARTER))
    monkeypatch.setattr(node, "STOP_SECONDS", 1.0)
    yield tmp_path
    for process in psutil.process_iter():
        if MARK in _words(process):
            process.kill()


def _words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def _sleepers(session: int) -> list[psutil.Process]:
    return node._members(session)


def test_down_stops_what_up_started_and_nothing_else(machine):
    other = subprocess.Popen(SLEEPER)  # somebody else's raylet
    try:
        assert "--head --port=6379" in node.up()
        assert "--port=6380" in node.up(port=6380)
        one, two = node._nodes()
        assert len(_sleepers(one.session)) == len(_sleepers(two.session)) == 4
        assert "Stopped 8 processes" in node.down()
        assert not _sleepers(one.session)
        assert not _sleepers(two.session)
        assert other.poll() is None
        assert "Nothing" in node.down()
    finally:
        other.kill()
        other.wait()


def test_a_number_that_was_given_to_another_process_is_not_stopped(machine):
    """After a reboot the numbers written down belong to others."""
    other = subprocess.Popen(SLEEPER, start_new_session=True)
    try:
        start = psutil.Process(other.pid).create_time()
        file = node._state_file()
        file.parent.mkdir(parents=True)
        file.write_text(
            f'[{{"session": {other.pid}, "processes": [[{other.pid}, {start - 3600}]]}}]'
        )
        assert "Nothing" in node.down()
        assert other.poll() is None
        file.write_text("[{")
        with pytest.raises(OptionError, match="delete the file"):
            node.down()
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_a_start_that_fails_leaves_nothing_behind(machine, monkeypatch):
    sessions = []
    popen = subprocess.Popen

    def noted(*arguments, **settings):
        process = popen(*arguments, **settings)
        sessions.append(process.pid)
        return process

    monkeypatch.setattr(subprocess, "Popen", noted)
    with pytest.raises(OptionError, match=r"^ray start: it could not start$"):
        node.up(port=7)
    monkeypatch.setattr(node, "START_SECONDS", 0.6)
    with pytest.raises(OptionError, match=r"not up within 0\.6 s"):
        node.up()
    assert len(sessions) == 2
    assert not any(_sleepers(session) for session in sessions)
    assert node._nodes() == []


def test_a_token_is_drawn_once_and_kept_where_ray_looks(machine, monkeypatch):
    said = node.up()
    file = machine / ".ray" / "auth_token"
    token = file.read_text()
    assert str(file) in said
    assert token not in said
    assert len(token) == 64
    assert file.stat().st_mode & 0o077 == 0
    assert "token" not in node.up(port=6380)
    assert file.read_text() == token
    assert "RAY_AUTH_TOKEN" not in node.secure()  # Ray takes it from the file
    node.down()


def test_joining_needs_a_token_and_somebody_at_the_address(machine, tmp_path, monkeypatch):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nowhere = f"127.0.0.1:{free.getsockname()[1]}"
    for act in (
        lambda where: node.up(address=where),
        node.status,
        lambda where: biomatch.open(tmp_path / "x.db", cluster=where),
    ):
        start = time.monotonic()
        with pytest.raises(OptionError, match=r"no Ray cluster at 127\.0\.0\.1:\d+: Conn"):
            act(nowhere)
        assert time.monotonic() - start < node.CONNECT_SECONDS + 20
        for wrong in ("here", ":5", "host:", "host:70000", "host:x"):
            with pytest.raises(OptionError, match="use HOST:PORT"):
                act(wrong)
        with socket.create_server(("127.0.0.1", 0)) as somebody:
            address = f"127.0.0.1:{somebody.getsockname()[1]}"
            with pytest.raises(OptionError, match="token is missing"):
                act(address)
    assert not (machine / ".ray").exists()


@pytest.mark.slow
@pytest.mark.skipif(
    importlib.util.find_spec("ray") is None,
    reason="Ray (biomatch[cluster]) is not installed: its test did NOT run",
)
def test_a_real_cluster_goes_up_is_searched_and_goes_down(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    node.secure()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    other = subprocess.Popen(SLEEPER)
    try:
        node.up(port=int(address.partition(":")[2]), cpus=1)
        session = node._nodes()[0].session
        names = {process.name() for process in node._members(session)}
        assert {"raylet", "gcs_server"} <= names
        end = time.monotonic() + 60
        while "Active" not in node.status(address):  # it takes Ray some seconds to know
            assert time.monotonic() < end
        code = np.arange(32, dtype=np.uint8)
        with biomatch.open(tmp_path / "x.db") as db:
            db.enrol(code, modality="iris", subject="a")
            db.index_rebuild("iris")
        with biomatch.open(tmp_path / "x.db", cluster=address, processes=1) as db:
            assert db._executor.settle()
            assert db.search(code, modality="iris")[0].subject == "a"
        assert "Stopped" in node.down()
        assert not node._members(session)
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()
        node.down()


def test_state_of_a_shared_home_is_kept_by_machine(machine, monkeypatch):
    here = node._state_file()
    monkeypatch.setattr(socket, "gethostname", lambda: "elsewhere")
    assert node._state_file() != here
    assert node._state_file().parent == here.parent == Path(machine) / ".local/state/biomatch"
