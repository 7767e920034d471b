"""FaceGallery: packed references of one segment, scanned exactly or in compressed form."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from biomatch.errors import FormatError, TemplateMismatchError
from biomatch.face.template import FaceTemplate, essentials
from biomatch.indexes.vectors import VectorIndex
from biomatch.types import BoolArray, FloatArray, RowArray

__all__ = ["FaceGallery", "mismatch"]

ABOUT = "face.json"


class FaceGallery:
    """References of one model set; implements `biomatch.types.Gallery`.

    Up to 100,000 references are scanned exactly; more as 4-bit product codes whose best rows are
    scored again, exactly, from the float32 vectors.

    Parameters
    ----------
    index
        Unit vectors of the references.
    model_id
        Of all references; empty for an empty gallery.
    """

    def __init__(self, index: VectorIndex, model_id: str) -> None:
        self.index = index
        self.model_id = model_id

    @classmethod
    def of(cls, blobs: Sequence[bytes]) -> Self:
        """Pack template blobs.

        Raises
        ------
        TemplateMismatchError
            They come from different models.
        FormatError
            A blob is damaged.
        """
        found = [essentials(blob) for blob in blobs]
        ids = sorted({model_id for model_id, _ in found})
        if len(ids) > 1:
            raise mismatch(ids[0], ids[1])
        if not found:
            return cls(VectorIndex.build(np.zeros((0, 2), np.float32)), "")
        return cls(VectorIndex.build(np.stack([embedding for _, embedding in found])), ids[0])

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Memory-map what `save` wrote.

        Raises
        ------
        FormatError
            A file is missing or damaged.
        """
        try:
            about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
            return cls(VectorIndex.open(folder), str(about["model_id"]))
        except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
            raise FormatError(f"{folder}: is no face gallery ({error})") from error

    def save(self, folder: Path) -> None:
        """Write vectors, codes and what they are into an existing, empty folder."""
        self.index.save(folder)
        about = {"model_id": self.model_id, "count": len(self)}
        (folder / ABOUT).write_text(json.dumps(about), encoding="utf-8")

    def __len__(self) -> int:
        return len(self.index)

    @property
    def dated(self) -> str:
        """What earlier software did not write and would make searches faster; empty = nothing."""
        return "" if self.index.whole else "the 8-bit copy of the vectors"

    def shortlist(
        self,
        probes: Sequence[FaceTemplate],
        size: int,
        *,
        allowed: BoolArray | None = None,
        options: object | None = None,
    ) -> list[RowArray]:
        """Rows with the highest cosine, best first; see `biomatch.types.Gallery`."""
        return [rows for rows, _ in self.best(probes, size, allowed=allowed, options=options)]

    def best(
        self,
        probes: Sequence[FaceTemplate],
        size: int,
        *,
        allowed: BoolArray | None = None,
        options: object | None = None,
    ) -> list[tuple[RowArray, FloatArray]]:
        """Rows with the highest cosine and their cosines, best first."""
        del options
        if not len(self) or not probes:
            return [(np.zeros(0, np.int64), np.zeros(0)) for _ in probes]
        queries = np.stack([self._checked(probe) for probe in probes])
        scores, rows = self.index.search(queries, min(size, len(self)), allowed=allowed)
        return [
            (found[found >= 0], cosines[found >= 0].astype(np.float64))
            for found, cosines in zip(rows, scores, strict=True)
        ]

    def compare(
        self, probe: FaceTemplate, rows: RowArray, *, options: object | None = None
    ) -> FloatArray:
        """Cosine of the probe with each row, -1 to 1, from the float32 vectors."""
        del options
        if not len(rows):
            return np.zeros(0)
        return self.index.score(self._checked(probe), rows).astype(np.float64)

    def _checked(self, probe: FaceTemplate) -> NDArray[np.float32]:
        if probe.model_id != self.model_id:
            raise mismatch(probe.model_id, self.model_id)
        return probe.embedding


def mismatch(one: str, other: str) -> TemplateMismatchError:
    """Return the error that says why two templates are not compared, and the remedy."""
    return TemplateMismatchError(
        f"face templates of '{one}' and '{other}' cannot be compared; run `biomatch re-enrol` "
        "to make all of them with one model, or give the accuracy that the references have"
    )
