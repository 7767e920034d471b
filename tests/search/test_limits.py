"""Candidate lists limited by error rates, and the margin to the next person."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from biomatch.errors import OptionError
from biomatch.search.limits import Limits
from biomatch.types import Calibration, Candidate


def listed(*rates):
    return [Candidate(i, f"p{i}", f"s{i}", -r, 0.0, fmr=r) for i, r in enumerate(rates, start=1)]


@given(st.floats(1e-6, 0.5), st.integers(1, 10**7))
def test_the_rate_of_an_fpir_gives_that_fpir(fpir, records):
    rate = Limits(fpir=fpir).rate(records)
    assert -math.expm1(records * math.log1p(-rate)) == pytest.approx(fpir, rel=1e-6)


def test_candidates_are_kept_up_to_the_limit():
    candidates = listed(1e-6, 1e-4, 1e-2)
    assert Limits().kept(candidates, 100) == 3
    assert Limits(fmr=1e-4).kept(candidates, 100) == 2
    assert Limits(fmr=1e-7).kept(candidates, 100) == 0
    assert Limits(fmr=0.5, fpir=0.01).kept(candidates, 100) == 2
    assert Limits(fmr=0.5, fpir=0.01).kept(candidates, 1000) == 1


@pytest.mark.parametrize("wrong", [0.0, 1.0, -0.1, math.nan])
def test_a_rate_lies_between_0_and_1(wrong):
    with pytest.raises(OptionError, match="between 0 and 1"):
        Limits(fmr=wrong)


@pytest.mark.parametrize(("least", "words"), [(1e-5, "tells none below"), (math.nan, "no limit")])
def test_what_the_calibration_cannot_tell_is_refused(least, words):
    best = Calibration(np.zeros(1), np.array([least]), "20 pairs")
    with pytest.raises(OptionError, match=words):
        Limits(fmr=1e-6).check(best, 10)


def test_a_limited_search(opened, codes, flipped):
    with opened("limits") as db:
        for i, code in enumerate(codes):
            db.enrol(code, modality="iris", subject=f"p{i}")
        probe = flipped(codes[5], 20)
        every = db.search(probe, modality="iris", k=3)
        margins = [a.score - b.score for a, b in itertools.pairwise(every)]
        assert [c.margin for c in every[:2]] == pytest.approx(margins)
        assert every[2].margin >= 0
        kept = [c.margin for c in db.answer(every.search_id)]
        assert kept[:2] == pytest.approx(margins)
        assert math.isnan(kept[2])
        assert db.search(probe, modality="iris", k=1)[0].margin == pytest.approx(margins[0])
        assert [c.subject for c in db.search(probe, modality="iris", fmr=every[0].fmr)] == ["p5"]
        (answer,) = db.search_many([probe], modality="iris", fmr=every[0].fmr / 2)
        assert len(answer) == 0
        assert answer.complete
        with pytest.raises(OptionError, match="fused"):
            db.search([probe, probe], modality="iris", fpir=0.1)
