"""Reading the reference vectors; what they must agree with is in `test_dna_vectors.py`."""

import csv
from collections.abc import Iterator
from pathlib import Path

from biomatch.dna import DnaProfile, Frequencies

TOLERANCE = 1e-9
RELATIONS = {
    "PO": "parent-child",
    "FS": "full-sib",
    "HS": "half-sib",
    "FC": "first-cousin",
    "SC": "second-cousin",
    "AV": "avuncular",
}


def rows(path: Path) -> Iterator[dict[str, str]]:
    with path.open(newline="") as lines:
        yield from csv.DictReader(lines)


def table(folder: Path) -> Frequencies:
    return Frequencies.read(folder / "freqs_used_cauc20.csv")


def deviation(value: float, expected: float) -> float:
    """Relative deviation; absolute where nothing is expected."""
    return abs(value / expected - 1.0) if expected else abs(value)


def paired(row: dict[str, str], prefix: str = "") -> DnaProfile:
    """Profile of the columns ``<prefix><locus>_1`` and ``_2``."""
    loci: dict[str, list[str]] = {}
    for column, value in row.items():
        if column.startswith(prefix) and column[-2:] in {"_1", "_2"} and value:
            loci.setdefault(column[len(prefix) : -2], []).append(value)
    return DnaProfile.from_alleles(loci)


def slashed(row: dict[str, str], prefix: str) -> DnaProfile:
    """Profile of the columns ``<prefix>_<locus>`` with cells such as ``12/13`` or ``-``."""
    loci = {
        column[len(prefix) + 1 :]: [cell for cell in value.split("/") if cell not in {"", "-"}]
        for column, value in row.items()
        if column.startswith(f"{prefix}_")
    }
    return DnaProfile.from_alleles(loci, name=prefix)
