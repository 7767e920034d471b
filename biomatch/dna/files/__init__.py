"""DNA files in and out: each format one module, recognised by content, never by the file's name.

==================  =====  ===========================================================
format              write  what
==================  =====  ===========================================================
``long``            yes    one row a specimen and marker: EuroForMix, LRmix, GeneMapper
``wide``            yes    one row a specimen: plain, GeneMapper
``smartrank``       yes    SmartRank database (``TH01_1,TH01_2,...``)
``cmf``             yes    CODIS CMF 3.2 (schemas of 2006 and 2017); Rapid is read
``niem``            yes    NIEM biometrics domain, DNARecord
``criteria``        no     SmartRank search criteria, XML or JSON: its specimens
``familias``        no     Familias project (.fam): its typed persons
==================  =====  ===========================================================

Not supported, since no schema is public: Pruem and INTERPOL XML. Type-18 records of
ANSI/NIST-ITL transactions are read and written by `biomatch.formats`.

Allele frequencies come from CSV tables, STRidER XML, Familias projects and SmartRank criteria:
`read_frequencies`.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from types import MappingProxyType

from biomatch.dna.files.cmf import is_cmf, read_cmf, write_cmf
from biomatch.dna.files.familias import is_familias, read_familias
from biomatch.dna.files.long import is_long, read_long, write_long
from biomatch.dna.files.niem import is_niem, read_niem, write_niem
from biomatch.dna.files.safexml import Node, parse
from biomatch.dna.files.smartrank import from_json, is_smartrank, read_criteria
from biomatch.dna.files.strider import is_strider, read_strider
from biomatch.dna.files.text import Table, fold, is_blank, read_text
from biomatch.dna.files.wide import is_wide, read_wide, write_smartrank, write_wide
from biomatch.dna.frequencies import Frequencies
from biomatch.dna.profile import DnaProfile
from biomatch.errors import FormatError, OptionError

__all__ = ["WRITERS", "parse_profiles", "read", "read_frequencies", "write"]

WRITERS: MappingProxyType[str, Callable[[Sequence[DnaProfile]], str]] = MappingProxyType(
    {
        "cmf": write_cmf,
        "long": write_long,
        "niem": write_niem,
        "smartrank": write_smartrank,
        "wide": write_wide,
    }
)
"""Formats that `write` knows."""


def read(path: str | Path) -> list[DnaProfile]:
    """Read the profiles of a file in any known format.

    Raises
    ------
    FormatError
        No known format, or the file breaks its own.
    ProfileError
        Unknown locus or impossible allele; the message names file, line and column.
    """
    return parse_profiles(read_text(path), str(path))


def parse_profiles(text: str, path: str) -> list[DnaProfile]:
    """Read the profiles of a text; `path` is for messages.

    Raises
    ------
    FormatError, ProfileError
        As for `read`.
    """
    if text.lstrip().startswith("<"):
        return _from_xml(parse(text.lstrip(), path), path)
    if is_familias(text):
        return _familias(text, path)
    if text.lstrip()[:1] in {"{", "["}:
        return list(read_criteria(from_json(text, path), path).specimens.values())
    table = Table.parse(text, path)
    if fold(table.header[0]) == "allele":
        raise FormatError(f"{path}: this is a table of allele frequencies; it holds no profiles")
    if is_long(table):
        return read_long(table)
    if is_wide(table):
        return read_wide(table)
    raise FormatError(
        f"{path}: line {table.header_line}: not a DNA table: the columns "
        f"{', '.join(table.header[:6])} hold neither a marker with its alleles nor loci; a long "
        "table has SampleName, Marker, Allele1, Allele2, a wide one SampleName and a column for "
        "each locus"
    )


def _from_xml(root: Node, path: str) -> list[DnaProfile]:
    if is_cmf(root):
        return read_cmf(root, path)
    if is_smartrank(root):
        return list(read_criteria(root, path).specimens.values())
    if is_niem(root):
        return read_niem(root, path)
    if is_strider(root):
        raise FormatError(f"{path}: this is a table of allele frequencies; it holds no profiles")
    raise FormatError(
        f"{path}: line {root.line}: XML element {root.tag} is no DNA format that is known "
        "(CODIS CMF, CODIS Rapid, NIEM biometrics, SmartRank)"
    )


def _familias(text: str, path: str) -> list[DnaProfile]:
    profiles = read_familias(text, path).profiles
    if not profiles:
        raise FormatError(f"{path}: the Familias project has no typed person")
    return profiles


def write(path: str | Path, profiles: Sequence[DnaProfile], form: str = "long") -> None:
    """Write profiles in one of the formats of `WRITERS`.

    Raises
    ------
    OptionError
        Unknown format.
    FormatError
        The format does not allow something in the profiles, or their names do not tell them
        apart. Nothing is written then.
    """
    if form not in WRITERS:
        raise OptionError(f"unknown DNA format {form!r}; known are {', '.join(WRITERS)}")
    _check_names(profiles)
    Path(path).write_text(WRITERS[form](profiles), encoding="utf-8")


def _check_names(profiles: Sequence[DnaProfile]) -> None:
    """Refuse what no reader could take apart again."""
    often = Counter(profile.name.strip() for profile in profiles)
    if not often:
        raise FormatError("there is no profile to write")
    for name, count in often.items():
        if is_blank(name):
            raise FormatError(f"a profile has no name ({name!r}); give it one before writing")
        if count > 1:
            raise FormatError(f"{count} profiles are called {name!r}; name them differently")


def read_frequencies(path: str | Path) -> dict[str, Frequencies]:
    """Read all populations of a frequency file: population -> table.

    Raises
    ------
    FormatError
        No known format, or the file breaks its own.
    OptionError
        A frequency is no share.
    """
    text = read_text(path)
    if text.lstrip().startswith("<"):
        root = parse(text.lstrip(), str(path))
        if is_strider(root):
            return read_strider(root, str(path))
        return _statistics(root, path)
    if is_familias(text):
        return {"": read_familias(text, str(path)).frequencies}
    if text.lstrip().startswith("{"):
        return _statistics(from_json(text, str(path)), path)
    return Frequencies.read_all(path)


def _statistics(root: Node, path: str | Path) -> dict[str, Frequencies]:
    """Take the allele statistics out of SmartRank criteria."""
    if not (is_smartrank(root) and root.find("Statistics")):
        raise FormatError(f"{path}: line {root.line}: {root.tag} holds no allele frequencies")
    table = read_criteria(root, str(path)).statistics
    return {"": Frequencies.from_dict(table, name=Path(path).stem)}
