"""Subjects with several fingers, through the database."""

import pytest

import biomatch
from biomatch.types import Sample

FINGERS = (1, 2, 3, 7)
PEOPLE = 12


def finger(random_print, person, position):
    return random_print(100 * person + position, count=35)


def sample(template, position=0):
    return Sample("fingerprint", template=template, finger_position=position)


@pytest.fixture(scope="module")
def people(random_print):
    with biomatch.open() as db:
        for person in range(PEOPLE):
            for p in FINGERS:
                db.enrol(sample(finger(random_print, person, p), p), subject=f"p{person}")
        db.index_compact("fingerprint")
        yield db


@pytest.fixture
def impression(random_print, disturbed):
    def make(person, position, *, said=None, lost=0.2):
        template = disturbed(finger(random_print, person, position), person, lost=lost)
        return sample(template, position if said is None else said)

    return make


@pytest.mark.parametrize("exhaustive", [False, True])
def test_fingers_of_a_subject_add_up_to_one_candidate(people, impression, exhaustive):
    probe = [impression(5, p, lost=0.45) for p in (2, 7)]
    found = people.search(probe, k=5, exhaustive=exhaustive)
    assert found[0].subject == "p5"
    assert len({c.subject for c in found}) == len(found)
    assert set(found[0].parts) == {"fingerprint:2", "fingerprint:7"}
    assert found[0].log10_lr == pytest.approx(sum(found[0].parts.values()))
    single = people.search(probe[0], k=5, exhaustive=exhaustive)[0]
    assert single.subject == "p5"
    assert found[0].log10_lr > single.log10_lr


def test_a_finger_that_is_known_meets_that_finger_only(people, impression):
    wrong = people.search(impression(5, 2, said=3), k=PEOPLE)
    right = people.search(impression(5, 2), k=PEOPLE)
    assert right[0].subject == "p5"
    assert right[0].log10_lr > 2
    assert all(c.log10_lr < 0 for c in wrong)


def test_a_finger_that_is_not_known_meets_all(people, impression):
    found = people.search(impression(8, 7, said=0), k=3)
    assert found[0].subject == "p8"
    assert found[0].log10_lr > 2


def test_one_strange_finger_does_not_outweigh_the_others(people, impression):
    probe = [impression(3, 1), impression(3, 2), impression(9, 3)]
    found = people.search(probe, k=2)
    assert [c.subject for c in found] == ["p3", "p9"]
