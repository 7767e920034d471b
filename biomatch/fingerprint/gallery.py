"""The packed references of one segment: shortlist by votes, then exact comparison."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from biomatch.fingerprint import votes
from biomatch.fingerprint.comparison import MAX_TURN, score_rows
from biomatch.fingerprint.packing import PackedPrints, pack
from biomatch.fingerprint.postings import Postings
from biomatch.fingerprint.sketches import Sketches
from biomatch.fingerprint.template import FingerprintTemplate
from biomatch.types import BoolArray, FloatArray, RowArray

__all__ = ["FingerprintGallery", "FingerprintOptions"]

SKETCHED_FROM = 5000
"""Fewer prints have all their votes counted exactly: some 60 ms of one core."""
LISTED_FROM = 125_000
"""Up to so many prints have all their sketches scanned: some 300 ms of one core."""
THINNED = 100_000
"""Prints that inverted lists leave of a larger gallery."""
RECOUNT = 4
"""Prints whose votes are counted exactly, times the shortlist's size."""
MIN_RECOUNT = 2000
"""The same, at least."""


@dataclass(frozen=True, slots=True)
class FingerprintOptions:
    """How prints are compared.

    Attributes
    ----------
    rotation
        Largest rotation between probe and reference in degrees, 0 to 180.
    """

    rotation: float = math.degrees(MAX_TURN)

    @property
    def max_turn(self) -> float:
        """`rotation` in radians."""
        return math.radians(self.rotation)


def _max_turn(options: object | None) -> float:
    return options.max_turn if isinstance(options, FingerprintOptions) else MAX_TURN


def _best(rows: RowArray, rating: NDArray[np.float32], most: int) -> RowArray:
    """Keep the `most` rows of the highest rating, in their order."""
    if len(rows) <= most:
        return rows
    kept: RowArray = rows[np.sort(np.argpartition(-rating, most - 1)[:most])]
    return kept


class FingerprintGallery:
    """References of one segment, read-only; implements `biomatch.types.Gallery`.

    Stage 1 counts votes of similar, equally turned and shifted cylinders (`votes`). Above
    `SKETCHED_FROM` prints (that a filter leaves) the votes of all are counted on `Sketches`
    first, and exactly for the best of them; above `LISTED_FROM` prints inverted lists
    (`Postings`) choose whose sketches are looked at.
    """

    def __init__(
        self,
        prints: PackedPrints,
        sketches: Sketches | None = None,
        postings: Postings | None = None,
    ) -> None:
        self.prints = prints
        self.sketches = sketches
        self.postings = postings

    @classmethod
    def build(cls, templates: Iterable[FingerprintTemplate]) -> "FingerprintGallery":
        """Pack references, make their cylinders and, for a large gallery, the index."""
        return cls.of(pack(templates))

    @classmethod
    def of(cls, prints: PackedPrints) -> "FingerprintGallery":
        """Make a gallery of packed prints."""
        return cls(
            prints,
            Sketches.build(prints) if len(prints) >= SKETCHED_FROM else None,
            Postings.build(prints) if len(prints) > LISTED_FROM else None,
        )

    @classmethod
    def load(cls, folder: Path) -> "FingerprintGallery":
        """Map what `save` wrote."""
        prints = PackedPrints.load(folder)
        return cls(
            prints,
            Sketches.load(folder) if len(prints) >= SKETCHED_FROM else None,
            Postings.load(folder) if len(prints) > LISTED_FROM else None,
        )

    def save(self, folder: Path) -> None:
        """Write the arrays into an existing, empty folder."""
        self.prints.save(folder)
        for index in (self.sketches, self.postings):
            if index is not None:
                index.save(folder)

    @property
    def nbytes(self) -> int:
        """Bytes of prints and indexes."""
        indexes = (self.sketches, self.postings)
        return self.prints.nbytes + sum(index.nbytes for index in indexes if index is not None)

    def __len__(self) -> int:
        return len(self.prints)

    def shortlist(
        self,
        probes: Sequence[FingerprintTemplate],
        size: int,
        *,
        allowed: BoolArray | None = None,
        options: object | None = None,
    ) -> list[RowArray]:
        """Rows worth comparing with each probe, most votes first (see `votes`)."""
        turn = _max_turn(options)
        return [self._shortlist(pack([probe]), size, allowed, turn) for probe in probes]

    def _shortlist(
        self, probe: PackedPrints, size: int, allowed: BoolArray | None, max_turn: float
    ) -> RowArray:
        rows = np.arange(len(self)) if allowed is None else np.flatnonzero(allowed)
        if self.postings is not None and len(rows) > LISTED_FROM:
            rows = _best(rows, self.postings.votes(probe, max_turn, allowed)[rows], THINNED)
        if self.sketches is not None and len(rows) > SKETCHED_FROM:
            rating = self.sketches.votes(probe, self.prints, rows, max_turn)
            rows = _best(rows, rating, max(RECOUNT * size, MIN_RECOUNT))
        count = self._votes(probe, rows, max_turn)
        chosen: RowArray = rows[np.argsort(-count, kind="stable")[:size]]
        return chosen

    def _votes(self, probe: PackedPrints, rows: RowArray, max_turn: float) -> NDArray[np.float32]:
        count = np.zeros(len(rows), np.float32)
        prints = self.prints
        votes.scan(
            probe.points, probe.bits, probe.cells, prints.offsets, prints.points, prints.bits,
            prints.cells, rows, max_turn, count,
        )  # fmt: skip
        return count

    def compare(
        self, probe: FingerprintTemplate, rows: RowArray, *, options: object | None = None
    ) -> FloatArray:
        """Exact comparison scores of the probe against `rows` (see `comparison.compare`)."""
        return score_rows(pack([probe]), self.prints, rows, max_turn=_max_turn(options))
