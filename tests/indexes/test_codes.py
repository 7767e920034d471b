"""The Hamming index against plain numpy."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from biomatch.errors import OptionError
from biomatch.indexes import CodeIndex


@settings(max_examples=80, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    n=st.integers(1, 600),
    k=st.integers(1, 60),
    share=st.floats(0, 1),
    levels=st.integers(1, 255),
    width=st.sampled_from([8, 16, 32, 64]),
)
def test_scan_is_brute_force(seed, n, k, share, levels, width):
    rng = np.random.default_rng(seed)
    x = rng.integers(0, levels + 1, (n, width), dtype=np.uint8)  # few levels: many ties
    q = rng.integers(0, levels + 1, (5, width), dtype=np.uint8)
    allowed = rng.random(n) < share
    distances, rows = CodeIndex.build(x).search(q, k, allowed=allowed)
    for i in range(len(q)):
        exact = np.bitwise_count(x ^ q[i]).sum(axis=1, dtype=np.int32)
        candidates = np.flatnonzero(allowed)
        expected = candidates[np.lexsort((candidates, exact[candidates]))][:k]
        assert rows[i][: len(expected)].tolist() == expected.tolist()
        assert distances[i][: len(expected)].tolist() == exact[expected].tolist()
        assert (rows[i][len(expected) :] == -1).all()


def test_saved_index_answers_the_same(tmp_path: Path):
    x = np.random.default_rng(0).integers(0, 256, (500, 32), dtype=np.uint8)
    index = CodeIndex.build(x)
    index.save(tmp_path)
    for a, b in zip(index.search(x[:9], 7), CodeIndex.open(tmp_path).search(x[:9], 7), strict=True):
        assert np.array_equal(a, b)


def test_bad_input_is_refused():
    with pytest.raises(OptionError, match="multiple of 8"):
        CodeIndex.build(np.zeros((3, 5), np.uint8))
    index = CodeIndex.build(np.zeros((3, 8), np.uint8))
    with pytest.raises(OptionError, match="queries"):
        index.search(np.zeros((1, 16), np.uint8), 1)
    with pytest.raises(OptionError, match="k is"):
        index.search(np.zeros((1, 8), np.uint8), 0)
    with pytest.raises(OptionError, match="filter"):
        index.search(np.zeros((1, 8), np.uint8), 1, allowed=np.ones(9, dtype=bool))
