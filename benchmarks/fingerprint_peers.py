"""Paired comparison with other matchers: ``python -m benchmarks.fingerprint_peers``.

Data: ../shared/data/fingerprint, FVC2002 DB1_B and DB4_B, FVC2004 DB1_B and DB2_B (40 fingers,
8 impressions each); inside each set every pair of impressions is compared once (280 mated, 2,880
non-mated). All systems score the same pairs:

- biomatch with LEADER (its training data is not published and may contain these sets) and with
  the classical extractor, calibrated score;
- NBIS: mindtct and bozorth3 through PyPI nbis-py (extra ``nfiq2``);
- bozorth3 on LEADER's minutiae of quality 0.4 and more: what a better extractor alone would give
  NBIS;
- SecuGen's minutiae of the same prints (ISO/IEC 19794-2:2005 files) in our matcher: OpenAFIS and
  SecuGen's own SDK take these;
- any further system whose scores are in a file, ``--scores NAME=FILE``, CSV with a head line
  ``set,first,second,score``: a set's folder, the two prints as ``101_1``; larger is more alike.

Printed: EER and FNMR at FMR 1e-3, mean of sets, and for every peer its difference to biomatch
with a 95 % interval: fingers are drawn with replacement inside each set (they are what differs
between samples; comparisons of one finger depend on each other), and every system is scored on
the same draw. ``--save FOLDER`` writes each system's scores in that form.
"""

import argparse
import csv
import os
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from benchmarks.fingerprint_extraction import (
    DATA,
    IMPRESSIONS,
    PRINTS,
    SETS,
    compare_sets,
    pictures,
)
from biomatch.evaluation import metrics
from biomatch.fingerprint import FingerprintTemplate, extract
from biomatch.formats import fmr
from biomatch.formats import templates as records
from biomatch.formats.minutiae_record import Standard

FINGERS = PRINTS // IMPRESSIONS
FIRST, SECOND = np.triu_indices(PRINTS, 1)
MATED = FIRST // IMPRESSIONS == SECOND // IMPRESSIONS
LEADER_CUT = 0.4


def ours(extractor):
    """Scores of one of our extractors, shape (sets, pairs), and its templates."""
    templates = [extract(path, extractor=extractor) for _, path in pictures()]
    return np.stack([s for s, *_ in compare_sets(templates, templates)]), templates


def secugen():
    """Scores of SecuGen's records in our matcher, shape (sets, pairs)."""
    templates = []
    for _, path in pictures():
        data = (path.parent / "secugen_iso" / f"{path.stem}.iso").read_bytes()
        templates += records.to_templates(fmr.read(data, path.stem))
    return np.stack([s for s, *_ in compare_sets(templates, templates)])


def bozorth(prints):
    """Scores of NBIS objects in the order of `pictures`, shape (sets, pairs)."""
    table = []
    for start in range(0, len(prints), PRINTS):
        own = prints[start : start + PRINTS]
        table.append(
            [
                own[i].compare(own[j]) if own[i] and own[j] else 0
                for i, j in zip(FIRST, SECOND, strict=True)
            ]
        )
    return np.array(table, float)


def nbis_systems(templates):
    """NBIS on its own minutiae and on LEADER's."""
    try:
        import nbis
    except ImportError:
        print("NBIS not measured: nbis-py is not installed")
        return {}
    extractor = nbis.new_nbis_extractor(
        nbis.NbisExtractorSettings(
            min_quality=0.0, get_center=False, check_fingerprint=False, compute_nfiq2=False,
            ppi=500.0,
        )
    )  # fmt: skip
    own, theirs = [], []
    for (_, path), template in zip(pictures(), templates, strict=True):
        own.append(_tried(extractor.extract_minutiae, path.read_bytes()))
        theirs.append(_tried(extractor.load_iso_19794_2_2005, _record(template)))
    return {
        "NBIS mindtct + bozorth3": bozorth(own),
        "LEADER (>= 0.4) + bozorth3": bozorth(theirs),
    }


def _record(template):
    """Minutiae in the form that nbis-py 0.1.3 reads and writes.

    That is ISO/IEC 19794-2:2005 without the two bytes for the number of views and the reserved
    one; it finds no minutiae in a conforming record.
    """
    best = FingerprintTemplate(template.minutiae.above(LEADER_CUT), template.width, template.height)
    data = fmr.write(records.from_templates([best], Standard.ISO_2005))
    rows = data[28 : 28 + 6 * len(best)]
    length = (26 + len(rows)).to_bytes(4, "big")
    return data[:8] + length + data[12:22] + bytes((0, 0, 0, len(best))) + rows


