"""Files in and out: each format one module.

`read_samples` is the front door: any file in, samples out.
"""

from biomatch.formats.samples import read_samples

__all__ = ["read_samples"]
