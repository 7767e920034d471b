"""Compile and cache every kernel before the first real search, on samples that are made up.

Kernels are compiled for the kinds of arrays that they meet: freshly built ones and memory-mapped
ones. So each pipeline is led through its entry points (extraction, enrolment, index, search,
1:1 comparison, explanation) on a database of invented people, in a folder that is thrown away.
"""

import contextlib
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biomatch import models
from biomatch import search as engine
from biomatch.errors import NoFeaturesError
from biomatch.search import registry
from biomatch.types import Sample

__all__ = ["Warmth", "kernels", "warm_up"]

PEOPLE = 24
SIDE = 300
PITCH = 9.0
"""Pixels from ridge to ridge at 500 ppi."""


@dataclass(frozen=True, slots=True)
class Warmth:
    """What a warm-up did.

    Attributes
    ----------
    modalities
        Names of the pipelines.
    kernels
        Kernels of the pipelines, small ones within larger ones included.
    compiled
        How many of them were compiled now; the others were in the cache.
    cache
        Folders in which the cache lies.
    seconds
        Wall time.
    """

    modalities: tuple[str, ...]
    kernels: int
    compiled: int
    cache: tuple[Path, ...]
    seconds: float


def warm_up(advance: Callable[[str], None] = lambda _step: None) -> Warmth:
    """Compile and cache the kernels of all registered pipelines, and check their models.

    A pipeline from elsewhere takes part when its modality has a method ``warm_up()``.

    Parameters
    ----------
    advance
        Told the name of each pipeline before it is warmed.

    Raises
    ------
    IntegrityError
        A model is missing or damaged.
    """
    begun, before = time.monotonic(), _misses()
    advance("models")
    for model in models.registry():
        models.verify(model)
    names = registry.names()
    with tempfile.TemporaryDirectory(prefix="biomatch-") as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in names:
            advance(name)
            modality = registry.get(name)
            own = getattr(modality, "warm_up", None)
            warm = own or (lambda name=name: _WARM[name](Path(folder)) if name in _WARM else None)
            warm()
        advance("indexes and pictures")
        _warm_vectors(Path(folder))
        _warm_wsq()
    found = list(kernels().values())
    return Warmth(
        modalities=tuple(names),
        kernels=len(found),
        compiled=sum(misses > before.get(name, 0) for name, misses in _misses().items()),
        cache=tuple(sorted({Path(kernel.stats.cache_path) for kernel in found})),
        seconds=time.monotonic() - begun,
    )


def _misses() -> dict[str, int]:
    """Count, for each loaded kernel, how often this process did not find it in the cache."""
    return {name: sum(kernel.stats.cache_misses.values()) for name, kernel in kernels().items()}


def kernels() -> Mapping[str, Any]:
    """Kernels of biomatch that are loaded: name -> numba dispatcher."""
    from numba.core.dispatcher import Dispatcher

    return {
        f"{value.py_func.__module__}.{value.py_func.__qualname__}": value
        for name, module in list(sys.modules.items())
        if name.startswith("biomatch.") and module is not None
        for value in list(vars(module).values())
        if isinstance(value, Dispatcher)
    }


def _warm_fingerprint(folder: Path) -> None:
    from biomatch.fingerprint import FingerprintTemplate
    from biomatch.fingerprint.packing import PackedPrints, pack
    from biomatch.fingerprint.postings import Postings
    from biomatch.fingerprint.sketches import Sketches

    drawn = ridges()
    with engine.open(folder / "fingerprint.db") as db:
        for extractor in ("leader", "classical"):
            sample = Sample("fingerprint", image=drawn, ppi=500.0, options={"extractor": extractor})
            db.enrol(sample, subject=extractor, duplicates="allow")
        templates = [_minutiae(number) for number in range(PEOPLE)]
        db.enrol_many(templates, modality="fingerprint")
        db.verify(templates[0], templates[1], modality="fingerprint")
        for _ in range(2):
            db.search(templates[0], modality="fingerprint", k=3)
            db.search(templates[0], modality="fingerprint", k=3, options={"rotation": 180})
            db.index_rebuild("fingerprint")
    prints = pack(templates)
    turn, rows = np.pi / 4, np.arange(len(prints))
    place = folder / "prints"
    place.mkdir()
    prints.save(place)
    sketches, postings = Sketches.build(prints), Postings.build(prints)
    sketches.save(place)
    postings.save(place)
    mapped = PackedPrints.load(place)
    probe = pack([FingerprintTemplate.loads(templates[0].dumps())])
    everyone = np.ones(len(prints), np.bool_)
    for kept, sketched, listed in (
        (prints, sketches, postings),
        (mapped, Sketches.load(place), Postings.load(place)),
    ):
        sketched.votes(probe, kept, rows, turn)
        listed.votes(probe, turn, None)
        listed.votes(probe, turn, everyone)


