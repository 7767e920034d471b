import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from biomatch.dna.mutation import MutationKind, MutationModel
from biomatch.errors import OptionError

ALLELES = ("8", "9", "9.3", "10", "10.3", "12")
SHARES = np.array([0.1, 0.2, 0.15, 0.25, 0.2, 0.1])


@given(st.sampled_from(list(MutationKind)), st.floats(0.0, 0.1), st.floats(0.0, 0.1))
def test_rows_sum_to_one(kind, rate, rate2):
    model = MutationModel(kind, rate, rate2=rate2)
    for matrix in model.matrices(ALLELES, SHARES):
        assert np.allclose(matrix.sum(axis=1), 1.0)
        assert (matrix >= 0).all()


def test_equal():
    matrix, _ = MutationModel("equal", 0.01).matrices(ALLELES, SHARES)
    assert matrix[0, 0] == 0.99
    assert matrix[0, 3] == pytest.approx(0.01 / 5)


def test_proportional_keeps_the_frequencies_and_the_overall_rate():
    matrix, _ = MutationModel("proportional", 0.01).matrices(ALLELES, SHARES)
    assert np.allclose(SHARES @ matrix, SHARES)
    assert SHARES @ (1.0 - np.diag(matrix)) == pytest.approx(0.01)
    assert matrix[0, 3] / matrix[0, 1] == pytest.approx(SHARES[3] / SHARES[1])


def test_stepwise():
    model = MutationModel("stepwise", 0.002, rate2=1e-5, step_ratio=0.1)
    matrix, _ = model.matrices(ALLELES, SHARES)
    assert matrix[1, 0] == pytest.approx(matrix[1, 3])  # 9 to 8 and to 10: one step
    assert matrix[1, 5] / matrix[1, 3] == pytest.approx(0.01)  # 9 to 12: three steps
    assert matrix[1, [0, 3, 5]].sum() == pytest.approx(0.002)
    assert np.allclose(matrix[1, [2, 4]], 0.5e-5)  # into the other class
    assert matrix[1, 1] == pytest.approx(1 - 0.002 - 1e-5)


def test_stepwise_with_a_single_class():
    alleles, shares = ("8", "9", "10"), np.full(3, 1 / 3)
    matrix, _ = MutationModel("stepwise", 0.002, rate2=1e-5).matrices(alleles, shares)
    assert np.allclose(np.diag(matrix), 0.998)


def test_rates_by_sex():
    male, female = MutationModel("equal", 0.002, rate_female=0.0005).matrices(ALLELES, SHARES)
    assert male[0, 0] == 0.998
    assert female[0, 0] == 0.9995


@pytest.mark.parametrize("kind", ["equal", "stepwise"])
def test_stationary_keeps_the_frequencies_and_the_overall_rate(kind):
    plain, _ = MutationModel(kind, 0.01, rate2=1e-4).matrices(ALLELES, SHARES)
    matrix, _ = MutationModel(kind, 0.01, rate2=1e-4, stationary=True).matrices(ALLELES, SHARES)
    assert np.allclose(SHARES @ matrix, SHARES)
    assert np.allclose(matrix.sum(axis=1), 1.0)
    assert SHARES @ np.diag(matrix) == pytest.approx(SHARES @ np.diag(plain))


def test_parameters_by_sex():
    model = MutationModel("stepwise", 0.002, rate2=1e-5, rate2_female=1e-6, step_ratio_female=0.5)
    male, female = model.matrices(ALLELES, SHARES)
    assert male[1, 2] == pytest.approx(0.5e-5)
    assert female[1, 2] == pytest.approx(0.5e-6)
    assert female[1, 5] / female[1, 3] == pytest.approx(0.25)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"kind": "random"}, "unknown mutation model 'random'"),
        ({"rate": 1.5}, "mutation rate is 1.5"),
        ({"rate2": -0.1}, "mutation rate2 is -0.1"),
        ({"step_ratio": 0.0}, "step_ratio is 0.0"),
        ({"rate": 0.6, "rate2": 0.6}, "more than 1"),
    ],
)
def test_parameters_are_checked(values, message):
    with pytest.raises(OptionError, match=message):
        MutationModel(**values)


def test_proportional_has_a_highest_rate():
    with pytest.raises(OptionError, match="too high"):
        MutationModel("proportional", 0.9).matrices(("8", "9"), np.array([0.99, 0.01]))
