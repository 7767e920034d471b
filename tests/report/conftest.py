"""One candidate list a modality, small and made by hand."""

import math
from typing import Any

import numpy as np
import pytest

from biomatch.types import Candidate, CandidateList, Coverage

MINUTIAE = [[20.0, 30.0, 0.5, 0, 0.9], [60.0, 80.0, 2.0, 1, 0.8], [90.0, 40.0, 4.0, 0, 0.7]]


def ridge_why() -> dict[str, Any]:
    return {
        "probe": MINUTIAE,
        "reference": MINUTIAE,
        "probe_size": [120, 140],
        "reference_size": [120, 140],
        "pairs": [[0, 0, 0.9], [1, 1, 0.8]],
        "rotation_degrees": 4.0,
    }


def face_why() -> dict[str, Any]:
    side = {"box": [10, 12, 50, 60], "landmarks": [[20, 30], [45, 30]]}
    return {"probe": side, "reference": side, "cosine": {"sface": 0.71}}


def dna_why() -> dict[str, Any]:
    rows = [
        {"locus": "TH01", "probe": ["6", "9.3"], "reference": ["6", "9.3"], "result": "match"},
        {"locus": "FGA", "probe": [], "reference": ["20", "23"], "result": "missing in probe"},
        {"locus": "vWA", "probe": ["16"], "reference": ["16", "17"], "result": "mismatch"},
    ]
    comparison = {
        "rule": "codis-moderate-2017",
        "hit": "identity-moderate",
        "compared": 2,
        "matched": 1,
        "mismatched": 1,
        "missing_probe": 1,
        "missing_reference": 0,
        "loci": rows,
    }
    rarity = {
        "rmp": 1e-3,
        "table": "test",
        "theta": 0.01,
        "formula": "nrc410",
        "loci": [{"locus": "TH01", "rmp": 0.05}],
    }
    return {"comparison": comparison, "rarity": rarity, "score": "log10 LR"}


WHY = {"fingerprint": ridge_why, "face": face_why, "dna": dna_why}


@pytest.fixture(params=sorted(WHY))
def result(request: pytest.FixtureRequest) -> CandidateList:
    """Two candidates of one modality."""
    why = WHY[request.param]()
    nan = math.nan
    return CandidateList(
        candidates=(
            Candidate(
                1, "<b>1001</b>", "s-1", 0.81, 4.7, 1e-5, 0.002, "XA", 2, why=why, margin=0.69
            ),
            Candidate(2, "1002", "s-2", 0.12, -1.5, nan, nan, "XA", 2, why=why),
        ),
        probe="mark 17 & co.png",
        modality=request.param,
        coverage=Coverage(200, 200),
        penetration=0.05,
        generation=201,
        versions={"biomatch": "0.1.0"},
        timings={"compare": 0.02},
        calibration="Fitted on a test set.",
        search_id="audit-9",
    )


@pytest.fixture
def picture() -> Any:
    """A grey ramp."""
    return np.linspace(0, 255, 120 * 140).reshape(140, 120).astype(np.uint8)
