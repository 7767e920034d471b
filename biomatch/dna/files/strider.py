"""STRidER (STRBase) allele frequency XML: ``frequencies/marker/origin/frequency``.

Source: STRidER exports (strider.online; Bodner et al. 2016, Forensic Science International:
Genetics 24, 97-102).
"""

import re

from biomatch.dna.files.safexml import Node
from biomatch.dna.frequencies import Frequencies
from biomatch.errors import FormatError

__all__ = ["is_strider", "read_strider"]


def is_strider(root: Node) -> bool:
    """Tell whether a document is such an export."""
    return root.tag == "frequencies" and bool(root.all("marker"))


def read_strider(root: Node, path: str) -> dict[str, Frequencies]:
    """Read all origins: name -> table. Sample sizes are persons in the file, alleles in the table.

    Raises
    ------
    FormatError
        A marker without a name, a frequency that is no share, an origin given twice.
    """
    tables: dict[str, dict[str, dict[str, float]]] = {}
    sizes: dict[str, dict[str, int]] = {}
    for marker in root.all("marker"):
        locus = marker.get("name")
        if not locus:
            raise FormatError(f"{path}: line {marker.line}: the marker has no name")
        for origin in marker.all("origin"):
            name = origin.attributes.get("name", "")
            table = tables.setdefault(name, {})
            if locus in table:
                raise FormatError(
                    f"{path}: line {origin.line}: origin {name!r} of {locus} is given twice"
                )
            table[locus] = {
                node.attributes.get("allele", ""): _share(node, path)
                for node in origin.all("frequency")
            }
            persons = origin.attributes.get("n", "")
            if re.fullmatch("[0-9]{1,9}", persons) and int(persons):
                sizes.setdefault(name, {})[locus] = 2 * int(persons)
    if not tables:
        raise FormatError(f"{path}: no marker has an origin with frequencies")
    return {
        name: Frequencies.from_dict(
            {locus: column for locus, column in table.items() if column},
            name="STRidER",
            population=name,
            sample_sizes=sizes.get(name),
        )
        for name, table in tables.items()
    }


def _share(node: Node, path: str) -> float:
    try:
        value = float(node.value)
    except ValueError:
        value = -1.0
    if not node.attributes.get("allele") or not 0.0 <= value <= 1.0:
        raise FormatError(
            f"{path}: line {node.line}: allele {node.attributes.get('allele', '')!r} has "
            f"frequency {node.value!r}; a share from 0 to 1 is expected"
        )
    return value
