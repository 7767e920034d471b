"""Installs the iris plug-in the way pip would: a module on the path and an entry point."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

HERE = Path(__file__).parent


@pytest.fixture(scope="session", autouse=True)
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    site = tmp_path_factory.mktemp("site")
    (site / "biomatch_iris.py").write_text((HERE / "iris.py").read_text())
    info = site / "biomatch_iris-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: biomatch-iris\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[biomatch.modalities]\niris = biomatch_iris:MODALITY\n")
    sys.path.insert(0, str(site))
    yield
    sys.path.remove(str(site))


@pytest.fixture
def codes() -> np.ndarray:
    return np.random.default_rng(7).integers(0, 256, (60, 32), dtype=np.uint8)


@pytest.fixture
def flipped() -> Callable[..., np.ndarray]:
    """Turns over some bits of a code."""

    def turn(code: np.ndarray, bits: int, seed: int = 0) -> np.ndarray:
        unpacked = np.unpackbits(code)
        unpacked[np.random.default_rng(seed).choice(256, bits, replace=False)] ^= 1
        return np.packbits(unpacked)

    return turn
