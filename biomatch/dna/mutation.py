"""Mutation models of STR alleles from parent to child.

The three models and their parameters are those of Familias and pedmut (Egeland, Kling & Mostad
2016, Relationship Inference with Familias and R, chapter 5; Dawid, Mortera & Pascali 2001).
Simonsson & Mostad (2016, FSI: Genetics 23, 217) made them stationary by their PM method:

- ``equal``: every other allele with the same probability, rate / (n - 1);
- ``proportional``: another allele with probability in proportion to its frequency;
- ``stepwise``: within the same class of partial repeats, s steps away with weight range^s, in
  all `rate`; into another class `rate2` in all, shared equally.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from biomatch.dna.alleles import tenths
from biomatch.errors import OptionError

__all__ = ["MutationKind", "MutationModel"]

FloatArray = NDArray[np.float64]


class MutationKind(StrEnum):
    """Name of a mutation model."""

    NONE = "none"
    EQUAL = "equal"
    PROPORTIONAL = "proportional"
    STEPWISE = "stepwise"


@dataclass(frozen=True, slots=True)
class MutationModel:
    """How alleles mutate.

    Attributes
    ----------
    kind
        Model.
    rate
        Mutation rate per transmission from a father, 0 to below 1 (stepwise: within the class).
    rate_female
        The same from a mother; None = `rate`.
    rate2
        Stepwise only: rate into other classes of partial repeats.
    step_ratio
        Stepwise only: weight of s + 1 steps relative to s steps ("range" in pedmut).
    rate2_female, step_ratio_female
        The same from mothers; None = as from fathers.
    stationary
        True: transform the matrices so that frequencies stay the same over generations, with
        the same overall rate (method PM).
    """

    kind: MutationKind = MutationKind.NONE
    rate: float = 0.0
    rate_female: float | None = None
    rate2: float = 0.0
    step_ratio: float = 0.1
    rate2_female: float | None = None
    step_ratio_female: float | None = None
    stationary: bool = False

    def __post_init__(self) -> None:
        try:
            object.__setattr__(self, "kind", MutationKind(self.kind))
        except ValueError:
            known = ", ".join(MutationKind)
            raise OptionError(f"unknown mutation model {self.kind!r}; known: {known}") from None
        for name in ("rate", "rate_female", "rate2", "rate2_female"):
            value = getattr(self, name)
            if value is not None and not 0.0 <= value < 1.0:
                raise OptionError(f"mutation {name} is {value}; give a probability below 1")
        for ratio in (self.step_ratio, self.step_ratio_female):
            if ratio is not None and ratio <= 0.0:
                raise OptionError(f"mutation step_ratio is {ratio}; give a positive number")
        if any(rate + rate2 > 1.0 for rate, rate2, _ in self._parameters()):
            raise OptionError("mutation rate and rate2 add up to more than 1")

    @property
    def lumps(self) -> bool:
        """True when alleles that nobody shows may be treated as one."""
        if self.kind is MutationKind.EQUAL:
            return not self.stationary
        return self.kind is not MutationKind.STEPWISE

    def _parameters(self) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
        """Rate, second rate and step ratio of fathers and of mothers."""
        male = (self.rate, self.rate2, self.step_ratio)
        female = (self.rate_female, self.rate2_female, self.step_ratio_female)
        return male, (
            male[0] if female[0] is None else female[0],
            male[1] if female[1] is None else female[1],
            male[2] if female[2] is None else female[2],
        )

    def matrices(self, alleles: Sequence[str], shares: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the transition matrices from fathers and from mothers.

        Parameters
        ----------
        alleles
            Numeric tokens; for the other models any text.
        shares
            Allele frequencies, same length, sum 1.

        Returns
        -------
        tuple of ndarray
            Two (n, n) matrices, rows = parent's allele, rows sum to 1.
        """
        of_father, of_mother = self._parameters()
        male = self._matrix(alleles, shares, of_father)
        return male, male if of_mother == of_father else self._matrix(alleles, shares, of_mother)

    def _matrix(
        self, alleles: Sequence[str], shares: FloatArray, parameters: tuple[float, float, float]
    ) -> FloatArray:
        size, (rate, rate2, ratio) = len(alleles), parameters
        if size == 1 or self.kind is MutationKind.NONE:
            return np.eye(size)
        if self.kind is MutationKind.PROPORTIONAL:
            return _proportional(shares, rate)
        if self.kind is MutationKind.EQUAL:
            matrix = np.full((size, size), rate / (size - 1))
            np.fill_diagonal(matrix, 1.0 - rate)
        else:
            matrix = _stepwise(alleles, rate, rate2, ratio)
        return _stationary(matrix, shares) if self.stationary else matrix


def _proportional(shares: FloatArray, rate: float) -> FloatArray:
    scale = rate / float(np.sum(shares * (1.0 - shares)))
    if scale * (1.0 - shares.min()) > 1.0:
        raise OptionError(
            f"mutation rate {rate} is too high for the proportional model at these frequencies"
        )
    return np.asarray((1.0 - scale) * np.eye(len(shares)) + scale * shares)


def _stepwise(alleles: Sequence[str], rate: float, rate2: float, ratio: float) -> FloatArray:
    sizes = [divmod(tenths(token), 10) for token in alleles]
    matrix = np.zeros((len(sizes), len(sizes)))
    for i, (repeats, part) in enumerate(sizes):
        near = [j for j, size in enumerate(sizes) if size[1] == part and j != i]
        far = [j for j, size in enumerate(sizes) if size[1] != part]
        weights = np.array([ratio ** abs(sizes[j][0] - repeats) for j in near])
        matrix[i, near] = rate * weights / weights.sum() if near else 0.0
        matrix[i, far] = rate2 / len(far) if far else 0.0
        matrix[i, i] = 1.0 - (rate if near else 0.0) - (rate2 if far else 0.0)
    return matrix


def _stationary(matrix: FloatArray, shares: FloatArray) -> FloatArray:
    """Scale each row's mutations so that the frequencies are a fixed point (method PM)."""
    size = len(matrix)
    stays = np.diag(matrix)
    equations = matrix.T - np.eye(size)
    equations[-1] = 1.0
    fixed = np.linalg.solve(equations, np.append(np.zeros(size - 1), 1.0))
    scale = (1.0 - stays @ shares) * fixed / ((1.0 - stays @ fixed) * shares)
    if np.any(scale * (1.0 - stays) > 1.0) or np.any(scale < 0.0):
        raise OptionError("the mutation model cannot be made stationary at these frequencies")
    return np.asarray((matrix - np.eye(size)) * scale[:, None] + np.eye(size))
