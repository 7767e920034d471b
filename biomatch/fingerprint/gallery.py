"""The packed references of one segment: shortlist by votes, then exact comparison."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from biomatch.fingerprint import votes
from biomatch.fingerprint.comparison import MAX_TURN, score_rows
from biomatch.fingerprint.packing import PackedPrints, pack
from biomatch.fingerprint.template import FingerprintTemplate
from biomatch.types import BoolArray, FloatArray, RowArray

__all__ = ["FingerprintGallery", "FingerprintOptions"]


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


class FingerprintGallery:
    """References of one segment, read-only; implements `biomatch.types.Gallery`."""

    def __init__(self, prints: PackedPrints) -> None:
        self.prints = prints

    @classmethod
    def build(cls, templates: Sequence[FingerprintTemplate]) -> "FingerprintGallery":
        """Pack references and make their cylinders."""
        return cls(pack(templates))

    @classmethod
    def load(cls, folder: Path) -> "FingerprintGallery":
        """Map what `save` wrote."""
        return cls(PackedPrints.load(folder))

    def save(self, folder: Path) -> None:
        """Write the arrays into an existing, empty folder."""
        self.prints.save(folder)

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
        rows = np.arange(len(self)) if allowed is None else np.flatnonzero(allowed)
        return [self._shortlist(probe, rows, size, _max_turn(options)) for probe in probes]

    def _shortlist(
        self, probe: FingerprintTemplate, rows: RowArray, size: int, max_turn: float
    ) -> RowArray:
        count = self._votes(pack([probe]), rows, max_turn)
        best = np.argsort(-count, kind="stable")[:size]
        chosen: RowArray = rows[best]
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
        return score_rows(pack([probe]), self.prints, rows, _max_turn(options))
