"""DNA search of ten million profiles: exactness and cost. Prints what RESULTS.md says.

    python benchmarks/dna.py [--profiles 10000000] [--probes 100] [--relatives 1000]

CPU milliseconds are process time of one thread (the machine is shared, walls are not).
"""

import argparse
import json
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import dna_profiles as synthetic
import faiss
import numpy as np

from biomatch.dna import DnaProfile
from biomatch.dna.codes import Columns, pack
from biomatch.dna.familial import contributors, kinship_tables, parent_child_rows, relatives
from biomatch.dna.frequencies import Frequencies
from biomatch.dna.gallery import DnaGallery
from biomatch.dna.mixture import MixtureModel
from biomatch.dna.rules import RuleSet, rule_set
from biomatch.evaluation.dna import RankDistribution, brute_force, plot_ranks

CUTS = ("<= 10", "<= 100", "<= 1,000", "<= 10,000")
FIGURE = Path(__file__).parent / "figures" / "dna-familial.png"


def row(*cells: object) -> None:
    print("| " + " | ".join(str(cell) for cell in cells) + " |", flush=True)


def head(*cells: str) -> None:
    print()
    row(*cells)
    row(*["---"] * len(cells))


@contextmanager
def cpu(label: str) -> Iterator[None]:
    start = time.process_time()
    yield
    print(f"- {label}: {time.process_time() - start:.2f} CPU s", flush=True)


def timed(action: Callable[[], object]) -> tuple[float, object]:
    start = time.process_time()
    result = action()
    return 1e3 * (time.process_time() - start), result


def memory() -> str:
    return f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB"


def _hits(gallery: DnaGallery, probe: DnaProfile, rules: RuleSet, method: str) -> np.ndarray:
    return gallery.search([probe], rules, method=method)[0]


def search(gallery: DnaGallery, n: int) -> None:
    """Hit sets of filter and scan against brute force, and what each costs."""
    probes = synthetic.probes(gallery.columns, n, kinds=("full", "eight", "full-1", "eight-1"))
    gallery.search([probes[0][2]], rule_set("moderate"))
    gallery.search([probes[0][2]], rule_set("moderate"), method="scan")
    costs: dict[tuple[int, str], list[tuple[float, float, int]]] = {}
    wrong = 0
    for kind, _, probe in probes:
        truth = brute_force(gallery.columns, probe)
        for mismatches in (0, 1, 2):
            rules = rule_set("moderate").with_limits(max_mismatches=mismatches)
            filtered, hits = timed(partial(_hits, gallery, probe, rules, "filter"))
            scanned, again = timed(partial(_hits, gallery, probe, rules, "scan"))
            expected = np.flatnonzero(truth <= mismatches)
            wrong += not np.array_equal(hits, expected) or not np.array_equal(again, expected)
            name = "8 loci" if kind.startswith("eight") else "full"
            costs.setdefault((mismatches, name), []).append((filtered, scanned, len(expected)))
    head("mismatches", "probe", "filter + verify, CPU ms", "columnar scan + verify, CPU ms", "hits")
    for (mismatches, name), values in sorted(costs.items()):
        filtered, scanned, hits = np.median(np.array(values), axis=0)
        row(mismatches, name, f"{filtered:.0f}", f"{scanned:.0f}", f"{hits:.0f}")
    every = np.median([value[:2] for values in costs.values() for value in values], axis=0)
    row("all", "all", f"{every[0]:.0f}", f"{every[1]:.0f}", "")
    print(f"\nHit sets that differ from brute force: {wrong} of {3 * n} searches.")


def batch(gallery: DnaGallery) -> None:
    probes = [p for _, _, p in synthetic.probes(gallery.columns, 100, seed=3, kinds=("full",))]
    rules = rule_set("moderate")
    for method in ("filter", "scan"):
        cost, _ = timed(partial(gallery.search, probes, rules, method=method))
        print(f"- 100 full probes in one call, {method}: {cost / 100:.1f} CPU ms a probe")


