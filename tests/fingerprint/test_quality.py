import numpy as np
import pytest

from biomatch import images
from biomatch.errors import NoFeaturesError
from biomatch.fingerprint import quality
from biomatch.fingerprint.minutiae import Minutiae

from .patterns import ridges

NFIQ2_OF_NIST = {1: 54, 2: 45, 3: 53, 4: 52, 5: 57}
"""Published with NFIQ 2 for its example images SFinGe_Test01 to 05."""


@pytest.mark.shared
@pytest.mark.parametrize(("number", "expected"), NFIQ2_OF_NIST.items())
def test_nfiq2_equals_nists_values(shared, number, expected):
    pytest.importorskip("nbis", reason="extra 'nfiq2' is not installed")
    path = shared / "standards" / "nfiq2" / f"SFinGe_Test0{number}.pgm"
    assert quality.nfiq2(images.to_grey(images.read(path).pixels)) == expected


def test_foreground_is_where_ridges_are():
    image = np.full((400, 400), 230, np.uint8)
    image[96:304, 96:304] = ridges(208, 208)
    ridge_map = quality.ridge_map(image)
    assert ridge_map.mask[7:18, 7:18].all()
    assert not ridge_map.mask[:4].any()
    assert not ridge_map.mask[:, 21:].any()


def test_noise_makes_ridges_less_clear():
    clean = ridges().astype(float)
    rng = np.random.default_rng(3)
    clarity = [
        quality.ridge_map(
            np.clip(clean + rng.normal(0, noise, clean.shape), 0, 255).astype(np.uint8)
        ).mean_clarity
        for noise in (0, 40, 120)
    ]
    assert clarity[0] > clarity[1] > clarity[2] > 0


def test_score_grows_with_number_and_quality():
    ridge_map = quality.ridge_map(ridges())

    def score(count, each):
        rows = [(10 * i, 10, 0, 0, each) for i in range(count)]
        return quality.score(Minutiae.from_rows(np.array(rows).reshape(-1, 5)), ridge_map)

    assert score(0, 0.9) == 0
    assert 0 < score(5, 0.5) < score(20, 0.5) < score(20, 0.9) <= 100


def test_a_print_that_nfiq2_cannot_judge_is_a_clear_error():
    pytest.importorskip("nbis", reason="extra 'nfiq2' is not installed")
    with pytest.raises(NoFeaturesError, match="cannot judge this print"):
        quality.nfiq2(np.full((300, 300), 255, np.uint8))
