"""DNA STR profiles: reading, matching, statistics, kinship, pedigrees and mixtures.

>>> from biomatch import dna
>>> table = dna.Frequencies.load("nist1036", population="Cauc")
>>> profile = dna.DnaProfile.from_alleles({"TH01": ("6", "9.3"), "FGA": ("20", "23")})
>>> f"{dna.rmp(profile, table, theta=0.01, formula='nrc41'):.3g}"
'0.0061'
"""

from typing import TYPE_CHECKING

from biomatch.dna.frequencies import Frequencies
from biomatch.dna.kinship import (
    RELATIONS,
    conditional_genotype,
    familial_search,
    kinship_lr,
    least_favourable_kinship,
    y_check,
)
from biomatch.dna.kits import get_kit
from biomatch.dna.loci import LOCUS_SETS, canonical
from biomatch.dna.matching import Comparison, compare
from biomatch.dna.missing import Family, missing_person, rank_families, rank_remains
from biomatch.dna.mixture import (
    MixtureModel,
    estimate_dropout,
    mixture_lr,
    rank_contributors,
)
from biomatch.dna.mutation import MutationModel
from biomatch.dna.pedigree import Pedigree, Person, Sex
from biomatch.dna.profile import DnaProfile
from biomatch.dna.relationship import compare_pedigrees, pedigree_likelihood, pedigree_lr
from biomatch.dna.rules import RuleSet, rule_set
from biomatch.dna.statistics import (
    expected_adventitious,
    genotype_probability,
    least_favourable,
    rarity,
    rmp,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from typing import Any

    from biomatch.types import CandidateList

__all__ = [
    "LOCUS_SETS",
    "RELATIONS",
    "Comparison",
    "DnaProfile",
    "Family",
    "Frequencies",
    "MixtureModel",
    "MutationModel",
    "Pedigree",
    "Person",
    "RuleSet",
    "Sex",
    "canonical",
    "compare",
    "compare_pedigrees",
    "conditional_genotype",
    "estimate_dropout",
    "expected_adventitious",
    "familial_search",
    "genotype_probability",
    "get_kit",
    "kinship_lr",
    "least_favourable",
    "least_favourable_kinship",
    "missing_person",
    "mixture_lr",
    "pedigree_likelihood",
    "pedigree_lr",
    "rank_contributors",
    "rank_families",
    "rank_remains",
    "rarity",
    "read",
    "rmp",
    "rule_set",
    "search",
    "write",
    "y_check",
]


def read(path: "str | Path") -> list[DnaProfile]:
    """Read the profiles of a file, whatever its format (it is recognised by content).

    Raises
    ------
    FormatError
        No known format, or the file breaks its own.
    ProfileError
        Unknown locus or impossible allele; the message names file, line and column.
    """
    from biomatch.dna import files

    return list(files.read(path))


def write(path: "str | Path", profiles: "Sequence[DnaProfile]", form: str = "long") -> None:
    """Write profiles as ``long``, ``wide``, ``smartrank``, ``cmf`` or ``niem``.

    Raises
    ------
    OptionError
        Unknown format.
    FormatError
        The format does not allow something in the profiles.
    """
    from biomatch.dna import files

    files.write(path, profiles, form)


def search(
    probes: "Sequence[DnaProfile]", references: "Sequence[DnaProfile]", **options: "Any"
) -> "list[CandidateList]":
    """Search profiles in profiles, exactly; see `biomatch.dna.candidates.search_profiles`.

    Examples
    --------
    >>> person = DnaProfile.from_alleles({"TH01": ("6", "9.3"), "FGA": ("20", "23")}, name="A")
    >>> found = search([person], [person], min_loci=2)[0]
    >>> [(candidate.rank, candidate.subject) for candidate in found]
    [(1, 'A')]
    """
    from biomatch.dna.candidates import search_profiles

    return search_profiles(probes, references, **options)
