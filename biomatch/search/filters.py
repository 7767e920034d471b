"""Which records a search may see: the user's filters and the owners' sharing rules.

Both become one boolean mask a segment, applied before the first comparison, so a filtered
search equals a search over the filtered gallery.
"""

import functools
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biomatch.errors import OptionError
from biomatch.search.columns import Columns

__all__ = ["Filters", "Scope", "compatible_positions", "same_skin", "sex_of"]

Mask = NDArray[np.bool_]

SEXES = {"m": "M", "male": "M", "f": "F", "female": "F", "x": "X", "other": "X"}

UNKNOWN = frozenset({0, 18})
"""Position codes that do not say which finger or palm it is."""

RIGHT, LEFT = frozenset({1, 2, 3, 4, 5, 16}), frozenset({6, 7, 8, 9, 10, 17})
RIGHT_PALM, LEFT_PALM = -1, -2
TOGETHER = {
    13: RIGHT - {1},
    14: LEFT - {6},
    15: {1, 6},
    19: RIGHT | LEFT,
    40: {2, 3},
    41: {3, 4},
    42: {4, 5},
    43: {7, 8},
    44: {8, 9},
    45: {9, 10},
    46: {2, 7},
    47: {2, 3, 4},
    48: {3, 4, 5},
    49: {7, 8, 9},
    50: {8, 9, 10},
    51: RIGHT - {1},
    52: LEFT - {6},
    53: RIGHT,
    54: LEFT,
    20: {RIGHT_PALM, LEFT_PALM},
    37: RIGHT | {RIGHT_PALM},
    38: LEFT | {LEFT_PALM},
}
RIGHT_PALMS = (21, 22, 25, 26, 29, 31, 32, 33, 81, 83, 85)
LEFT_PALMS = (23, 24, 27, 28, 30, 34, 35, 36, 82, 84, 86)

SKIN: dict[int, frozenset[int]] = {
    **{finger: frozenset({finger}) for finger in RIGHT | LEFT},
    11: frozenset({1}),
    12: frozenset({6}),
    **dict.fromkeys(RIGHT_PALMS, frozenset({RIGHT_PALM})),
    **dict.fromkeys(LEFT_PALMS, frozenset({LEFT_PALM})),
    **{code: frozenset(skin) for code, skin in TOGETHER.items()},
}
"""What an impression with each position code of ANSI/NIST-ITL 1-2011 table 8 can show: fingers
by their own codes, and palms. Slaps may show extra digits, a grasp fingers and palm. Parts of one
palm are not told apart, because neighbouring parts overlap."""


@functools.cache
def compatible_positions(position: int) -> frozenset[int]:
    """Positions of references that a probe of `position` can match; empty = all.

    An unknown position on either side never excludes a record.
    """
    if position in UNKNOWN:
        return frozenset()
    mine = SKIN.get(position, frozenset())
    return frozenset({code for code, skin in SKIN.items() if skin & mine} | UNKNOWN | {position})


def same_skin(one: int, other: int) -> bool:
    """Whether impressions with these position codes can show the same skin."""
    return one in UNKNOWN or other in compatible_positions(one)


def sex_of(word: str) -> str:
    """Return the code that records have: ``M``, ``F`` or ``X``.

    Raises
    ------
    OptionError
        Unknown word.
    """
    if str(word).lower() not in SEXES:
        raise OptionError(f"sex is '{word}'; use M, F or X, or leave it out")
    return SEXES[str(word).lower()]


@dataclass(frozen=True, slots=True)
class Filters:
    """What the person searched for is known to be. Empty = no restriction.

    Attributes
    ----------
    finger_positions
        ANSI/NIST-ITL codes.
    owners, sexes, categories, galleries
        Accepted values; sexes as in `Person`. Galleries of unsolved probes are only searched when
        named.
    born_from, born_to
        Range of the year of birth, both ends included.
    min_quality
        Lowest sample quality, 0 to 100.
    subjects_except
        Keys of subjects left out.
    strict
        False: a record that does not say (sex unknown, say) passes, because the filter must
        not lose a mate; True: it does not pass.
    """

    finger_positions: frozenset[int] = frozenset()
    owners: frozenset[str] = frozenset()
    sexes: frozenset[str] = frozenset()
    categories: frozenset[str] = frozenset()
    galleries: frozenset[str] = frozenset()
    born_from: int | None = None
    born_to: int | None = None
    min_quality: float | None = None
    subjects_except: frozenset[int] = frozenset()
    strict: bool = False

    def __post_init__(self) -> None:
        for name in ("finger_positions", "owners", "sexes", "categories", "galleries"):
            value = getattr(self, name)
            values = (value,) if isinstance(value, str | int) else value
            object.__setattr__(self, name, frozenset(values))
        object.__setattr__(self, "sexes", frozenset(map(sex_of, self.sexes)))
        if self.min_quality is not None and math.isnan(self.min_quality):
            raise OptionError("min_quality is not a number; use 0 to 100, or leave it out")
        low, high = self.born_from, self.born_to
        if low is not None and high is not None and low > high:
            raise OptionError(f"born_from {low} is after born_to {high}; swap them")

    def described(self) -> dict[str, Any]:
        """Return the restrictions that are set, JSON-able."""
        chosen = {
            name: sorted(getattr(self, name))
            for name in ("finger_positions", "owners", "sexes", "categories", "galleries")
            if getattr(self, name)
        }
        if self.subjects_except:
            chosen["subjects_except"] = sorted(self.subjects_except)
        scalars = {
            name: getattr(self, name)
            for name in ("born_from", "born_to", "min_quality")
            if getattr(self, name) is not None
        }
        return {**chosen, **scalars, **({"strict": True} if self.strict else {})}


