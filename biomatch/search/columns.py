"""The columns beside packed references that filters, sharing rules and ranking need."""

import json
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

__all__ = ["Columns", "Record"]

N = TypeVar("N", bound=Hashable)

ARRAYS = {
    "seqs": np.int64,
    "keys": np.int64,
    "samples": np.int64,
    "subjects": np.int64,
    "positions": np.int16,
    "births": np.int16,
    "qualities": np.float32,
    "owners": np.int32,
    "sexes": np.int32,
    "categories": np.int32,
    "galleries": np.int32,
    "order": np.int64,
}


@dataclass(frozen=True, slots=True)
class Record:
    """One enrolled template with what filters look at."""

    seq: int
    key: int
    sample: int
    subject: int
    position: int
    quality: float | None
    owner: str | None
    sex: str | None
    year_of_birth: int | None
    category: str | None
    galleries: tuple[str, ...]
    model_id: str
    blob: bytes


@dataclass(frozen=True, slots=True)
class Columns:
    """Columns of n rows; names are codes into the small tuples at the end.

    Attributes
    ----------
    seqs, keys, samples, subjects
        Sequence number of the row's present version, and keys of template, sample and
        subject, int64, shape (n,).
    positions, births, qualities
        Finger position, year of birth (0 = unknown), quality (NaN = unknown).
    owners, sexes, categories, galleries
        Codes, int32.
    order, ordered
        Rows sorted by subject, and their subjects: a subject's rows are found by bisection.
    owner_names, sex_names, category_names, gallery_sets
        What the codes mean; a row is in every gallery of its set.
    """

    seqs: NDArray[np.int64]
    keys: NDArray[np.int64]
    samples: NDArray[np.int64]
    subjects: NDArray[np.int64]
    positions: NDArray[np.int16]
    births: NDArray[np.int16]
    qualities: NDArray[np.float32]
    owners: NDArray[np.int32]
    sexes: NDArray[np.int32]
    categories: NDArray[np.int32]
    galleries: NDArray[np.int32]
    order: NDArray[np.int64]
    ordered: NDArray[np.int64]
    owner_names: tuple[str | None, ...]
    sex_names: tuple[str | None, ...]
    category_names: tuple[str | None, ...]
    gallery_sets: tuple[tuple[str, ...], ...]

    @classmethod
    def of(cls, records: Sequence[Record]) -> Self:
        """Pack the columns of `records`."""
        owners, owner_names = _coded(r.owner for r in records)
        sexes, sex_names = _coded(r.sex for r in records)
        categories, category_names = _coded(r.category for r in records)
        galleries, gallery_sets = _coded(r.galleries for r in records)
        subjects = np.array([r.subject for r in records], dtype=np.int64)
        order = np.argsort(subjects, kind="stable")
        return cls(
            seqs=np.array([r.seq for r in records], dtype=np.int64),
            keys=np.array([r.key for r in records], dtype=np.int64),
            samples=np.array([r.sample for r in records], dtype=np.int64),
            subjects=subjects,
            positions=np.array([r.position for r in records], dtype=np.int16),
            births=np.array([r.year_of_birth or 0 for r in records], dtype=np.int16),
            qualities=np.array(
                [np.nan if r.quality is None else r.quality for r in records], dtype=np.float32
            ),
            owners=owners,
            sexes=sexes,
            categories=categories,
            galleries=galleries,
            order=order,
            ordered=subjects[order],
            owner_names=owner_names,
            sex_names=sex_names,
            category_names=category_names,
            gallery_sets=gallery_sets,
        )

    def __len__(self) -> int:
        return len(self.seqs)

    def rows_of(self, subjects: NDArray[np.int64]) -> NDArray[np.int64]:
        """Rows of the given subjects, in no particular order."""
        first = np.searchsorted(self.ordered, subjects, side="left")
        last = np.searchsorted(self.ordered, subjects, side="right")
        runs = [self.order[a:b] for a, b in zip(first, last, strict=True) if b > a]
        return np.concatenate(runs) if runs else np.empty(0, dtype=np.int64)

    def save(self, folder: Path) -> None:
        """Write one .npy a column and the names as JSON."""
        for name in ARRAYS:
            np.save(folder / f"column-{name}.npy", getattr(self, name))
        names = {
            f.name: getattr(self, f.name)
            for f in fields(self)
            if isinstance(getattr(self, f.name), tuple)
        }
        (folder / "columns.json").write_text(json.dumps(names), encoding="utf-8")

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Memory-map what `save` wrote. The caller has checked the sha256s."""
        arrays: dict[str, Any] = {
            name: np.asarray(
                np.load(folder / f"column-{name}.npy", mmap_mode="r", allow_pickle=False)
            )
            for name in ARRAYS
        }
        names = json.loads((folder / "columns.json").read_text(encoding="utf-8"))
        return cls(
            **arrays,
            ordered=arrays["subjects"][arrays["order"]],
            owner_names=tuple(names["owner_names"]),
            sex_names=tuple(names["sex_names"]),
            category_names=tuple(names["category_names"]),
            gallery_sets=tuple(tuple(s) for s in names["gallery_sets"]),
        )


def _coded(values: Iterable[N]) -> tuple[NDArray[np.int32], tuple[N, ...]]:
    names: dict[N, int] = {}
    codes = [names.setdefault(value, len(names)) for value in values]
    return np.array(codes, dtype=np.int32), tuple(names)
