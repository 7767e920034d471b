"""Allele tokens: exact text such as ``9.3``, never a float.

A token is one of

- a repeat number with an optional partial repeat, ``11`` or ``9.3`` (CODIS CMF 3.2, ALLELEVALUE);
- ``<x`` or ``>x``: shorter or longer than the ladder's allele x;
- ``X`` or ``Y`` at amelogenin;
- ``*`` (Pruem wildcard), ``F`` (UK: a further allele may have dropped out), ``R`` (UK: rare
  allele), each of which matches anything;
- ``OL``: off-ladder, a peak outside the bins (GeneMapper also writes ``?``), treated as a rare
  allele of unknown size.
"""

import re
from functools import lru_cache

from biomatch.dna.loci import BY_NAME, Locus, LocusKind
from biomatch.errors import ProfileError

__all__ = [
    "WILDCARDS",
    "decode",
    "encode",
    "is_exact",
    "is_wildcard",
    "neighbours",
    "normalise",
    "sort_alleles",
    "sort_key",
    "tenths",
]

WILDCARDS = frozenset({"*", "F", "R", "OL"})
"""Tokens that stand for an allele nobody knows: every allele is compatible with them."""

_NUMBER = re.compile(r"([<>]?)\s*(\d{1,3})(?:\.(\d))?")
_SPECIALS = ("*", "F", "R", "OL", "X", "Y")
_SPELLINGS = {"OFFLADDER": "OL", "OFF-LADDER": "OL", "OL?": "OL", "?": "OL", "ANY": "*"}


@lru_cache(maxsize=65536)
def normalise(value: str, locus: str) -> str:
    """Return the canonical token of an allele call.

    Parameters
    ----------
    value
        The call as written: ``"9.3"``, ``" 11 "``, ``"11.0"``, ``"x"``, ``"ol"``, ``"<8"``.
    locus
        Canonical locus name.

    Raises
    ------
    ProfileError
        Not an allele, or impossible at this locus (partial repeat as long as the repeat unit,
        repeat number 0 or above 99 where alleles are named by repeats, X/Y elsewhere than
        amelogenin).

    Examples
    --------
    >>> normalise("11.0", "TH01"), normalise("ol", "FGA"), normalise("x", "AMEL")
    ('11', 'OL', 'X')
    """
    text = value.strip()
    upper = _SPELLINGS.get(text.upper(), text.upper())
    known = BY_NAME.get(locus)
    if known is not None and known.kind is LocusKind.SEX:
        return _sex_allele(value, upper, locus)
    if upper in WILDCARDS:
        return upper
    found = _NUMBER.fullmatch(text)
    if found is None:
        raise ProfileError(
            f"{locus}: allele {value!r} is not a repeat number like 11 or 9.3, nor one of "
            "<x, >x, OL, F, R, *"
        )
    side, repeats, partial = found[1], int(found[2]), int(found[3] or 0)
    _check_size(value, locus, known, repeats, partial)
    return f"{side}{repeats}.{partial}" if partial else f"{side}{repeats}"


def _sex_allele(value: str, upper: str, locus: str) -> str:
    token = {"1": "X", "2": "Y"}.get(upper, upper)
    if token in {"X", "Y"} or token in WILDCARDS:
        return token
    raise ProfileError(f"{locus}: allele {value!r} is neither X nor Y")


def _check_size(value: str, locus: str, known: Locus | None, repeats: int, partial: int) -> None:
    if repeats == 0:
        raise ProfileError(f"{locus}: allele {value!r} has no repeats; leave the cell empty")
    if known is None or known.by_length:
        return
    if repeats > 99:
        raise ProfileError(f"{locus}: allele {value!r} is above 99 repeats")
    if partial >= known.repeat:
        raise ProfileError(
            f"{locus}: allele {value!r} has a partial repeat of {partial} bases, but the repeat "
            f"unit is {known.repeat} bases long"
        )


