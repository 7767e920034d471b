import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from biomatch.fingerprint import FingerprintTemplate, Minutiae, calibrate, compare, match
from biomatch.fingerprint.calibration import fit, logistic, model
from biomatch.fingerprint.cylinders import CELLS, encode
from biomatch.fingerprint.packing import MAX_MINUTIAE, pack
from biomatch.fingerprint.similarity import count_ones


def test_same_finger_scores_far_above_any_other(random_print, disturbed):
    people = [random_print(seed) for seed in range(30)]
    for seed in range(5):
        scores = compare(disturbed(people[seed], seed), people)
        assert np.argmax(scores) == seed
        assert scores[seed] > np.delete(scores, seed).max() + 2


def test_match_names_true_pairs_and_the_movement(random_print, disturbed):
    person = random_print(3)
    moved = disturbed(person, 4, turn=0.25, lost=0.0, noise=1.0)
    found = match(person, moved)
    assert len(found.pairs) >= 35
    assert abs(found.rotation - 0.25) < 0.04
    c, s = np.cos(found.rotation), np.sin(found.rotation)
    a, b = person.minutiae, moved.minutiae
    i, j = found.pairs.T
    x = c * a.x[i] + s * a.y[i] + found.translation[0]
    y = -s * a.x[i] + c * a.y[i] + found.translation[1]
    assert np.median(np.hypot(x - b.x[j], y - b.y[j])) < 4
    assert len(set(i)) == len(i)
    assert len(set(j)) == len(j)


def test_match_and_compare_give_one_score(random_print, disturbed):
    person = random_print(8)
    other = disturbed(person, 1)
    assert match(person, other).score == pytest.approx(compare(person, [other])[0], abs=1e-5)


def test_stretched_skin_still_matches(random_print, disturbed):
    """Stretched by 12 %, the far ends are 19 px off any rigid fit."""
    person = random_print(11)
    stretched = disturbed(person, 2, grow=1.12, lost=0.1, noise=1.5)
    assert compare(person, [stretched])[0] > 2


def test_a_small_chance_overlap_scores_low(random_print):
    """Two prints that share three minutiae in one corner are not the same finger."""
    a, b = random_print(21).minutiae, random_print(22).minutiae
    corner = np.argsort(a.x + a.y)[:3]
    rows = b.rows()
    shared = a.rows()[corner]
    shared[:, :2] += rows[:, :2].max(axis=0) - shared[:, :2].min(axis=0)
    joined = FingerprintTemplate(Minutiae.from_rows(np.vstack([rows, shared])), 900, 900)
    original = FingerprintTemplate(a, 400, 400)
    assert compare(original, [joined])[0] < 0


def test_minutiae_marked_twice_count_once(random_print, disturbed):
    person = random_print(5)
    other = disturbed(person, 3)
    rows = person.minutiae.rows()
    again = rows.copy()
    again[:, :3] += np.random.default_rng(0).uniform(-1, 1, (len(rows), 3)) * (2, 2, 0.2)
    again[:, 4] *= 0.9
    twice = FingerprintTemplate(
        Minutiae.from_rows(np.vstack([rows, np.maximum(again, 0)])), 480, 480
    )
    assert compare(twice, [other, twice]) == pytest.approx(compare(person, [other, person]))
    found = match(twice, other)
    assert len(found.pairs) == len(match(person, other).pairs)
    heap = FingerprintTemplate(
        Minutiae([90] * 40, [90] * 40, [1] * 40, [0] * 40, [1] * 40), 200, 200
    )
    assert compare(heap, [heap])[0] < 0


def test_a_mirrored_print_is_another_finger(random_print, disturbed):
    person = random_print(6)
    m = person.minutiae
    mirrored = Minutiae(320 - m.x, m.y, np.pi - m.angle, m.type, m.quality)
    probe = FingerprintTemplate(mirrored, 320, 320)
    assert compare(probe, [person])[0] < -1
    assert match(probe, person, max_turn=np.pi).score < -1


@pytest.mark.parametrize("degrees", [-170, -100, -60, 0, 60, 100, 170])
def test_prints_match_at_any_rotation_that_is_allowed(random_print, disturbed, degrees):
    person = random_print(7)
    turned = disturbed(person, 5, turn=np.deg2rad(degrees))
    found = match(person, turned, max_turn=np.pi)
    assert found.score > 3
    assert np.rad2deg(found.rotation) == pytest.approx(degrees, abs=4)
    assert (match(person, turned).score > 3) == (abs(degrees) < 90)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.floats(0, 500), st.floats(0, 500), st.floats(0, 6.28), st.integers(0, 2),
            st.floats(0, 1),
        ),
        max_size=12,
    )
)  # fmt: skip
def test_any_minutiae_compare_without_failing(rows):
    template = FingerprintTemplate(Minutiae.from_rows(np.array(rows).reshape(-1, 5)), 512, 512)
    person = FingerprintTemplate(Minutiae([9], [9], [1], [0], [1]), 20, 20)
    scores = compare(template, [template, person])
    assert np.isfinite(scores).all()