def kinship(gallery: DnaGallery) -> None:
    table = Frequencies.load("nist1036", "Cauc")
    every = [Frequencies.load("nist1036", name) for name in synthetic.POPULATIONS]
    probes = [p for _, _, p in synthetic.probes(gallery.columns, 12, seed=4, kinds=("full",))]
    parent_child_rows(gallery, probes[0])
    relatives(gallery, probes[0], "full-sib", [table])
    rows = [timed(lambda p=p: parent_child_rows(gallery, p))[0] for p in probes]
    print(f"- parent/child, at most 1 exclusion, all rows: {np.median(rows):.0f} CPU ms")
    sib = [timed(lambda p=p: relatives(gallery, p, "full-sib", [table]))[0] for p in probes]
    print(f"- sibling LR of all rows, best 1,000: {np.median(sib):.0f} CPU ms")
    four = [timed(lambda p=p: relatives(gallery, p, "full-sib", every))[0] for p in probes[:4]]
    print(f"- the same, least favourable of four populations: {np.median(four):.0f} CPU ms")


def mixtures(gallery: DnaGallery, n: int = 4) -> None:
    """Stains of two rows: contributors among all rows by mixture LR."""
    table = [Frequencies.load("nist1036", "All")]
    people = [row for _, row, _ in synthetic.probes(gallery.columns, 2 * n, seed=6)]
    costs, ranks = [], []
    for first, second in zip(people[::2], people[1::2], strict=True):
        a, b = gallery.columns.genotypes(first), gallery.columns.genotypes(second)
        stain = DnaProfile.from_alleles({k: {*a[k], *b[k]} for k in a if k in b}, name="stain")
        model = MixtureModel(contributors=2, dropout=0.05, theta=0.01)
        cost, found = timed(partial(contributors, gallery, stain, table, model=model, keep=1000))
        costs.append(cost)
        order = [int(row) for row in found[0]]
        ranks += [1 + order.index(row) if row in order else 0 for row in (first, second)]
    print(f"- mixture LR (2 persons) of all rows: {np.median(costs):.0f} CPU ms, ranks {ranks}")


def lifecycle(gallery: DnaGallery, source: synthetic.Source) -> None:
    """Enrol 10,000, find them; delete 10,000, miss them; save and load."""
    rng = np.random.default_rng(9)
    codes = synthetic.draw(source, rng, synthetic.populations(rng, 10_000))
    synthetic.type_with_kits(codes, rng)
    columns = Columns(gallery.columns.book, codes)
    profiles = synthetic.profiles_of(columns, range(10_000))
    blobs = [profile.dumps() for profile in profiles]
    with cpu("enrol 10,000 more"):
        new = gallery.add(blobs)
    rules = rule_set("moderate")
    tests = [n for n in range(0, 10_000, 500) if profiles[n].n_loci >= 8]
    hits = gallery.search([profiles[n] for n in tests], rules)
    found = sum(int(new[n]) in set(map(int, rows)) for n, rows in zip(tests, hits, strict=True))
    with cpu("delete 10,000"):
        gone = gallery.remove(new)
    hits = gallery.search([profiles[n] for n in tests], rules)
    left = sum(int(new[n]) in set(map(int, rows)) for n, rows in zip(tests, hits, strict=True))
    print(f"- {len(tests)} of them searched: {found} found; {gone:,} deleted: {left} found after")
    with tempfile.TemporaryDirectory() as folder:
        with cpu("save"):
            gallery.save(Path(folder))
        size = sum(file.stat().st_size for file in Path(folder).iterdir())
        with cpu("load"):
            again = DnaGallery.load(Path(folder))
        same = np.array_equal(again.search([profiles[0]], rules)[0], hits[0])
        print(f"- on disk {size / len(gallery):.0f} B a profile; same answer after loading: {same}")


