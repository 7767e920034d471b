"""Installs the iris plug-in the way pip would: a module on the path and an entry point."""

import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest

import biomatch
from biomatch.search import Database

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


class Place:
    """Databases on one backend: the same name is the same database."""

    def __init__(self, folder: Path, server: str | None) -> None:
        self.folder = folder
        self.server = server
        self.databases: dict[str, str] = {}

    def location(self, name: str = "x") -> str:
        if self.server is None:
            return str(self.folder / f"{name}.db")
        if name not in self.databases:
            database = f"t{uuid.uuid4().hex}"
            with psycopg.connect(f"{self.server}/postgres", autocommit=True) as connection:
                connection.execute(f"CREATE DATABASE {database}")
            self.databases[name] = f"{self.server}/{database}"
        return self.databases[name]

    def index(self, name: str = "x") -> Path:
        return self.folder / f"{name}.db.index"

    def __call__(self, name: str = "x", **settings: Any) -> Database:
        return biomatch.open(self.location(name), index=self.index(name), **settings)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Opens databases, on SQLite and then on PostgreSQL."""
    if request.param == "sqlite":
        return Place(tmp_path, None)
    return Place(tmp_path, request.getfixturevalue("postgres_server"))


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
