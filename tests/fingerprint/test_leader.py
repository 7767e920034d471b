"""LEADER's minutiae against those of the authors' weights through a plain conversion."""

import numpy as np
import pytest

from biomatch import images
from biomatch.fingerprint import leader
from biomatch.fingerprint.minutiae import MinutiaType, angle_difference

from .patterns import ridges

SAMPLE = 16
"""Every sixteenth print here; benchmarks/fingerprint_extraction.py compares all 320."""


def picture(path):
    return images.to_grey(images.read(path).pixels)


@pytest.mark.shared
def test_minutiae_equal_the_reference(shared):
    reference = np.load(shared / "fingerprint" / "leader_minutiae_dev.npz")
    for key in reference.files[::SAMPLE]:
        found = leader.find(picture(shared / "fingerprint" / f"{key}.png"), quality=0.2)
        expected = reference[key]
        ours = found.rows()[np.lexsort((found.x, found.y))]
        theirs = expected[np.lexsort((expected[:, 0], expected[:, 1]))]
        assert np.array_equal(ours[:, :2], theirs[:, :2]), key
        assert np.array_equal(ours[:, 3], theirs[:, 3]), key
        assert np.abs(ours[:, 4] - theirs[:, 4]).max() < 1e-3, key
        assert np.abs(angle_difference(ours[:, 2], theirs[:, 2])).max() < 1e-2, key


@pytest.mark.parametrize("shape", [(320, 320), (301, 333), (97, 640)])
def test_any_size_is_padded_as_the_authors_do(shape):
    image = ridges(*shape)
    padded, top, left = leader.pad(image)
    assert padded.shape[0] % 32 == 0
    assert padded.shape[1] % 32 == 0
    assert np.array_equal(padded[top : top + shape[0], left : left + shape[1]], image)
    assert (padded[:top] == image[0, 0]).all()


def test_minutiae_lie_inside_the_picture():
    found = leader.find(ridges(290, 310), quality=0.2)
    assert len(found) > 0
    assert (found.x >= 0).all()
    assert (found.x < 310).all()
    assert (found.y < 290).all()
    assert set(found.type) <= {MinutiaType.ENDING, MinutiaType.BIFURCATION}


def test_turning_the_picture_turns_the_minutiae():
    image = ridges(320, 320)
    upright = leader.find(image, quality=0.5)
    turned = leader.find(np.rot90(image, 2).copy(), quality=0.5)
    back = np.stack([319 - turned.x, 319 - turned.y], axis=1)
    distance = np.hypot(
        np.subtract.outer(upright.x, back[:, 0]), np.subtract.outer(upright.y, back[:, 1])
    )
    i, j = np.nonzero(distance < 4)
    assert len(set(i)) >= 0.5 * len(upright) > 0
    off = np.abs(angle_difference(upright.angle[i], turned.angle[j] + np.pi))
    assert np.median(off) < 0.15
