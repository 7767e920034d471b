"""A first look: the shipped samples enrolled and searched, three modalities, three reports."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from biomatch import search as engine
from biomatch.errors import UnreadableSampleError
from biomatch.formats.manifest import Item, SubjectFrom, walk
from biomatch.jobs.enrolment import enrol
from biomatch.jobs.items import samples
from biomatch.jobs.searching import Reporting, report, write_index_of
from biomatch.types import CandidateList, ImpressionType, Sample

__all__ = ["Scene", "demo", "fixtures"]


@dataclass(frozen=True, slots=True)
class Scene:
    """One search of the demonstration.

    Attributes
    ----------
    title
        What is searched.
    answer
        Its candidate list.
    expected
        The subject that the probe comes from.
    report
        The page that shows it.
    """

    title: str
    answer: CandidateList
    expected: str
    report: Path

    @property
    def right(self) -> bool:
        """True when the right subject is at rank 1."""
        return len(self.answer) > 0 and self.answer[0].subject == self.expected


PROBES = (
    ("a simulated latent fingerprint", "fingerprint/latent_of_001.png", "fingerprint", "001"),
    ("a turned, dark photograph", "faces/probe.jpg", "face", "collins"),
    ("a partial crime-stain profile", "dna/stain.csv", "dna", "P137"),
)


def fixtures() -> Path:
    """Folder of the shipped samples.

    Raises
    ------
    UnreadableSampleError
        They are not installed.
    """
    package = Path(__file__).parent.parent
    for folder in (package / "_fixtures", package.parent / "fixtures"):
        if folder.is_dir():
            return folder
    raise UnreadableSampleError(f"{package / '_fixtures'}: the shipped samples are not installed")


def demo(out: Path, *, advance: Callable[[str], None] = lambda _step: None) -> Iterator[Scene]:
    """Enrol the fixtures in a fresh database and search three probes.

    Parameters
    ----------
    out
        Folder for database and reports; an earlier demonstration in it is replaced.
    advance
        Told what is being done.
    """
    root = fixtures()
    out.mkdir(parents=True, exist_ok=True)
    for suffix in ("", "-wal", "-shm"):
        (out / f"demo.db{suffix}").unlink(missing_ok=True)
    rows = []
    with engine.open(out / "demo.db") as db:
        for name, items in _gallery(root):
            advance(f"enrolling {len(items)} {name}")
            enrol(db, items, actor="demo", purpose="demonstration", attach=True)
        for title, file, modality, expected in PROBES:
            advance(f"searching {title}")
            scene, row = _searched(db, out, title, root / file, modality, expected)
            rows.append(row)
            yield scene
    write_index_of(out / "index.html", rows, title="Demonstration")


def _gallery(root: Path) -> Iterator[tuple[str, list[Item]]]:
    finger = Sample("fingerprint", finger_position=0, impression=ImpressionType.PLAIN)
    prints = walk(root / "fingerprint", finger, {".png"}, subject_from=SubjectFrom.PREFIX)
    yield (
        "synthetic fingerprints",
        [item for item in prints if not item.sample.name.split("/")[-1].startswith("latent")],
    )
    yield (
        "photographs of two people",
        walk(root / "faces" / "gallery", Sample("face"), {".jpg"}, subject_from=SubjectFrom.PREFIX),
    )
    yield (
        "table of 200 simulated DNA profiles",
        [Item(Sample("dna", path=root / "dna" / "database.csv"))],
    )


def _searched(
    db: engine.Database, out: Path, title: str, path: Path, modality: str, expected: str
) -> tuple[Scene, dict[str, object]]:
    latent = ImpressionType.LATENT if modality == "fingerprint" else ImpressionType.UNKNOWN
    probe = samples(Item(Sample(modality, path=path, impression=latent)))[0]
    answer = db.search(probe, k=5, actor="demo", purpose="demonstration", case="demo")
    audit = {"actor": "demo", "purpose": "demonstration", "case": "demo"}
    reporting = Reporting(out, details=3, overlays=True, audit=audit)
    row = report(db, answer, probe, reporting, modality)
    return Scene(title, answer, expected, out / f"{modality}.html"), row