@dataclass(frozen=True, slots=True)
class Scope:
    """Filters and rights of one search, picklable and hashable.

    Attributes
    ----------
    filters
        The user's restrictions.
    positions
        Finger positions that the probe allows, empty = all.
    owner
        Whose search it is; None = the database's own operator, who sees everything.
    shared
        Galleries that others share with `owner`.
    hidden
        Galleries of unsolved probes, searched only when the filters name them.
    """

    filters: Filters = field(default_factory=Filters)
    positions: frozenset[int] = frozenset()
    owner: str | None = None
    shared: frozenset[str] = frozenset()
    hidden: frozenset[str] = frozenset()

    def mask(self, columns: Columns) -> Mask | None:
        """Rows that pass, shape (n,); None when all do."""
        tests = [
            self._galleries(columns),
            self._sharing(columns),
            self._coded(columns.owners, columns.owner_names, self.filters.owners),
            self._coded(columns.sexes, columns.sex_names, self.filters.sexes),
            self._coded(columns.categories, columns.category_names, self.filters.categories),
            self._positions(columns, self.positions, keep_unknown=True),
            self._positions(
                columns, self.filters.finger_positions, keep_unknown=not self.filters.strict
            ),
            self._births(columns),
            self._quality(columns),
            self._subjects(columns),
        ]
        found = [test for test in tests if test is not None]
        if not found:
            return None
        passing = found[0]
        for test in found[1:]:
            passing = passing & test
        return passing

    def _galleries(self, columns: Columns) -> Mask | None:
        wanted = self.filters.galleries

        def passes(names: tuple[str, ...]) -> bool:
            if wanted:
                return not wanted.isdisjoint(names)
            return not set(names) <= self.hidden

        return _looked_up(columns.galleries, columns.gallery_sets, passes)

    def _sharing(self, columns: Columns) -> Mask | None:
        if self.owner is None:
            return None
        own = _looked_up(columns.owners, columns.owner_names, lambda name: name == self.owner)
        shared = _looked_up(
            columns.galleries,
            columns.gallery_sets,
            lambda names: not self.shared.isdisjoint(names),
        )
        return None if own is None or shared is None else own | shared

    def _coded(
        self, codes: NDArray[np.int32], names: tuple[str | None, ...], wanted: frozenset[str]
    ) -> Mask | None:
        if not wanted:
            return None
        unknown = not self.filters.strict
        return _looked_up(codes, names, lambda n: unknown if n is None else n in wanted)

    @staticmethod
    def _positions(columns: Columns, wanted: frozenset[int], *, keep_unknown: bool) -> Mask | None:
        if not wanted:
            return None
        accepted = wanted | UNKNOWN if keep_unknown else wanted
        passing: Mask = np.isin(columns.positions, sorted(accepted))
        return passing

    def _births(self, columns: Columns) -> Mask | None:
        low, high = self.filters.born_from, self.filters.born_to
        if low is None and high is None:
            return None
        years = np.asarray(columns.births)
        known = years != 0
        inside = (years >= (low or 0)) & (years <= (high or 32767))
        passing: Mask = inside & known if self.filters.strict else inside | ~known
        return passing

    def _quality(self, columns: Columns) -> Mask | None:
        lowest = self.filters.min_quality
        if lowest is None:
            return None
        qualities = np.asarray(columns.qualities)
        inside = qualities >= lowest
        passing: Mask = inside if self.filters.strict else inside | np.isnan(qualities)
        return passing

    def _subjects(self, columns: Columns) -> Mask | None:
        left_out = self.filters.subjects_except
        if not left_out:
            return None
        passing = np.ones(len(columns), dtype=np.bool_)
        passing[columns.rows_of(np.array(sorted(left_out), dtype=np.int64))] = False
        return passing


def _looked_up(
    codes: NDArray[np.int32], names: Iterable[Any], passes: Callable[[Any], bool]
) -> Mask | None:
    """Rows whose name passes; None when every name does, so that no row need be looked at."""
    table = np.array([passes(name) for name in names], dtype=np.bool_)
    if table.all():
        return None
    passing: Mask = table[codes]
    return passing
