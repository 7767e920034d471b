"""Made-up prints: minutiae at random, and noisy second impressions of them."""

import numpy as np
import pytest

from biomatch.fingerprint.minutiae import Minutiae
from biomatch.fingerprint.template import FingerprintTemplate


def make_print(seed, count=40, size=320):
    """Minutiae at random in a square, no two closer than 10 px."""
    dice = np.random.default_rng(seed)
    places = []
    while len(places) < count:
        place = dice.uniform(20, size - 20, 2)
        if all(np.hypot(*(place - other)) > 10 for other in places):
            places.append(place)
    x, y = np.array(places).T
    minutiae = Minutiae(
        x,
        y,
        dice.uniform(0, 2 * np.pi, count),
        dice.integers(0, 2, count),
        dice.uniform(0.4, 1, count),
    )
    return FingerprintTemplate(minutiae, size, size, extractor="examiner")


def make_impression(template, seed, *, turn=0.3, shift=(25.0, 18.0), noise=2.0, lost=0.2, grow=1.0):
    """Another impression: turned, shifted, jittered, some minutiae lost."""
    dice = np.random.default_rng(seed)
    m = template.minutiae
    kept = dice.random(len(m)) > lost
    c, s = np.cos(turn), np.sin(turn)
    x, y = m.x[kept] - 160, m.y[kept] - 160
    count = int(kept.sum())
    minutiae = Minutiae(
        np.clip(grow * (c * x + s * y) + 200 + shift[0] + dice.normal(0, noise, count), 0, None),
        np.clip(grow * (-s * x + c * y) + 200 + shift[1] + dice.normal(0, noise, count), 0, None),
        m.angle[kept] + turn + dice.normal(0, 0.05, count),
        m.type[kept],
        m.quality[kept],
    )
    return FingerprintTemplate(minutiae, 480, 480, extractor="examiner")


@pytest.fixture(scope="session")
def random_print():
    return make_print


@pytest.fixture(scope="session")
def disturbed():
    return make_impression
