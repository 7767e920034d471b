"""What all rooms share: samples, probes, scores, candidates, and the two modality protocols.

Words follow ISO/IEC 2382-37 (Biometrics vocabulary). A *sample* is what was captured, a
*template* the features made from it, a *reference* an enrolled template, a *probe* what is
searched with.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from enum import IntEnum, StrEnum
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Calibration",
    "Candidate",
    "CandidateList",
    "Coverage",
    "FingerPosition",
    "Gallery",
    "ImpressionType",
    "Modality",
    "Probe",
    "Sample",
]

T = TypeVar("T")
T_contra = TypeVar("T_contra", contravariant=True)

FloatArray = NDArray[np.float64]
RowArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]


class FingerPosition(IntEnum):
    """Friction ridge position codes of ANSI/NIST-ITL 1-2011 (Update 2013), table 8.

    Fingers, fingers together, and palms; codes 51 to 54 as NIST's own reader (libbiomeval,
    `be_finger.h`) names them, 81 to 86 as in its `be_feature_an2k11efs.h`.
    """

    UNKNOWN = 0
    RIGHT_THUMB = 1
    RIGHT_INDEX = 2
    RIGHT_MIDDLE = 3
    RIGHT_RING = 4
    RIGHT_LITTLE = 5
    LEFT_THUMB = 6
    LEFT_INDEX = 7
    LEFT_MIDDLE = 8
    LEFT_RING = 9
    LEFT_LITTLE = 10
    PLAIN_RIGHT_THUMB = 11
    PLAIN_LEFT_THUMB = 12
    PLAIN_RIGHT_FOUR = 13
    PLAIN_LEFT_FOUR = 14
    BOTH_THUMBS = 15
    RIGHT_EXTRA_DIGIT = 16
    LEFT_EXTRA_DIGIT = 17
    UNKNOWN_FRICTION_RIDGE = 18
    ENTIRE_JOINT_OR_TIP = 19
    UNKNOWN_PALM = 20
    RIGHT_FULL_PALM = 21
    RIGHT_WRITERS_PALM = 22
    LEFT_FULL_PALM = 23
    LEFT_WRITERS_PALM = 24
    RIGHT_LOWER_PALM = 25
    RIGHT_UPPER_PALM = 26
    LEFT_LOWER_PALM = 27
    LEFT_UPPER_PALM = 28
    RIGHT_PALM_OTHER = 29
    LEFT_PALM_OTHER = 30
    RIGHT_INTERDIGITAL = 31
    RIGHT_THENAR = 32
    RIGHT_HYPOTHENAR = 33
    LEFT_INTERDIGITAL = 34
    LEFT_THENAR = 35
    LEFT_HYPOTHENAR = 36
    RIGHT_GRASP = 37
    LEFT_GRASP = 38
    RIGHT_INDEX_MIDDLE = 40
    RIGHT_MIDDLE_RING = 41
    RIGHT_RING_LITTLE = 42
    LEFT_INDEX_MIDDLE = 43
    LEFT_MIDDLE_RING = 44
    LEFT_RING_LITTLE = 45
    BOTH_INDEX = 46
    RIGHT_INDEX_MIDDLE_RING = 47
    RIGHT_MIDDLE_RING_LITTLE = 48
    LEFT_INDEX_MIDDLE_RING = 49
    LEFT_MIDDLE_RING_LITTLE = 50
    RIGHT_FOUR_TIPS = 51
    LEFT_FOUR_TIPS = 52
    RIGHT_FIVE_TIPS = 53
    LEFT_FIVE_TIPS = 54
    RIGHT_CARPAL_DELTA = 81
    LEFT_CARPAL_DELTA = 82
    RIGHT_FULL_AND_WRITERS_PALM = 83
    LEFT_FULL_AND_WRITERS_PALM = 84
    RIGHT_WRIST_BRACELET = 85
    LEFT_WRIST_BRACELET = 86


class ImpressionType(StrEnum):
    """How a friction ridge impression came about."""

    PLAIN = "plain"
    ROLLED = "rolled"
    LATENT = "latent"
    PALM = "palm"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Sample:
    """One captured sample, or a template that somebody else made of it.

    Exactly one of `path`, `image` and `template` is the source; a `path` may accompany the
    other two to say where they came from.

    Attributes
    ----------
    modality
        Registered name: ``"fingerprint"``, ``"face"``, ``"dna"``, or a plug-in's.
    path
        File that the sample is read from.
    image
        Decoded picture: (H, W) or (H, W, 3) RGB, uint8 or uint16.
    template
        A finished template (examiner's minutiae, an imported record, a typed profile).
    label
        Name of the subject or specimen that the source itself gives, if any.
    ppi
        Resolution in pixels per inch; None = take it from the file.
    finger_position
        ANSI/NIST-ITL position code, 0 = unknown.
    impression
        Kind of friction ridge impression.
    sha256
        Hex digest of the source file: samples are recognised by it.
    options
        Extraction options of the modality (for example ``{"extractor": "classical"}``).
    capture
        Name of the impression or exposure within its file, if known: samples of one file with
        the same name show the same skin (a picture and the minutiae an examiner found in it),
        so that fusion does not count them as independent.
    """

    modality: str
    path: Path | None = None
    image: NDArray[Any] | None = None
    template: object | None = None
    label: str | None = None
    ppi: float | None = None
    finger_position: int = 0
    impression: ImpressionType = ImpressionType.UNKNOWN
    sha256: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    capture: str | None = None

    @property
    def name(self) -> str:
        """What error messages call this sample."""
        return str(self.path) if self.path else self.label or f"<{self.modality} sample>"


@dataclass(frozen=True, slots=True)
class Probe:
    """What is searched with: the templates of one unknown person, and how to compare them.

    Attributes
    ----------
    modality
        Registered modality name.
    templates
        One or more templates (a latent, ten fingers, several photos, one profile).
    label
        Name shown in candidate lists and reports.
    options
        The modality's own comparison options, checked by `Modality.options`.
    sample
        The sample that the templates came from, when there is one.
    """

    modality: str
    templates: tuple[Any, ...]
    label: str = "probe"
    options: object | None = None
    sample: Sample | None = None


@dataclass(frozen=True, slots=True)
class Calibration:
    """What comparison scores mean.

    Attributes
    ----------
    log10_lr
        log10 likelihood ratio (same source : different source), shape (n,).
    fmr
        Estimated false match rate at each score as threshold, shape (n,), or NaN where the
        modality has none (DNA: the random match probability takes its place).
    source
        Data and limits behind the figures, in one sentence.
    """

    log10_lr: FloatArray
    fmr: FloatArray
    source: str


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much of the gallery an answer rests on."""

    records_searched: int
    records_total: int
    shards_searched: int = 1
    shards_total: int = 1
    missing: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """True when nothing that should have been searched was left out."""
        return (
            self.records_searched == self.records_total
            and self.shards_searched == self.shards_total
        )

    def __str__(self) -> str:
        return (
            f"{self.shards_searched} of {self.shards_total} shards, "
            f"{self.records_searched:,} of {self.records_total:,} records"
        )


@dataclass(frozen=True, slots=True)
class Candidate:
    """One line of a candidate list. A candidate is not an identification.

    Attributes
    ----------
    rank
        1 = best.
    subject
        Subject identifier (or reference number when the owner shares hit/no-hit only).
    sample
        Identifier of the subject's best sample.
    score
        Comparison score of the modality, higher = more alike.
    log10_lr
        Calibrated log10 likelihood ratio.
    fmr
        Estimated false match rate of this score as a threshold (NaN if unknown).
    expected_false
        Expected number of non-mates with this score or higher in a gallery of this size.
    margin
        Score minus that of the next person, listed or not (NaN if there is none).
    owner, finger_position
        From the record.
    parts
        What each probe template, finger or modality gave: name -> log10 LR.
    why
        JSON-able explanation: matched minutiae pairs, face boxes, or the locus table.
    """

    rank: int
    subject: str
    sample: str
    score: float
    log10_lr: float
    fmr: float = float("nan")
    expected_false: float = float("nan")
    owner: str | None = None
    finger_position: int = 0
    parts: Mapping[str, float] = field(default_factory=dict)
    why: Mapping[str, Any] = field(default_factory=dict)
    margin: float = float("nan")


@dataclass(frozen=True, slots=True)
class CandidateList(Sequence[Candidate]):
    """The answer to a search: candidates by rank, and what the answer rests on.

    Attributes
    ----------
    candidates
        Sorted by score descending, then subject id; one a subject.
    probe
        The probe's label.
    modality
        Registered modality name, or ``"fusion"``.
    coverage
        Shards and records searched; an incomplete search is never "no hit".
    penetration
        Share of the gallery that the exact comparison saw, 0 to 1.
    generation
        Sequence number of the database when the search ran.
    versions
        Software, model and template versions.
    timings
        Seconds a stage.
    calibration
        Where the calibration comes from.
    search_id
        Identifier of the audit row, when the search ran on a database.
    """

    candidates: tuple[Candidate, ...]
    probe: str
    modality: str
    coverage: Coverage
    penetration: float = 1.0
    generation: int = 0
    versions: Mapping[str, str] = field(default_factory=dict)
    timings: Mapping[str, float] = field(default_factory=dict)
    calibration: str = ""
    search_id: str | None = None

    @property
    def complete(self) -> bool:
        """False when a shard or record was not searched."""
        return self.coverage.complete

    def __len__(self) -> int:
        return len(self.candidates)

    def __iter__(self) -> Iterator[Candidate]:
        return iter(self.candidates)

    def __getitem__(self, index: Any) -> Any:
        return self.candidates[index]

    def _columns(self) -> dict[str, list[Any]]:
        names = [entry.name for entry in fields(Candidate) if entry.name not in {"parts", "why"}]
        columns = {name: [getattr(line, name) for line in self] for name in names}
        return {"probe": [self.probe] * len(self), **columns}

    def to_pandas(self) -> Any:
        """Return a `pandas.DataFrame`, one row a candidate, without `parts` and `why`.

        Needs the extra ``frame``.
        """
        import pandas as pd

        return pd.DataFrame(self._columns())

    def to_arrow(self) -> Any:
        """Return a `pyarrow.Table`, one row a candidate, without `parts` and `why`.

        Needs the extra ``frame``.
        """
        import pyarrow as pa

        return pa.table(self._columns())


class Gallery(Protocol[T_contra]):
    """Packed references of one segment with their FAISS index: where both stages run.

    Rows are numbered 0 to ``len(self) - 1`` in the order of the blobs given to
    `Modality.build`. Implementations are read-only after construction, thread-safe, and
    release the GIL in their kernels.

    A gallery whose stage 1 ends with the scores of stage 2 may have a method ``best`` as well,
    with the arguments of `shortlist`: for each probe rows and their scores. It is then called
    instead of `shortlist` and `compare`. One that earlier software saved may have an attribute
    ``dated``, a noun for what it lacks to be as fast as one built now, or an empty string.
    """

    def __len__(self) -> int: ...

    def shortlist(
        self,
        probes: Sequence[T_contra],
        size: int,
        *,
        allowed: BoolArray | None = None,
        options: object | None = None,
    ) -> list[RowArray]:
        """Stage 1: for each probe the rows worth comparing, most promising first.

        `allowed` (shape (len(self),)) is the filter: rows outside it are never returned and
        never take a place. Approximate modalities return at most `size` rows; exact ones
        (DNA) return every row that can match, however many.
        """
        ...

    def compare(
        self, probe: T_contra, rows: RowArray, *, options: object | None = None
    ) -> FloatArray:
        """Stage 2: exact comparison scores of the probe against `rows`, in one native call.

        A score of ``-inf`` says that the row is no candidate at all.
        """
        ...

    def save(self, folder: Path) -> None:
        """Write .npy and FAISS files into an existing, empty folder."""
        ...


class Modality(Protocol[T]):
    """All that `search/` knows of a pipeline. One instance a modality, stateless, picklable.

    A modality from elsewhere that compiles code may have a method ``warm_up()`` as well, without
    arguments, that does so for every kind of array it meets: `biomatch warm-up` calls it. It may
    have a method ``obstacle(template, options)`` that says in a sentence why a search with this
    template and these options (of `options`) can find nobody at all, or returns an empty string:
    such a search is refused, since its empty list would be taken for an exclusion.
    """

    @property
    def name(self) -> str:
        """Registered name, also the word users type."""
        ...

    @property
    def exact(self) -> bool:
        """True when stage 1 provably returns every row that can match (DNA)."""
        ...

    @property
    def suffixes(self) -> frozenset[str]:
        """File name endings that this modality reads, lower case with the dot."""
        ...

    def model_id(self, template: T | None = None) -> str:
        """Identify what made a template (default: what would make one now).

        References with another id are never compared; the remedy is ``biomatch re-enrol``.
        """
        ...

    def extract(self, sample: Sample) -> list[T]:
        """Make templates: usually one, several for group photos and tables of profiles.

        Raises
        ------
        SampleError
            The sample cannot be used; the message names file, cause and remedy.
        """
        ...

    def label(self, template: T) -> str | None:
        """Subject or specimen name that the template itself carries (DNA tables)."""
        ...

    def quality(self, template: T) -> float:
        """Quality 0 (worst) to 100, or NaN when the modality has no such notion."""
        ...

    def dumps(self, template: T) -> bytes:
        """Write the versioned, compact, self-describing binary form."""
        ...

    def loads(self, blob: bytes) -> T:
        """Read what `dumps` wrote, of this or any earlier version.

        Raises
        ------
        FormatError
            The blob is damaged.
        """
        ...

    def build(self, blobs: Sequence[bytes]) -> Gallery[T]:
        """Pack references and build their index."""
        ...

    def load(self, folder: Path) -> Gallery[T]:
        """Open what `Gallery.save` wrote, memory-mapped. The caller has checked the sha256s."""
        ...

    def options(self, values: Mapping[str, Any]) -> object | None:
        """Check comparison options given by name and return the modality's options object.

        Raises
        ------
        OptionError
            Unknown name or value out of range.
        """
        ...

    def calibrate(self, scores: FloatArray, *, options: object | None = None) -> Calibration:
        """Turn scores into log10 LR and FMR."""
        ...

    def combine(self, probe: T, references: Sequence[T], scores: FloatArray) -> float:
        """Score one probe against several references of the same subject and position.

        The default choice is the maximum; faces compare with the weighted mean as well.
        """
        ...

    def explain(self, probe: T, reference: T, *, options: object | None = None) -> dict[str, Any]:
        """Say why they match, JSON-able, for reports and examiners."""
        ...
