"""Familias project files (.fam), import only: persons, pedigrees, frequency tables, DVI data.

The file is a stream of lines: quoted names, numbers, ``#TRUE#``/``#FALSE#``. Persons with their
genotypes (as places in the allele lists), pedigrees as parent-child pairs of person numbers,
then the databases; behind them bracketed sections with the DVI module's persons and families.
Layout: pedFamilias' readFam and files of Familias 3.2 and 3.3 (Kling, Tillmar & Egeland 2014).
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from biomatch.dna.files.text import build_profile
from biomatch.dna.frequencies import Frequencies
from biomatch.dna.mutation import MutationKind, MutationModel
from biomatch.dna.pedigree import Pedigree, Person, Sex
from biomatch.dna.profile import DnaProfile
from biomatch.errors import FormatError, OptionError

__all__ = [
    "FamiliasFile",
    "FamiliasLocus",
    "FamiliasPedigree",
    "FamiliasPerson",
    "is_familias",
    "read_familias",
]

_MODELS = (
    "equal",
    "proportional",
    "stepwise-unstationary",
    "stepwise-stationary",
    "stepwise-extended",
)
_MAX_ITEMS = 1_000_000
_NUMBER = r"[+-]?[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?"


@dataclass(frozen=True, slots=True)
class FamiliasPerson:
    """One person.

    Attributes
    ----------
    name, sex
        As in the file; sex is ``"male"`` or ``"female"``.
    profile
        Genotypes; a person without any has an empty profile.
    """

    name: str
    sex: str
    profile: DnaProfile


@dataclass(frozen=True, slots=True)
class FamiliasPedigree:
    """One pedigree.

    Attributes
    ----------
    name
        Its name, in DVI files with the family's in front.
    parents
        Child -> (father, mother); None where a parent is not stated.
    sexes
        Person -> ``"male"``, ``"female"`` or None, the pedigree's extra persons included.
    """

    name: str
    parents: Mapping[str, tuple[str | None, str | None]]
    sexes: Mapping[str, str | None]

    @property
    def pedigree(self) -> Pedigree:
        """The same as `biomatch.dna.Pedigree`.

        Raises
        ------
        OptionError
            Somebody is their own ancestor, or a mother is male.
        """
        sexes = {"male": Sex.MALE, "female": Sex.FEMALE}
        return Pedigree.of(
            *(
                Person(
                    name, *self.parents.get(name, (None, None)), sexes.get(sex or "", Sex.UNKNOWN)
                )
                for name, sex in self.sexes.items()
            )
        )


@dataclass(frozen=True, slots=True)
class FamiliasLocus:
    """One marker of the database with its mutation model.

    Attributes
    ----------
    name
        Marker as spelled.
    frequencies
        Allele -> frequency, in the file's order (genotypes refer to it).
    rate_female, rate_male
        Mutation rates.
    model_female, model_male
        Mutation models by name.
    range_female, range_male, rate2_female, rate2_male
        Parameters of the stepwise models.
    silent
        Frequency of a silent allele, 0 when there is none.
    size, dropout, minimum
        Database size, drop-out probability and minimum frequency as stated.
    """

    name: str
    frequencies: Mapping[str, float]
    rate_female: float
    rate_male: float
    model_female: str
    model_male: str
    range_female: float
    range_male: float
    rate2_female: float
    rate2_male: float
    silent: float
    size: int | None
    dropout: float
    minimum: float

    @property
    def mutation(self) -> MutationModel:
        """The marker's mutation model.

        Raises
        ------
        OptionError
            Women and men have models of different kinds, or a rate is no probability.
        """
        if self.model_female != self.model_male:
            raise OptionError(
                f"marker {self.name}: mutation model {self.model_female} for women, "
                f"{self.model_male} for men; only their rates may differ"
            )
        kind = self.model_male.partition("-")[0]
        return MutationModel(
            kind=MutationKind(kind),
            rate=self.rate_male,
            rate_female=self.rate_female,
            rate2=self.rate2_male,
            rate2_female=self.rate2_female,
            step_ratio=self.range_male or 0.1,
            step_ratio_female=self.range_female or 0.1,
            stationary=self.model_male == "stepwise-stationary",
        )


@dataclass(frozen=True, slots=True)
class FamiliasFile:
    """All that a project file holds.

    Attributes
    ----------
    version
        Program version.
    persons
        Persons of the pedigree module.
    pedigrees
        Pedigrees of that module, then the DVI module's.
    loci
        Markers of the database.
    theta
        Coancestry coefficient of the file.
    database
        Name of the database.
    unidentified
        DVI: unidentified persons.
    families
        DVI: family -> its persons.
    """

    version: str
    persons: tuple[FamiliasPerson, ...]
    pedigrees: tuple[FamiliasPedigree, ...]
    loci: tuple[FamiliasLocus, ...]
    theta: float
    database: str
    unidentified: tuple[FamiliasPerson, ...] = ()
    families: Mapping[str, tuple[FamiliasPerson, ...]] = field(default_factory=dict)

    @property
    def profiles(self) -> list[DnaProfile]:
        """Typed profiles: persons, unidentified persons, then family members.

        A DVI family's members carry the family's name in front.
        """
        everyone = [*self.persons, *self.unidentified]
        found = [person.profile for person in everyone if person.profile.loci]
        for family, members in self.families.items():
            for person in members:
                if person.profile.loci:
                    name = f"{family}: {person.name}"
                    found.append(DnaProfile(name=name, loci=person.profile.loci))
        return found

    @property
    def frequencies(self) -> Frequencies:
        """The database as a frequency table."""
        return Frequencies.from_dict(
            {locus.name: locus.frequencies for locus in self.loci},
            name=self.database or "Familias",
            sample_sizes={locus.name: locus.size for locus in self.loci if locus.size},
        )


def is_familias(text: str) -> bool:
    """Tell whether text is a Familias project."""
    return text.lstrip("\ufeff \r\n").startswith('"Output from Familias')


def read_familias(text: str, path: str) -> FamiliasFile:
    """Read a project file.

    Raises
    ------
    FormatError
        The stream breaks off or holds something else than expected; with the line.
    ProfileError
        Unknown locus or impossible allele.
    """
    lines = text.lstrip("\ufeff").splitlines()
    cut = next((i for i, line in enumerate(lines) if re.match(r"\[\w", line)), len(lines))
    stream = _Stream(lines[:cut], path)
    version = _preamble(stream)
    raw = [_person(stream) for _ in range(stream.count("number of persons"))]
    pedigrees = _pedigrees(stream, [(name, sex) for name, sex, _ in raw])
    theta, database, loci = _database(stream)
    persons = tuple(
        FamiliasPerson(name, sex, _genotypes(path, name, data, loci)) for name, sex, data in raw
    )
    sections = _Sections(lines, cut, path, loci)
    unidentified, families, more = sections.dvi()
    return FamiliasFile(
        version, persons, (*pedigrees, *more), loci, theta, database, unidentified, families
    )


class _Stream:
    """Lines one after the other, with typed reading and places for messages."""

    def __init__(self, lines: Sequence[str], path: str) -> None:
        self._lines = lines
        self._path = path
        self._at = 0

    def fail(self, what: str) -> FormatError:
        return FormatError(f"{self._path}: line {self._at}: {what}")

    def line(self, what: str) -> str:
        if self._at >= len(self._lines):
            raise FormatError(
                f"{self._path}: line {self._at}: the file ends where {what} is expected"
            )
        self._at += 1
        return self._lines[self._at - 1].strip()

    def peek(self) -> str:
        return self._lines[self._at].strip() if self._at < len(self._lines) else ""

    def text(self, what: str) -> str:
        line = self.line(what)
        if len(line) < 2 or line[0] != '"' or line[-1] != '"':
            raise self.fail(f"{line!r} is no quoted {what}")
        return line[1:-1]

    def number(self, what: str) -> float:
        line = self.line(what).split("\t")[0]
        try:
            value = float(line.replace(",", "."))
        except ValueError:
            raise self.fail(f"{line!r} is no {what}") from None
        if not math.isfinite(value):
            raise self.fail(f"{line!r} is no {what}")
        return value

    def count(self, what: str) -> int:
        value = self.number(what)
        if value != int(value) or not 0 <= value <= _MAX_ITEMS:
            raise self.fail(f"{value:g} is no {what}")
        return int(value)

    def flag(self, what: str) -> bool:
        line = self.line(what)
        if not re.match(r"#(TRUE|FALSE)#", line):
            raise self.fail(f"{line!r} is neither #TRUE# nor #FALSE# ({what})")
        return line.startswith("#TRUE#")


def _preamble(stream: _Stream) -> str:
    stream.text("program name")
    stream.text("warning")
    version = stream.line("version")
    if stream.peek().startswith('"'):  # older versions lack it
        stream.text("remark")
    return version


def _person(stream: _Stream) -> tuple[str, str, list[tuple[int, int, int]]]:
    """Name, sex and genotypes (places of two alleles, place of the marker)."""
    name = stream.text("person's name")
    stream.flag("child")
    stream.number("year of birth")
    stream.flag("fixed")
    sex = "male" if stream.flag("sex") else "female"
    data = []
    for _ in range(stream.count("number of typed markers")):
        first, second = stream.count("allele"), stream.count("allele")
        data.append((first, second, stream.count("marker")))
    return name, sex, data


def _relations(stream: _Stream, people: list[tuple[str, str]], label: str) -> FamiliasPedigree:
    """Extra persons and parent-child pairs of one pedigree."""
    sexes: dict[str, str | None] = dict(people)
    extra_female, extra_male = stream.count("extra females"), stream.count("extra males")
    names = [name for name, _ in people]
    for number in range(extra_female):
        names.append(f"extra female {number + 1}")
        sexes[names[-1]] = "female"
    for number in range(extra_male):
        names.append(f"extra male {number + 1}")
        sexes[names[-1]] = "male"
    pairs = []
    for _ in range(stream.count("number of relations")):
        parent, child = stream.count("parent"), stream.count("child")
        if max(parent, child) >= len(names):
            raise stream.fail(f"person {max(parent, child)} of pedigree {label!r} does not exist")
        pairs.append((names[parent], names[child]))
    return FamiliasPedigree(label, _parents(pairs, sexes, stream.fail), sexes)


def _parents(
    pairs: Sequence[tuple[str, str]], sexes: Mapping[str, str | None], fail: object
) -> dict[str, tuple[str | None, str | None]]:
    found: dict[str, list[str]] = {}
    for parent, child in pairs:
        if parent not in found.setdefault(child, []):
            found[child].append(parent)
    result = {}
    for child, parents in found.items():
        fathers = [name for name in parents if sexes.get(name) == "male"]
        mothers = [name for name in parents if sexes.get(name) == "female"]
        unknown = [name for name in parents if sexes.get(name) is None]
        while unknown and not fathers:
            fathers.append(unknown.pop())
        mothers += unknown
        if len(fathers) > 1 or len(mothers) > 1:
            make = fail if callable(fail) else FormatError
            raise make(f"{child!r} has more than one father or mother")
        result[child] = (fathers[0] if fathers else None, mothers[0] if mothers else None)
    return result


def _pedigrees(stream: _Stream, people: list[tuple[str, str]]) -> list[FamiliasPedigree]:
    title = stream.text("heading 'Known relations'")
    if title != "Known relations":
        raise stream.fail(f"{title!r} stands where 'Known relations' is expected")
    known = _relations(stream, people, "known relations")
    pedigrees = []
    for _ in range(stream.count("number of pedigrees")):
        stream.count("place of the pedigree")
        one = _relations(stream, people, stream.text("pedigree's name"))
        merged = dict(known.parents)
        for child, (father, mother) in one.parents.items():
            before = merged.get(child, (None, None))
            merged[child] = (father or before[0], mother or before[1])
        pedigrees.append(FamiliasPedigree(one.name, merged, one.sexes))
    return pedigrees


def _database(stream: _Stream) -> tuple[float, str, tuple[FamiliasLocus, ...]]:
    head = stream.line("database header")
    found = re.search(rf"Theta/Kinship/Fst:\s*({_NUMBER})", head)
    if not head.startswith("#FALSE#") or found is None:
        raise stream.fail(
            f"{head!r} is no database header; save the project without computed probabilities"
        )
    total = stream.count("number of markers")
    name = ""
    if stream.flag("database named"):
        name = stream.text("database's name")
    return float(found[1]), name, tuple(_marker(stream) for _ in range(total))


def _marker(stream: _Stream) -> FamiliasLocus:
    name = stream.text("marker's name")
    rate_f, rate_m = stream.number("mutation rate"), stream.number("mutation rate")
    model_f, model_m = _model(stream), _model(stream)
    stream.count("number of alleles with the silent one")
    range_f, range_m = stream.number("mutation range"), stream.number("mutation range")
    rate2_f, rate2_m = stream.number("second rate"), stream.number("second rate")
    has_silent = stream.flag("silent allele")
    silent = stream.number("silent frequency") if has_silent else 0.0 * stream.number("silent")
    remark = stream.peek()
    table: dict[str, float] = {}
    for _ in range(stream.count("number of alleles")):
        allele = stream.text("allele's name")
        table[allele] = stream.number("allele frequency")
    return FamiliasLocus(
        name,
        table,
        rate_f,
        rate_m,
        model_f,
        model_m,
        range_f,
        range_m,
        rate2_f,
        rate2_m,
        silent,
        int(_stated(stream, remark, "DatabaseSize")) or None,
        _stated(stream, remark, "Dropout probability"),
        _stated(stream, remark, "Minor allele frequency"),
    )


def _stated(stream: _Stream, remark: str, what: str) -> float:
    found = re.search(rf"{what} = ({_NUMBER})", remark)
    value = float(found[1]) if found else 0.0
    if not math.isfinite(value):
        raise stream.fail(f"{what} is {value}")
    return value


def _model(stream: _Stream) -> str:
    number = stream.count("mutation model")
    if number >= len(_MODELS):
        raise stream.fail(f"{number} is no known mutation model")
    return _MODELS[number]


def _genotypes(
    path: str, name: str, data: Sequence[tuple[int, int, int]], loci: Sequence[FamiliasLocus]
) -> DnaProfile:
    calls: dict[str, list[tuple[str, float | None]]] = {}
    for first, second, marker in data:
        if marker >= len(loci):
            raise FormatError(f"{path}: person {name!r}: marker {marker} is not in the database")
        alleles = list(loci[marker].frequencies)
        if max(first, second) >= len(alleles):
            raise FormatError(
                f"{path}: person {name!r}: allele {max(first, second)} of {loci[marker].name} is "
                "not in the database"
            )
        calls[loci[marker].name] = [(alleles[first], None), (alleles[second], None)]
    return _lenient(path, name, calls)


def _lenient(
    path: str, name: str, calls: Mapping[str, Sequence[tuple[str, float | None]]]
) -> DnaProfile:
    """Make a profile; unknown marker names are kept as the database's own."""
    from biomatch.dna.loci import find

    extra = [locus for locus in calls if find(locus) is None]
    return build_profile(
        path, name, {locus: list(pairs) for locus, pairs in calls.items()}, extra_loci=extra
    )


