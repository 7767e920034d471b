"""From scored rows to one candidate a subject: positions, several references, fusion.

Scores of one finger (or face, or profile) are calibrated to log10 likelihood ratios. Over
*different* fingers and modalities these are added, which assumes that they are independent
given the hypothesis; over several probes or references of the *same* finger or face, over
positions that can be the same finger, and over views of one impression only the best counts,
because those are not independent.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biomatch.search.filters import same_skin
from biomatch.search.scan import Found, nothing
from biomatch.types import Modality

__all__ = ["Evidence", "Hit", "best_subjects", "fuse", "hits_of", "merged"]


@dataclass(frozen=True, slots=True)
class Hit:
    """The best that one probe template found of one subject.

    Attributes
    ----------
    subject, key, sample
        Keys of subject, template and sample.
    position
        Finger position of the reference.
    score, log10_lr, fmr
        Comparison score and what it means.
    """

    subject: int
    key: int
    sample: int
    position: int
    score: float
    log10_lr: float = float("nan")
    fmr: float = float("nan")


def merged(found: Sequence[Found]) -> Found:
    """Join what one probe found in several parts, by score descending, then key."""
    if not found:
        return nothing()
    keys = np.concatenate([f.keys for f in found])
    scores = np.concatenate([f.scores for f in found])
    order = np.lexsort((keys, -scores))
    return Found(
        keys=keys[order],
        samples=np.concatenate([f.samples for f in found])[order],
        subjects=np.concatenate([f.subjects for f in found])[order],
        positions=np.concatenate([f.positions for f in found])[order],
        scores=scores[order],
        compared=sum(f.compared for f in found),
        passed=sum(f.passed for f in found),
    )


def best_subjects(found: Found, pool: int) -> NDArray[np.int64]:
    """Keys of the first `pool` subjects, and of whoever ties with the last of them."""
    subjects, first = np.unique(found.subjects, return_index=True)
    if len(subjects) <= pool:
        return subjects
    edge = found.scores[np.sort(first)[pool - 1]]
    kept: NDArray[np.int64] = subjects[found.scores[first] >= edge]
    return kept


def hits_of(
    template: Any,
    found: Found,
    modality: Modality[Any],
    references: Callable[[Sequence[int]], Mapping[int, bytes]],
    options: object | None,
) -> dict[int, Hit]:
    """Reduce rows to one hit a subject, calibrated.

    References of one subject and finger position are combined by the modality; of several
    positions the best counts. Those of several that were deleted since the scan count no more.
    """
    groups = _groups(found)
    several = [rows for rows in groups.values() if len(rows) > 1]
    blobs = references([int(found.keys[row]) for rows in several for row in rows])
    best: dict[int, Hit] = {}
    for (subject, position), listed in groups.items():
        rows = [row for row in listed if len(listed) == 1 or int(found.keys[row]) in blobs]
        if not rows:
            continue
        score = float(found.scores[rows[0]])
        if len(rows) > 1:
            loaded = [modality.loads(blobs[int(found.keys[row])]) for row in rows]
            score = float(modality.combine(template, loaded, found.scores[rows]))
        known = best.get(subject)
        if known is None or score > known.score:
            top = rows[0]
            best[subject] = Hit(
                subject, int(found.keys[top]), int(found.samples[top]), position, score
            )
    return _calibrated(best, modality, options)


def _groups(found: Found) -> dict[tuple[int, int], list[int]]:
    """Rows by (subject, position), each best first, in order of the best score."""
    groups: dict[tuple[int, int], list[int]] = {}
    for row, (subject, position) in enumerate(
        zip(found.subjects.tolist(), found.positions.tolist(), strict=True)
    ):
        groups.setdefault((subject, position), []).append(row)
    return groups


def _calibrated(
    hits: Mapping[int, Hit], modality: Modality[Any], options: object | None
) -> dict[int, Hit]:
    if not hits:
        return {}
    scores = np.array([hit.score for hit in hits.values()])
    meaning = modality.calibrate(scores, options=options)
    return {
        subject: Hit(
            hit.subject, hit.key, hit.sample, hit.position, hit.score, float(lr), float(fmr)
        )
        for (subject, hit), lr, fmr in zip(hits.items(), meaning.log10_lr, meaning.fmr, strict=True)
    }


@dataclass(frozen=True, slots=True)
class Evidence:
    """What one probe template found.

    Attributes
    ----------
    modality
        Its modality.
    capture
        Digest of its file and name of the impression in it (`Sample.capture`); None = unknown.
    position
        The probe's position code, 0 = unknown or no friction ridge skin.
    hits
        By subject key.
    """

    modality: str
    capture: tuple[str, str] | None
    position: int
    hits: Mapping[int, Hit]

    def repeats(self, hit: Hit, other: "Evidence", theirs: Hit) -> bool:
        """Whether two hits on one subject may be about the same skin, and not independent.

        They are when the references can show the same finger, or when both probes are views
        of one impression (a picture, and minutiae that an examiner marked in it).
        """
        if self.modality != other.modality:
            return False
        one_capture = self.capture is not None and self.capture == other.capture
        return same_skin(hit.position, theirs.position) or (
            one_capture and same_skin(self.position, other.position)
        )


def fuse(parts: Sequence[Evidence]) -> dict[int, tuple[float, dict[str, Hit]]]:
    """Add up what the probe's templates say of each subject, the strongest first.

    A hit that may be about the same skin as a stronger one counts nothing.

    Returns
    -------
    dict
        Subject key -> (sum of log10 LR, the hit that counted for each finger or modality).
        A subject without a reference for a template is neither helped nor harmed by it.
    """
    found: dict[int, list[tuple[Hit, Evidence]]] = {}
    for part in parts:
        for subject, hit in part.hits.items():
            found.setdefault(subject, []).append((hit, part))
    fused = {}
    for subject, pairs in found.items():
        counted: list[tuple[Hit, Evidence]] = []
        for hit, part in sorted(pairs, key=lambda pair: -pair[0].log10_lr):
            if not any(part.repeats(hit, other, theirs) for theirs, other in counted):
                counted.append((hit, part))
        traits = {_trait(part.modality, hit.position): hit for hit, part in counted}
        fused[subject] = (sum(hit.log10_lr for hit in traits.values()), traits)
    return fused


def _trait(modality: str, position: int) -> str:
    return f"{modality}:{position}" if position else modality
