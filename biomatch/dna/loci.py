"""The loci that STR typing knows: canonical names, aliases, kinds and named sets.

Canonical spellings follow STRBase (NIST), with the blank of "Penta D" dropped. `LOCI` is
append-only: a locus' place in it is its number in stored profiles.

Sources: CODIS 13/20 (FBI NDIS operational procedures; SWGDAM), ESS 7 and 12 (Council Decision
2008/616/JHA; Council Resolution 2009/C 296/01), UK DNA-17 (Home Office), repeat lengths and
ladder ranges of the NCBI OSIRIS ladder file (public domain).
"""

import difflib
import re
from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from types import MappingProxyType

from biomatch.errors import ProfileError

__all__ = [
    "BY_NAME",
    "LOCI",
    "LOCUS_SETS",
    "Locus",
    "LocusKind",
    "canonical",
    "find",
    "is_autosomal",
    "sort_loci",
]


class LocusKind(StrEnum):
    """How a locus is inherited, and so in which comparisons it takes part."""

    AUTOSOMAL = "autosomal"
    SEX = "sex"
    Y = "Y"
    X = "X"
    QUALITY = "quality"


@dataclass(frozen=True, slots=True)
class Locus:
    """One locus.

    Attributes
    ----------
    name
        Canonical spelling.
    kind
        Autosomal, sex marker (amelogenin), Y, X, or a kit's quality sensor (never alleles).
    repeat
        Length of the repeat unit in base pairs; partial repeats are below it.
    aliases
        Other spellings met in files; case, blanks, ``-``, ``_`` and ``/`` never matter.
    by_length
        True where alleles are named by fragment length in base pairs, not repeats.
    """

    name: str
    kind: LocusKind = LocusKind.AUTOSOMAL
    repeat: int = 4
    aliases: tuple[str, ...] = ()
    by_length: bool = False


def _autosomal(text: str) -> list[Locus]:
    return [Locus(name) for name in text.split()]


def _linked(text: str, kind: LocusKind) -> list[Locus]:
    return [Locus(name, kind) for name in text.split()]


# Append only: stored profiles number loci by their place here (255 at most).
LOCI: tuple[Locus, ...] = (
    Locus("AMEL", LocusKind.SEX, 6, ("Amelogenin", "AMELO", "Amel")),
    *_autosomal("CSF1PO FGA TH01 TPOX vWA D3S1358 D5S818 D7S820 D8S1179 D13S317 D16S539"),
    *_autosomal("D18S51 D21S11 D1S1656 D2S441 D2S1338 D10S1248 D12S391 D19S433"),
    Locus("D22S1045", repeat=3),
    *_autosomal("SE33 D6S1043"),
    Locus("PentaD", repeat=5),
    Locus("PentaE", repeat=5),
    Locus("PentaC", repeat=5),
    Locus("FESFPS", aliases=("FES", "FES/FPS")),
    *_autosomal("F13A1 F13B LPL"),
    Locus("CD4", repeat=5),
    Locus("GABA", aliases=("GABRB15",)),
    *_autosomal("D1S1677 D2S1776 D3S4529 D4S2408 D6S1017 D9S1122 D9S2157 D10S1435 D11S4463"),
    *_autosomal("D14S1434 D17S974 D17S1301 D18S853 D20S482 D20S1082 D1GATA113 D22GATA198B05"),
    Locus("APOAI1", by_length=True),
    Locus("D10S2325", repeat=5),
    Locus("D11S554", by_length=True),
    Locus("D17S906", by_length=True),
    *_autosomal("D21S2055 D2S1360 D3S1744 D4S2366 D5S2500 D5S2800 D6S474 D6S477 D7S1517 D8S1132"),
    *_autosomal("D11S2368 D13S325 D15S659 D18S1364 D19S253 D3S3045 D7S3048"),
    Locus("YINDEL", LocusKind.Y, 5, ("Y-indel", "M175")),
    *_linked("DYS19 DYS389I DYS389II DYS390 DYS391", LocusKind.Y),
    Locus("DYS392", LocusKind.Y, 3),
    *_linked("DYS393 DYS437", LocusKind.Y),
    Locus("DYS438", LocusKind.Y, 5),
    *_linked("DYS439", LocusKind.Y),
    Locus("DYS385", LocusKind.Y, 4, ("DYS385A/B", "DYS385 a/b", "DYS385a", "DYS385b")),
    Locus("DYS448", LocusKind.Y, 6),
    *_linked("DYS449 DYS456 DYS458 DYS460", LocusKind.Y),
    Locus("DYS481", LocusKind.Y, 3),
    *_linked("DYS518 DYS533 DYS549 DYS570 DYS576 DYS627 DYS635", LocusKind.Y),
    Locus("DYS643", LocusKind.Y, 5),
    Locus("DYF387S1", LocusKind.Y, 4, ("DYF387S1a/b", "DYF387S1a", "DYF387S1b")),
    Locus("YGATAH4", LocusKind.Y, 4, ("GATAH4", "GATA-H4")),
    *_linked("DYS461 DYS388 DYS444 DYS447 DYS505 DYS522 DYS612 DYF404S1", LocusKind.Y),
    *_linked("DXS10074 DXS10079 DXS10101 DXS10103 DXS10134 DXS10135 DXS10146", LocusKind.X),
    *_linked("DXS10148 DXS7132 DXS7423 DXS8378", LocusKind.X),
    Locus("HPRTB", LocusKind.X, 4, ("HPRT", "HPRTB1")),
    Locus("QS1", LocusKind.QUALITY),
    Locus("QS2", LocusKind.QUALITY),
)

