"""DNA STR profiles: reading, matching, statistics, kinship and mixtures."""

from typing import TYPE_CHECKING

from biomatch.dna.profile import DnaProfile

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["DnaProfile", "read"]


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
