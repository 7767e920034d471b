"""Transactions of biomatch's own: a latent search and the answers to it.

Written as the INTERPOL implementation of ANSI/NIST-ITL 1-2000 prescribes (domain ``INT-I``,
version 4.22), in the form that Council Decision 2008/616/JHA (Prüm), annex, chapter 2 publishes:
``MPS`` searches a mark in the prints, ``SRE`` answers with one candidate, ``ERR`` refuses. Other
domains can be named; the records stay the same.
"""

import datetime
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biomatch import images
from biomatch.errors import OptionError
from biomatch.fingerprint.minutiae import MinutiaType
from biomatch.fingerprint.template import FingerprintTemplate
from biomatch.formats.ansi_nist.minutiae import PIXELS_A_UNIT
from biomatch.formats.ansi_nist.records import TaggedRecord, Transaction, tagged
from biomatch.types import Candidate

__all__ = ["Envelope", "error_answer", "latent_search", "search_results"]

INTERPOL_SYSTEM = "0422"
VERSION_ITL_2000 = "0300"
LATENT_IMPRESSION = 4
MOST_POSITION = 99_999
UNVERIFIED_SCORE_LIMIT = 999_998
"""999999 is kept for hits that an examiner has verified."""

_LETTERS = {
    MinutiaType.ENDING: "A",
    MinutiaType.BIFURCATION: "B",
    MinutiaType.UNKNOWN: "D",
}


@dataclass(frozen=True, slots=True)
class Envelope:
    """Who writes to whom, for the Type-1 record.

    Attributes
    ----------
    origin, destination
        Agency identifiers, as ``DE/BKA``.
    control_number
        Number of this transaction, unique at the origin.
    domain
        Domain name and its version.
    priority
        1 (highest) to 9.
    time
        Of writing; now by default.
    """

    origin: str
    destination: str
    control_number: str
    domain: tuple[str, str] = ("INT-I", "4.22")
    priority: int = 4
    time: datetime.datetime | None = None

    def header(
        self, kind: str, contents: Sequence[tuple[int, int]], reference: str = ""
    ) -> TaggedRecord:
        """Make the Type-1 record of a transaction `kind` with records (type, IDC)."""
        if not 1 <= self.priority <= 9:
            raise OptionError(f"priority {self.priority} is outside 1 to 9")
        moment = (self.time or datetime.datetime.now(datetime.UTC)).astimezone(datetime.UTC)
        listed = [(1, len(contents)), *((type_, f"{idc:02d}") for type_, idc in contents)]
        values: list[tuple[int, Any]] = [
            (2, VERSION_ITL_2000),
            (3, listed),
            (4, kind),
            (5, f"{moment:%Y%m%d}"),
            (6, str(self.priority)),
            (7, self.destination),
            (8, self.origin),
            (9, self.control_number),
        ]
        if reference:
            values.append((10, reference))
        values += [
            (11, "00.00"),
            (12, "00.00"),
            (13, [self.domain]),
            (14, f"{moment:%Y%m%d%H%M%S}Z"),
        ]
        return tagged(1, values)


def latent_search(
    envelope: Envelope,
    pixels: NDArray[Any],
    ppi: float,
    *,
    case: str,
    template: FingerprintTemplate | None = None,
    mark: str = "A",
    finger_position: int = 0,
    candidates: int = 10,
) -> Transaction:
    """Make a search of a mark (``MPS``): Type-1, Type-2, Type-9 if minutiae are given, Type-13.

    Parameters
    ----------
    envelope
        For the Type-1 record.
    pixels
        Picture of the mark, dark ridges; colour and 16 bit are reduced to 8 bits.
    ppi
        Its resolution.
    case
        Case number (2.007).
    template
        Minutiae to search with, in the coordinates of `pixels` brought to 500 ppi.
    mark
        Which mark of the case, A to ZZ (2.009).
    finger_position
        ANSI/NIST-ITL code, 0 = unknown.
    candidates
        Expected number of candidates (2.320).

    Raises
    ------
    OptionError
        A value is out of its range.
    """
    grey = images.to_grey(pixels)
    height, width = grey.shape
    if not 1 <= ppi < 100_000:
        raise OptionError(f"ppi {ppi:g} is outside 1 to 99,999")
    if not (0 < width <= MOST_POSITION and 0 < height <= MOST_POSITION):
        raise OptionError(f"a picture of {width} x {height} pixels does not fit a Type-13 record")
    contents = [(2, 0), *([(9, 1)] if template is not None else []), (13, 1)]
    records = [
        envelope.header("MPS", contents),
        tagged(
            2,
            [
                (2, "00"),
                (3, INTERPOL_SYSTEM),
                (7, case),
                (8, "0001"),
                (9, mark),
                (320, str(candidates)),
            ],
        ),
    ]
    if template is not None:
        records.append(_minutiae(template, height * 2540 / ppi, finger_position))
    records.append(_picture(grey, ppi, envelope, finger_position))
    return Transaction(tuple(records))


