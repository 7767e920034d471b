"""Agreement of the DNA statistics with other programs' figures, as a table.

    python benchmarks/dna_vectors.py [../shared/data/dna]

Each line compares our figures with a set of reference vectors made by other programs (Familias,
forrel, DNAprofiles, forensim, EuroForMix) or published with them, and prints the largest relative
deviation. Paternity exclusions count by their absolute value.
"""

import csv
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from biomatch.dna import (
    DnaProfile,
    Family,
    Frequencies,
    MixtureModel,
    MutationModel,
    Pedigree,
    Person,
    kinship_lr,
    missing_person,
    mixture_lr,
    pedigree_lr,
    rmp,
)
from biomatch.dna.mixture import mixture

RELATIONS = {
    "PO": "parent-child",
    "FS": "full-sib",
    "HS": "half-sib",
    "FC": "first-cousin",
    "SC": "second-cousin",
    "AV": "avuncular",
}
PATERNITY: dict[str, dict[str, Any]] = {
    "PI_theta0": {},
    "PI_theta0.01": {"theta": 0.01},
    "PI_mut_equal_0.002": {"mutation": MutationModel("equal", 0.002)},
    "PI_mut_proportional_0.002": {"mutation": MutationModel("proportional", 0.002)},
    "PI_mut_stepwise_0.002_1e.5_0.1": {
        "mutation": MutationModel("stepwise", 0.002, rate2=1e-5, step_ratio=0.1)
    },
}
Pairs = Iterator[tuple[float, float]]
Row = dict[str, str]


def rows(path: Path) -> list[Row]:
    with path.open(newline="") as lines:
        return list(csv.DictReader(lines))


def paired(row: Row, prefix: str = "") -> DnaProfile:
    loci: dict[str, list[str]] = {}
    for column, value in row.items():
        if column.startswith(prefix) and column[-2:] in {"_1", "_2"}:
            loci.setdefault(column[len(prefix) : -2], []).append(value)
    return DnaProfile.from_alleles(loci)


def slashed(row: Row, prefix: str) -> DnaProfile:
    loci = {
        column[len(prefix) + 1 :]: [cell for cell in value.split("/") if cell not in {"", "-"}]
        for column, value in row.items()
        if column.startswith(f"{prefix}_")
    }
    return DnaProfile.from_alleles(loci)


def rmp_profiles(folder: Path, table: Frequencies) -> Pairs:
    for row in rows(folder / "rmp_200.csv"):
        profile = paired(row)
        for column, value in row.items():
            if column.startswith("rmp_"):
                _, formula, theta = column.split("_")
                yield rmp(profile, table, float(theta[5:]), formula), float(value)


def rmp_loci(folder: Path, table: Frequencies) -> Pairs:
    for row in rows(folder / "rmp_per_locus_10.csv"):
        profile = DnaProfile.from_alleles({row["locus"]: (row["a1"], row["a2"])})
        yield rmp(profile, table, 0.0), float(row["rmp_theta0"])
        yield rmp(profile, table, 0.01, "nrc410"), float(row["rmp_nrc410_theta0.01"])


def kinship_pairs(folder: Path, table: Frequencies) -> Pairs:
    for row in rows(folder / "kinship_pairs_200.csv"):
        a, b = paired(row, "A_"), paired(row, "B_")
        for column, value in row.items():
            if column.startswith("LR_"):
                _, relation, theta = column.split("_")
                yield kinship_lr(a, b, RELATIONS[relation], table, float(theta[5:])), float(value)


def kinship_loci(folder: Path, table: Frequencies) -> Pairs:
    for row in rows(folder / "kinship_per_locus.csv"):
        a, b = (DnaProfile.from_alleles({row["locus"]: row[side].split("/")}) for side in "AB")
        yield kinship_lr(a, b, RELATIONS[row["hyp"]], table, float(row["theta"])), float(row["LR"])


def paternity(folder: Path, table: Frequencies) -> Pairs:
    related = Pedigree.of(Person("CH", "AF", "MO"))
    unrelated = Pedigree.of(Person("CH", "somebody else", "MO"))
    for row in rows(folder / "paternity_trios_60.csv"):
        typed = {name: slashed(row, name) for name in ("AF", "MO", "CH")}
        for column, options in PATERNITY.items():
            yield pedigree_lr(related, unrelated, typed, table, **options), float(row[column])


