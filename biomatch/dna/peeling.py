"""Likelihood of one locus of a pedigree, by variable elimination.

Every person has a paternal and a maternal allele. A pedigree is then a Bayesian network of
allele variables whose likelihood is found by eliminating them one by one, cheapest first; loops
(cousin marriages, double relations) only make an intermediate table larger. This is the
Elston-Stewart peeling in its general form (Lauritzen & Sheehan 2003, Statistical Science 18).

Theta: founders' alleles follow the sampling formula of Balding & Nichols (1994), jointly over
the whole pedigree and unrelated persons. The formula is a Dirichlet mixture, so the likelihood
is the mean of a polynomial in the population's frequencies over a Dirichlet distribution, which
a Gauss-Jacobi rule of sufficient order integrates exactly.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biomatch.dna.alleles import is_wildcard, sort_alleles
from biomatch.dna.frequencies import Frequencies
from biomatch.dna.loci import sort_loci
from biomatch.dna.mutation import MutationModel
from biomatch.dna.pedigree import Pedigree, Person
from biomatch.dna.profile import DnaProfile
from biomatch.dna.statistics import check_theta, sample_probability
from biomatch.errors import OptionError

__all__ = [
    "Mutations",
    "NullRates",
    "Settings",
    "Typed",
    "common_loci",
    "locus_likelihood",
    "settings_of",
    "typed_at",
    "usable_alleles",
]

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
NullRates = float | Mapping[str, float]
Mutations = MutationModel | Mapping[str, MutationModel] | None
Typed = Mapping[str, tuple[str, ...]]
Factor = tuple[tuple[int, ...], FloatArray]

_NODES = -1
_REST = ""
_NULL = "null"
_NODE_LIMIT = 2_000_000
_NODE_CHUNK = 1024
_CELL_LIMIT = 100_000_000


@dataclass(frozen=True, slots=True)
class Settings:
    """What a pedigree computation rests on."""

    frequencies: Frequencies
    theta: float = 0.0
    mutation: Mutations = None
    null: NullRates = 0.0

    def mutation_at(self, locus: str) -> MutationModel:
        """Mutation model of a locus; one that a mapping lacks does not mutate."""
        if isinstance(self.mutation, MutationModel):
            return self.mutation
        return (self.mutation or {}).get(locus, MutationModel())

    @property
    def mutation_name(self) -> str:
        """Name of the mutation model, for results."""
        if isinstance(self.mutation, MutationModel):
            return self.mutation.kind.value
        kinds = {model.kind.value for model in (self.mutation or {}).values()}
        return ", ".join(sorted(kinds)) or "none"

    def null_at(self, locus: str) -> float:
        """Frequency of the null allele at a locus."""
        value = self.null if isinstance(self.null, float | int) else self.null.get(locus, 0.0)
        if not 0.0 <= value < 1.0:
            raise OptionError(f"{locus}: null allele frequency is {value}; give 0 to below 1")
        return float(value)


def settings_of(
    frequencies: Frequencies, theta: float, mutation: Mutations, null: NullRates
) -> Settings:
    """Check the parameters of a pedigree computation."""
    check_theta(theta)
    return Settings(frequencies, theta, mutation, null)


@dataclass(frozen=True, slots=True)
class _States:
    """Allele classes of one locus.

    Attributes
    ----------
    index
        Token -> class. Tokens that are not there belong to the rest class.
    shares
        Frequencies, shape (k,), sum 1.
    male, female
        Transition matrices from fathers and mothers, shape (k, k).
    null
        Class of the null allele, or None.
    """

    index: Mapping[str, int]
    shares: FloatArray
    male: FloatArray
    female: FloatArray
    null: int | None


def _states(observed: Sequence[str], locus: str, settings: Settings, *, lump: bool) -> _States:
    mutation, null = settings.mutation_at(locus), settings.null_at(locus)
    tokens, shares = _filled(observed, locus, settings.frequencies, rest=mutation.lumps)
    male, female = mutation.matrices(tokens, shares)
    if lump and mutation.lumps:
        groups = np.minimum(np.arange(len(tokens)), len(observed))
        shares, male, female = _lumped(shares, male, female, groups)
        tokens = [*observed, _REST][: len(shares)]
    if null > 0.0:
        tokens = [*tokens, _NULL]
        shares = np.append(shares * (1.0 - null), null)
        male, female = _with_fixed(male), _with_fixed(female)
    return _States(
        index={token: place for place, token in enumerate(tokens)},
        shares=shares,
        male=male,
        female=female,
        null=len(tokens) - 1 if null > 0.0 else None,
    )


def _filled(
    observed: Sequence[str], locus: str, frequencies: Frequencies, rest: bool
) -> tuple[list[str], FloatArray]:
    """Observed alleles with their frequencies, then the others, scaled to fill up to 1."""
    own = np.array([frequencies.frequency(locus, token) for token in observed])
    others = [token for token in frequencies.alleles(locus) if token not in observed]
    listed = np.array([frequencies.table[locus][token] for token in others])
    left = 1.0 - own.sum()
    if left <= 1e-12:
        others, listed = [], np.empty(0)
    elif others:
        listed = listed * (left / listed.sum())
    elif rest:
        others, listed = [_REST], np.array([left])
    shares = np.concatenate([own, listed])
    return [*observed, *others], shares / shares.sum()


def _lumped(
    shares: FloatArray, male: FloatArray, female: FloatArray, groups: NDArray[np.intp]
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Merge classes: shares add up, transitions are averaged by share."""
    member = np.eye(groups.max() + 1)[groups]
    total = member.T @ shares
    mean = (member * shares[:, None]).T / total[:, None]
    return total, mean @ male @ member, mean @ female @ member