def ridges() -> NDArray[np.uint8]:
    """Draw a patch of ridges with minutiae at known places, (SIDE, SIDE), nobody's.

    Parallel ridges whose phase turns once about each point: such a point is a minutia.
    """
    y, x = np.mgrid[:SIDE, :SIDE].astype(np.float64)
    phase = 2 * np.pi * np.hypot(x - SIDE / 2, y + SIDE / 2) / PITCH
    dice = np.random.default_rng(1)
    for left, top in dice.uniform(40, SIDE - 40, (30, 2)):
        phase += dice.choice([-1, 1]) * np.arctan2(y - top, x - left)
    drawn: NDArray[np.uint8] = (127.5 + 120 * np.cos(phase)).astype(np.uint8)
    return drawn


def _minutiae(number: int) -> Any:
    from biomatch.fingerprint import FingerprintTemplate, Minutiae

    dice = np.random.default_rng(number)
    x, y = dice.uniform(20, SIDE - 20, (2, 40))
    angle = dice.uniform(0, 2 * np.pi, 40)
    kind = dice.integers(0, 2, 40).astype(np.float64)
    return FingerprintTemplate(Minutiae(x, y, angle, kind, np.ones(40)), SIDE, SIDE)


def _warm_face(folder: Path) -> None:
    """Look for a face where there is none: nothing is compiled, but libraries are found wanting."""
    from biomatch import face

    del folder
    with contextlib.suppress(NoFeaturesError):
        face.extract(np.full((SIDE, SIDE, 3), 128, np.uint8))


def _profiles() -> Iterator[str]:
    """Lines of a table of invented profiles: two alleles a locus, three in the stain."""
    from biomatch.dna import Frequencies

    table = Frequencies.load("nist1036", population="All")
    dice = np.random.default_rng(1)
    yield "SampleName,Marker,Allele1,Allele2,Allele3"
    for number in range(PEOPLE + 1):
        for locus in table.loci:
            alleles = sorted(dice.choice(table.alleles(locus), 3 if number == PEOPLE else 2))
            if dice.random() > 0.1:
                yield ",".join([f"X{number}", locus, *alleles])


def _warm_dna(folder: Path) -> None:
    path = folder / "profiles.csv"
    path.write_text("\n".join(_profiles()) + "\n", encoding="utf-8")
    from biomatch import dna

    profiles = dna.read(path)
    with engine.open(folder / "dna.db") as db:
        db.enrol(path, modality="dna")
        probes = (profiles[0], profiles[-1])
        for _ in range(2):
            for options in _DNA_SEARCHES:
                list(db.search_many(probes, modality="dna", k=3, options=options))
            db.search(probes[0], modality="dna", k=3, exhaustive=True)
            db.index_rebuild("dna")
        db.verify(profiles[0], profiles[1], modality="dna")


_DNA_SEARCHES: tuple[dict[str, Any], ...] = (
    {"stringency": "high"},
    {"stringency": "moderate", "max_mismatches": 1},
    {"stringency": "low", "max_mismatches": 1},
    {"relation": "parent-child"},
    {"relation": "full-sib"},
)


def _warm_vectors(folder: Path) -> None:
    from biomatch.indexes.kernels import best_rows
    from biomatch.indexes.vectors import VectorIndex

    built = VectorIndex.build(np.eye(8, 4, dtype=np.float32), exact=True)
    built.save(folder)
    for index in (built, VectorIndex.open(folder)):
        best_rows(index.vectors, np.ones(4, np.float32), 2)


def _warm_wsq() -> None:
    """Decode the smallest file that there can be: one run of zeros in an empty picture."""
    from biomatch import images

    def segment(marker: int, body: bytes) -> bytes:
        return bytes((0xFF, marker)) + (len(body) + 2).to_bytes(2, "big") + body

    tap = b"\0" + b"\0" + (1).to_bytes(4, "big")
    width = height = (32).to_bytes(2, "big")
    images.read(
        b"\xff\xa0"
        + segment(0xA4, b"\1\1" + tap + tap)
        + segment(0xA5, bytes(3 + 64 * 6))
        + segment(0xA2, b"\0\xff" + height + width + bytes(8))
        + segment(0xA6, b"\0" + b"\1" + bytes(15) + b"\x64")
        + segment(0xA3, b"\0")
        + b"\0"
        + b"\xff\xa1"
    )


_WARM: dict[str, Callable[[Path], None]] = {
    "dna": _warm_dna,
    "face": _warm_face,
    "fingerprint": _warm_fingerprint,
}
