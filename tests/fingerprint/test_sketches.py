import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from biomatch.fingerprint.packing import pack
from biomatch.fingerprint.sketches import BITS, WEIGHTS, Sketches, unpacked
from biomatch.fingerprint.votes import ROWS, TURNS, rated

EVERY = np.arange(300)


@pytest.fixture(scope="module")
def people(random_print):
    return [random_print(seed, count=30) for seed in range(300)]


@pytest.fixture(scope="module")
def prints(people):
    return pack(people)


@pytest.fixture(scope="module")
def sketches(prints):
    return Sketches.build(prints)


def test_sketches_go_with_the_cylinders(prints, sketches):
    usable = prints.cells != 0
    assert len(sketches.first) == len(sketches.second) == len(usable)
    assert not sketches.first[~usable].any()
    assert not sketches.second[~usable].any()
    assert sketches.sizes.sum() == usable.sum()
    assert np.array_equal(sketches.directions.astype(int), prints.points[:, 2].astype(int) // 256)


def test_bits_are_unpacked_in_order():
    bits = np.zeros((1, 6), np.uint64)
    bits[0, 2] = 1 << 5
    assert np.flatnonzero(unpacked(bits)[0]).tolist() == [2 * 52 + 5]


def test_votes_put_mates_first(people, prints, sketches, disturbed):
    first = 0
    for seed in range(20):
        votes = sketches.votes(pack([disturbed(people[seed], seed)]), prints, EVERY, np.pi / 2)
        first += int(np.argmax(votes) == seed)
    assert first >= 19


def test_rows_are_rated_alone(people, prints, sketches):
    probe = pack([people[4]])
    every = sketches.votes(probe, prints, EVERY, np.pi / 2)
    rows = np.array([200, 4, 7])
    assert np.array_equal(sketches.votes(probe, prints, rows, np.pi / 2), every[rows])
    assert np.argmax(every) == 4


def test_rotation_limit_is_kept(people, prints, sketches, disturbed):
    probe = pack([disturbed(people[7], 2, turn=2.6)])
    rows = np.array([7])
    free = sketches.votes(probe, prints, rows, np.pi)[0]
    assert sketches.votes(probe, prints, rows, np.pi / 2)[0] < free / 2


def test_prints_without_cylinders_get_no_votes(random_print, people):
    prints = pack([*people[:50], random_print(1, count=2)])
    sketches = Sketches.build(prints)
    assert sketches.votes(pack([people[0]]), prints, np.array([50]), 3.0)[0] == 0
    empty = pack([random_print(1, count=2)])
    assert not sketches.votes(empty, prints, np.arange(51), 3.0).any()


def test_saved_sketches_answer_the_same(people, prints, sketches, tmp_path):
    sketches.save(tmp_path)
    opened = Sketches.load(tmp_path)
    probe = pack([people[3]])
    assert np.array_equal(
        opened.votes(probe, prints, EVERY, 1.0), sketches.votes(probe, prints, EVERY, 1.0)
    )


def test_weights_fall_with_distance():
    assert WEIGHTS[0] == 1
    assert (np.diff(WEIGHTS) <= 0).all()
    assert WEIGHTS[BITS // 2] == 0


@settings(max_examples=30, deadline=None)
@given(turn=st.integers(0, TURNS - 1), seed=st.integers(0, 1000), count=st.integers(1, 40))
def test_votes_that_move_alike_all_count(turn, seed, count):
    dice = np.random.default_rng(seed)
    votes = np.zeros((ROWS, count), np.float32)
    votes[0], votes[1] = turn, dice.uniform(0.1, 1, count)
    x, y = votes[2:4] = dice.uniform(0, 300, (2, count))
    angle = turn * 2 * np.pi / TURNS
    votes[4] = np.cos(angle) * x + np.sin(angle) * y + 11
    votes[5] = np.cos(angle) * y - np.sin(angle) * x - 5
    found = rated(votes, count, np.zeros(TURNS, np.float32))
    assert found == pytest.approx(votes[1].sum(), rel=1e-3)
