"""Mixtures as evidence: the qualitative model with drop-out and drop-in.

The model of Haned, Slooten & Gill (2012, FSI: Genetics 6, 762) as LRmix computes it. Given all
contributors' genotypes, each replicate is independent, and so is each allele in it:

- an allele with n copies among contributors of drop-out probability d is missing with
  probability d^n (a homozygote drops out with d²) and seen with 1 - d^n;
- an allele seen that nobody carries dropped in, with probability c times its frequency;
- when nothing dropped in, a factor 1 - c.

Unknown contributors are summed over. As all of them share one drop-out probability, only the
number of copies of each allele matters, so the sum runs over multisets of alleles: as a product
of polynomials, one an allele. Their probability follows the sampling formula of Balding &
Nichols (1994), conditional on everybody typed. Alleles that were not seen are one class: the
product over them depends on their total only.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import combinations_with_replacement
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biomatch.dna.alleles import is_exact, sort_alleles
from biomatch.dna.frequencies import Frequencies, as_tables
from biomatch.dna.kinship import (
    RELATIONS,
    Coefficients,
    conditional_genotype,
    ibd_coefficients,
)
from biomatch.dna.loci import is_autosomal, sort_loci
from biomatch.dna.profile import DnaProfile
from biomatch.dna.statistics import check_theta, log10_lr
from biomatch.errors import OptionError, ProfileError

__all__ = [
    "Convention",
    "Mixture",
    "MixtureModel",
    "estimate_dropout",
    "mixture",
    "mixture_lr",
    "mixture_table",
    "rank_contributors",
]

Genotype = tuple[int, int]
FloatArray = NDArray[np.float64]


class Convention(StrEnum):
    """Published ways to set up the two hypotheses.

    ``lrmix`` (LRmix, forensim, EuroForMix): under Hd the candidate counts as typed, and unseen
    alleles are possible under both hypotheses. ``smartrank`` (SmartRank as its validation files
    have it): Hd is computed once, not conditional on the candidate, and unknown contributors
    carry no unseen allele under Hp.
    """

    LRMIX = "lrmix"
    SMARTRANK = "smartrank"


@dataclass(frozen=True, slots=True)
class MixtureModel:
    """Parameters of the mixture likelihood ratio.

    Attributes
    ----------
    contributors
        Number of persons in the stain under Hp, 1 to 4, the candidate included.
    contributors_hd
        Number under Hd; None = the same.
    dropout
        Drop-out probability of one allele copy of an unknown contributor, 0 to below 1.
    candidate_dropout, known_dropout, dropout_hd
        The same for the candidate, for known contributors, and for unknown contributors under
        Hd; None = `dropout`.
    dropin
        Drop-in probability c, 0 to below 1.
    theta
        Coancestry coefficient.
    convention
        See `Convention`.
    relation
        IBD coefficients between the candidate and one unknown contributor under Hd ("the stain
        is of a brother"); None = unrelated.
    """

    contributors: int = 2
    contributors_hd: int | None = None
    dropout: float = 0.1
    candidate_dropout: float | None = None
    known_dropout: float | None = None
    dropout_hd: float | None = None
    dropin: float = 0.05
    theta: float = 0.0
    convention: Convention = Convention.LRMIX
    relation: Coefficients | None = None

    def checked(self, known: int) -> "MixtureModel":
        """Return this model, or refuse parameters out of range.

        Raises
        ------
        OptionError
            The message names the parameter and its range.
        """
        check_theta(self.theta)
        for name in ("dropout", "candidate_dropout", "known_dropout", "dropout_hd", "dropin"):
            value = getattr(self, name)
            if value is not None and not 0.0 <= value < 1.0:
                raise OptionError(f"{name} is {value}; give a probability from 0 to below 1")
        for name in ("contributors", "contributors_hd"):
            value = getattr(self, name)
            if value is not None and not 1 <= value <= 4:
                raise OptionError(f"{name} is {value}; 1 to 4 contributors can be computed")
        if self.contributors < known + 1 or (self.contributors_hd or self.contributors) < known:
            raise OptionError(
                f"{known} known contributors and the candidate do not fit into "
                f"{self.contributors} contributors"
            )
        if self.relation and (self.contributors_hd or self.contributors) == known:
            raise OptionError("a relative under Hd needs at least one unknown contributor there")
        return replace(self, convention=_convention(self.convention))


@dataclass(frozen=True, slots=True)
class Mixture:
    """Likelihood ratio of a candidate's contribution to a stain, with its per-locus table.

    Attributes
    ----------
    log10
        log10 LR; -inf when a locus excludes the candidate.
    loci
        Locus -> LR.
    unused
        Loci of the stain that were left out: candidate not typed there, not in the table.
    model
        Parameters used; `MixtureModel.dropout` is the estimate when none was given.
    estimated
        True when the drop-out probability was estimated.
    table, minimum_rule
        Frequency table and minimum allele frequency used.
    """

    log10: float
    loci: Mapping[str, float]
    unused: tuple[str, ...]
    model: MixtureModel
    estimated: bool
    table: str
    minimum_rule: str

    @property
    def lr(self) -> float:
        """Likelihood ratio, the product over the loci."""
        return math.prod(self.loci.values())

    def as_dict(self) -> dict[str, Any]:
        """Return a JSON-able form."""
        return {
            "lr": self.lr,
            "log10_lr": self.log10 if math.isfinite(self.log10) else None,
            "contributors": self.model.contributors,
            "dropout": self.model.dropout,
            "dropout_estimated": self.estimated,
            "dropin": self.model.dropin,
            "theta": self.model.theta,
            "convention": self.model.convention.value,
            "table": self.table,
            "minimum_frequency": self.minimum_rule,
            "unused": list(self.unused),
            "loci": dict(self.loci),
        }


@dataclass(frozen=True, slots=True)
class _Stain:
    """One locus of a stain in numbers: seen alleles are classes 0.., the rest is the last.

    Attributes
    ----------
    alleles
        Seen alleles.
    seen
        Shape (replicates, alleles): seen in that replicate.
    shares
        Frequencies, shape (alleles + 1,); the last is that of all unseen alleles together.
    """

    alleles: tuple[str, ...]
    seen: NDArray[np.bool_]
    shares: FloatArray

    @classmethod
    def of(
        cls, replicates: Sequence[Iterable[str]], locus: str, frequencies: Frequencies
    ) -> "_Stain":
        tables = [{token for token in table if token not in {"*", "F"}} for table in replicates]
        alleles = sort_alleles(set().union(*tables))
        column = frequencies.table[locus]
        shares = [_share(frequencies, locus, token) for token in alleles]
        unseen = sum(share for token, share in column.items() if token not in alleles)
        seen = np.array([[token in table for token in alleles] for table in tables], dtype=bool)
        return cls(alleles, seen.reshape(len(tables), len(alleles)), np.array([*shares, unseen]))

    def genotype(self, tokens: tuple[str, ...]) -> Genotype:
        """Classes of a person's two alleles."""
        places = [self.alleles.index(t) if t in self.alleles else len(self.alleles) for t in tokens]
        return (places[0], places[-1])

    def copies(self, genotypes: Iterable[Genotype]) -> FloatArray:
        """Count the alleles of persons by class, shape (alleles + 1,)."""
        counts = np.zeros(len(self.shares))
        for genotype in genotypes:
            np.add.at(counts, list(genotype), 1.0)
        return counts


def _share(frequencies: Frequencies, locus: str, token: str) -> float:
    """Frequency of a seen allele; an off-ladder or rare one has the minimum."""
    if token in {"OL", "R"}:
        return frequencies.minimum_at(locus)
    return frequencies.frequency(locus, token)


@dataclass(frozen=True, slots=True)
class _Side:
    """One hypothesis at one locus.

    Attributes
    ----------
    known
        Genotypes of contributors that are named, with their drop-out probabilities.
    typed
        Genotypes of everybody typed, contributors or not: they condition the frequencies.
    unknowns
        Number of unknown contributors.
    unseen
        Whether unknown contributors may carry alleles that were not seen.
    """

    known: tuple[tuple[Genotype, float], ...]
    typed: tuple[Genotype, ...]
    unknowns: int
    unseen: bool = True


def _allele_weights(stain: _Stain, side: _Side, theta: float) -> FloatArray:
    """Weight of n unknown copies of each class, shape (classes, copies + 1).

    The probability of a multiset of alleles is the product of its classes' weights.
    """
    size = 2 * side.unknowns
    typed = stain.copies(side.typed)
    steps = np.arange(size)
    grow = (typed[:, None] + steps) * theta + (1.0 - theta) * stain.shares[:, None]
    runs = np.hstack([np.ones((len(grow), 1)), np.cumprod(grow, axis=1)])
    runs /= np.array([math.factorial(count) for count in range(size + 1)])
    if not side.unseen and stain.alleles:
        runs[-1, 1:] = 0.0
    total = np.prod(1.0 + (typed.sum() - 1.0 + steps) * theta)
    runs[0] *= math.factorial(size) / total
    return np.asarray(runs)


def _evidence(
    stain: _Stain, side: _Side, dropout: float, dropin: float
) -> tuple[FloatArray, NDArray[np.bool_]]:
    """Probability of each replicate's classes given n unknown copies, and where one dropped in.

    Both have the shape (replicates, classes, copies + 1).
    """
    copies = np.arange(2 * side.unknowns + 1)
    carried = stain.copies(genotype for genotype, _ in side.known)
    missing = np.ones((len(stain.shares), len(copies))) * dropout**copies
    for genotype, chance in side.known:
        for place in genotype:
            missing[place] *= chance
    present = (carried[:, None] + copies) > 0
    shown = np.pad(stain.seen, ((0, 0), (0, 1)))[:, :, None]
    factor = np.where(present, np.where(shown, 1.0 - missing, missing), 1.0)
    dropped_in = shown & ~present
    return np.where(dropped_in, dropin * stain.shares[:, None], factor), dropped_in


def _likelihood(stain: _Stain, side: _Side, model: MixtureModel) -> float:
    """Probability of the stain's locus under one hypothesis.

    A replicate's factor 1 - c for "nothing dropped in" is written as 1 minus c times an
    indicator. Multiplied out over the replicates every term is a product over the classes, so
    its sum over all multisets is a coefficient of a product of polynomials.
    """
    factor, dropped_in = _evidence(stain, side, model.dropout, model.dropin)
    weights = _allele_weights(stain, side, model.theta) * factor.prod(axis=0)
    terms, signs = weights[None], np.ones(1)
    if model.dropin > 0.0:
        for absent in dropped_in:
            terms = np.concatenate([terms, np.where(absent, 0.0, terms)])
            signs = np.concatenate([signs, -model.dropin * signs])
    return float(signs @ _top_coefficients(terms))


def _top_coefficients(polynomials: FloatArray) -> FloatArray:
    """Highest kept coefficient of a product of polynomials.

    Parameters
    ----------
    polynomials
        Shape (terms, factors, degree + 1), coefficients in ascending order.

    Returns
    -------
    ndarray
        Coefficient of x^degree of each term's product, shape (terms,).
    """
    size = polynomials.shape[2]
    product = polynomials[:, 0]
    for factor in np.moveaxis(polynomials[:, 1:], 1, 0):
        grown = factor[:, :1] * product
        for power in range(1, size):
            grown[:, power:] += factor[:, power : power + 1] * product[:, : size - power]
        product = grown
    return product[:, -1]


def _relative_likelihood(
    stain: _Stain, side: _Side, model: MixtureModel, relative: Genotype
) -> float:
    """Probability of the locus when one unknown contributor is related to a typed person."""
    total = 0.0
    seen = {place: float(count) for place, count in enumerate(stain.copies(side.typed))}
    for genotype in combinations_with_replacement(range(len(stain.shares)), 2):
        chance = conditional_genotype(
            genotype,
            relative,
            shares={place: float(share) for place, share in enumerate(stain.shares)},
            seen=seen,
            theta=model.theta,
            coefficients=model.relation or RELATIONS["unrelated"],
        )
        if chance > 0.0:
            given = replace(
                side,
                known=(*side.known, (genotype, model.dropout)),
                typed=(*side.typed, genotype),
                unknowns=side.unknowns - 1,
            )
            total += chance * _likelihood(stain, given, model)
    return total


@dataclass(frozen=True, slots=True)
class _Locus:
    """A stain's locus with what is known about it, ready to take candidates."""

    stain: _Stain
    known: tuple[Genotype, ...]
    others: tuple[Genotype, ...]
    model: MixtureModel

    def numerator(self, candidate: Genotype) -> float:
        """P(stain | the candidate contributed)."""
        model = self.model
        chance = model.dropout if model.candidate_dropout is None else model.candidate_dropout
        side = _Side(
            known=((candidate, chance), *self._named()),
            typed=(candidate, *self.known, *self.others),
            unknowns=model.contributors - 1 - len(self.known),
            unseen=model.convention is not Convention.SMARTRANK,
        )
        return _likelihood(self.stain, side, model)

    def denominator(self, candidate: Genotype | None) -> float:
        """P(stain | the candidate did not contribute); None = not conditional on anybody."""
        model = self.model
        if model.dropout_hd is not None:
            model = replace(model, dropout=model.dropout_hd)
        typed = (*self.known, *self.others)
        side = _Side(
            known=self._named(),
            typed=typed if candidate is None else (candidate, *typed),
            unknowns=(model.contributors_hd or model.contributors) - len(self.known),
        )
        if model.relation is not None and candidate is not None:
            return _relative_likelihood(self.stain, side, model, candidate)
        return _likelihood(self.stain, side, model)

    def ratio(self, candidate: Genotype) -> float:
        """Likelihood ratio of a candidate's genotype; 0/0 counts as 0."""
        smartrank = self.model.convention is Convention.SMARTRANK
        below = self.denominator(None if smartrank else candidate)
        above = self.numerator(candidate)
        return above / below if below > 0.0 else (math.inf if above > 0.0 else 0.0)

    def _named(self) -> tuple[tuple[Genotype, float], ...]:
        model = self.model
        chance = model.dropout if model.known_dropout is None else model.known_dropout
        return tuple((genotype, chance) for genotype in self.known)


@dataclass(frozen=True, slots=True)
class People:
    """Typed persons beside the candidate.

    Attributes
    ----------
    known
        Contributors under both hypotheses (a victim). One who is not typed at a locus counts
        as unknown there.
    others
        Persons who did not contribute; with theta they condition the frequencies.
    """

    known: Sequence[DnaProfile] = ()
    others: Sequence[DnaProfile] = ()


def _tokens(profile: DnaProfile, locus: str) -> tuple[str, ...]:
    """One or two designated alleles of a person; empty when the locus cannot be used."""
    tokens = profile.loci.get(locus, ())
    usable = 1 <= len(tokens) <= 2 and all(is_exact(token) for token in tokens)
    return tokens if usable else ()


def _replicates(evidence: DnaProfile, locus: str) -> list[tuple[str, ...]]:
    return [table[locus] for table in evidence.tables if locus in table]


def _stain_loci(evidence: DnaProfile) -> list[str]:
    names = {name for table in evidence.tables for name in table}
    return [name for name in sort_loci(names) if is_autosomal(name)]


def _prepare(
    evidence: DnaProfile,
    locus: str,
    people: People,
    frequencies: Frequencies,
    model: MixtureModel,
) -> _Locus:
    stain = _Stain.of(_replicates(evidence, locus), locus, frequencies)
    known, others = (
        tuple(stain.genotype(tokens) for person in group if (tokens := _tokens(person, locus)))
        for group in (people.known, people.others)
    )
    return _Locus(stain, known, others, model)


def mixture(
    evidence: DnaProfile,
    candidate: DnaProfile,
    frequencies: Frequencies,
    *,
    known: Sequence[DnaProfile] = (),
    others: Sequence[DnaProfile] = (),
    model: MixtureModel | None = None,
    estimate: bool = False,
) -> Mixture:
    """Compare a stain with a candidate; the per-locus form of `mixture_lr`.

    Parameters
    ----------
    evidence
        The stain; `DnaProfile.replicates` are used when there are any.
    candidate
        The person of interest. Loci where they are not typed are left out.
    frequencies
        Frequency table.
    known, others
        Known contributors and other typed persons; see `People`.
    model
        Parameters.
    estimate
        True: replace the model's drop-out probability with its estimate.

    Raises
    ------
    OptionError
        A parameter is out of range.
    ProfileError
        No locus can be used.
    """
    people = People(known, others)
    return _Scorer(evidence, frequencies, people, model, estimate=estimate).score(candidate)


class _Scorer:
    """Compares candidates with one stain, computing each genotype's LR only once."""

    def __init__(
        self,
        evidence: DnaProfile,
        frequencies: Frequencies,
        people: People,
        model: MixtureModel | None,
        *,
        estimate: bool,
    ) -> None:
        model = (model or MixtureModel()).checked(len(people.known))
        if estimate:
            value = estimate_dropout(evidence, frequencies, people.known, model)
            model = replace(model, dropout=value)
        self._evidence = evidence
        self._frequencies = frequencies
        self._model = model
        self._estimated = estimate
        self._names = _stain_loci(evidence)
        self._ready = {
            locus: _prepare(evidence, locus, people, frequencies, model)
            for locus in self._names
            if locus in frequencies
        }
        self._ratios: dict[tuple[str, Genotype], float] = {}

    def score(self, candidate: DnaProfile) -> Mixture:
        """Compare one candidate over the loci where they are typed."""
        loci = {}
        for locus, ready in self._ready.items():
            if tokens := _tokens(candidate, locus):
                key = (locus, ready.stain.genotype(tokens))
                if key not in self._ratios:
                    self._ratios[key] = ready.ratio(key[1])
                loci[locus] = self._ratios[key]
        if not loci:
            raise ProfileError(
                f"stain {self._evidence.name!r} and candidate {candidate.name!r} have no locus in "
                f"common that frequency table {self._frequencies} knows"
            )
        return Mixture(
            log10=log10_lr(loci),
            loci=MappingProxyType(loci),
            unused=tuple(locus for locus in self._names if locus not in loci),
            model=self._model,
            estimated=self._estimated,
            table=str(self._frequencies),
            minimum_rule=self._frequencies.minimum_rule,
        )


def rank_contributors(
    evidence: DnaProfile,
    candidates: Sequence[DnaProfile],
    tables: Sequence[Frequencies],
    *,
    known: Sequence[DnaProfile] = (),
    others: Sequence[DnaProfile] = (),
    model: MixtureModel | None = None,
    estimate: bool = False,
) -> list[tuple[DnaProfile, Mixture]]:
    """Rank candidates as contributors to a stain, best first.

    With several frequency tables each candidate has the smallest of its likelihood ratios.
    Candidates without a usable locus in common are left out. Parameters as for `mixture`.
    """
    if not tables:
        raise OptionError("no frequency table is given; name at least one")
    people = People(known, others)
    scorers = [_Scorer(evidence, table, people, model, estimate=estimate) for table in tables]
    found = []
    for candidate in candidates:
        try:
            results = [scorer.score(candidate) for scorer in scorers]
        except ProfileError:
            continue
        found.append((candidate, min(results, key=lambda result: result.log10)))
    return sorted(found, key=lambda pair: (-pair[1].log10, pair[0].name))


def mixture_lr(
    evidence: DnaProfile,
    candidate: DnaProfile,
    frequencies: Frequencies | Sequence[Frequencies],
    *,
    contributors: int = 2,
    known: Sequence[DnaProfile] = (),
    dropout: float | None = None,
    dropin: float = 0.05,
    theta: float = 0.0,
    convention: Convention | str = Convention.LRMIX,
    relation: str | None = None,
) -> float:
    """Return the likelihood ratio that a candidate contributed to a stain.

    Parameters
    ----------
    evidence, candidate, known
        See `mixture`.
    frequencies
        One table, or several: then the least favourable (smallest) figure is returned.
    contributors
        Number of persons in the stain, 1 to 4, candidate and known contributors included.
    dropout
        Drop-out probability of one allele copy; None = maximum likelihood over a grid.
    dropin, theta
        Drop-in probability and coancestry coefficient.
    convention
        ``"lrmix"`` or ``"smartrank"``.
    relation
        Relation between the candidate and one unknown contributor under Hd.

    Examples
    --------
    Scenario A of LRmix Studio's worked example P15: one contributor, two replicates.

    >>> table = Frequencies.from_dict({"vWA": {"12": 0.15, "13": 0.15, "14": 0.15}})
    >>> stain = DnaProfile.from_alleles({}, replicates=[{"vWA": ("13",)}, {"vWA": ("13", "14")}])
    >>> suspect = DnaProfile.from_alleles({"vWA": ("13", "14")})
    >>> round(mixture_lr(stain, suspect, table, contributors=1, dropout=0.1), 5)
    21.08466
    """
    model = MixtureModel(
        contributors=contributors,
        dropout=0.0 if dropout is None else dropout,
        dropin=dropin,
        theta=theta,
        convention=_convention(convention),
        relation=ibd_coefficients(relation) if relation else None,
    )
    tables = as_tables(frequencies)
    if not tables:
        raise OptionError("no frequency table is given; name at least one")
    results = (
        mixture(evidence, candidate, table, known=known, model=model, estimate=dropout is None)
        for table in tables
    )
    return min(results, key=lambda result: result.log10).lr


def _convention(name: Convention | str) -> Convention:
    try:
        return Convention(name)
    except ValueError:
        known = ", ".join(Convention)
        raise OptionError(f"unknown mixture convention {name!r}; known are {known}") from None


def mixture_table(
    evidence: DnaProfile,
    locus: str,
    alleles: Sequence[str],
    *,
    frequencies: Frequencies,
    known: Sequence[DnaProfile] = (),
    others: Sequence[DnaProfile] = (),
    model: MixtureModel | None = None,
) -> FloatArray:
    """Tabulate the likelihood ratio at a locus for every genotype of a candidate.

    A scan over a database then costs one look-up a locus. Genotypes differ only in which seen
    alleles they carry, so a few dozen likelihoods fill the table.

    Parameters
    ----------
    evidence, frequencies, known, others, model
        See `mixture`.
    locus
        Canonical name.
    alleles
        Designated alleles that number the rows and columns.

    Returns
    -------
    ndarray
        Shape (len(alleles), len(alleles)), symmetric. All ones when the stain or the table
        lacks the locus.
    """
    model = (model or MixtureModel()).checked(len(known))
    if locus not in frequencies or not _replicates(evidence, locus):
        return np.ones((len(alleles), len(alleles)))
    ready = _prepare(evidence, locus, People(known, others), frequencies, model)
    classes = len(ready.stain.shares)
    small = np.zeros((classes, classes))
    for pair in combinations_with_replacement(range(classes), 2):
        small[pair] = small[pair[::-1]] = ready.ratio(pair)
    place = [ready.stain.genotype((token,))[0] for token in alleles]
    return small[np.ix_(place, place)]


def estimate_dropout(
    evidence: DnaProfile,
    frequencies: Frequencies,
    known: Sequence[DnaProfile] = (),
    model: MixtureModel | None = None,
) -> float:
    """Estimate the drop-out probability by maximum likelihood over a grid.

    The likelihood is that of the stain under Hd, not conditional on any candidate, so that one
    estimate serves a whole database. All contributors share it. The grid has steps of 0.05,
    then of 0.01 around the best.

    Returns
    -------
    float
        0.01 to 0.99.

    Raises
    ------
    ProfileError
        The stain and the table have no locus in common.
    """
    model = (model or MixtureModel()).checked(len(known))
    plain = replace(
        model, relation=None, candidate_dropout=None, known_dropout=None, dropout_hd=None
    )
    names = [locus for locus in _stain_loci(evidence) if locus in frequencies]
    if not names:
        raise ProfileError(
            f"stain {evidence.name!r} and frequency table {frequencies} have no locus in common"
        )
    loci = [_prepare(evidence, locus, People(known), frequencies, plain) for locus in names]

    def support(percent: int) -> float:
        chosen = replace(plain, dropout=percent / 100.0)
        values = [replace(locus, model=chosen).denominator(None) for locus in loci]
        return sum(math.log(value) if value > 0.0 else -math.inf for value in values)

    coarse = max([1, *range(5, 100, 5)], key=support)
    around = range(max(1, coarse - 4), min(99, coarse + 4) + 1)
    return max(around, key=support) / 100.0
