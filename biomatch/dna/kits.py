"""Typing kits: which loci each one types, in which dye, with which ladder alleles.

Source: the ladder specifications of NCBI OSIRIS (public domain), re-expressed in
``data/kits.json``; quality sensors are listed without alleles.
"""

import difflib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from types import MappingProxyType

from biomatch.dna.loci import BY_NAME, LocusKind, is_autosomal
from biomatch.errors import OptionError, ProfileError

__all__ = ["Kit", "check_kit", "find_kit", "get_kit", "kits"]


@dataclass(frozen=True, slots=True)
class Kit:
    """One kit.

    Attributes
    ----------
    name
        Trade name without the maker.
    aliases
        Other names met in files.
    loci
        Canonical names in the kit's own order, quality sensors included.
    dyes
        Dye channel of each locus, 1 upwards.
    ladders
        Ladder alleles of each locus; X and Y of amelogenin.
    """

    name: str
    aliases: tuple[str, ...]
    loci: tuple[str, ...]
    dyes: Mapping[str, int]
    ladders: Mapping[str, tuple[str, ...]]

    @property
    def autosomal(self) -> tuple[str, ...]:
        """The kit's autosomal loci."""
        return tuple(name for name in self.loci if is_autosomal(name))


def _ladder(locus: str, alleles: list[str]) -> tuple[str, ...]:
    """Ladder of one locus; the source writes 1 and 2 for X and Y."""
    named = {"1": "X", "2": "Y"} if locus == "AMEL" else {}
    return tuple(named.get(allele, allele) for allele in alleles)


@cache
def kits() -> Mapping[str, Kit]:
    """All known kits by name."""
    text = resources.files("biomatch.dna").joinpath("data/kits.json").read_text("utf-8")
    found = {
        name: Kit(
            name=name,
            aliases=tuple(entry["aliases"]),
            loci=tuple(entry["loci"]),
            dyes=MappingProxyType({k: v["dye"] for k, v in entry["loci"].items()}),
            ladders=MappingProxyType(
                {k: _ladder(k, v["ladder"].split()) for k, v in entry["loci"].items()}
            ),
        )
        for name, entry in json.loads(text).items()
    }
    return MappingProxyType(found)


def _fold(name: str) -> str:
    return re.sub(r"[^a-z0-9+]", "", name.lower())


@cache
def _folded() -> dict[str, Kit]:
    return {_fold(label): kit for kit in kits().values() for label in (kit.name, *kit.aliases)}


_TRADE = re.compile(
    r"[®™©]|\bapplied biosystems\b|\bpromega\b|\bqiagen\b|\bampf[lℓ]?str\b|\bpcr\b"
    r"|\bamplification\b|\bsystem\b|\bkit\b",
    re.IGNORECASE,
)


def find_kit(name: str) -> Kit | None:
    """Look a kit up by name or alias.

    Case, blanks and punctuation do not matter, nor do words about the maker and the product.

    Examples
    --------
    >>> find_kit("PowerPlex® Fusion 6C System").name, find_kit("AmpFLSTR Identifiler Plus").name
    ('PowerPlex Fusion 6C', 'Identifiler Plus')
    """
    return _folded().get(_fold(name)) or _folded().get(_fold(_TRADE.sub(" ", name)))


def get_kit(name: str) -> Kit:
    """Look a kit up by name or alias.

    Raises
    ------
    OptionError
        Unknown kit; the message proposes the nearest known one.
    """
    kit = find_kit(name)
    if kit is None:
        near = difflib.get_close_matches(_fold(name), _folded(), n=1, cutoff=0.6)
        hint = f"; did you mean {_folded()[near[0]].name!r}?" if near else ""
        raise OptionError(f"unknown kit {name!r}{hint}")
    return kit


def check_kit(name: str | None, loci: Iterable[str]) -> None:
    """Refuse loci that a kit does not type.

    A kit that is not in the list (files name many) is not checked.

    Raises
    ------
    ProfileError
        The kit does not type one of the loci.
    """
    kit = find_kit(name) if name else None
    if kit is None:
        return
    for locus in loci:
        known = BY_NAME.get(locus)
        if locus not in kit.loci and (known is None or known.kind is not LocusKind.QUALITY):
            raise ProfileError(f"{locus}: {kit.name} does not type this locus; check the kit")