def blobs(gallery: DnaGallery, n: int) -> None:
    """Build from stored profiles, as a database does."""
    some = [p.dumps() for p in synthetic.profiles_of(gallery.columns, range(20_000))]
    many = (some * (n // len(some) + 1))[:n]
    mean = np.mean([len(blob) for blob in some])
    with cpu(f"pack {n:,} stored profiles ({mean:.0f} B each)"):
        columns = pack(many)
    with cpu("index them"):
        DnaGallery(columns)


def familial(gallery: DnaGallery, source: synthetic.Source, n: int, part: slice, out: Path) -> None:
    """Ranks of n simulated true relatives among all rows; the relatives are typed like the rows.

    `part` says which of the pairs this run does; their ranks are kept in `out` as they come.
    """
    rng = np.random.default_rng(5)
    where = synthetic.populations(rng, n)
    father, mother = synthetic.draw(source, rng, where), synthetic.draw(source, rng, where)
    probe, sib = synthetic.child_of(father, mother, rng), synthetic.child_of(father, mother, rng)
    probe[[synthetic.LOCI.index(name) for name in ("D6S1043", "PentaD", "PentaE")]] = 0
    synthetic.type_with_kits(father, rng)
    synthetic.type_with_kits(sib, rng)
    table = [Frequencies.load("nist1036", "All")]
    ranks: dict[str, list[int]] = {"parent-child": [], "full-sib": []}
    for k in range(n)[part]:
        person = _profile(gallery, probe[:, k])
        ranks["parent-child"].append(_rank(gallery, person, father[:, k], "parent-child", table))
        ranks["full-sib"].append(_rank(gallery, person, sib[:, k], "full-sib", table))
        out.write_text(json.dumps({"database": len(gallery), "ranks": ranks}))


def show_ranks(files: list[Path]) -> None:
    """Join the ranks of several runs; table and figure."""
    runs = [json.loads(file.read_text()) for file in files]
    found = [
        RankDistribution(
            relation, runs[0]["database"], tuple(r for run in runs for r in run["ranks"][relation])
        )
        for relation in ("parent-child", "full-sib")
    ]
    head(f"{len(found[0].ranks):,} pairs", "rank 1", *CUTS, "median rank")
    for one in found:
        row(*one.as_row())
    FIGURE.parent.mkdir(exist_ok=True)
    plot_ranks(found, FIGURE)
    print(f"\nfigure: {FIGURE.name}")


def _profile(gallery: DnaGallery, codes: np.ndarray) -> DnaProfile:
    one = Columns(gallery.columns.book, np.ascontiguousarray(codes[:, None]))
    return DnaProfile.from_alleles(one.genotypes(0), name="probe")


def _rank(
    gallery: DnaGallery,
    probe: DnaProfile,
    relative: np.ndarray,
    relation: str,
    table: list[Frequencies],
) -> int:
    """Rank the relative would have had among the gallery's rows."""
    one = Columns(gallery.columns.book, np.ascontiguousarray(relative[:, None]))
    own = kinship_tables(one, probe, relation, table, 0.01)
    score = float(own.scores(np.zeros(1, np.int64))[0])
    if relation == "parent-child":
        rows = parent_child_rows(gallery, probe)
        tables = kinship_tables(gallery.columns, probe, relation, table, 0.01)
        return 1 + int((tables.scores(rows) > score).sum())
    rows, scores = relatives(gallery, probe, relation, table, keep=20_000, min_log10_lr=score)
    return 1 + int((scores > score).sum())


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--profiles", type=int, default=10_000_000)
    parser.add_argument("--probes", type=int, default=100)
    parser.add_argument("--relatives", type=int, default=1000)
    parser.add_argument("--pairs", default=":", help="slice of the relatives for this run")
    parser.add_argument("--only-familial", action="store_true")
    parser.add_argument("--keep", type=Path, help=".npy file that keeps the drawn profiles")
    parser.add_argument("--ranks", type=Path, default=Path("dna-ranks.json"))
    parser.add_argument("--show", type=Path, nargs="+", help="join the ranks of earlier runs")
    return parser.parse_args()


def main() -> None:
    given = _arguments()
    faiss.omp_set_num_threads(1)
    if given.show:
        show_ranks(given.show)
        return
    with cpu(f"draw {given.profiles:,} profiles"):
        source, columns = synthetic.database(given.profiles, keep=given.keep)
    with cpu("build"):
        gallery = DnaGallery(columns)
    print(
        f"- filter {gallery.index.bytes_per_row:.1f} B, codes {2 * len(columns.codes)} B a profile"
    )
    if not given.only_familial:
        search(gallery, given.probes)
        print()
        batch(gallery)
        kinship(gallery)
        mixtures(gallery)
        blobs(gallery, 1_000_000)
        lifecycle(gallery, source)
    if given.relatives:
        first, _, last = given.pairs.partition(":")
        part = slice(int(first or 0), int(last or given.relatives))
        familial(gallery, source, given.relatives, part, given.ranks)
        show_ranks([given.ranks])
    print(f"- peak memory {memory()}")


if __name__ == "__main__":
    main()