def _with_fixed(matrix: FloatArray) -> FloatArray:
    """Append a class that never mutates and that nothing mutates into."""
    grown = np.eye(len(matrix) + 1)
    grown[:-1, :-1] = matrix
    return grown


def _mask(tokens: tuple[str, ...], states: _States) -> BoolArray | None:
    """Ordered genotypes that show these alleles, shape (k, k); None = says nothing."""
    if not tokens or len(tokens) > 2 or all(is_wildcard(token) for token in tokens):
        return None
    size = len(states.shares)
    known = [states.index[token] for token in tokens if not is_wildcard(token)]
    mask = np.zeros((size, size), dtype=bool)
    first, second = known[0], known[-1]
    if len(known) < len(tokens):
        mask[first, :] = mask[:, first] = True
        return mask
    mask[first, second] = mask[second, first] = True
    if first == second and states.null is not None:
        mask[first, states.null] = mask[states.null, first] = True
    return mask


@dataclass(frozen=True, slots=True)
class _Network:
    """One locus of a pedigree, ready to be summed over.

    Variables 2i and 2i + 1 are the paternal and maternal allele of member i.
    """

    members: tuple[Person, ...]
    masks: Mapping[str, BoolArray]
    states: _States
    theta: float
    keep: str | None = None

    def likelihood(self) -> FloatArray:
        """P(all genotypes), or the table over the ordered alleles of `keep`."""
        complete = self._complete_founders()
        genes = [place for pair in complete.values() for place in pair]
        shares = self.states.shares
        start = sample_probability(((str(g), float(shares[g])) for g in genes), self.theta)
        total: FloatArray | float = 0.0
        for nodes, weights in self._population(genes, complete):
            factors = self._factors(nodes, complete)
            values = _eliminate(factors, self._kept())
            total = total + np.tensordot(weights, values, axes=1)
        return np.asarray(total * start)

    def _kept(self) -> tuple[int, ...]:
        for i, person in enumerate(self.members):
            if person.name == self.keep:
                return (2 * i, 2 * i + 1)
        return ()

    def _complete_founders(self) -> dict[str, tuple[int, int]]:
        """Founders whose two alleles are both known: they condition the frequencies."""
        found = {}
        for person in self.members:
            mask = self.masks.get(person.name)
            if person.father is None and mask is not None:
                pairs = {tuple(sorted(pair)) for pair in np.argwhere(mask).tolist()}
                if len(pairs) == 1:
                    first, second = pairs.pop()
                    found[person.name] = (first, second)
        return found

    def _population(
        self, genes: Sequence[int], complete: Mapping[str, object]
    ) -> Iterable[tuple[FloatArray, FloatArray]]:
        """Frequencies to average over, given the alleles of the typed founders."""
        if self.theta == 0.0:
            return [(self.states.shares[None, :], np.ones(1))]
        scale = (1.0 - self.theta) / self.theta
        counts = np.bincount(np.array(genes, dtype=np.intp), minlength=len(self.states.shares))
        return _dirichlet_rule(self.states.shares * scale + counts, self._degree(complete))

    def _degree(self, complete: Mapping[str, object]) -> int:
        """Degree of the likelihood in the frequencies: founder alleles that reach somebody."""
        children: dict[str, int] = {}
        for person in self.members:
            for parent in (person.father, person.mother):
                if parent is not None:
                    children[parent] = children.get(parent, 0) + 1
        degree = 0
        for person in self.members:
            if person.father is None and person.name not in complete:
                watched = person.name in self.masks or person.name == self.keep
                degree += 2 if watched else min(2, children.get(person.name, 0))
        return degree

    def _factors(self, nodes: FloatArray, complete: Mapping[str, object]) -> list[Factor]:
        place = {person.name: i for i, person in enumerate(self.members)}
        domain = [self._domain(person) for person in self.members]
        factors: list[Factor] = [((_NODES,), np.ones(len(nodes)))]
        for i, person in enumerate(self.members):
            mask = self.masks.get(person.name)
            if mask is not None:
                cut = mask[np.ix_(domain[i], domain[i])].astype(float)
                factors.append(((2 * i, 2 * i + 1), cut))
            if person.father is None or person.mother is None:
                if person.name not in complete:
                    share = nodes[:, domain[i]]
                    factors += [((_NODES, 2 * i), share), ((_NODES, 2 * i + 1), share)]
                continue
            for side, parent in enumerate((person.father, person.mother)):
                j = place[parent]
                matrix = (self.states.female if side else self.states.male)[
                    np.ix_(domain[j], domain[i])
                ]
                table = 0.5 * (matrix[:, None, :] + matrix[None, :, :])
                factors.append(((2 * j, 2 * j + 1, 2 * i + side), table))
        return factors

    def _domain(self, person: Person) -> NDArray[np.intp]:
        mask = self.masks.get(person.name)
        if mask is None:
            return np.arange(len(self.states.shares))
        return np.flatnonzero(mask.any(axis=1))


