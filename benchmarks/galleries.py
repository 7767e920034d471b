"""Galleries of made-up templates of every modality, written in bulk, for measurements of scale."""

import hashlib
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

import numpy as np

import biomatch
from benchmarks import distractors, dna_profiles
from benchmarks.faces import face
from biomatch.database import schema
from biomatch.dna import DnaProfile
from biomatch.fingerprint.packing import unpack_into
from biomatch.fingerprint.template import FingerprintTemplate, Minutiae
from biomatch.search import registry

BLOCK = 20_000


def faces(vectors: np.ndarray) -> Iterator[Any]:
    """Face templates with the given embeddings."""
    return (face(vector) for vector in vectors)


def prints(count: int, seed: int = 5) -> Iterator[FingerprintTemplate]:
    """Synthetic fingerprints of `distractors`."""
    offsets, points = distractors.generate(count, seed)
    for start, end in zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True):
        yield print_of(points[start:end])


def print_of(points: np.ndarray) -> FingerprintTemplate:
    """Make a template of points on the packed grid."""
    rows = np.zeros((5, len(points)), np.float32)
    unpack_into(points, rows)
    x, y, angle, quality, kind = rows
    minutiae = Minutiae(x, -y, angle, kind.astype(np.uint8), quality)
    return FingerprintTemplate(minutiae, 640, 640, model_id="synthetic", quality=60)


def profiles(columns: dna_profiles.Columns) -> Iterator[DnaProfile]:
    """Profiles of all rows of a synthetic DNA database."""
    for start in range(0, len(columns), 1000):
        yield from dna_profiles.profiles_of(columns, range(start, min(start + 1000, len(columns))))


def fill(db: biomatch.Database, templates: Iterable[Any], modality: str) -> None:
    """Write records in bulk, with one audit row a block: only to have something to measure.

    Subjects are called p0, p1, ...
    """
    reader, stream, number = registry.get(modality), iter(templates), 0
    while block := list(islice(stream, BLOCK)):
        with db.store.write() as writer:
            first = writer.draw(3 * len(block))
            rows = [
                _rows(first + 3 * i, f"p{number + i}", reader, template)
                for i, template in enumerate(block)
            ]
            for place, table in enumerate((schema.subjects, schema.samples, schema.templates)):
                writer.insert(table, [row[place] for row in rows])
            writer.audit("fill", {"records": len(block)})
        number += len(block)


def _rows(key: int, name: str, reader: Any, template: Any) -> tuple[dict[str, Any], ...]:
    at = "2026-01-01T00:00:00.000Z"
    blob = reader.dumps(template)
    person = {"key": key, "id": name, "reference": name, "metadata": "{}", "created_at": at}
    sample = {
        "key": key + 1,
        "subject_key": key,
        "modality": reader.name,
        "gallery": "main",
        "finger_position": 0,
        "impression": "unknown",
        "quality": 50.0,
        "sha256": hashlib.sha256(blob).hexdigest(),
        "part": 0,
        "created_at": at,
    }
    reference = {
        "key": key + 2,
        "seq": key + 2,
        "sample_key": key + 1,
        "subject_key": key,
        "modality": reader.name,
        "model_id": reader.model_id(template),
        "blob": blob,
    }
    return person, sample, reference
