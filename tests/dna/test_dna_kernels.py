"""The native loops against plain NumPy, over block borders and with genotypes of every kind."""

import numpy as np
import pytest

from biomatch.dna.kernels import BLOCK, IRREGULAR, PAIRS, SLOTS, TABLE, count_flags, scan, whole

LOCI = 7


@pytest.fixture(scope="module")
def codes():
    rng = np.random.default_rng(8)
    n = 3 * BLOCK + 17
    low = rng.integers(1, 6, (LOCI, n))
    high = np.where(rng.random((LOCI, n)) < 0.3, 0, low + rng.integers(1, 4, (LOCI, n)))
    made = (low | high << 8).astype(np.uint16)
    made[rng.random((LOCI, n)) < 0.1] = 0
    irregular = rng.random((LOCI, n)) < 0.05
    made[irregular] = IRREGULAR + rng.integers(0, 9, int(irregular.sum()))
    return made


def slots(codes, first, second):
    return np.isin(codes & 0xFF, [first, second]) | np.isin(codes >> 8, [first, second])


def outcomes(accepted):
    """Failed, compared, matched, as `biomatch.dna.query` packs them; some genotypes fail twice."""
    every = np.arange(65536)
    failed = np.where(accepted, 0, 1 + (every % 5 == 0))
    packed = failed | 1 << 8 | accepted << 16
    packed[0] = 0
    return packed.astype(np.uint32)


def quick_and_exact(codes):
    """A test a locus in each form, and its exact outcome, which irregular genotypes may fail."""
    every = np.arange(65536)
    forms = np.array([PAIRS, SLOTS, TABLE, SLOTS], np.int64)
    values = np.array([[1 | 2 << 8, 1, 2], [2, 3, 3], [0, 0, 0], [1, 1, 1]], np.uint16)
    accepted = np.stack(
        [
            np.isin(every, values[0]),
            slots(every, 2, 3),
            every % 3 != 0,
            slots(every, 1, 1),
            slots(every, 1, 4),
            every % 4 != 1,
            slots(every, 2, 5),
        ]
    )
    accepted[:, IRREGULAR:] = every[IRREGULAR:] % 2 == 0
    accepted[:, 0] = True
    tables = accepted[: len(forms)].astype(np.uint8)
    tables[:, IRREGULAR:] = 1
    return forms, values, tables, np.stack([outcomes(row) for row in accepted])


@pytest.mark.parametrize("limit", [0, 1, 2, 5])
@pytest.mark.parametrize("max_untyped", [0, 1, LOCI])
def test_the_scan_finds_what_counting_every_row_finds(codes, limit, max_untyped):
    forms, values, tables, packed = quick_and_exact(codes)
    columns = np.array([3, 0, 6, 1, 5, 2, 4], np.int64)
    rows, sums = scan(*whole(codes), columns, forms, values, tables, packed, 0, limit, max_untyped)
    total = sum(packed[k][codes[column]] for k, column in enumerate(columns))
    untyped = (codes[columns[: len(forms)]] == 0).sum(axis=0)
    expected = np.flatnonzero(((total & 0xFF) <= limit) & (untyped <= max_untyped))
    assert 0 < len(expected) < codes.shape[1]
    assert rows.tolist() == expected.tolist()
    assert sums.tolist() == total[expected].tolist()


@pytest.mark.parametrize("limit", [0, 2, 300])
def test_counting_keeps_the_rows_within_the_limit(codes, limit):
    _, _, _, packed = quick_and_exact(codes)
    columns = np.arange(LOCI, dtype=np.int64)
    some = np.arange(0, codes.shape[1], 3, dtype=np.int64)
    rows, sums = count_flags(whole(codes)[0], columns, packed, some, 0, limit)
    total = sum(packed[k][codes[k]] for k in range(LOCI))[some]
    kept = (total & 0xFF) <= limit
    assert rows.tolist() == some[kept].tolist()
    assert sums.tolist() == total[kept].tolist()


def test_nothing_to_visit(codes):
    forms, values, tables, packed = quick_and_exact(codes)
    columns = np.arange(LOCI, dtype=np.int64)
    none = np.ascontiguousarray(codes[:, :0])
    rows, sums = scan(*whole(none), columns, forms, values, tables, packed, 0, 1, LOCI)
    assert len(rows) == len(sums) == 0


def test_columns_with_spare_room_are_handed_over_uncopied(codes):
    room = codes.copy()
    part = room[:, : BLOCK + 3]
    handed, n = whole(part)
    assert n == BLOCK + 3
    assert np.shares_memory(handed, room)
    assert handed.shape == room.shape
    assert not handed.flags.writeable


@pytest.mark.parametrize("cut", [np.s_[:, 5:900], np.s_[2:5, :77], np.s_[:, ::2], np.s_[::2]])
def test_other_views_of_columns_keep_their_content(codes, cut):
    part = codes[cut]
    handed, n = whole(part)
    assert n == part.shape[1]
    assert handed.flags.c_contiguous
    assert np.array_equal(handed[: len(part), :n], part)


def test_each_kernel_is_compiled_once_for_every_origin_of_the_columns(codes, tmp_path):
    np.save(tmp_path / "codes.npy", codes)
    mapped = np.load(tmp_path / "codes.npy", mmap_mode="r")
    _, _, _, packed = quick_and_exact(codes)
    columns, some = np.arange(LOCI, dtype=np.int64), np.arange(9, dtype=np.int64)
    for origin in (codes, mapped, codes[:, :20]):
        count_flags(whole(origin)[0], columns, packed, some, 0, 1)
    assert len(count_flags.signatures) == 1
