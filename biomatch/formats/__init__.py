"""Files in and out: each format one module.

`read_samples` is the front door: any file in, samples out. `inspect` lists what a file holds,
`convert` writes it in another format.
"""

from biomatch.formats.conversion import Format, convert
from biomatch.formats.inspection import ShownField, ShownRecord, inspect
from biomatch.formats.samples import read_samples

__all__ = ["Format", "ShownField", "ShownRecord", "convert", "inspect", "read_samples"]
