"""A DNA profile: what was typed at which locus, as exact allele tokens.

The stored form (`DnaProfile.dumps`) is, little-endian: ``b"DNA"``, version byte 1, number of
loci (u8); per locus its number in `biomatch.dna.loci.LOCI` (u8; 255 = a spelled name follows:
u8 length, UTF-8), number of alleles (u8), one u16 of `biomatch.dna.alleles.encode` each; the
name (u16 length, UTF-8); the rest as JSON (u32 length, UTF-8, empty when there is none); CRC-32
of all that precedes (u32).
"""

import json
import struct
import zlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from biomatch.dna import alleles as allele_tokens
from biomatch.dna.kits import check_kit
from biomatch.dna.loci import BY_NAME, LOCI, LocusKind, canonical, is_autosomal, sort_loci
from biomatch.errors import FormatError, ProfileError

__all__ = ["MAX_ALLELES", "DnaProfile", "Genotypes"]

MAX_ALLELES = 8
"""Most alleles a locus may carry (CODIS CMF 3.2)."""

Genotypes = Mapping[str, tuple[str, ...]]
_NOTHING: Genotypes = MappingProxyType({})
_NO_HEIGHTS: Mapping[str, tuple[float | None, ...]] = MappingProxyType({})
_MAGIC = b"DNA\x01"
_NUMBERS = {locus.name: number for number, locus in enumerate(LOCI)}
_SPELLED = 255