def _eliminate(factors: list[Factor], keep: tuple[int, ...] = ()) -> FloatArray:
    """Sum over all variables but the nodes and those to keep, the cheapest first."""
    sizes = {v: n for vs, table in factors for v, n in zip(vs, table.shape, strict=True)}
    open_variables = set(sizes) - {_NODES, *keep}
    while open_variables:
        cost, chosen = min((_cost(v, factors, sizes), v) for v in open_variables)
        if cost // sizes[chosen] > _CELL_LIMIT:
            raise OptionError(
                f"this pedigree has too many loops: a table of {cost // sizes[chosen]:.1e} cells "
                "would be needed; use theta = 0, or the equal, the proportional or no mutation "
                "model"
            )
        touching = [factor for factor in factors if chosen in factor[0]]
        factors = [factor for factor in factors if chosen not in factor[0]]
        factors.append(_product(touching, chosen))
        open_variables.discard(chosen)
    return _product(factors, None, (_NODES, *keep))[1]


def _cost(variable: int, factors: list[Factor], sizes: Mapping[int, int]) -> int:
    touched = {v for vs, _ in factors if variable in vs for v in vs}
    return math.prod(sizes[v] for v in touched)


def _product(
    factors: list[Factor], summed: int | None, order: tuple[int, ...] | None = None
) -> Factor:
    """Multiply tables, sum one variable out."""
    labels: dict[int, int] = {}
    for variables, _ in factors:
        for variable in variables:
            labels.setdefault(variable, len(labels))
    result = order or tuple(v for v in labels if v != summed)
    operands: list[Any] = []
    for variables, table in factors:
        operands += [table, [labels[v] for v in variables]]
    return result, np.einsum(*operands, [labels[v] for v in result], optimize=len(factors) > 2)


@cache
def _beta_rule(a: float, b: float, size: int) -> tuple[FloatArray, FloatArray]:
    """Gauss-Jacobi nodes and weights for a Beta(a, b) variable (Golub & Welsch 1969)."""
    alpha, beta = b - 1.0, a - 1.0
    n = np.arange(1, size, dtype=float)
    total = 2.0 * n + alpha + beta
    diagonal = np.empty(size)
    diagonal[0] = (beta - alpha) / (alpha + beta + 2.0)
    diagonal[1:] = (beta - alpha) * (beta + alpha) / (total * (total + 2.0))
    square = 4.0 * n * (n + alpha) * (n + beta) * (n + alpha + beta)
    square /= total**2 * (total + 1.0) * np.where(n > 1, total - 1.0, 1.0)
    if size > 1:  # the first term without its removable singularity at alpha + beta = -1
        square[0] = 4.0 * (1.0 + alpha) * (1.0 + beta) / (total[0] ** 2 * (total[0] + 1.0))
    off = np.sqrt(square)
    values, vectors = np.linalg.eigh(np.diag(diagonal) + np.diag(off, 1) + np.diag(off, -1))
    return (1.0 + values) / 2.0, vectors[0] ** 2