def is_wildcard(token: str) -> bool:
    """Return True for ``*``, ``F``, ``R`` and ``OL``."""
    return token in WILDCARDS


def is_exact(token: str) -> bool:
    """Return True for a designated allele: neither wildcard nor ``<x``/``>x``."""
    return token not in WILDCARDS and token[0] not in "<>"


@lru_cache(maxsize=65536)
def tenths(token: str) -> int:
    """Size of a numeric token as an integer, ten times the repeat number: ``9.3`` is 93.

    The digit after the point counts bases, so the value orders alleles and is no length.
    """
    digits = token.lstrip("<>")
    whole, _, part = digits.partition(".")
    return int(whole) * 10 + int(part or 0)


@lru_cache(maxsize=65536)
def sort_key(token: str) -> tuple[int, int, str]:
    """Key that sorts ``<9, 9, 9.3, 10, >10``, then X, Y, then wildcards (CODIS CMF 3.2)."""
    if token in _SPECIALS:
        return (3 if token in {"X", "Y"} else 4, 0, token)
    if "0" <= token[0] <= "9":
        return (1, tenths(token), token)
    if token[0] in "<>" and "0" <= token[1:2] <= "9":
        return (0 if token[0] == "<" else 2, tenths(token), token)
    return (3, 0, token)


def sort_alleles(tokens: tuple[str, ...] | list[str] | set[str]) -> tuple[str, ...]:
    """Sort tokens and write each once."""
    return tuple(sorted(set(tokens), key=sort_key))


def neighbours(token: str, repeat: int = 4) -> frozenset[str]:
    """Alleles within one base of a microvariant: Pruem's quality class 3 tolerance.

    ``x.1`` goes with x, x.2; ``x.2`` with x.1, x.3; ``x.3`` with x.2 and x+1 (tetranucleotides).
    Pentanucleotides have ``x.4`` as well. Whole numbers tolerate the microvariants next to them.

    Source: Council Decision 2008/616/JHA, annex, chapter 1 (OJ L 210, 6.8.2008).

    Examples
    --------
    >>> sorted(neighbours("9.3")), sorted(neighbours("9.1"))
    (['10', '9.2'], ['9', '9.2'])
    """
    if not is_exact(token) or not "0" <= token[0] <= "9":
        return frozenset()
    whole, part = divmod(tenths(token), 10)
    below = (whole, part - 1) if part else (whole - 1, repeat - 1)
    above = (whole, part + 1) if part + 1 < repeat else (whole + 1, 0)
    return frozenset(f"{w}.{p}" if p else f"{w}" for w, p in (below, above) if w > 0)


_BELOW, _ABOVE, _SPECIAL = 10_000, 20_000, 30_000


@lru_cache(maxsize=65536)
def encode(token: str) -> int:
    """Return the number of a token, 0 to 65535: stable for ever, stored profiles hold it.

    Exact alleles are ten times the repeat number plus the partial bases; ``<x`` adds 10,000,
    ``>x`` 20,000; ``*``, ``F``, ``R``, ``OL``, ``X``, ``Y`` are 30,000 to 30,005.
    """
    if token in _SPECIALS:
        return _SPECIAL + _SPECIALS.index(token)
    return {"<": _BELOW, ">": _ABOVE}.get(token[0], 0) + tenths(token)


@lru_cache(maxsize=65536)
def decode(number: int) -> str:
    """Token of a number made by `encode`.

    Raises
    ------
    ProfileError
        No token has this number.
    """
    if number >= _SPECIAL:
        if number - _SPECIAL >= len(_SPECIALS):
            raise ProfileError(f"no allele has the number {number}")
        return _SPECIALS[number - _SPECIAL]
    group, size = divmod(number, _BELOW)
    whole, part = divmod(size, 10)
    if whole == 0:
        raise ProfileError(f"no allele has the number {number}")
    return ("", "<", ">")[group] + (f"{whole}.{part}" if part else str(whole))
