"""Fill the disk of a PostgreSQL server while enrolling; nothing acknowledged may be lost.

    python benchmarks/full.py        # as root, on Linux: mounts a file system of 60 MB in memory

Enrols face templates until the server has no room, checks that the error is one sentence and
that every acknowledged record is there, makes the file system larger, enrols on, and checks
again as `crash.py` does. SQLite, segments and attached pictures on a full disk are in
tests/search/test_durability.py.
"""

import shutil
import socket
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import biomatch  # noqa: E402
from benchmarks.crash import check, template  # noqa: E402
from biomatch.errors import DatabaseError  # noqa: E402

SMALL, LARGE = 60_000_000, 200_000_000
AS_SERVER = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]


def call(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


def server(disk: Path, stack: ExitStack) -> str:
    """Start a server whose data lie on a small file system; return its database's URL."""
    programs = Path(shutil.which("initdb") or max(Path("/usr/lib/postgresql").glob("*/bin/initdb")))
    folder, control = disk / "data", str(programs.with_name("pg_ctl"))
    call("mount", "-t", "tmpfs", "-o", f"size={SMALL}", "tmpfs", str(disk))
    stack.callback(call, "umount", "--lazy", str(disk))
    shutil.chown(disk, "postgres", "postgres")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    create = ("-A", "trust", "-U", "biomatch", "-E", "UTF8", "--wal-segsize=1")
    call(*AS_SERVER, str(programs), "-D", str(folder), *create)
    settings = f"-p {port} -k {disk} -c listen_addresses=127.0.0.1 -c max_wal_size=8MB"
    start = ("-D", str(folder), "-l", str(disk / "log"), "-o", settings, "-w", "start")
    call(*AS_SERVER, control, *start)
    stack.callback(call, *AS_SERVER, control, "-D", str(folder), "-m", "immediate", "-w", "stop")
    return f"postgresql://biomatch@127.0.0.1:{port}/postgres"


def enrol(url: str, index: Path, start: int, count: int) -> tuple[list[str], str]:
    """Enrol until done or refused: the acknowledged names, and the error."""
    names: list[str] = []
    with biomatch.open(url, index=index) as db:
        items = ({"source": template(f"n{i}"), "subject": f"n{i}"} for i in range(start, count))
        try:
            db.enrol_many(
                items,
                modality="face",
                commit_every=20,
                on_result=lambda r: names.append(r.subject),
            )
        except DatabaseError as error:
            return names, str(error)
    return names, ""


def main() -> None:
    with tempfile.TemporaryDirectory() as temporary, ExitStack() as stack:
        disk, index = Path(temporary) / "disk", Path(temporary) / "index"
        disk.mkdir()
        Path(temporary).chmod(0o755)
        url = server(disk, stack)
        names, error = enrol(url, index, 0, 10**6)
        assert error, "the disk never filled"
        print(f"{len(names)} acknowledged, then: {error}")
        call("mount", "-o", f"remount,size={LARGE}", str(disk))
        more, error = enrol(url, index, 10**6, 10**6 + 1000)
        assert not error, error
        everyone = {*names, *more}
        rounds = dict.fromkeys(range(200), 20)
        print(f"{check(url, index, everyone, names, rounds)} present, all found, all intact")


if __name__ == "__main__":
    main()
