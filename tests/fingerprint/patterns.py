"""Ridge patterns that tests draw themselves."""

import numpy as np


def ridges(height=320, width=320, period=9):
    """A plane wave of ridges of which, right of the middle, every second one is missing."""
    y, x = np.mgrid[:height, :width]
    wave = np.cos(2 * np.pi * y / period)
    dislocated = np.where(x > width / 2, np.cos(2 * np.pi * y / (2 * period)), wave)
    return np.clip(128 + 90 * dislocated, 0, 255).astype(np.uint8)