def test_scores_do_not_depend_on_the_company(random_print, disturbed):
    people = [random_print(seed) for seed in range(12)]
    probe = disturbed(people[4], 9)
    together = compare(probe, people)
    alone = np.concatenate([compare(probe, [person]) for person in people])
    assert np.allclose(together, alone, atol=1e-5)


def test_cylinders_turn_with_the_print(random_print, disturbed):
    person = random_print(2)
    turned = disturbed(person, 0, turn=0.7, lost=0.0, noise=0.0, shift=(0, 0))
    found = match(person, turned)
    a, b = encode(person.minutiae), encode(turned.minutiae)
    i, j = found.pairs.T
    common = a.cells[i] & b.cells[j]
    differing = (a.bits[i] ^ b.bits[j]) & common[:, None]
    assert np.bitwise_count(differing).sum() / (np.bitwise_count(common).sum() * 6) < 0.06


def test_cells_fit_one_word():
    assert CELLS == 52


def test_bits_are_counted():
    from biomatch.fingerprint.kernels import native

    @native
    def count(word):
        return count_ones(word)

    for word in (0, 1, 2**64 - 1, 0xF0F0):
        assert count(np.uint64(word)) == int(word).bit_count()


def test_large_prints_keep_the_best_minutiae(random_print):
    dice = np.random.default_rng(0)
    rows = np.c_[dice.uniform(0, 2000, (400, 2)), dice.uniform(0, 6, 400), dice.integers(0, 2, 400)]
    rows = np.c_[rows, np.linspace(0, 1, 400)]
    packed = pack([FingerprintTemplate(Minutiae.from_rows(rows), 2000, 2000)])
    assert packed.offsets[-1] == MAX_MINUTIAE
    assert packed.points[:, 3].min() > 0.6 * 65535


def test_calibration_is_monotone_and_capped():
    scores = np.linspace(-8, 30, 400)
    found = calibrate(scores)
    assert (np.diff(found.log10_lr) >= 0).all()
    assert (np.diff(found.fmr) <= 1e-12).all()
    assert found.log10_lr.max() == pytest.approx(model().limit)
    assert found.fmr.min() == pytest.approx(10 ** -found.log10_lr.max())
    assert 0.5 < found.fmr.max() <= 1
    assert "FVC" in found.source


def test_logistic_regression_finds_a_known_likelihood_ratio():
    """Two unit Gaussians two apart have the LR exp(2 x - 2)."""
    dice = np.random.default_rng(5)
    x = np.r_[dice.normal(2, 1, 20_000), dice.normal(0, 1, 40_000)][:, None]
    mated = np.arange(60_000) < 20_000
    weights, bias = logistic(x, mated, 1e-9)
    assert weights[0] * np.log(10) == pytest.approx(2, abs=0.06)
    assert bias * np.log(10) == pytest.approx(-2, abs=0.08)


def test_fitted_false_match_rates_are_the_empirical_ones():
    dice = np.random.default_rng(6)
    x = np.r_[dice.normal(4, 1, 500), dice.normal(0, 1, 20_000)][:, None]
    mated = np.arange(20_500) < 500
    fitted = fit(
        x, lambda m: x @ m.weights + m.bias, mated, np.ones(20_500, bool), source="made up"
    )
    scores = x @ fitted.weights + fitted.bias
    for rate in (0.5, 0.05, 0.01, 0.001):
        threshold = np.quantile(scores[~mated], 1 - rate)
        estimate = fitted.false_match_rate(np.array([threshold]))[0]
        assert estimate == pytest.approx(rate, rel=0.25)


def test_false_match_rate_is_that_of_the_hardest_kind():
    dice = np.random.default_rng(7)
    x = np.r_[dice.normal(5, 1, 500), dice.normal(0, 1, 20_000), dice.normal(1, 1, 4000)][:, None]
    mated = np.arange(24_500) < 500
    groups = np.r_[np.full(20_500, -1), np.full(4000, 3)]

    def score(m):
        return x @ m.weights + m.bias

    every = np.ones(24_500, bool)
    plain = fit(x, score, mated, every, source="made up")
    wary = fit(x, score, mated, every, source="made up", groups=groups)
    assert np.array_equal(plain.weights, wary.weights)
    grid = np.linspace(-5, 8, 500)
    assert (wary.false_match_rate(grid) >= plain.false_match_rate(grid)).all()
    assert (np.diff(wary.false_match_rate(grid)) <= 0).all()
    hard = score(wary)[20_500:]
    for rate in (0.1, 0.01, 0.002):
        estimate = wary.false_match_rate(np.quantile(hard, [1 - rate]))[0]
        assert estimate == pytest.approx(rate, rel=0.4)
