"""STR profiles of Type-18 records: field 18.016, one locus a subfield.

The information items of a subfield: kind of STR, locus, allele indicator (1 = calls follow),
locus analysed, call precise, up to three allele calls, batch, and references to
electropherogram, ladder and kit. A locus with more alleles (a mixture) takes several subfields.

Two limits. The standard names a locus by a number of a list that is kept apart from it and that
we could not obtain: names are written, and read besides numbers for which the caller gives the
list. And the fields on laboratory, donor and dates (18.003, 18.005 to 18.015) are the sending
laboratory's to state. INTERPOL's implementation has no Type-18 yet (issue 24 of
``INTERPOL-Innovation-Centre/ANSI-NIST-XML-ITL-Implementation``).

Source: ANSI/NIST-ITL 1-2011 Update 2013, clause 8.18.16; the order of the items also by the
element ``DNASTRProfile`` of NIEM's biometrics domain 4.0.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from biomatch.dna.loci import LocusKind, find
from biomatch.dna.profile import DnaProfile
from biomatch.errors import FormatError, OptionError, ProfileError
from biomatch.formats.ansi_nist.records import TaggedRecord, Transaction, tagged
from biomatch.formats.ansi_nist.transactions import Envelope

__all__ = ["profile", "record", "transaction"]

STR = 16
COMMENT = 23
CALLS = slice(5, 8)
MOST_CALLS = 3
MOST_IDC = 99
_NAME = re.compile(r"profile (.{1,200})")


def profile(
    record: TaggedRecord, name: str, numbers: Mapping[int, str] | None = None
) -> DnaProfile | None:
    """Read the STR profile of a record, or None when it holds no field 18.016.

    Parameters
    ----------
    record
        The record.
    name
        Name of the profile where the record's comment (18.023) gives none.
    numbers
        Locus reference number -> locus name, as sender and receiver agreed.

    Raises
    ------
    FormatError
        A locus number that nobody explained, an unknown locus, or an impossible allele.
    """
    calls: dict[str, list[str]] = {}
    for items in record.items(STR):
        if not any(item.strip() for item in items):
            continue
        locus = _locus(items[1].strip() if len(items) > 1 else "", numbers or {})
        tokens = [item.strip() for item in items[CALLS] if item.strip()]
        known = calls.setdefault(locus, [])
        known += [token for token in tokens if token not in known]
    if not calls:
        return None
    stated = _NAME.fullmatch(record.text(COMMENT))
    try:
        return DnaProfile.from_alleles(calls, name=stated[1] if stated else name)
    except ProfileError as error:
        raise FormatError(f"field 18.{STR:03d}: {error}") from error


def _locus(reference: str, numbers: Mapping[int, str]) -> str:
    if re.fullmatch("[0-9]{1,3}", reference):
        name = numbers.get(int(reference))
        if name is None:
            raise FormatError(
                f"field 18.{STR:03d}: locus reference number {reference}: the list of numbers is "
                "no part of the standard; ask the sender for it, or for names"
            )
        return name
    if find(reference) is None:
        raise FormatError(f"field 18.{STR:03d}: unknown locus '{reference[:40]}'")
    return reference


def record(
    profile: DnaProfile,
    idc: int,
    source: str,
    extra: Sequence[tuple[int, Any]] = (),
) -> TaggedRecord:
    """Write a profile as a Type-18 record.

    Parameters
    ----------
    profile
        Peak heights, replicates and required alleles have no place in the record.
    idc
        Information designation character, 0 to 99.
    source
        Agency that made the profile (18.004).
    extra
        Further fields as (number, value): laboratory, donor, dates.

    Raises
    ------
    OptionError
        The IDC is out of range, or a field is given twice.
    """
    if not 0 <= idc <= MOST_IDC:
        raise OptionError(f"IDC {idc} is outside 0 to {MOST_IDC}")
    values: list[tuple[int, Any]] = [
        (2, f"{idc:02d}"),
        (4, source),
        *extra,
        (STR, [row for locus in profile.typed for row in _rows(locus, profile.loci[locus])]),
        (COMMENT, f"profile {profile.name}"),
    ]
    numbers = [number for number, _ in values]
    if len(set(numbers)) < len(numbers):
        raise OptionError("a field of the Type-18 record is given twice")
    return tagged(18, sorted(values, key=lambda value: value[0]))


def _rows(locus: str, tokens: Sequence[str]) -> list[tuple[str, ...]]:
    known = find(locus)
    kinds = {LocusKind.X: "1", LocusKind.Y: "2"}
    kind = kinds.get(known.kind, "0") if known else "0"
    precise = "1" if all(token[0] not in "<>" for token in tokens) else "0"
    return [
        (kind, locus, "1", "1", precise, *tokens[start : start + MOST_CALLS])
        for start in range(0, len(tokens), MOST_CALLS)
    ]


def transaction(
    envelope: Envelope, profiles: Sequence[DnaProfile], kind: str = "DNA"
) -> Transaction:
    """Make a transaction of Type-1 and a Type-18 record a profile; `kind` is field 1.004.

    Raises
    ------
    OptionError
        No profile, or more than one transaction can number.
    """
    if not 0 < len(profiles) <= MOST_IDC:
        raise OptionError(
            f"{len(profiles)} profiles: a transaction holds 1 to {MOST_IDC}; write several"
        )
    records = [record(one, idc, envelope.origin) for idc, one in enumerate(profiles, 1)]
    contents = [(18, idc) for idc in range(1, len(records) + 1)]
    return Transaction((envelope.header(kind, contents), *records))
