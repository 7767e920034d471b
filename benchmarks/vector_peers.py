"""One query at a time over 1 million vectors: our index beside FAISS's, hnswlib, usearch, ScaNN.

    OMP_NUM_THREADS=1 python benchmarks/vector_peers.py build FOLDER [rows] [name ...]
    OMP_NUM_THREADS=1 python benchmarks/vector_peers.py time FOLDER

``build`` makes each index with one thread and saves it (graphs take minutes). ``time`` opens all
of them and, for each, turns its knob up until it finds as many mates at rank 1 as the exact scan
or the knob ends; every setting is printed, with CPU milliseconds a search of one thread, the
mates that it finds, and the searches whose first 20 rows are all the exact scan's. The data are
those of `vector_index.py`. hnswlib, usearch and scann are not dependencies: what is not installed
is named and left out.
"""

import os
import sys
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import faiss  # noqa: E402

from benchmarks.vector_index import PROBES, identities  # noqa: E402
from biomatch.indexes import VectorIndex  # noqa: E402

K = 20
DIMENSION = 128
LEAVES = 2000
LISTS = 4096

Search = Callable[[np.ndarray], np.ndarray]
"""One query, shape (1, d), to the rows found, best first."""
Setting = tuple[str, Search]


def warm(folder: Path) -> VectorIndex:
    """Open our index, its file in the operating system's cache as the others' are in memory."""
    index = VectorIndex.open(folder / "ours")
    index.vectors.sum()
    return index


def ours(folder: Path) -> Iterator[Setting]:
    index = warm(folder)
    yield "", lambda q: index.search(q, K)[1][0]


def ours_exact(folder: Path) -> Iterator[Setting]:
    index = warm(folder)
    yield "exact=True", lambda q: index.search(q, K, exact=True)[1][0]


def flat(folder: Path) -> Iterator[Setting]:
    index = faiss.IndexFlatIP(DIMENSION)
    index.add(np.load(folder / "gallery.npy"))
    yield "", lambda q: index.search(q, K)[1][0]


def ivf(folder: Path) -> Iterator[Setting]:
    vectors = np.load(folder / "gallery.npy", mmap_mode="r")
    index = faiss.read_index(str(folder / "ivf.faiss"))
    refined = faiss.IndexRefineFlat(index, faiss.swig_ptr(np.ascontiguousarray(vectors)))
    refined.k_factor = 15
    for probes in (256, 512, 768, 1024, 2048, LISTS):
        index.nprobe = probes
        yield f"nprobe {probes}", lambda q: refined.search(q, K)[1][0]


def hnswlib(folder: Path) -> Iterator[Setting]:
    import hnswlib as library

    index = library.Index(space="ip", dim=DIMENSION)
    index.load_index(str(folder / "hnswlib.bin"))
    index.set_num_threads(1)
    for beam in (128, 256, 512, 1024, 2048):
        index.set_ef(beam)
        yield f"ef {beam}", lambda q: index.knn_query(q, k=K)[0][0]


def usearch(folder: Path) -> Iterator[Setting]:
    from usearch.index import Index

    index = Index.restore(str(folder / "usearch.bin"))
    if index is None:
        raise OSError("not built")
    for beam in (128, 256, 512, 1024, 2048):
        index.expansion_search = beam
        yield f"expansion {beam}", lambda q: index.search(q[0], K, threads=1).keys


def scann(folder: Path) -> Iterator[Setting]:
    import scann as library

    index = library.scann_ops_pybind.load_searcher(str(folder / "scann"))
    for leaves in (200, 400, 600, 1000, 1400, LEAVES):
        yield (
            f"leaves {leaves}",
            lambda q, n=leaves: index.search(
                q[0], final_num_neighbors=K, pre_reorder_num_neighbors=300, leaves_to_search=n
            )[0],
        )


def build_ours(gallery: np.ndarray, folder: Path) -> None:
    (folder / "ours").mkdir(exist_ok=True)
    VectorIndex.build(gallery).save(folder / "ours")


