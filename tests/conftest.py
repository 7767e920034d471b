"""Fixtures that all tests share; ../shared is research data that a user's clone lacks."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("no clock", deadline=None)
settings.load_profile("no clock")

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared" / "data"


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder of the research data, or a loud skip."""
    if not SHARED.is_dir():
        pytest.skip(f"research data not found at {SHARED}: this test did NOT run")
    return SHARED


@pytest.fixture(scope="session")
def fixtures() -> Path:
    """Folder of the publishable samples."""
    return ROOT / "fixtures"


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """URL of a PostgreSQL server started for this session, or a loud skip."""
    found = shutil.which("initdb") or next(
        (str(p) for p in sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), reverse=True)),
        None,
    )
    if found is None:
        pytest.skip("no PostgreSQL server binary (initdb) found: its tests did NOT run")
    programs = Path(found).parent
    folder = Path(tempfile.mkdtemp(prefix="biomatch-pg-"))
    as_user: list[str] = []
    if os.geteuid() == 0:  # the server refuses to run as root
        as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
        shutil.chown(folder, "postgres", "postgres")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    data = folder / "data"

    def call(*command: str) -> None:
        subprocess.run([*as_user, *command], check=True, capture_output=True, cwd=folder)

    call(str(programs / "initdb"), "-D", str(data), "-U", "biomatch", "-A", "trust", "-E", "UTF8")
    settings = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1"
    control = str(programs / "pg_ctl")
    call(control, "-D", str(data), "-l", str(folder / "log"), "-o", settings, "-w", "start")
    try:
        yield f"postgresql://biomatch@127.0.0.1:{port}"
    finally:
        call(control, "-D", str(data), "-m", "immediate", "-w", "stop")
        shutil.rmtree(folder, ignore_errors=True)