def missing(folder: Path, table: Frequencies) -> Pairs:
    pedigree = Pedigree.of(*(Person(name, "FA", "MO") for name in ("MP", "S1", "S2")))
    for row in rows(folder / "missing_person_20.csv"):
        for column, relatives in (
            ("LR_mother_2sibs", ("MO", "S1", "S2")),
            ("LR_1sib", ("S1",)),
        ):
            family = Family(
                "case", pedigree, "MP", {name: slashed(row, name) for name in relatives}
            )
            yield missing_person(family, slashed(row, "POI"), table).lr, float(row[column])


def mixtures(folder: Path, table: Frequencies) -> Pairs:
    for row in rows(folder / "mixture_qual_50.csv"):
        model = MixtureModel(
            contributors=int(row["n_contributors"]),
            dropout=float(row["prD"]),
            dropin=float(row["prC"]),
            theta=float(row["theta"]),
        )
        known = [slashed(row, "V")] if row["known_victim"] == "TRUE" else []
        found = mixture(slashed(row, "E"), slashed(row, "S"), table, known=known, model=model)
        yield found.lr, float(row["LR"])
        yield from ((lr, float(row[f"LR_{locus}"])) for locus, lr in found.loci.items())


def lrmix_studio(folder: Path, _table: Frequencies) -> Pairs:
    for example in json.loads((folder / "published_examples.json").read_text()):
        if not example["id"].startswith("LRmixStudio") or not example["agrees"]:
            continue
        given = example["inputs"]
        found = mixture_lr(
            DnaProfile.from_alleles({}, replicates=[{"vWA": r} for r in given["replicates"]]),
            DnaProfile.from_alleles({"vWA": given["suspect"]}),
            Frequencies.from_dict({"vWA": given["freq"]}),
            contributors=1,
            dropout=given["dropout_het"],
            dropin=given["dropin"],
            theta=given["theta"],
            relation="parent-child" if "parent/child" in given["Hd"] else None,
        )
        yield found, example["recomputed"]


def smartrank(folder: Path, _table: Frequencies) -> Pairs:
    from biomatch.dna.files.safexml import parse
    from biomatch.dna.files.smartrank import read_criteria
    from biomatch.dna.projects import search_criteria

    samples = folder.parent / "samples" / "smartrank"
    statistics = Frequencies.read(samples / "str_base_validation_file.xml", "Entire Database")
    for example in json.loads((folder / "published_examples.json").read_text()):
        if example["kind"] != "mixture database search LR":
            continue
        case, name = example["inputs"]["files"], example["inputs"]["candidate"]
        path = samples / f"{case}-SearchCriteria.xml"
        criteria = read_criteria(parse(path.read_text("utf-8"), str(path)), str(path))
        own = samples / f"{case}-database.csv"
        database = own if own.exists() else samples / "database_codis_generated_100.csv"
        row = next(row for row in rows(database) if row["specimenId"] == name)
        loci: dict[str, list[str]] = {}
        for column, value in row.items():
            if column != "specimenId" and value not in {"", "NULL"}:
                loci.setdefault(column.rsplit("_", 1)[0], []).append(value)
        person = DnaProfile.from_alleles(loci, name=name)
        table = None if criteria.statistics else statistics
        yield search_criteria(criteria, [person], table)[0][1].lr, example["expected_LR"]


def familias(folder: Path, _table: Frequencies) -> Pairs:
    from biomatch.dna.projects import compare_project

    for example in json.loads((folder / "published_examples.json").read_text()):
        if example["kind"].startswith("Familias .fam"):
            name = Path(example["inputs"]["file"]).name
            path = folder.parent / "samples" / "familias" / name
            if path.exists():
                yield compare_project(path).lr, example["expected_LR"]


SETS = {
    "rmp_200": rmp_profiles,
    "rmp_per_locus_10": rmp_loci,
    "kinship_pairs_200": kinship_pairs,
    "kinship_per_locus": kinship_loci,
    "paternity_trios_60": paternity,
    "missing_person_20": missing,
    "mixture_qual_50": mixtures,
    "LRmix Studio P15": lrmix_studio,
    "SmartRank (4 digits printed)": smartrank,
    "Familias projects (12 digits)": familias,
}


def main() -> None:
    data = Path(sys.argv[1] if len(sys.argv) > 1 else "../shared/data/dna")
    folder = data / "vectors"
    table = Frequencies.read(folder / "freqs_used_cauc20.csv")
    print(f"{'set':32}{'figures':>8}{'largest deviation':>19}{'CPU s':>8}")
    for name, figures in SETS.items():
        start = time.process_time()
        deviations = [
            abs(value / expected - 1.0) if expected else abs(value)
            for value, expected in figures(folder, table)
        ]
        spent = time.process_time() - start
        print(f"{name:32}{len(deviations):>8}{max(deviations, default=0.0):>19.1e}{spent:>8.2f}")


if __name__ == "__main__":
    main()