class _Sections:
    """The bracketed sections behind the stream: ``[DVI]`` with persons and families."""

    def __init__(
        self, lines: Sequence[str], start: int, path: str, loci: Sequence[FamiliasLocus]
    ) -> None:
        self._items = [(number + 1, lines[number].strip()) for number in range(start, len(lines))]
        self._path = path
        self._loci = loci

    def dvi(
        self,
    ) -> tuple[
        tuple[FamiliasPerson, ...],
        dict[str, tuple[FamiliasPerson, ...]],
        tuple[FamiliasPedigree, ...],
    ]:
        """Unidentified persons, families and their pedigrees; empty without a DVI section."""
        unidentified = self._persons(self._block("[[Unidentified persons]]"))
        families: dict[str, tuple[FamiliasPerson, ...]] = {}
        pedigrees: list[FamiliasPedigree] = []
        for family in _split(self._block("[[Reference Families]]"), r"\[\[\[Family \d+ ?\]\]\]"):
            name = _value(family, "Name") or f"family {len(families) + 1}"
            people = self._persons(_part(family, "[[[[Persons]]]]", "[[[[Pedigrees]]]]"))
            families[name] = people
            sexes = {person.name: person.sex for person in people}
            pieces = _split(_part(family, "[[[[Pedigrees]]]]", ""), r"\[{5}Pedigree \d+ ?\]{5}")
            pedigrees += [self._pedigree(name, piece, sexes) for piece in pieces]
        return unidentified, families, tuple(pedigrees)

    def _block(self, title: str) -> list[tuple[int, str]]:
        """Lines of a two-bracket section."""
        found = [i for i, (_, line) in enumerate(self._items) if line == title]
        if not found:
            return []
        rest = self._items[found[0] + 1 :]
        end = next((i for i, (_, line) in enumerate(rest) if re.match(r"\[{1,2}\w", line)), None)
        return rest[:end]

    def _persons(self, block: list[tuple[int, str]]) -> tuple[FamiliasPerson, ...]:
        people: list[FamiliasPerson] = []
        for piece in _split(block, r"\[{3,5}Person \d+ ?\]{3,5}"):
            name = _value(piece, "Name") or f"person {len(people) + 1}"
            sex = (_value(piece, "Gender") or "").lower()
            people.append(FamiliasPerson(name, sex, self._typed(name, piece)))
        return tuple(people)

    def _typed(self, name: str, piece: list[tuple[int, str]]) -> DnaProfile:
        calls: dict[str, list[tuple[str, float | None]]] = {}
        system = ""
        for number, line in piece:
            key, _, value = (part.strip() for part in line.partition("="))
            if key == "SystemName":
                system = value
                calls[system] = []
            elif key in {"Allele1", "Allele2"}:
                if not system:
                    raise FormatError(f"{self._path}: line {number}: an allele without a system")
                calls[system].append((value, None))
        return _lenient(self._path, name, {k: v for k, v in calls.items() if v})

    def _pedigree(
        self, family: str, piece: list[tuple[int, str]], sexes: Mapping[str, str | None]
    ) -> FamiliasPedigree:
        pairs: list[tuple[str, str]] = []
        parent = ""
        for number, line in piece:
            key, _, value = (part.strip() for part in line.partition("="))
            if key == "Parent":
                parent = value
            elif key == "Child":
                if not parent:
                    raise FormatError(f"{self._path}: line {number}: a child without a parent")
                pairs.append((parent, value))
        everyone: dict[str, str | None] = dict(sexes)
        for one in (name for pair in pairs for name in pair):
            everyone.setdefault(one, None)
        label = f"{family}: {_value(piece, 'Name') or 'pedigree'}"
        return FamiliasPedigree(label, _parents(pairs, everyone, self._fail), everyone)

    def _fail(self, what: str) -> FormatError:
        return FormatError(f"{self._path}: {what}")


def _split(block: list[tuple[int, str]], pattern: str) -> list[list[tuple[int, str]]]:
    """Pieces of a block, one behind each heading of that pattern."""
    starts = [i for i, (_, line) in enumerate(block) if re.fullmatch(pattern, line)]
    ends = [*starts[1:], len(block)] if starts else []
    return [block[start + 1 : end] for start, end in zip(starts, ends, strict=True)]


def _part(block: list[tuple[int, str]], begin: str, end: str) -> list[tuple[int, str]]:
    first = next((i for i, (_, line) in enumerate(block) if line == begin), len(block))
    last = next((i for i, (_, line) in enumerate(block) if end and line == end), len(block))
    return block[first + 1 : last]


def _value(block: list[tuple[int, str]], key: str) -> str | None:
    """First ``key= value`` line of a block."""
    for _, line in block:
        name, sign, value = line.partition("=")
        if sign and name.strip() == key:
            return value.strip()
    return None
