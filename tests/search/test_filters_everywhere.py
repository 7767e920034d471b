"""Filters and sharing rules with the templates of every modality, in both stages."""

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import biomatch
from biomatch.dna import DnaProfile
from biomatch.face.assessment import Quality
from biomatch.face.modality import MODALITY as FACE
from biomatch.face.template import FaceTemplate
from biomatch.fingerprint.minutiae import Minutiae
from biomatch.fingerprint.template import FingerprintTemplate
from biomatch.search import Database, Filters
from biomatch.search.filters import same_skin
from biomatch.types import Sample

PEOPLE = 36
SHARED = {"FR": {"border", "cold"}, "DE": {"cold"}, "IT": {"border", "cold"}}
PERSON = {
    "D3S1358": ("15", "16"), "vWA": ("16", "18"), "FGA": ("21", "24"), "D8S1179": ("12", "13"),
    "D21S11": ("29", "30"), "D18S51": ("14", "17"), "D5S818": ("11", "12"), "TH01": ("6", "9.3"),
    "D13S317": ("11",), "D7S820": ("8", "10"), "D16S539": ("11", "12"), "CSF1PO": ("10", "12"),
    "TPOX": ("8",), "D2S1338": ("17", "25"), "D19S433": ("13", "14"),
}  # fmt: skip


def face(rng: np.random.Generator) -> FaceTemplate:
    vector = rng.standard_normal(128).astype(np.float32)
    return FaceTemplate(
        embedding=vector / np.linalg.norm(vector), norms=(10.0,),
        box=np.array([0, 0, 100, 100], dtype=np.float32),
        landmarks=np.zeros((5, 2), dtype=np.float32), score=0.9, turn=0.0, face_index=0,
        picture_size=(100, 100), quality=Quality.of(rng.uniform(0, 100, len(Quality.NAMES))),
        model_set="default", model_id=FACE.model_id(),
    )  # fmt: skip


def fingerprint(rng: np.random.Generator) -> FingerprintTemplate:
    """One finger, each time with other minutiae lost and others moved."""
    finger = np.random.default_rng(1)
    x, y = finger.uniform(60, 440, (2, 45))
    angle, kept = finger.uniform(0, 6.28, 45), np.sort(rng.permutation(45)[:35])
    return FingerprintTemplate(
        Minutiae(
            x[kept] + rng.normal(0, 3, 35), y[kept] + rng.normal(0, 3, 35),
            (angle[kept] + rng.normal(0, 0.1, 35)) % 6.28, np.zeros(35), np.full(35, 0.9),
        ),
        500, 500, quality=float(rng.integers(1, 100)),
    )  # fmt: skip


def dna(rng: np.random.Generator) -> DnaProfile:
    """One profile, each time with other loci typed: all match, none as strongly as another."""
    typed = rng.permutation(sorted(PERSON))[: rng.integers(11, len(PERSON))]
    return DnaProfile.from_alleles({str(locus): PERSON[str(locus)] for locus in typed})


MAKERS = {"face": face, "fingerprint": fingerprint, "dna": dna}


@pytest.fixture(scope="module", params=sorted(MAKERS))
def world(request: pytest.FixtureRequest) -> Iterator[tuple[str, Database, dict[str, dict]]]:
    """A modality, a database half sealed and half not, and what its records say."""
    modality, rng = request.param, np.random.default_rng(4)
    facts = {}
    with biomatch.open() as db:
        for name, sharing in (("border", "listed"), ("cold", "all")):
            listed = ["FR"] if sharing == "listed" else None
            db.gallery(name, owner="IT", sharing=sharing, listed=listed)
        for i in range(PEOPLE):
            position = int(rng.choice([0, 1, 2, 11, 13])) if modality == "fingerprint" else 0
            about = {
                "owner": [None, "FR", "DE", "IT"][rng.integers(4)],
                "sex": [None, "M", "F"][rng.integers(3)],
                "year_of_birth": [None, 1950, 1960, 1970][rng.integers(4)],
                "category": [None, "staff", "missing"][rng.integers(3)],
                "gallery": ["main", "border", "cold"][rng.integers(3)],
            }
            sample = Sample(modality, template=MAKERS[modality](rng), finger_position=position)
            (receipt,) = db.enrol(sample, subject=f"p{i:02}", **about)
            facts[receipt.subject] = {
                **about, "position": position, "quality": receipt.quality,
            }  # fmt: skip
            if i == PEOPLE // 2:
                db.index_compact(modality)
        yield modality, db, facts


