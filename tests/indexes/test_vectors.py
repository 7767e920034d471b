"""The vector index against plain numpy."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from biomatch.errors import OptionError
from biomatch.face.gallery import FaceGallery
from biomatch.indexes import VectorIndex
from biomatch.indexes import vectors as module


def unit(rng: np.random.Generator, n: int, d: int) -> np.ndarray:
    x = rng.standard_normal((n, d)).astype(np.float32)
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def brute(index: VectorIndex, query: np.ndarray, k: int, allowed: np.ndarray) -> np.ndarray:
    rows = np.flatnonzero(allowed)
    scores = index.score(query, rows)
    return rows[np.lexsort((rows, -scores))][:k]


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    n=st.integers(1, 400),
    k=st.integers(1, 30),
    queries=st.integers(1, 40),
    share=st.floats(0, 1),
    copies=st.integers(1, 50),
    filtered=st.booleans(),
    large=st.booleans(),
)
def test_exact_scan_is_brute_force(seed, n, k, queries, share, copies, filtered, large):
    rng = np.random.default_rng(seed)
    x = unit(rng, n, 16)
    x[:copies] = x[0]  # ties, at the edge of the list too
    index = VectorIndex.build(x, exact=True)
    allowed = rng.random(n) < share if filtered else np.ones(n, dtype=bool)
    q = np.vstack([x[:1], unit(rng, queries, 16)])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "FLAT_LIMIT", 0 if large else 1000)
        scores, rows = index.search(q, k, allowed=allowed if filtered else None)
    for i in range(len(q)):
        expected = brute(index, q[i], k, allowed)
        assert rows[i][: len(expected)].tolist() == expected.tolist()
        assert (rows[i][len(expected) :] == -1).all()
        assert np.isneginf(scores[i][len(expected) :]).all()
        assert np.allclose(scores[i][: len(expected)], x[expected] @ q[i], atol=1e-5)


def test_one_query_and_a_batch_agree_to_the_bit():
    rng = np.random.default_rng(1)
    index = VectorIndex.build(unit(rng, 3000, 64))
    q = unit(rng, 64, 64)
    batch = index.search(q, 10)
    for i in range(64):
        one = index.search(q[i : i + 1], 10)
        assert np.array_equal(one[0][0], batch[0][i])
        assert np.array_equal(one[1][0], batch[1][i])


@pytest.fixture(scope="module")
def mated() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(2)
    x = unit(rng, 30_000, 64)
    q = x[:200] + 0.08 * rng.standard_normal((200, 64)).astype(np.float32)
    return x, q / np.linalg.norm(q, axis=1, keepdims=True)


def test_compressed_scan_loses_no_mate(mated):
    x, q = mated
    index = VectorIndex.build(x, exact=False)
    assert not index.exact
    exact = index.search(q, 10, exact=True)
    fast = index.search(q, 10)
    mates = np.arange(200)
    assert (exact[1][:, 0] == mates).sum() <= (fast[1][:, 0] == mates).sum()
    assert (exact[1][:, 0] == mates).mean() > 0.9


def test_the_rotation_keeps_the_order_when_few_dimensions_carry_most(mated):
    """Without it a quarter of the nearest rows are in the scan's first twenty, with it 3 of 4."""
    weights = (np.arange(1, 65) ** -0.7).astype(np.float32)
    x, q = mated[0] * weights, mated[0][:200].copy()
    q += 0.075 * np.random.default_rng(5).standard_normal(q.shape).astype(np.float32)
    index = VectorIndex.build(x, exact=False)
    nearest = index.search(q * weights, 1, exact=True)[1]
    likely = index._coarse.search(q * weights, 20)[1]
    assert (likely == nearest).any(axis=1).mean() > 0.6


@pytest.mark.parametrize("share", [0.9, 0.5, 0.02])
def test_compressed_scan_honours_the_filter(mated, share, monkeypatch):
    monkeypatch.setattr(module, "FLAT_LIMIT", 1000)
    x, q = mated
    index = VectorIndex.build(x)
    assert not index.exact
    allowed = np.random.default_rng(3).random(len(x)) < share
    allowed[:200] = True
    _, rows = index.search(q, 10, allowed=allowed)
    assert (rows >= 0).all()
    assert allowed[rows].all()
    assert (rows[:, 0] == index.search(q, 10, allowed=allowed, exact=True)[1][:, 0]).all()


def test_a_filter_against_the_query_falls_back_to_the_exact_scan(mated, monkeypatch):
    monkeypatch.setattr(module, "FLAT_LIMIT", 10)
    x, _ = mated
    index = VectorIndex.build(x)
    query = x[:1]
    allowed = (x @ query[0]) < 0.1  # the compressed scan's favourites are all forbidden
    _, rows = index.search(query, 5, allowed=allowed)
    assert rows[0].tolist() == brute(index, query[0], 5, allowed).tolist()


