"""Every tuned number of fingerprint extraction, with the reason for its value."""

from typing import Final

__all__ = [
    "CONTRAST_BLOCK",
    "DEFAULT_PPI",
    "LEADER_QUALITY",
    "LOW_QUALITY",
    "MASK_SHARE",
    "MAX_PPI",
    "MIN_CONTRAST",
    "MIN_MINUTIAE",
    "MIN_PPI",
    "MIN_SIDE",
    "TARGET_PPI",
    "TILE_CORE",
    "TILE_MARGIN",
]

TARGET_PPI: Final = 500.0
"""All features are measured at this resolution (ISO/IEC 19794-2 and LEADER assume it)."""

DEFAULT_PPI: Final = 500.0
"""Assumed when neither file nor caller states a resolution; the template says so."""

MIN_PPI: Final = 250.0
"""Below it a ridge period (9 px at 500 ppi) is under 4.5 px and minutiae are not resolved."""

MAX_PPI: Final = 5000.0
"""Above it the stated resolution is taken for an error."""

MIN_SIDE: Final = 48
"""Pixels at 500 ppi: a print narrower than about five ridges holds no configuration."""

MIN_CONTRAST: Final = 8
"""Grey levels between the 1st and 99th percentile, below which an image is blank."""

CONTRAST_BLOCK: Final = 64
"""Side in pixels of the blocks in which a mostly blank picture is searched for ridges: seven
ridge periods."""

LOW_QUALITY: Final = 30
"""Quality below which a print that is no latent is doubted. Of 320 prints of four FVC sets 1 % lie
below it; noise and photographs of other things come out at 11 to 27."""

MIN_MINUTIAE: Final = 4
"""Fewer than this cannot be compared: any two prints share three minutiae by chance."""

LEADER_QUALITY: Final = 0.2
"""Least quality of a LEADER minutia that a template keeps; comparison may cut higher."""

TILE_CORE: Final = 832
"""Large pictures are cut into cores of at most this side; with their margins they are 1024 px."""

TILE_MARGIN: Final = 96
"""Pixels around a core that the extractors see as well: about twice what the classical filters
reach; LEADER then finds all its minutiae of quality 0.4 within 3 px of where it finds them in the
whole picture (with 160 px all of 0.2, at 40 % more cost)."""

MASK_SHARE: Final = 0.22
"""A block is foreground when its mean gradient exceeds this share of the image's 95th
percentile (the idea of R. Cappelli's GMFS, doi:10.1109/ACCESS.2023.3345644)."""
