"""DNA files in and out: each format one module, recognised by content.

======================  ===========================================================
name                    what
======================  ===========================================================
``long``                one row a specimen and marker: EuroForMix, LRmix, GeneMapper
``wide``                one row a specimen: plain, GeneMapper
``smartrank``           SmartRank database (``TH01_1,TH01_2,...``)
======================  ===========================================================
"""

from pathlib import Path

from biomatch.dna.files.long import is_long, read_long
from biomatch.dna.files.text import Table, fold, read_text
from biomatch.dna.files.wide import is_wide, read_wide
from biomatch.dna.profile import DnaProfile
from biomatch.errors import FormatError

__all__ = ["read"]


def read(path: str | Path) -> list[DnaProfile]:
    """Read the profiles of a file in any known format.

    Raises
    ------
    FormatError
        No known format, or the file breaks its own.
    ProfileError
        Unknown locus or impossible allele; the message names file, line and column.
    """
    text = read_text(path)
    table = Table.parse(text, str(path))
    if fold(table.header[0]) == "allele":
        raise FormatError(f"{path}: this is a table of allele frequencies, it holds no profiles")
    if is_long(table):
        return read_long(table)
    if is_wide(table):
        return read_wide(table)
    raise FormatError(
        f"{path}: line {table.header_line}: not a DNA table: the columns "
        f"{', '.join(table.header[:6])} "
        "hold neither a marker with its alleles nor loci; a long table has SampleName, Marker, "
        "Allele1, Allele2, a wide one SampleName and a column for each locus"
    )