@dataclass(frozen=True, slots=True)
class DnaProfile:
    """One specimen's STR profile. Make it with `DnaProfile.from_alleles`.

    Attributes
    ----------
    name
        Specimen or subject identifier.
    loci
        Canonical locus name -> allele tokens in ascending order, each once: a homozygote has
        one token, a mixture up to eight. An empty tuple says that the locus was attempted and
        nothing was seen.
    heights
        Peak heights in RFU, parallel to `loci`; None where a height is missing.
    replicates
        Allele tables of repeated amplifications of a stain; `loci` is then their union.
    kit
        Typing kit, as `biomatch.dna.kits` or the source file names it.
    category
        Specimen category of the source (CODIS: "Convicted Offender", "Forensic, Unknown", ...).
    required
        Target alleles of a mixture that a candidate must carry (CODIS ALLELEREQUIRED).
    comment
        Free text of the source.
    """

    name: str
    loci: Genotypes
    heights: Mapping[str, tuple[float | None, ...]] = field(default_factory=lambda: _NO_HEIGHTS)
    replicates: tuple[Genotypes, ...] = ()
    kit: str | None = None
    category: str | None = None
    required: Genotypes = field(default_factory=lambda: _NOTHING)
    comment: str | None = None

    @classmethod
    def from_alleles(
        cls,
        loci: Mapping[str, Iterable[str]],
        *,
        name: str = "profile",
        kit: str | None = None,
        heights: Mapping[str, Sequence[float | None]] | None = None,
        replicates: Sequence[Mapping[str, Iterable[str]]] = (),
        category: str | None = None,
        required: Mapping[str, Iterable[str]] | None = None,
        comment: str | None = None,
        extra_loci: Collection[str] = (),
    ) -> "DnaProfile":
        """Check and normalise allele calls.

        Parameters
        ----------
        loci
            Locus name in any known spelling -> calls. A homozygote may be given once or twice;
            quality sensors of kits (QS1, QS2) are left out: they are no loci.
        heights
            Peak heights, parallel to the calls of `loci` as given.
        replicates
            Tables of repeated amplifications; when given, `loci` may be empty and becomes
            their union.
        extra_loci
            Names of a laboratory's own markers, accepted verbatim.
        name, kit, category, required, comment
            See the class.

        Raises
        ------
        ProfileError
            Unknown locus, impossible allele, the same locus twice, more than eight alleles,
            or a locus that `kit` does not type. The message names locus and value.

        Examples
        --------
        >>> profile = DnaProfile.from_alleles({"THO1": ("9.3", "6"), "vWA": ("17", "17")})
        >>> dict(profile.loci)
        {'TH01': ('6', '9.3'), 'vWA': ('17',)}
        """
        tables = tuple(_table(table, extra_loci) for table in replicates)
        calls = {key: _listed(key, values) for key, values in loci.items()}
        typed = _table(calls, extra_loci) if calls else _union(tables)
        check_kit(kit, typed)
        return cls(
            name=name,
            loci=typed,
            heights=_heights(heights or {}, calls, typed, extra_loci),
            replicates=tables,
            kit=kit,
            category=category,
            required=_required(required or {}, typed, extra_loci),
            comment=comment,
        )

    @classmethod
    def from_replicates(
        cls, profiles: "Sequence[DnaProfile]", name: str | None = None
    ) -> "DnaProfile":
        """Join repeated amplifications of one stain, each read as a profile of its own.

        Raises
        ------
        ProfileError
            No profile is given, or their union has more than eight alleles at a locus.
        """
        if not profiles:
            raise ProfileError("no replicate is given; a stain needs at least one")
        tables = tuple(profile.loci for profile in profiles)
        first = profiles[0]
        return cls(
            name=name or first.name,
            loci=_union(tables),
            replicates=tables,
            kit=first.kit,
            category=first.category,
            comment=first.comment,
        )

    @property
    def typed(self) -> tuple[str, ...]:
        """Loci with at least one allele, in registry order."""
        return tuple(locus for locus, tokens in self.loci.items() if tokens)

    @property
    def autosomal(self) -> Genotypes:
        """Typed autosomal loci: the part that counts in matches and likelihood ratios."""
        return {name: tokens for name, tokens in self.loci.items() if tokens and is_autosomal(name)}

    @property
    def n_loci(self) -> int:
        """Number of typed autosomal loci."""
        return len(self.autosomal)

    @property
    def is_mixture(self) -> bool:
        """True when two or more autosomal loci, or one with four alleles, exceed two alleles.

        A single locus with three alleles is taken for a tri-allele of one person
        (Clayton et al. 2004), not for a mixture.
        """
        counts = [len(tokens) for tokens in self.autosomal.values()]
        return sum(count > 2 for count in counts) > 1 or max(counts, default=0) > 3

    @property
    def tables(self) -> tuple[Genotypes, ...]:
        """One allele table for each amplification (at least one)."""
        return self.replicates or (self.loci,)

    def alleles(self, locus: str) -> tuple[str, ...]:
        """Alleles at a locus in any spelling; empty when it is not typed."""
        return self.loci.get(canonical(locus, self.loci), ())

    def dumps(self) -> bytes:
        """Write the compact stored form (see the module's description)."""
        parts = [_MAGIC, struct.pack("<B", len(self.loci))]
        parts.extend(_pack_locus(name, tokens) for name, tokens in self.loci.items())
        label = self.name.encode()
        rest = json.dumps(self._rest(), separators=(",", ":")).encode() if self._rest() else b""
        parts += [struct.pack("<H", len(label)), label, struct.pack("<I", len(rest)), rest]
        body = b"".join(parts)
        return body + struct.pack("<I", zlib.crc32(body))

    @classmethod
    def loads(cls, blob: bytes) -> "DnaProfile":
        """Read what `dumps` wrote.

        Raises
        ------
        FormatError
            The bytes are damaged or of a later version.
        """
        return _Reader(blob).profile()

    def _rest(self) -> dict[str, Any]:
        values: dict[str, Any] = {
            "heights": dict(self.heights),
            "replicates": [dict(table) for table in self.replicates],
            "kit": self.kit,
            "category": self.category,
            "required": dict(self.required),
            "comment": self.comment,
        }
        return {key: value for key, value in values.items() if value or value == ""}

    def __hash__(self) -> int:
        return hash((self.name, tuple(self.loci.items())))

    def __reduce__(self) -> tuple[Any, tuple[bytes]]:
        return (DnaProfile.loads, (self.dumps(),))


def _table(calls: Mapping[str, Iterable[str]], extra: Collection[str]) -> Genotypes:
    found: dict[str, tuple[str, ...]] = {}
    for spelling, values in calls.items():
        name = canonical(spelling, extra)
        known = BY_NAME.get(name)
        if known is not None and known.kind is LocusKind.QUALITY:
            continue
        if name in found:
            raise ProfileError(f"{name}: the locus is given twice, the second time as {spelling!r}")
        found[name] = _alleles(name, _listed(name, values))
    return MappingProxyType({name: found[name] for name in sort_loci(found)})


def _alleles(locus: str, values: Iterable[str]) -> tuple[str, ...]:
    tokens = allele_tokens.sort_alleles(
        [allele_tokens.normalise(_text(locus, value), locus) for value in values]
    )
    if len(tokens) > MAX_ALLELES:
        raise ProfileError(
            f"{locus}: {len(tokens)} alleles ({', '.join(tokens)}); at most {MAX_ALLELES} are "
            "allowed at a locus"
        )
    return tokens


def _listed(locus: str, values: Iterable[str]) -> tuple[str, ...]:
    if isinstance(values, str):
        raise ProfileError(f"{locus}: {values!r} is one text; give a tuple such as ('6', '9.3')")
    return tuple(values)