def _tried(make, data):
    import nbis

    try:
        return make(data)
    except nbis.NbisError as error:
        print(f"no template: {error!r}")
        return None


def read_scores(path):
    """Scores of a file in the order of our pairs; every pair must be there."""
    with path.open(newline="") as lines:
        found = {
            (row["set"], *sorted((row["first"], row["second"]))): float(row["score"])
            for row in csv.DictReader(lines)
        }
    table = np.array([[found.get(key, np.nan) for key in _keys(name)] for name in SETS])
    if np.isnan(table).any():
        raise SystemExit(f"{path}: {np.isnan(table).sum()} pairs have no score")
    return table


def _keys(name):
    stems = [key.split("/")[1] for key, _ in pictures() if key.startswith(f"{name}/")]
    return [(name, *sorted((stems[i], stems[j]))) for i, j in zip(FIRST, SECOND, strict=True)]


def save(folder, systems):
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in systems.items():
        label = "".join(c if c.isalnum() else "_" for c in name)
        with (folder / f"{label}.csv").open("w", newline="") as file:
            lines = csv.writer(file)
            lines.writerow(("set", "first", "second", "score"))
            for part, scores in zip(SETS, table, strict=True):
                lines.writerows(
                    (*key, f"{score:.6g}") for key, score in zip(_keys(part), scores, strict=True)
                )


def rates(table, counts):
    """EER and FNMR at FMR 1e-3, mean of sets, with fingers that count `counts` times (sets, 10)."""
    result = []
    for scores, own in zip(table, counts, strict=True):
        first, second = own[FIRST // IMPRESSIONS], own[SECOND // IMPRESSIONS]
        weights = {
            "mated_weights": first[MATED],
            "nonmated_weights": (first * second)[~MATED],
        }
        pair = scores[MATED], scores[~MATED]
        result.append((metrics.eer(*pair, **weights), metrics.fnmr_at_fmr(*pair, 1e-3, **weights)))
    return np.mean(result, axis=0)


def bootstrap(systems, draws, seed=1):
    """Figures of every system on the same draws of fingers, each of shape (draws, 2)."""
    dice = np.random.default_rng(seed)
    drawn = {name: [] for name in systems}
    for _ in range(draws):
        counts = np.stack(
            [
                np.bincount(dice.integers(0, FINGERS, FINGERS), minlength=FINGERS)
                for _ in range(len(SETS))
            ]
        ).astype(float)
        for name, table in systems.items():
            drawn[name].append(rates(table, counts))
    return {name: np.array(rows) for name, rows in drawn.items()}


def show(systems, draws):
    once = np.ones((len(SETS), FINGERS))
    drawn = bootstrap(systems, draws)
    for name, table in systems.items():
        eer, missed = 100 * rates(table, once)
        low, high = 100 * np.quantile(drawn[name], (0.025, 0.975), axis=0)
        print(
            f"{name:28s} EER {eer:5.2f} [{low[0]:.2f}, {high[0]:.2f}] %, "
            f"FMR1000 {missed:5.2f} [{low[1]:.2f}, {high[1]:.2f}] %"
        )
    for mine in (name for name in systems if name.startswith("biomatch")):
        for name in (name for name in systems if not name.startswith("biomatch")):
            gain = 100 * (drawn[name] - drawn[mine])
            low, high = np.quantile(gain, (0.025, 0.975), axis=0)
            value = 100 * (rates(systems[name], once) - rates(systems[mine], once))
            print(
                f"{name} less {mine}: EER {value[0]:+.2f} [{low[0]:+.2f}, {high[0]:+.2f}], "
                f"FMR1000 {value[1]:+.2f} [{low[1]:+.2f}, {high[1]:+.2f}] points"
            )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scores", action="append", default=[], metavar="NAME=FILE")
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--save", type=Path, metavar="FOLDER")
    options = parser.parse_args()
    if not DATA.is_dir():
        raise SystemExit(f"{DATA} is not there")
    leader, templates = ours("leader")
    systems = {"biomatch, LEADER": leader, "biomatch, classical": ours("classical")[0]}
    systems |= nbis_systems(templates)
    systems["SecuGen records, our matcher"] = secugen()
    for text in options.scores:
        name, _, path = text.rpartition("=")
        systems[name] = read_scores(Path(path))
    if options.save:
        save(options.save, systems)
    show(systems, options.draws)


if __name__ == "__main__":
    main()
