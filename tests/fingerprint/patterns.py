"""Ridge patterns that tests draw themselves."""

import numpy as np


def ridges(height=320, width=320, period=9):
    """A plane wave of ridges of which, right of the middle, every second one is missing."""
    y, x = np.mgrid[:height, :width]
    wave = np.cos(2 * np.pi * y / period)
    dislocated = np.where(x > width / 2, np.cos(2 * np.pi * y / (2 * period)), wave)
    return np.clip(128 + 90 * dislocated, 0, 255).astype(np.uint8)


def spiral_phase(turn, period=9, size=320):
    """Ridges along `turn` with one dislocation in the middle; also its direction.

    The phase of a wave plus that of a spiral (K. G. Larkin and P. A. Fletcher, "A coherent
    framework for fingerprint analysis: are fingerprints holograms?", Optics Express 15(14),
    2007): one ridge more on one side of the middle than on the other.
    """
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    up = -y
    along, across = np.cos(turn) * x + np.sin(turn) * up, -np.sin(turn) * x + np.cos(turn) * up
    phase = 2 * np.pi * across / period + np.arctan2(across, along)
    return np.clip(128 - 90 * np.cos(phase), 0, 255).astype(np.uint8), turn