def build_ivf(gallery: np.ndarray, folder: Path) -> None:
    index = faiss.index_factory(
        DIMENSION, f"IVF{LISTS},PQ{DIMENSION // 2}x4fs", faiss.METRIC_INNER_PRODUCT
    )
    index.train(gallery[:: max(1, len(gallery) // 200_000)])
    index.add(gallery)
    faiss.write_index(index, str(folder / "ivf.faiss"))


def build_hnswlib(gallery: np.ndarray, folder: Path) -> None:
    import hnswlib as library

    index = library.Index(space="ip", dim=DIMENSION)
    index.init_index(max_elements=len(gallery), M=16, ef_construction=100)
    index.add_items(gallery, num_threads=1)
    index.save_index(str(folder / "hnswlib.bin"))


def build_usearch(gallery: np.ndarray, folder: Path) -> None:
    from usearch.index import Index

    index = Index(ndim=DIMENSION, metric="ip", dtype="f32", connectivity=16, expansion_add=200)
    index.add(np.arange(len(gallery)), gallery, threads=1)
    index.save(str(folder / "usearch.bin"))


def build_scann(gallery: np.ndarray, folder: Path) -> None:
    import scann as library

    (folder / "scann").mkdir(exist_ok=True)
    searcher = (
        library.scann_ops_pybind.builder(gallery, K, "dot_product")
        .tree(num_leaves=LEAVES, num_leaves_to_search=600, training_sample_size=250_000)
        .score_ah(2, anisotropic_quantization_threshold=0.2)
        .reorder(300)
        .set_n_training_threads(1)
        .build()
    )
    searcher.serialize(str(folder / "scann"))


BUILDERS = {
    "ours": build_ours,
    "ivf": build_ivf,
    "scann": build_scann,
    "usearch": build_usearch,
    "hnswlib": build_hnswlib,
}

PEERS: dict[str, Callable[[Path], Iterator[Setting]]] = {
    "biomatch": ours,
    "biomatch exact": ours_exact,
    "IndexFlatIP": flat,
    "IVF4096,PQ64x4fs+refine": ivf,
    "ScaNN": scann,
    "usearch": usearch,
    "hnswlib": hnswlib,
}


def build(folder: Path, rows: int, names: list[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    faiss.omp_set_num_threads(1)
    gallery, probes = identities(rows, DIMENSION)
    np.save(folder / "gallery.npy", gallery)
    np.save(folder / "probes.npy", probes)
    np.save(folder / "truth.npy", VectorIndex.build(gallery, exact=True).search(probes, K)[1])
    for name in names or list(BUILDERS):
        if name in {"hnswlib", "usearch", "scann"} and find_spec(name) is None:
            print(f"{name}: not installed")
            continue
        start = time.process_time()
        BUILDERS[name](gallery, folder)
        print(f"{name}: built in {time.process_time() - start:.0f} CPU-s", flush=True)


def measured(search: Search, probes: np.ndarray, truth: np.ndarray) -> tuple[float, int, int]:
    """CPU milliseconds a search, mates at rank 1, and lists with the same rows as the exact ones.

    Searches over 12 ms are exact scans or graphs far beyond use: the first hundred are timed,
    and where those are the exact lists they stand for the rest.
    """
    search(probes[:1])
    start = time.process_time()
    search(probes[1:2])
    slow = time.process_time() - start > 0.012
    few = probes[:100] if slow else probes
    start = time.process_time()
    lists = [search(few[i : i + 1]) for i in range(len(few))]
    cost = (time.process_time() - start) / len(few) * 1000
    # Graphs may find fewer rows than asked for.
    found = np.array([[*rows[:K], *[-1] * (K - len(rows))] for rows in lists], dtype=np.int64)
    if slow and np.array_equal(found[:, 0], truth[: len(few), 0]):
        found = truth
    elif slow:
        found = np.array([search(probes[i : i + 1])[:K] for i in range(len(probes))], np.int64)
    same = np.sort(found, axis=1) == np.sort(truth, axis=1)
    return cost, int((found[:, 0] == np.arange(len(found))).sum()), int(same.all(axis=1).sum())


def timed(folder: Path) -> None:
    faiss.omp_set_num_threads(1)
    probes, truth = np.load(folder / "probes.npy"), np.load(folder / "truth.npy")
    wanted = int((truth[:, 0] == np.arange(PROBES)).sum())
    for name, settings in PEERS.items():
        try:
            for knob, search in settings(folder):
                cost, hits, whole = measured(search, probes, truth)
                print(
                    f"{name:24} {knob:16} {cost:7.2f} CPU-ms  {hits} of {PROBES}, lists {whole}",
                    flush=True,
                )
                if hits >= wanted:
                    break
        except (ImportError, RuntimeError, OSError) as error:
            print(f"{name:24} left out: {str(error)[:80]}")


if __name__ == "__main__":
    if len(sys.argv) < 3 or sys.argv[1] not in {"build", "time"}:
        sys.exit(__doc__)
    if sys.argv[1] == "time":
        timed(Path(sys.argv[2]))
    else:
        count = int(float(sys.argv[3])) if len(sys.argv) > 3 else 1_000_000
        build(Path(sys.argv[2]), count, sys.argv[4:])
