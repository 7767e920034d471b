"""Face templates with made-up embeddings, for measurements of scale."""

import numpy as np

from biomatch.face.assessment import Quality
from biomatch.face.modality import MODALITY
from biomatch.face.template import FaceTemplate

MODEL_ID = MODALITY.model_id()


def face(embedding: np.ndarray) -> FaceTemplate:
    """Make a template whose embedding is the given vector, normalised."""
    vector = np.asarray(embedding, dtype=np.float32)
    return FaceTemplate(
        embedding=vector / np.linalg.norm(vector),
        norms=(10.0,),
        box=np.array([0, 0, 100, 100], dtype=np.float32),
        landmarks=np.zeros((5, 2), dtype=np.float32),
        score=0.9,
        turn=0.0,
        face_index=0,
        picture_size=(100, 100),
        quality=Quality.of(np.full(len(Quality.NAMES), 50.0)),
        model_set="default",
        model_id=MODEL_ID,
    )
