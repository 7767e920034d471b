"""Ray actors give what the calling thread gives, also after one was killed."""

import importlib.util

import numpy as np
import pytest

import biomatch

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        importlib.util.find_spec("ray") is None,
        reason="Ray (biomatch[cluster]) is not installed: its test did NOT run",
    ),
]


def test_actors_agree_with_inline_and_survive_a_kill(tmp_path):
    from biomatch.search.cluster import RayExecutor

    codes = np.random.default_rng(0).integers(0, 3, (120, 32), dtype=np.uint8)
    codes[::5] = codes[0]
    with biomatch.open(tmp_path / "x.db") as db:
        items = ({"source": c, "subject": f"p{i:03}"} for i, c in enumerate(codes))
        db.enrol_many(items, modality="iris", duplicates="allow")
        db.index_rebuild("iris", segments=3)
        db.delete("p011")

        def lists():
            answers = list(db.search_many(list(codes[:12]), modality="iris", k=8))
            assert all(a.complete for a in answers)
            return [[(c.subject, c.score) for c in a] for a in answers]

        expected = lists()
        ray = RayExecutor(2)
        db.use(ray)
        assert lists() == expected
        ray.kill(0)
        assert lists() == expected
