"""Ray actors give what the calling thread gives, also after one was killed."""

import importlib.util

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import biomatch
from biomatch.errors import OptionError
from biomatch.search.cluster import moves

ray_needed = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None,
    reason="Ray (biomatch[cluster]) is not installed: its test did NOT run",
)


@given(
    st.lists(st.sampled_from("abcdef"), max_size=12), st.sets(st.sampled_from("abcd"), min_size=1)
)
def test_actors_are_shared_out_evenly_with_few_moves(homes, nodes):
    moved = moves(homes, sorted(nodes))
    after = [moved.get(actor, home) for actor, home in enumerate(homes)]
    counts = [after.count(node) for node in nodes]
    assert set(after) <= nodes
    assert max(counts) - min(counts) <= 1
    # Who moves had to: his node is gone, or would have too many.
    most = max(counts)
    surplus = sum(max(0, homes.count(node) - most) for node in nodes)
    lost = sum(home not in nodes for home in homes)
    assert lost + surplus <= len(moved) <= lost + sum(homes.count(n) for n in nodes)
    if not lost and len({homes.count(node) for node in nodes}) == 1:
        assert not moved


def test_a_deadline_needs_workers(tmp_path):
    with pytest.raises(OptionError, match="deadline"):
        biomatch.open(tmp_path / "x.db", deadline=1.0)


@pytest.mark.slow
@ray_needed
def test_actors_agree_with_inline_and_survive_a_kill(tmp_path):
    codes = np.random.default_rng(0).integers(0, 3, (120, 32), dtype=np.uint8)
    codes[::5] = codes[0]
    path = tmp_path / "x.db"
    with biomatch.open(path) as db:
        items = ({"source": c, "subject": f"p{i:03}"} for i, c in enumerate(codes))
        db.enrol_many(items, modality="iris", duplicates="allow")
        db.index_rebuild("iris", segments=3)
        db.delete("p011")
        expected = lists(db, codes)
    with biomatch.open(path, cluster="local", processes=2) as db:
        ray = db._executor
        assert lists(db, codes) == expected  # by the caller, while the actors start
        assert ray.settle()
        assert lists(db, codes) == expected
        ray.kill(0)
        assert lists(db, codes) == expected
        assert ray.settle()
        assert lists(db, codes) == expected
        ray._deadline = 1e-9
        late = db.search(codes[3], modality="iris")
        assert not late.complete
        assert "did not answer" in late.coverage.missing[0]


def lists(db, codes):
    answers = list(db.search_many(list(codes[:12]), modality="iris", k=8))
    assert all(a.complete for a in answers)
    return [[(c.subject, c.score) for c in a] for a in answers]