def _dirichlet_rule(
    concentration: FloatArray, degree: int
) -> Iterable[tuple[FloatArray, FloatArray]]:
    """Nodes and weights that integrate polynomials exactly over a Dirichlet distribution.

    The distribution is broken into independent Beta variables (stick breaking), each with a
    Gauss rule of order ceil((degree + 1) / 2); nodes come in chunks.

    Raises
    ------
    OptionError
        The rule would need too many nodes.
    """
    order = degree // 2 + 1
    count = len(concentration)
    total = order ** (count - 1)
    if total > _NODE_LIMIT:
        raise OptionError(
            f"theta in this pedigree would need {total:.1e} integration nodes ({count} alleles, "
            f"{degree} untyped founder alleles); use theta = 0 or a mutation model that lumps"
        )
    tail = np.cumsum(concentration[::-1])[::-1]
    rules = [
        _beta_rule(float(concentration[k]), float(tail[k + 1]), order) for k in range(count - 1)
    ]
    for start in range(0, total, _NODE_CHUNK):
        numbers = np.arange(start, min(total, start + _NODE_CHUNK))
        shares = np.empty((len(numbers), count))
        weights, left = np.ones(len(numbers)), np.ones(len(numbers))
        for k, (points, mass) in enumerate(rules):
            digit = numbers // order**k % order
            shares[:, k] = left * points[digit]
            left = left * (1.0 - points[digit])
            weights = weights * mass[digit]
        shares[:, -1] = left
        yield shares, weights


def _needed(members: Sequence[Person], watched: set[str]) -> tuple[Person, ...]:
    """Members who are typed or have typed descendants: the others sum to one."""
    needed = set(watched)
    for person in reversed(members):
        if person.name in needed:
            needed |= {parent for parent in (person.father, person.mother) if parent}
    return tuple(person for person in members if person.name in needed)


def locus_likelihood(
    pedigree: Pedigree,
    typed: Typed,
    locus: str,
    settings: Settings,
    *,
    keep: str | None = None,
    extra: Iterable[str] = (),
) -> tuple[FloatArray, _States]:
    """Return the likelihood of one locus, with the allele classes it used.

    Parameters
    ----------
    pedigree, typed, locus, settings
        Who is related, what they show, where, and under which model.
    keep
        Member whose alleles stay open: the result is then a table over their ordered alleles,
        shape (k, k), and no classes are merged.
    extra
        Alleles that need a class of their own although nobody shows them.
    """
    shown = {token for tokens in typed.values() for token in tokens if not is_wildcard(token)}
    observed = sort_alleles(shown | set(extra))
    states = _states(observed, locus, settings, lump=keep is None)
    masks = {
        name: mask for name, tokens in typed.items() if (mask := _mask(tokens, states)) is not None
    }
    everybody = pedigree.with_unrelated(typed)
    members = _needed(everybody.members, set(masks) | ({keep} if keep else set()))
    network = _Network(members, masks, states, settings.theta, keep)
    return network.likelihood(), states


def usable_alleles(profile: DnaProfile, locus: str) -> tuple[str, ...]:
    """Return the alleles that a pedigree can use: one or two, at least one designated."""
    tokens = profile.loci.get(locus, ())
    if len(tokens) > 2 or all(is_wildcard(token) for token in tokens):
        return ()
    return tokens


def common_loci(profiles: Mapping[str, DnaProfile], frequencies: Frequencies) -> list[str]:
    """Return the autosomal loci that somebody is typed at and the table has."""
    names = {locus for profile in profiles.values() for locus in profile.autosomal}
    return [locus for locus in sort_loci(names) if locus in frequencies]


def typed_at(profiles: Mapping[str, DnaProfile], locus: str) -> Typed:
    """Return the usable alleles of everybody typed at a locus."""
    found = {name: usable_alleles(profile, locus) for name, profile in profiles.items()}
    return {name: tokens for name, tokens in found.items() if tokens}
