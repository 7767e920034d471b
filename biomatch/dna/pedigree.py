"""Pedigrees: who is whose child."""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from biomatch.errors import FormatError, OptionError

__all__ = ["Pedigree", "Person", "Sex"]


class Sex(StrEnum):
    """Sex of a pedigree member."""

    MALE = "M"
    FEMALE = "F"
    UNKNOWN = "?"


@dataclass(frozen=True, slots=True)
class Person:
    """One member of a pedigree; without parents a founder.

    Attributes
    ----------
    name
        Unique within the pedigree.
    father, mother
        Names of the parents, both or none (a single known parent gets an unnamed partner).
    sex
        Checked against the role as father or mother.
    """

    name: str
    father: str | None = None
    mother: str | None = None
    sex: Sex = Sex.UNKNOWN


@dataclass(frozen=True, slots=True)
class Pedigree:
    """Who is whose child. Persons typed but not in it count as unrelated.

    Attributes
    ----------
    members
        Persons, parents before children.

    Examples
    --------
    >>> trio = Pedigree.of(Person("father"), Person("mother"), Person("child", "father", "mother"))
    >>> [person.name for person in trio.members]
    ['father', 'mother', 'child']
    """

    members: tuple[Person, ...]

    @classmethod
    def of(cls, *members: Person) -> "Pedigree":
        """Check and order the members; parents that are only named become founders.

        Raises
        ------
        OptionError
            A name twice, a person who is their own ancestor, or a sex that contradicts the role.
        """
        named: dict[str, Person] = {}
        for person in members:
            if person.name in named:
                raise OptionError(f"pedigree: {person.name!r} is given twice")
            named[person.name] = _with_both_parents(person)
        _add_parents(named)
        return cls(_ordered(named))

    @classmethod
    def read(cls, path: str | Path) -> "Pedigree":
        """Read a text file of ``name father mother [sex]`` lines (0 or - = unknown, # comment).

        Raises
        ------
        FormatError
            A line has another number of columns or an unknown sex; the message names it.
        """
        members = []
        for number, line in enumerate(Path(path).read_text("utf-8-sig").splitlines(), start=1):
            cells = line.split("#", 1)[0].replace(",", " ").split()
            if not cells:
                continue
            if not 3 <= len(cells) <= 4:
                raise FormatError(
                    f"{path}: line {number}: {len(cells)} columns; give name father mother [sex]"
                )
            members.append(_person(cells, f"{path}: line {number}"))
        return cls.of(*members)

    @property
    def names(self) -> frozenset[str]:
        """Names of all members."""
        return frozenset(person.name for person in self.members)

    def with_unrelated(self, names: Iterable[str]) -> "Pedigree":
        """Return this pedigree with more founders, who are related to nobody."""
        extra = tuple(Person(name) for name in names if name not in self.names)
        return Pedigree(self.members + extra) if extra else self


def _person(cells: Sequence[str], where: str) -> Person:
    sexes = {"1": Sex.MALE, "M": Sex.MALE, "2": Sex.FEMALE, "F": Sex.FEMALE}
    sexes |= {"0": Sex.UNKNOWN, "?": Sex.UNKNOWN, "-": Sex.UNKNOWN}
    sex = cells[3].upper() if len(cells) == 4 else "?"
    if sex not in sexes:
        raise FormatError(f"{where}: sex {cells[3]!r} is none of M, F, 1, 2, ?")
    father, mother = (None if cell in {"0", "-"} else cell for cell in cells[1:3])
    return Person(cells[0], father, mother, sexes[sex])


def _with_both_parents(person: Person) -> Person:
    if (person.father is None) == (person.mother is None):
        return person
    unnamed = f"{person.name}'s other parent"
    return Person(person.name, person.father or unnamed, person.mother or unnamed, person.sex)


def _add_parents(named: dict[str, Person]) -> None:
    for person in list(named.values()):
        for parent, sex in ((person.father, Sex.MALE), (person.mother, Sex.FEMALE)):
            if parent is None:
                continue
            known = named.setdefault(parent, Person(parent, sex=sex))
            if known.sex not in {sex, Sex.UNKNOWN}:
                role = "father" if sex is Sex.MALE else "mother"
                raise OptionError(
                    f"pedigree: {parent!r} has sex {known.sex.value} but is the {role} of "
                    f"{person.name!r}"
                )


def _ordered(named: Mapping[str, Person]) -> tuple[Person, ...]:
    """Parents before children, else in the order given (Kahn's algorithm)."""
    waiting = deque(named.values())
    done: dict[str, Person] = {}
    idle = 0
    while waiting:
        person = waiting.popleft()
        if all(parent is None or parent in done for parent in (person.father, person.mother)):
            done[person.name] = person
            idle = 0
            continue
        waiting.append(person)
        idle += 1
        if idle > len(waiting):
            raise OptionError(f"pedigree: {person.name!r} is their own ancestor")
    return tuple(done.values())
