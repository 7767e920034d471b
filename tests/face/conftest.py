"""Pictures and templates for the face tests."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from biomatch.face.assessment import Quality
from biomatch.face.template import FaceTemplate

Maker = Callable[..., FaceTemplate]


@pytest.fixture(scope="session")
def astronaut() -> NDArray[np.uint8]:
    """Portrait of Eileen Collins, public domain (NASA), from scikit-image: one face, 512 x 512."""
    from skimage import data

    return np.asarray(data.astronaut())


@pytest.fixture
def portrait(fixtures: Path) -> Path:
    return fixtures / "faces" / "gallery" / "hopper.jpg"


@pytest.fixture
def make() -> Maker:
    """Make a template around any vector."""

    def build(
        vector: NDArray[np.float64] | list[float],
        *,
        quality: float = 90.0,
        model_id: str = "face-test-1",
        index: int = 0,
    ) -> FaceTemplate:
        unit = np.asarray(vector, np.float32)
        return FaceTemplate(
            embedding=unit / np.linalg.norm(unit),
            norms=(11.0,),
            box=np.array([10, 20, 30, 40], np.float32),
            landmarks=np.arange(10, dtype=np.float32).reshape(5, 2),
            score=0.75,
            turn=0.0,
            face_index=index,
            picture_size=(250, 260),
            quality=Quality(quality, *(float(v) for v in range(11))),
            model_set="default",
            model_id=model_id,
        )

    return build