def _picture(
    grey: NDArray[np.uint8], ppi: float, envelope: Envelope, finger_position: int
) -> TaggedRecord:
    moment = envelope.time or datetime.datetime.now(datetime.UTC)
    height, width = grey.shape
    return tagged(
        13,
        [
            (2, "01"),
            (3, str(LATENT_IMPRESSION)),
            (4, envelope.origin),
            (5, f"{moment:%Y%m%d}"),
            (6, str(width)),
            (7, str(height)),
            (8, "1"),
            (9, str(round(ppi))),
            (10, str(round(ppi))),
            (11, "NONE"),
            (12, "8"),
            (13, str(finger_position)),
            (999, grey.tobytes()),
        ],
    )


def _minutiae(template: FingerprintTemplate, height: float, finger_position: int) -> TaggedRecord:
    """Type-9 record with the legacy block; `height` of the picture in 0.01 mm."""
    found = template.minutiae
    degrees = np.rint(np.degrees(found.angle)).astype(int)
    rows = [
        (
            f"{number:03d}",
            _xyt(x / PIXELS_A_UNIT, height - y / PIXELS_A_UNIT, (int(angle) + 180) % 360),
            "00",
            _LETTERS[MinutiaType(kind)],
        )
        for number, (x, y, angle, kind) in enumerate(
            zip(found.x.tolist(), found.y.tolist(), degrees, found.type.tolist(), strict=True), 1
        )
    ]
    manual = template.extractor == "examiner"
    return tagged(
        9,
        [
            (2, "01"),
            (3, str(LATENT_IMPRESSION)),
            (4, "S"),
            (5, [("biomatch", "M" if manual else "A")]),
            (6, f"{finger_position:02d}"),
            (7, [("T", "UN")]),
            (10, str(len(rows))),
            (11, "0"),
            (12, rows),
        ],
    )


def _xyt(x: float, y: float, degrees: int) -> str:
    """Position in 0.01 mm from the lower left corner and legacy angle, as one number."""
    across, up = max(0, round(x)), max(0, round(y))
    if max(across, up) > MOST_POSITION:
        raise OptionError(f"a minutia at {across / 100:g} x {up / 100:g} mm is out of range")
    digits = 4 if max(across, up) <= 9999 else 5
    return f"{across:0{digits}d}{up:0{digits}d}{degrees:03d}"


def search_results(
    envelope: Envelope,
    search: Transaction,
    candidates: Sequence[Candidate],
) -> list[Transaction]:
    """Answer a search (``SRE``): one transaction of Type-1 and Type-2 a candidate.

    The respondents list (2.064) repeats the type of search, says I (candidate) or N (none),
    which of how many this is, and a score: 1000 log10 LR within 0 to 999998. A candidate is
    not an identification; the standard's 999999 for verified hits is never written.

    Parameters
    ----------
    envelope
        Origin is the searched agency; its control number gets a running number.
    search
        The transaction that is answered.
    candidates
        By rank.
    """
    asked = search.header
    rows: Sequence[Candidate | None] = candidates or [None]
    return [
        Transaction(
            (
                _numbered(envelope, rank, len(rows)).header(
                    "SRE", [(2, 0)], reference=asked.text(9)
                ),
                _respondent(search, candidate, rank, len(candidates)),
            )
        )
        for rank, candidate in enumerate(rows, 1)
    ]


def _numbered(envelope: Envelope, rank: int, total: int) -> Envelope:
    number = envelope.control_number if total == 1 else f"{envelope.control_number}-{rank:03d}"
    return Envelope(
        envelope.origin,
        envelope.destination,
        number,
        envelope.domain,
        envelope.priority,
        envelope.time,
    )


def _respondent(
    search: Transaction, candidate: Candidate | None, rank: int, total: int
) -> TaggedRecord:
    asked = next((r for r in search.of_type(2) if isinstance(r, TaggedRecord)), None)
    values: list[tuple[int, Any]] = [(2, "00"), (3, INTERPOL_SYSTEM)]
    values += [(number, value) for number in (7, 8, 9) if asked and (value := asked.value(number))]
    kind = search.header.text(4)
    if candidate is None:
        return tagged(2, [*values, (64, [(kind,), ("N",), ("000/000",), ("0",)])])
    ratio = candidate.log10_lr if math.isfinite(candidate.log10_lr) else 0.0
    score = min(max(round(1000 * ratio), 0), UNVERIFIED_SCORE_LIMIT)
    note = f"finger position {candidate.finger_position}; log10 LR {ratio:.2f}; candidate only"
    return tagged(
        2,
        [
            *values,
            (10, candidate.subject),
            (63, note),
            (64, [(kind,), ("I",), (f"{rank:03d}/{total:03d}",), (str(score),)]),
        ],
    )


def error_answer(envelope: Envelope, search: Transaction, code: int, text: str) -> Transaction:
    """Refuse a search (``ERR``): Type-1 and a Type-2 with the error message (2.074).

    Parameters
    ----------
    envelope, search
        As in `search_results`.
    code
        Error code of the agreement between the agencies, 1 to 999.
    text
        One sentence.

    Raises
    ------
    OptionError
        The code is out of range.
    """
    if not 1 <= code <= 999:
        raise OptionError(f"error code {code} is outside 1 to 999")
    record = tagged(2, [(2, "00"), (3, INTERPOL_SYSTEM), (74, f"{code:03d}: {text}")])
    header = envelope.header("ERR", [(2, 0)], reference=search.header.text(9))
    return Transaction((header, record))
