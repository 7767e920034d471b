"""How weak a candidate may be and still be listed, said as an error rate."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from biomatch.errors import OptionError
from biomatch.types import Calibration, Candidate

__all__ = ["PERFECT", "Limits"]

PERFECT = 1e9
"""A score above all that any modality gives."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Highest error rates at which a candidate is listed; None = no limit.

    Attributes
    ----------
    fmr
        False match rate of the candidate's score as threshold.
    fpir
        Share of searches without a mate that list anybody (false positive identification
        rate). Comparisons are taken as independent: ``fpir = 1 - (1 - fmr) ** records``.
    """

    fmr: float | None = None
    fpir: float | None = None

    def __post_init__(self) -> None:
        for name, rate in (("fmr", self.fmr), ("fpir", self.fpir)):
            if rate is not None and not 0 < rate < 1:
                raise OptionError(f"{name} is {rate:g}; it must lie between 0 and 1")

    def __bool__(self) -> bool:
        return self.fmr is not None or self.fpir is not None

    def rate(self, records: int) -> float:
        """Highest false match rate allowed when that many records are searched."""
        rates = [1.0 if self.fmr is None else self.fmr]
        if self.fpir is not None:
            rates.append(float(-np.expm1(np.log1p(-self.fpir) / max(records, 1))))
        return min(rates)

    def check(self, best: Calibration, records: int) -> None:
        """Refuse a limit that the calibration cannot tell.

        Parameters
        ----------
        best
            What the calibration says of the score `PERFECT`.
        records
            Number searched.

        Raises
        ------
        OptionError
            The calibration gives no false match rates, or none so low.
        """
        least, wanted = float(best.fmr[0]), self.rate(records)
        if np.isnan(least):
            raise OptionError(
                "no limit by fmr or fpir is possible: there are no false match rates "
                f"({best.source})"
            )
        if wanted < least:
            raise OptionError(
                f"a false match rate of {wanted:.1e} is wanted for {records:,} records, and the "
                f"calibration tells none below {least:.1e}; allow a higher rate, or calibrate with "
                "more pairs"
            )

    def kept(self, candidates: Sequence[Candidate], records: int) -> int:
        """How many of the candidates, best first, are within the limits."""
        if not self:
            return len(candidates)
        highest = self.rate(records)
        within = [candidate.fmr <= highest for candidate in candidates]
        return within.index(False) if False in within else len(within)
