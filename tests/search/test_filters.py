"""A filtered search equals a search over the filtered gallery."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import biomatch
from biomatch.errors import OptionError
from biomatch.search import Filters
from biomatch.search.filters import RIGHT_PALMS, SKIN, UNKNOWN, compatible_positions, same_skin
from biomatch.types import FingerPosition, Sample

PEOPLE = 40


def records(seed: int) -> list[dict]:
    rng = np.random.default_rng(seed)
    return [
        {
            "subject": f"p{i:02}",
            "owner": [None, "FR", "DE", "IT"][rng.integers(4)],
            "sex": [None, "M", "F"][rng.integers(3)],
            "year_of_birth": [None, 1950, 1960, 1970][rng.integers(4)],
            "category": [None, "staff", "missing"][rng.integers(3)],
            "gallery": ["main", "border", "cold"][rng.integers(3)],
            "finger_position": int(rng.integers(0, 4)),
        }
        for i in range(PEOPLE)
    ]


@pytest.fixture(scope="module")
def gallery():
    """A database with several of everything, sealed and unsealed, and what is in it."""
    codes = np.random.default_rng(3).integers(0, 4, (PEOPLE, 32), dtype=np.uint8)
    facts = records(5)
    with biomatch.open() as db:
        for i, (code, about) in enumerate(zip(codes, facts, strict=True)):
            db.enrol(code, modality="iris", **about)
            if i == 25:
                db.index_compact("iris")
        db.delete("p07")
        yield db, {f["subject"]: (c, f) for c, f in zip(codes, facts, strict=True)}


def passes(about: dict, filters: Filters, position: int) -> bool:
    def holds(value, wanted):
        return not wanted or (not filters.strict if value is None else value in wanted)

    year = about["year_of_birth"]
    inside = (filters.born_from or 0) <= (year or 0) <= (filters.born_to or 9999)
    limited = filters.born_from is not None or filters.born_to is not None
    return (
        holds(about["owner"], filters.owners)
        and holds(about["sex"], filters.sexes)
        and holds(about["category"], filters.categories)
        and (not filters.galleries or about["gallery"] in filters.galleries)
        and (not limited or (not filters.strict if year is None else inside))
        and (not position or about["finger_position"] in (0, position))
    )


some = lambda *values: st.frozensets(st.sampled_from(values), max_size=2)  # noqa: E731


@settings(max_examples=60, deadline=None)
@given(
    owners=some("FR", "DE", "XX"),
    sexes=some("M", "F"),
    categories=some("staff", "missing"),
    galleries=some("main", "border", "cold"),
    born=st.sampled_from([(None, None), (1955, None), (None, 1960), (1960, 1960)]),
    strict=st.booleans(),
    position=st.integers(0, 3),
    exhaustive=st.booleans(),
)
def test_filtered_search_is_search_over_the_filtered_gallery(
    gallery, owners, sexes, categories, galleries, born, strict, position, exhaustive
):
    db, people = gallery
    filters = Filters(
        owners=owners, sexes=sexes, categories=categories, galleries=galleries,
        born_from=born[0], born_to=born[1], strict=strict,
    )  # fmt: skip
    probe = people["p11"][0]
    sample = Sample("iris", image=probe, finger_position=position)
    found = db.search(sample, k=PEOPLE, filters=filters, exhaustive=exhaustive)
    inside = {
        name: 1 - int(np.bitwise_count(code ^ probe).sum()) / 256
        for name, (code, about) in people.items()
        if name != "p07" and passes(about, filters, position)
    }
    expected = sorted(inside, key=lambda name: (-inside[name], name))
    assert [c.subject for c in found] == expected
    assert [c.score for c in found] == [inside[name] for name in expected]
    assert found.coverage.records_total == len(expected)
    short = db.search(sample, k=3, filters=filters, exhaustive=exhaustive)
    assert [c.subject for c in short] == expected[:3]


def test_slap_positions_hold_their_fingers():
    assert compatible_positions(0) == compatible_positions(18) == frozenset()
    assert compatible_positions(2) == {0, 2, 13, 18, 19, 37, 40, 46, 47, 51, 53}
    assert compatible_positions(11) == {0, 1, 11, 15, 18, 19, 37, 53}
    assert compatible_positions(14) >= {0, 7, 8, 9, 10, 14, 17, 43}
    assert compatible_positions(14).isdisjoint({1, 2, 6, 12, 15, 16, 40})
    assert compatible_positions(25) == {0, 18, 20, 37, *RIGHT_PALMS}
    assert compatible_positions(36).isdisjoint(RIGHT_PALMS)


@given(st.sampled_from(FingerPosition), st.sampled_from(FingerPosition))
def test_compatibility_is_mutual_and_every_code_has_its_skin(one, other):
    assert same_skin(one, other) == same_skin(other, one)
    assert same_skin(one, one)
    assert one in SKIN or one in UNKNOWN
    if one not in UNKNOWN and other not in UNKNOWN:
        assert same_skin(one, other) == bool(SKIN[one] & SKIN[other])


def test_a_range_turned_round_is_refused():
    with pytest.raises(OptionError, match="born_from 1970 is after born_to 1960"):
        Filters(born_from=1970, born_to=1960)


def test_sexes_are_named_as_at_enrolment(opened, codes):
    with opened() as db:
        db.enrol(codes[0], modality="iris", subject="f", sex="female")
        for word in ("F", "f", "female"):
            found = db.search(codes[0], modality="iris", filters=Filters(sexes=word, strict=True))
            assert [c.subject for c in found] == ["f"]
    with pytest.raises(OptionError, match="sex is 'woman'"):
        Filters(sexes="woman")
    with pytest.raises(OptionError, match="min_quality is not a number"):
        Filters(min_quality=float("nan"))