def passes(about: dict, filters: Filters, position: int, owner: str | None) -> bool:
    def holds(value, wanted) -> bool:
        return not wanted or (not filters.strict if value is None else value in wanted)

    def inside(value, low, high) -> bool:
        if low is None and high is None:
            return True
        if value is None:
            return not filters.strict
        return (low is None or value >= low) and (high is None or value <= high)

    listed = about["position"] or None
    return (
        holds(about["owner"], filters.owners)
        and holds(about["sex"], filters.sexes)
        and holds(about["category"], filters.categories)
        and holds(listed, filters.finger_positions)
        and (not filters.galleries or about["gallery"] in filters.galleries)
        and inside(about["year_of_birth"], filters.born_from, filters.born_to)
        and inside(about["quality"], filters.min_quality, None)
        and same_skin(position, about["position"])
        and (owner is None or about["owner"] == owner or about["gallery"] in SHARED[owner])
    )


def some(*values: object) -> st.SearchStrategy[frozenset]:
    return st.frozensets(st.sampled_from(values), max_size=2)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    filters=st.builds(
        Filters,
        owners=some("FR", "DE"), sexes=some("M", "F"), categories=some("staff", "missing"),
        galleries=some("main", "border", "cold"), finger_positions=some(1, 2, 13),
        born_from=st.sampled_from([None, 1950, 1955]), born_to=st.sampled_from([None, 1960, 1970]),
        min_quality=st.sampled_from([None, 30.0, 60.0]), strict=st.booleans(),
    ),
    position=st.sampled_from([0, 1, 2, 11]),
    owner=st.sampled_from([None, "FR", "DE", "IT"]),
    exhaustive=st.booleans(),
    seed=st.integers(0, 3),
)  # fmt: skip
def test_filtered_search_is_search_over_the_filtered_gallery(
    world, filters, position, owner, exhaustive, seed
):
    modality, db, facts = world
    position = position if modality == "fingerprint" else 0
    template = MAKERS[modality](np.random.default_rng(100 + seed))
    everything = db.search(
        Sample(modality, template=template), k=PEOPLE, exhaustive=True, explain=0
    )
    assert modality == "dna" or len(everything) == PEOPLE
    found = db.search(
        Sample(modality, template=template, finger_position=position),
        k=PEOPLE, filters=filters, as_owner=owner, exhaustive=exhaustive, explain=0,
    )  # fmt: skip
    allowed = {name for name, about in facts.items() if passes(about, filters, position, owner)}
    expected = [(c.subject, c.score) for c in everything if c.subject in allowed]
    assert [c.subject for c in found] == [name for name, _ in expected]
    # Compiled kernels may add in another order for other neighbours: the last bit can differ.
    assert [c.score for c in found] == pytest.approx([score for _, score in expected], rel=1e-12)
    assert found.coverage.records_total == len(allowed)
    few = db.search(
        Sample(modality, template=template, finger_position=position),
        k=2, filters=filters, as_owner=owner, exhaustive=exhaustive, explain=0,
    )  # fmt: skip
    assert [c.subject for c in few] == [name for name, _ in expected[:2]]


def test_the_galleries_have_enough_to_tell_apart(world):
    """Otherwise the property above would hold of empty lists."""
    modality, db, facts = world
    probe = Sample(modality, template=MAKERS[modality](np.random.default_rng(100)))
    assert len(db.search(probe, k=PEOPLE)) > PEOPLE // 2
    assert len({about["owner"] for about in facts.values()}) == 4