@pytest.mark.parametrize("exact", [True, False])
def test_saved_index_answers_the_same(tmp_path: Path, mated, exact):
    x, q = mated
    index = VectorIndex.build(x, exact=exact)
    index.save(tmp_path)
    again = VectorIndex.open(tmp_path)
    assert again.exact is exact
    assert len(again) == len(x)
    for a, b in zip(index.search(q, 10), again.search(q, 10), strict=True):
        assert np.array_equal(a, b)


def test_bad_queries_are_refused():
    index = VectorIndex.build(np.eye(4, dtype=np.float32))
    with pytest.raises(OptionError, match="NaN"):
        index.search(np.full((1, 4), np.nan, dtype=np.float32), 1)
    with pytest.raises(OptionError, match=r"\(1, 3\)"):
        index.search(np.zeros((1, 3), dtype=np.float32), 1)
    with pytest.raises(OptionError, match="k is 0"):
        index.search(np.zeros((1, 4), dtype=np.float32), 0)
    with pytest.raises(OptionError, match="filter"):
        index.search(np.zeros((1, 4), dtype=np.float32), 1, allowed=np.ones(3, dtype=bool))
    with pytest.raises(OptionError, match="reference vector"):
        VectorIndex.build(np.full((2, 4), np.inf, dtype=np.float32))


def test_an_empty_index_finds_nothing():
    scores, rows = VectorIndex.build(np.empty((0, 8), np.float32)).search(np.ones((1, 8)), 3)
    assert rows.tolist() == [[-1, -1, -1]]
    assert np.isneginf(scores).all()


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    n=st.integers(1, 300),
    k=st.integers(1, 40),
    length=st.floats(1e-3, 1e3),
    spiky=st.booleans(),
)
def test_rounded_values_drop_no_row_of_the_best(seed, n, k, length, spiky):
    """Scores a rounding step apart, rows of one large value and zeros, rows that are zero."""
    rng = np.random.default_rng(seed)
    x = unit(rng, 1, 16) + rng.standard_normal((n, 16)).astype(np.float32) * 1e-3
    if spiky:
        x[::3, 0] = 50
    x[::7] = 0
    query = (length * unit(rng, 1, 16))[0]
    rows = rng.permutation(n)
    kept = rows[module._possible(query, rows, k, *module._rounded(x))]
    best = np.argsort(-(x.astype(np.float64) @ query), kind="stable")[:k]
    assert set(best.tolist()) <= set(kept.tolist())


def test_rounded_values_drop_most_rows():
    rng = np.random.default_rng(4)
    x = unit(rng, 4000, 128)
    kept = module._possible(x[0], np.arange(4000), 20, *module._rounded(x))
    assert np.count_nonzero(kept) < 400


def test_an_old_index_without_rounded_values_answers_the_same(tmp_path: Path, mated):
    x, q = mated
    index = VectorIndex.build(x, exact=False)
    index.save(tmp_path)
    (tmp_path / module.FINE).unlink()
    again = VectorIndex.open(tmp_path)
    for a, b in zip(index.search(q, 10), again.search(q, 10), strict=True):
        assert np.array_equal(a, b)


def test_an_old_index_without_rounding_errors_answers_the_same(tmp_path: Path, mated):
    x, q = mated
    index = VectorIndex.build(x, exact=False)
    index.save(tmp_path)
    np.save(tmp_path / module.STEPS, np.load(tmp_path / module.STEPS)[:, 0])
    again = VectorIndex.open(tmp_path)
    for a, b in zip(index.search(q, 10), again.search(q, 10), strict=True):
        assert np.array_equal(a, b)


def test_rounding_errors_are_below_their_greatest():
    x = unit(np.random.default_rng(6), 200, 64)
    values, steps = module._rounded(x)
    greatest = module._with_errors(steps[:, 0], 64)[:, 1]
    off = np.linalg.norm(x.astype(np.float64) - values * steps[:, :1].astype(np.float64), axis=1)
    assert (off < steps[:, 1]).all()
    assert (steps[:, 1] < greatest).all()


def test_an_index_saved_before_the_8_bit_values_says_so_and_finds_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "FLAT_LIMIT", 0)
    rows = unit(np.random.default_rng(5), 3000, 32)
    index = VectorIndex.build(rows, exact=False)
    index.save(tmp_path)
    now = VectorIndex.open(tmp_path)
    for name in ("int8.npy", "steps.npy"):
        (tmp_path / name).unlink()
    before = VectorIndex.open(tmp_path)
    assert VectorIndex.build(rows, exact=True).whole
    assert index.whole
    assert now.whole
    assert not before.whole
    assert FaceGallery(now, "m").dated == ""
    assert "8-bit" in FaceGallery(before, "m").dated
    for found, other in zip(now.search(rows[:20], 5), before.search(rows[:20], 5), strict=True):
        assert np.array_equal(found, other)