BY_NAME = MappingProxyType({locus.name: locus for locus in LOCI})

_NAMED = {
    "codis13": """CSF1PO FGA TH01 TPOX vWA D3S1358 D5S818 D7S820 D8S1179 D13S317 D16S539 D18S51
        D21S11""",
    "codis20": """CSF1PO FGA TH01 TPOX vWA D3S1358 D5S818 D7S820 D8S1179 D13S317 D16S539 D18S51
        D21S11 D1S1656 D2S441 D2S1338 D10S1248 D12S391 D19S433 D22S1045""",
    "ess7": "vWA TH01 D21S11 FGA D8S1179 D3S1358 D18S51",
    "issol": "vWA TH01 D21S11 FGA D8S1179 D3S1358 D18S51",
    "ess12": """vWA TH01 D21S11 FGA D8S1179 D3S1358 D18S51 D1S1656 D2S441 D10S1248 D12S391
        D22S1045""",
    "uk-sgmplus": "vWA TH01 D21S11 FGA D8S1179 D3S1358 D18S51 D2S1338 D16S539 D19S433",
    "uk-dna17": """vWA TH01 D21S11 FGA D8S1179 D3S1358 D18S51 D1S1656 D2S441 D10S1248 D12S391
        D22S1045 D2S1338 D16S539 D19S433 SE33 AMEL""",
    "pruem24": """vWA TH01 D21S11 FGA D8S1179 D3S1358 D18S51 AMEL TPOX CSF1PO D13S317 D7S820 D5S818
        D16S539 D2S1338 D19S433 PentaD PentaE FESFPS F13A1 F13B SE33 CD4 GABA""",
}
LOCUS_SETS = MappingProxyType({name: tuple(text.split()) for name, text in _NAMED.items()})
"""Named sets of loci. ``issol`` is Interpol's standard set as 2008/616/JHA lists it (the seven)."""


def _fold(name: str) -> str:
    """Spelling without case, blanks and punctuation; O and 0 are the same in THO1, TP0X, CSF1P0."""
    return re.sub(r"[\s_/().-]", "", name).upper().replace("0", "O")


@cache
def _folded() -> dict[str, Locus]:
    table: dict[str, Locus] = {}
    for locus in LOCI:
        for spelling in (locus.name, *locus.aliases):
            table[_fold(spelling)] = locus
    return table


@cache
def find(name: str) -> Locus | None:
    """Look a locus up by any spelling; None when it is unknown."""
    return _folded().get(_fold(name))


def canonical(name: str, extra: Collection[str] = ()) -> str:
    """Return the canonical spelling of a locus name.

    Parameters
    ----------
    name
        Any spelling: ``"VWA"``, ``"THO1"``, ``"Penta D"``, ``"Amelogenin"``.
    extra
        Names accepted verbatim besides the known loci (a laboratory's own markers).

    Raises
    ------
    ProfileError
        Unknown locus; the message proposes the nearest known one.

    Examples
    --------
    >>> canonical("THO1"), canonical("PENTA_D"), canonical("DYS385 a/b")
    ('TH01', 'PentaD', 'DYS385')
    """
    if name in extra:
        return name
    locus = find(name)
    if locus is not None:
        return locus.name
    near = difflib.get_close_matches(_fold(name), _folded(), n=1, cutoff=0.6)
    hint = f"; did you mean {_folded()[near[0]].name}?" if near else ""
    raise ProfileError(f"unknown locus {name!r}{hint}")


def is_autosomal(name: str) -> bool:
    """Return True for loci that count in match rules and likelihood ratios.

    Names outside the registry (a laboratory's own markers) count as autosomal.
    """
    locus = BY_NAME.get(name)
    return locus is None or locus.kind is LocusKind.AUTOSOMAL


@cache
def _order() -> dict[str, int]:
    return {locus.name: number for number, locus in enumerate(LOCI)}


def sort_loci(names: Collection[str]) -> list[str]:
    """Order canonical names as `LOCI` does; unregistered ones come last, by name."""
    order = _order()
    return sorted(names, key=lambda name: (order.get(name, len(order)), name))