def _text(locus: str, value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise ProfileError(f"{locus}: allele {value!r} is not text; write alleles as '9.3', not 9.3")


def _union(tables: Sequence[Genotypes]) -> Genotypes:
    merged: dict[str, set[str]] = {}
    for table in tables:
        for name, tokens in table.items():
            merged.setdefault(name, set()).update(tokens)
    return MappingProxyType({name: _alleles(name, merged[name]) for name in sort_loci(merged)})


def _heights(
    heights: Mapping[str, Sequence[float | None]],
    calls: Mapping[str, tuple[str, ...]],
    typed: Genotypes,
    extra: Collection[str],
) -> Mapping[str, tuple[float | None, ...]]:
    found: dict[str, tuple[float | None, ...]] = {}
    for spelling, values in heights.items():
        name = canonical(spelling, extra)
        given = calls.get(spelling, ())
        if len(values) != len(given):
            raise ProfileError(f"{name}: {len(values)} heights for {len(given)} alleles")
        by_token = {
            allele_tokens.normalise(str(call), name): height
            for call, height in zip(given, values, strict=True)
        }
        if name in typed:
            found[name] = tuple(by_token[token] for token in typed[name])
    return MappingProxyType(found)


def _required(
    required: Mapping[str, Iterable[str]], typed: Genotypes, extra: Collection[str]
) -> Genotypes:
    table = _table(required, extra)
    for name, tokens in table.items():
        absent = [token for token in tokens if token not in typed.get(name, ())]
        if absent:
            raise ProfileError(f"{name}: required allele {absent[0]} is not among its alleles")
    return table


def _pack_locus(name: str, tokens: tuple[str, ...]) -> bytes:
    number = _NUMBERS.get(name, _SPELLED)
    head = struct.pack("<B", number)
    if number == _SPELLED:
        label = name.encode()
        head += struct.pack("<B", len(label)) + label
    codes = [allele_tokens.encode(token) for token in tokens]
    return head + struct.pack(f"<B{len(codes)}H", len(codes), *codes)


class _Reader:
    """Walks through a stored profile; every shortage is a `FormatError` with its offset."""

    def __init__(self, blob: bytes) -> None:
        if len(blob) < 15 or blob[:3] != _MAGIC[:3]:
            raise FormatError("stored DNA profile: offset 0: not a DNA profile")
        if blob[3] != _MAGIC[3]:
            raise FormatError(f"stored DNA profile: offset 3: version {blob[3]} is unknown")
        if zlib.crc32(blob[:-4]) != struct.unpack("<I", blob[-4:])[0]:
            raise FormatError("stored DNA profile: checksum differs, the bytes are damaged")
        self._blob = blob[:-4]
        self._at = len(_MAGIC)

    def _take(self, size: int) -> bytes:
        piece = self._blob[self._at : self._at + size]
        if len(piece) < size:
            raise FormatError(f"stored DNA profile: offset {self._at}: {size} bytes expected")
        self._at += size
        return piece

    def _number(self, code: str) -> int:
        return int(struct.unpack(f"<{code}", self._take(struct.calcsize(code)))[0])

    def _locus(self) -> tuple[str, tuple[str, ...]]:
        number = self._number("B")
        if number != _SPELLED and number >= len(LOCI):
            raise FormatError(f"stored DNA profile: offset {self._at}: locus number {number}")
        name = self._take(self._number("B")).decode() if number == _SPELLED else LOCI[number].name
        count = self._number("B")
        codes = struct.unpack(f"<{count}H", self._take(2 * count))
        return name, tuple(allele_tokens.decode(code) for code in codes)

    def profile(self) -> DnaProfile:
        try:
            loci = dict(self._locus() for _ in range(self._number("B")))
            name = self._take(self._number("H")).decode()
            rest = json.loads(self._take(self._number("I")) or b"{}")
            return self._made(name, loci, rest)
        except (ProfileError, ValueError, AttributeError, TypeError) as error:
            raise FormatError(f"stored DNA profile: {error}") from error

    @staticmethod
    def _made(name: str, loci: dict[str, tuple[str, ...]], rest: dict[str, Any]) -> DnaProfile:
        return DnaProfile(
            name=name,
            loci=MappingProxyType(loci),
            heights=MappingProxyType({k: tuple(v) for k, v in rest.get("heights", {}).items()}),
            replicates=tuple(_frozen(table) for table in rest.get("replicates", ())),
            kit=rest.get("kit"),
            category=rest.get("category"),
            required=_frozen(rest.get("required", {})),
            comment=rest.get("comment"),
        )


def _frozen(table: Mapping[str, Sequence[str]]) -> Genotypes:
    return MappingProxyType({name: tuple(tokens) for name, tokens in table.items()})
