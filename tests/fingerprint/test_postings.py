import numpy as np
import pytest

from biomatch.fingerprint import gallery as gallery_module
from biomatch.fingerprint import postings as postings_module
from biomatch.fingerprint.gallery import FingerprintGallery
from biomatch.fingerprint.packing import pack
from biomatch.fingerprint.postings import WEIGHTS, Postings


@pytest.fixture(scope="module")
def people(random_print):
    return [random_print(seed, count=30) for seed in range(300)]


@pytest.fixture(scope="module")
def postings(people):
    return Postings.build(pack(people))


@pytest.fixture(autouse=True)
def wide_visits(monkeypatch):
    """A small gallery has few words: visit the share that a million prints' lists need not."""
    monkeypatch.setattr(postings_module, "VISITED", 1 / 8)


def test_every_usable_cylinder_is_listed_once(people, postings):
    packed = pack(people)
    usable = packed.cells != 0
    assert postings.starts[-1] == usable.sum() == postings.sizes.sum()
    owners = np.repeat(np.arange(300), np.diff(packed.offsets))[usable]
    assert np.array_equal(np.sort(postings.owners), np.sort(owners))


def test_votes_put_mates_first(people, postings, disturbed):
    first = 0
    for seed in range(20):
        votes = postings.votes(pack([disturbed(people[seed], seed)]), np.pi / 2, None)
        first += int(np.argmax(votes) == seed)
    assert first >= 18


def test_filtered_rows_get_no_votes(people, postings, disturbed):
    allowed = np.zeros(300, bool)
    allowed[100:] = True
    votes = postings.votes(pack([people[150]]), np.pi / 2, allowed)
    assert (votes[:100] == 0).all()
    assert (votes[100:] > 0).any()


def test_rotation_limit_is_kept(people, postings, disturbed):
    probe = pack([disturbed(people[7], 2, turn=2.6)])
    within = postings.votes(probe, np.pi / 2, None)
    free = postings.votes(probe, np.pi, None)
    assert np.argmax(free) == 7
    assert within[7] < free[7]


def test_votes_fall_with_distance():
    assert WEIGHTS[0] == 255
    assert (np.diff(WEIGHTS.astype(int)) <= 0).all()
    assert WEIGHTS[32] == 0


def test_large_gallery_agrees_with_a_scan_and_can_be_saved(
    people, disturbed, tmp_path, monkeypatch
):
    monkeypatch.setattr(gallery_module, "LISTED_FROM", 90)
    monkeypatch.setattr(gallery_module, "THINNED", 80)
    monkeypatch.setattr(gallery_module, "SKETCHED_FROM", 60)
    monkeypatch.setattr(gallery_module, "MIN_RECOUNT", 40)
    indexed = FingerprintGallery.build(people)
    scanned = FingerprintGallery(indexed.prints)
    assert indexed.postings is not None
    assert indexed.nbytes > scanned.nbytes
    indexed.save(tmp_path)
    opened = FingerprintGallery.load(tmp_path)
    for seed in (3, 150, 299):
        probe = disturbed(people[seed], seed)
        rows = indexed.shortlist([probe], 5)[0]
        assert rows[0] == scanned.shortlist([probe], 5)[0][0] == seed
        assert np.array_equal(rows, opened.shortlist([probe], 5)[0])
    few = np.zeros(300, bool)
    few[[1, 2]] = True
    assert sorted(indexed.shortlist([people[1]], 5, allowed=few)[0]) == [1, 2]
    half = np.arange(300) >= 200
    rows = indexed.shortlist([disturbed(people[250], 9)], 50, allowed=half)[0]
    assert rows[0] == 250
    assert len(rows) == 50
    assert (rows >= 200).all()


def test_lists_vote_alike_in_whatever_blocks_the_prints_are_taken():
    """Against a plain histogram, with more prints than one block holds and a filter."""
    dice = np.random.default_rng(3)
    prints, listed = 40_000, 30_000
    starts = np.array([0, 9_000, 9_000, 20_000, 20_400, listed])
    owners = np.concatenate([np.sort(dice.integers(0, prints, n)) for n in np.diff(starts)]).astype(
        np.uint32
    )
    turned = dice.integers(0, 256, listed).astype(np.uint8)
    listed_sketches = dice.integers(0, 2**63, listed).astype(np.uint64)
    sizes = dice.integers(1, 60, prints).astype(np.uint16)
    visited = np.array([[0, 2], [4, 0], [3, 1]])
    # Close to a listed sketch, or nearly none would vote.
    sketches = listed_sketches[[5, 29_000, 20_100]] ^ np.uint64(0b1011)
    listed_sketches[::3] = sketches[dice.integers(0, 3, len(listed_sketches[::3]))]
    directions = np.array([0, 100, 250], np.uint8)
    permitted = dice.random(prints) < 0.7

    histogram = np.zeros((prints, postings_module.TURNS))
    for i, row in enumerate(visited):
        for k in np.concatenate([np.arange(starts[w], starts[w + 1]) for w in row]):
            distance = int(sketches[i] ^ listed_sketches[k]).bit_count()
            turn = (int(turned[k]) - int(directions[i])) % 256
            if min(turn, 256 - turn) > 100 or not permitted[owners[k]]:
                continue
            left, share = divmod(turn * postings_module.TURNS, 256)
            weight = int(WEIGHTS[distance])
            histogram[owners[k], left] += weight * (256 - share) // 256
            histogram[owners[k], (left + 1) % postings_module.TURNS] += weight * share // 256
    sides = np.roll(histogram, 1, axis=1) + np.roll(histogram, -1, axis=1)
    wanted = (10 * histogram + 6 * sides).max(axis=1) / np.sqrt(
        np.maximum(sizes, postings_module.FEW)
    )
    assert np.count_nonzero(wanted) > 2_000

    rating = np.empty(prints, np.float32)
    postings_module._vote(
        visited, sketches, directions, starts, owners, turned, listed_sketches, WEIGHTS,
        100, permitted, sizes, rating,
    )  # fmt: skip
    assert prints > 2 * postings_module.PRINTS
    np.testing.assert_allclose(rating, wanted, rtol=1e-6)
