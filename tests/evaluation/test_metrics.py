"""Error rates against hand-worked examples, invariants, and scikit-learn."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_curve

from biomatch.evaluation import metrics

scores = st.lists(st.integers(-20, 20).map(float), min_size=1, max_size=40)


def test_hand_worked_rates() -> None:
    mated, nonmated = [4, 5, 6, 7], [1, 2, 3, 5]
    curve = metrics.error_curve(mated, nonmated)
    at_five = list(curve.threshold).index(5)
    assert curve.fmr[at_five] == 0.25
    assert curve.fnmr[at_five] == 0.25
    assert metrics.eer(mated, nonmated) == 0.25
    assert metrics.fnmr_at_fmr(mated, nonmated, 0.25) == 0.0
    assert metrics.fnmr_at_fmr(mated, nonmated, 0.0) == 0.5


def test_separated_scores_have_no_error_and_swapped_ones_only_errors() -> None:
    assert metrics.eer([3, 4], [1, 2]) == 0
    assert metrics.eer([1, 2], [3, 4]) == 1


@given(scores, scores)
def test_curve_agrees_with_scikit_learn(mated: list[float], nonmated: list[float]) -> None:
    truth = [1] * len(mated) + [0] * len(nonmated)
    false_rate, true_rate, threshold = roc_curve(truth, mated + nonmated, drop_intermediate=False)
    curve = metrics.error_curve(mated, nonmated)
    ours = dict(zip(curve.threshold, zip(curve.fmr, curve.fnmr, strict=True), strict=True))
    for fmr, tar, cut in zip(false_rate, true_rate, threshold, strict=True):
        assert ours[cut] == pytest.approx((fmr, 1 - tar))


@given(scores, scores, st.floats(0.1, 10))
def test_rates_depend_on_order_only(mated: list[float], nonmated: list[float], k: float) -> None:
    stretched = metrics.eer(np.array(mated) * k + 3, np.array(nonmated) * k + 3)
    assert metrics.eer(mated, nonmated) == pytest.approx(stretched)


@given(scores, scores)
def test_integer_weights_are_repetitions(mated: list[float], nonmated: list[float]) -> None:
    counts = np.arange(len(mated)) % 3 + 1
    weighted = metrics.fnmr_at_fmr(mated, nonmated, 0.1, mated_weights=counts)
    assert weighted == pytest.approx(metrics.fnmr_at_fmr(np.repeat(mated, counts), nonmated, 0.1))


def test_ranks_count_ties_against_the_mate() -> None:
    table = [[5, 5, 1], [9, 2, 3], [1, 2, 3]]
    same = [[True, False, False], [False, True, False], [False, False, False]]
    assert metrics.mate_ranks(table, same).tolist() == [2, 3, 0]
    assert metrics.cmc([2, 3, 0], 3).tolist() == [0, 0.5, 1]


def test_open_set_miss_needs_rank_and_threshold() -> None:
    top = np.arange(100.0)
    assert metrics.threshold_at_fpir(top, 0.01) == np.nextafter(98, np.inf)
    assert metrics.threshold_at_fpir(top, 0.0) == np.nextafter(99, np.inf)
    assert metrics.threshold_at_fpir(top, 1.0) == 0
    assert metrics.fnir_at_fpir([99, 98, 120], [1, 1, 2], top, 0.01) == pytest.approx(2 / 3)


def test_cllr_of_known_ratios() -> None:
    assert metrics.cllr([0.0], [0.0]) == pytest.approx(1.0)
    assert metrics.cllr([10.0], [-10.0]) < 1e-9
    assert metrics.cllr_min([2, 3], [0, 1]) < 1e-6
    assert metrics.cllr_min([1, 1], [1, 1]) == pytest.approx(1.0)


def test_bootstrap_brackets_the_value() -> None:
    values = np.random.default_rng(3).normal(size=200)
    interval = metrics.bootstrap(lambda w: float(np.average(values, weights=w)), 200, draws=300)
    assert interval.low < interval.value < interval.high
    assert interval.high - interval.low == pytest.approx(4 * values.std() / 200**0.5, rel=0.25)


@pytest.mark.parametrize(("mated", "nonmated"), [([], [1]), ([1], []), ([float("nan")], [1])])
def test_unusable_scores_are_refused(mated: list[float], nonmated: list[float]) -> None:
    with pytest.raises(ValueError, match="scores"):
        metrics.eer(mated, nonmated)
