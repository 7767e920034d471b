"""The shared types behave as documented."""

import pytest

from biomatch import errors
from biomatch.types import Candidate, CandidateList, Coverage, Sample


def test_coverage_is_complete_only_when_everything_was_searched() -> None:
    assert Coverage(10, 10).complete
    assert not Coverage(9, 10).complete
    assert not Coverage(10, 10, shards_searched=3, shards_total=4).complete
    assert str(Coverage(1000000, 1000000, 4, 4)) == "4 of 4 shards, 1,000,000 of 1,000,000 records"


def test_sample_names_itself() -> None:
    assert Sample("dna", label="stain").name == "stain"
    assert Sample("face").name == "<face sample>"


def test_every_error_is_a_biomatch_error_with_an_exit_code() -> None:
    for name in errors.__all__:
        error = getattr(errors, name)
        assert issubclass(error, errors.BiomatchError)
        assert error.exit_code in {1, 2, 3, 4}


def test_candidate_lists_become_frames() -> None:
    pandas = pytest.importorskip("pandas")
    arrow = pytest.importorskip("pyarrow")
    answer = CandidateList(
        (Candidate(1, "a", "s1", 2.5, 1.2, why={"x": 1}),), "probe.png", "face", Coverage(3, 3)
    )
    frame = answer.to_pandas()
    assert isinstance(frame, pandas.DataFrame)
    assert frame.loc[0, ["probe", "subject", "score"]].tolist() == ["probe.png", "a", 2.5]
    assert "why" not in frame
    assert isinstance(answer.to_arrow(), arrow.Table)
    assert len(CandidateList((), "p", "face", Coverage(0, 0)).to_pandas()) == 0
