"""``biomatch dna``: profiles, match rules, statistics, kinship, missing persons and mixtures."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from biomatch.cli.dna_search import convert, search
from biomatch.cli.options import Number, examples
from biomatch.cli.output import emit, emit_record, output_options, say

if TYPE_CHECKING:
    from biomatch.dna.frequencies import Frequencies
    from biomatch.dna.matching import Comparison
    from biomatch.dna.mixture import MixtureModel
    from biomatch.dna.mutation import MutationModel
    from biomatch.dna.profile import DnaProfile
    from biomatch.dna.rules import RuleSet

__all__ = ["dna"]

F = TypeVar("F", bound=Callable[..., Any])
FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
FORMULAS = ("nrc41", "nrc410", "wright")
NOT_IDENTIFIED = "A candidate is not an identification: a person confirms it."


@click.group(
    epilog=examples(
        "biomatch dna read samples.txt",
        "biomatch dna match stain.csv suspects.csv --rules moderate",
        "biomatch dna rmp stain.csv --frequencies nist1036 --theta 0.01",
        "biomatch dna kinship family.csv --a mother --b child1 --relation parent-child",
    )
)
def dna() -> None:
    """Read, match and weigh DNA STR profiles."""


def _minimum(
    _ctx: click.Context, _option: click.Parameter, value: str | None
) -> float | str | None:
    """Read a share above 0, or the text 5/2N."""
    if value is None or value.upper() == "5/2N":
        return value
    try:
        share = float(value)
    except ValueError:
        share = 0.0
    if not 0.0 < share <= 1.0:
        raise click.BadParameter(f"{value!r} is neither a share between 0 and 1 nor 5/2N")
    return share


def frequency_options(command: F) -> F:
    """Add the choice of frequency tables, minimum frequency and theta."""
    for option in (
        click.option(
            "--theta",
            type=Number(0, 1, max_open=True),
            default=0.01,
            show_default=True,
            help="Coancestry coefficient.",
        ),
        click.option(
            "--minimum",
            callback=_minimum,
            metavar="SHARE|5/2N",
            help="Minimum frequency of all alleles: a share, or 5/2N (default: 5/2N for unlisted "
            "alleles only).",
        ),
        click.option(
            "--population",
            "populations",
            multiple=True,
            help="Population of the table; may be repeated. Default: all; the least favourable "
            "one counts.",
        ),
        click.option(
            "--frequencies",
            "source",
            default="nist1036",
            show_default=True,
            metavar="NAME|FILE",
            help="Frequency table; 'biomatch dna frequencies' lists them.",
        ),
    ):
        command = option(command)
    return command


def mutation_options(command: F) -> F:
    """Add the mutation model of pedigrees."""
    for option in (
        click.option(
            "--step-ratio", default=0.1, help="Stepwise: weight of each further step (range)."
        ),
        click.option("--rate2", default=0.0, help="Stepwise: rate into other partial repeats."),
        click.option("--rate-female", type=Number(0, 1), help="Rate from mothers, if another."),
        click.option("--rate", default=0.002, show_default=True, help="Mutation rate."),
        click.option(
            "--mutation",
            type=click.Choice(["none", "equal", "proportional", "stepwise"]),
            default="none",
            show_default=True,
            help="Mutation model.",
        ),
    ):
        command = option(command)
    return command


def _tables(
    source: str, populations: Sequence[str], minimum: float | str | None
) -> "tuple[Frequencies, ...]":
    from biomatch.dna.frequencies import Frequencies

    tables = Frequencies.find(source, populations)
    if minimum is None:
        return tables
    share = None if isinstance(minimum, str) else minimum
    return tuple(table.with_minimum(share) for table in tables)


def _profiles(path: Path, names: Sequence[str] = ()) -> "list[DnaProfile]":
    from biomatch import dna as room
    from biomatch.errors import RecordError

    profiles = room.read(path)
    if not names:
        return profiles
    found = {profile.name: profile for profile in profiles}
    missing = [name for name in names if name not in found]
    if missing:
        raise RecordError(
            f"{path}: no profile {missing[0]!r}; the file has {', '.join(list(found)[:10])}"
        )
    return [found[name] for name in names]


def _one(path: Path, name: str | None, option: str) -> "DnaProfile":
    profiles = _profiles(path, (name,) if name else ())
    if len(profiles) > 1:
        names = ", ".join(profile.name for profile in profiles[:10])
        raise click.UsageError(
            f"{path} has {len(profiles)} profiles; choose with {option}: {names}"
        )
    return profiles[0]


def _mutation(values: Mapping[str, Any]) -> "MutationModel":
    from biomatch.dna.mutation import MutationKind, MutationModel

    kind = MutationKind(values["mutation"])
    if kind is MutationKind.NONE:
        return MutationModel()
    return MutationModel(
        kind,
        values["rate"],
        rate_female=values["rate_female"],
        rate2=values["rate2"],
        step_ratio=values["step_ratio"],
    )


@contextmanager
def _noted(failures: list[str]) -> Iterator[None]:
    """Report a profile that cannot be used and go on with the rest."""
    from biomatch.errors import ProfileError

    try:
        yield
    except ProfileError as error:
        say(f"Error: {error}")
        failures.append(str(error))


def _left_out(everybody: "Sequence[DnaProfile]", ranked: Iterable[str]) -> list[str]:
    """Report profiles that a ranking left out."""
    known = set(ranked)
    names = [profile.name for profile in everybody if profile.name not in known]
    if names:
        say(f"Error: no usable locus in common: {', '.join(names)}")
    return names


def _end(failures: Sequence[str]) -> None:
    """Leave with exit code 1 when some items failed."""
    if failures:
        click.get_current_context().exit(1)


@dna.command(epilog=examples("biomatch dna read samples.txt", "biomatch dna read *.csv --loci"))
@click.argument("files", nargs=-1, required=True, type=FILE)
@click.option("--loci", is_flag=True, help="One line for each locus.")
@output_options
def read(files: tuple[Path, ...], loci: bool, format_: str) -> None:
    """Check DNA files and show their profiles; exit code 1 if some cannot be read."""
    from biomatch.errors import BiomatchError

    rows: list[dict[str, Any]] = []
    failed: list[str] = []
    for path in files:
        try:
            profiles = _profiles(path)
        except BiomatchError as error:
            say(f"Error: {error}")
            failed.append(str(error))
            continue
        for profile in profiles:
            rows += _locus_rows(path, profile) if loci else [_profile_row(path, profile, format_)]
    columns = None if loci else ["file", "name", "loci", "mixture", "replicates", "kit", "category"]
    emit(rows, format_, columns=columns)
    _end(failed)


def _profile_row(path: Path, profile: "DnaProfile", format_: str) -> dict[str, Any]:
    row: dict[str, Any] = {
        "file": path.name,
        "name": profile.name,
        "loci": profile.n_loci,
        "mixture": profile.is_mixture,
        "replicates": len(profile.replicates) or 1,
        "kit": profile.kit,
        "category": profile.category,
    }
    if format_ in {"json", "jsonl"}:
        row["alleles"] = {locus: list(tokens) for locus, tokens in profile.loci.items()}
    return row


def _locus_rows(path: Path, profile: "DnaProfile") -> list[dict[str, Any]]:
    return [
        {
            "file": path.name,
            "name": profile.name,
            "locus": locus,
            "alleles": ", ".join(tokens),
            "heights": ", ".join(f"{height:g}" if height else "-" for height in heights),
        }
        for locus, tokens in profile.loci.items()
        for heights in [profile.heights.get(locus, ())]
    ]


@dna.command(
    epilog=examples(
        "biomatch dna match stain.csv suspect.csv",
        "biomatch dna match stain.csv database.csv --rules pruem-2008",
        "biomatch dna match stain.csv database.csv --rules high --max-mismatches 1 --all",
    )
)
@click.argument("probes", type=FILE)
@click.argument("references", type=FILE)
@click.option(
    "--rules",
    default="moderate",
    show_default=True,
    help="high, moderate, low, pruem, interpol, or a full name (biomatch dna rules).",
)
@click.option("--min-loci", type=click.IntRange(1), help="Least number of loci compared.")
@click.option("--max-mismatches", type=click.IntRange(0), help="Mismatches still reported.")
@click.option("--probe", "probe_names", multiple=True, help="Only this probe; may be repeated.")
@click.option("--reference", "reference_names", multiple=True, help="Only this reference.")
@click.option("--all", "everything", is_flag=True, help="List pairs that do not match as well.")
@output_options
def match(
    probes: Path,
    references: Path,
    rules: str,
    min_loci: int | None,
    max_mismatches: int | None,
    probe_names: tuple[str, ...],
    reference_names: tuple[str, ...],
    everything: bool,
    format_: str,
) -> None:
    """Compare profiles under a match rule; a single pair is shown locus by locus."""
    from biomatch.dna.matching import compare
    from biomatch.dna.rules import rule_set

    rule = rule_set(rules).with_limits(min_loci=min_loci, max_mismatches=max_mismatches)
    left, right = _profiles(probes, probe_names), _profiles(references, reference_names)
    pairs = [
        (probe, reference, compare(probe, reference, rule)) for probe in left for reference in right
    ]
    if len(pairs) == 1 and format_ == "table":
        _show_pair(rule, *pairs[0])
        return
    rows = [
        {
            "probe": probe.name,
            "reference": reference.name,
            **_counts(result),
            "loci": result.as_dict()["loci"],
        }
        for probe, reference, result in pairs
        if everything or result.is_hit
    ]
    columns = ["probe", "reference", "hit", "quality", "compared", "matched", "mismatched"]
    note = f"{len(pairs)} pairs compared under {rule.name}. {NOT_IDENTIFIED}"
    emit(rows, format_, columns=columns, note=note)


def _counts(result: "Comparison") -> dict[str, Any]:
    values = result.as_dict()
    return {
        key: values[key]
        for key in (
            "hit",
            "quality",
            "compared",
            "matched",
            "mismatched",
            "missing_probe",
            "missing_reference",
            "rule",
        )
    }


def _show_pair(
    rule: "RuleSet", probe: "DnaProfile", reference: "DnaProfile", result: "Comparison"
) -> None:
    rows = [
        {
            "locus": line.locus,
            "probe": ", ".join(line.probe),
            "reference": ", ".join(line.reference),
            "result": line.result.value,
        }
        for line in result.loci
    ]
    quality = f" (quality {result.quality})" if result.quality else ""
    emit(
        rows,
        "table",
        columns=["locus", "probe", "reference", "result"],
        title=f"{probe.name} and {reference.name}: {result.hit.value}{quality}",
        note=f"Rule {rule.name} (at least {rule.min_loci} loci compared, at most "
        f"{rule.max_mismatches} mismatched): {result.compared} loci compared, {result.matched} "
        f"matched, {result.mismatched} mismatched; missing in probe {result.missing_probe}, in "
        f"reference {result.missing_reference}. {NOT_IDENTIFIED}",
    )


@dna.command(
    epilog=examples(
        "biomatch dna rmp stain.csv",
        "biomatch dna rmp stain.csv --frequencies fbi2016 --formula nrc410 --theta 0.03",
        "biomatch dna rmp stain.csv --population Cauc --records 10000000 --loci",
    )
)
@click.argument("file", type=FILE)
@click.option("--name", "names", multiple=True, help="Only this profile; may be repeated.")
@click.option(
    "--formula", type=click.Choice(FORMULAS), default="nrc41", show_default=True, help="Formula."
)
@click.option("--records", type=click.IntRange(1), help="Size of the database searched.")
@click.option("--loci", is_flag=True, help="Show each locus of the least favourable population.")
@frequency_options
@output_options
def rmp(
    file: Path,
    names: tuple[str, ...],
    formula: str,
    records: int | None,
    loci: bool,
    source: str,
    populations: tuple[str, ...],
    minimum: float | str | None,
    theta: float,
    format_: str,
) -> None:
    """Say how rare profiles are: random match probability, least favourable population."""
    from biomatch.dna.statistics import expected_adventitious, least_favourable, rarity

    tables = _tables(source, populations, minimum)
    rows: list[dict[str, Any]] = []
    failures: list[str] = []
    for profile in _profiles(file, names):
        with _noted(failures):
            worst = least_favourable(profile, tables, theta, formula)
            if loci:
                rows += [{"name": profile.name, **line} for line in worst.as_dict()["loci"]]
                continue
            row: dict[str, Any] = {"name": profile.name, **worst.as_dict()}
            row["populations"] = {
                str(table): rarity(profile, table, theta, formula).log10 for table in tables
            }
            if records:
                row["expected_adventitious"] = expected_adventitious(worst.probability, records)
            rows.append(row)
    columns = ["name", "rmp", "log10_rmp", "table", "formula", "theta", "loci_used", "unused"]
    columns += ["expected_adventitious"] if records else []
    note = f"Minimum allele frequency: {tables[0].minimum_rule}."
    emit(rows, format_, columns=None if loci else columns, note=note)
    _end(failures)


@dna.command(
    epilog=examples(
        "biomatch dna kinship family.csv --a mother --b child1 --relation parent-child",
        "biomatch dna kinship one.csv two.csv --relation full-sib --relation half-sib",
        "biomatch dna kinship parents.csv children.csv --relation parent-child --mutation equal",
    )
)
@click.argument("first", type=FILE)
@click.argument("second", type=FILE, required=False)
@click.option("--a", "a_names", multiple=True, help="Only this profile of the first file.")
@click.option("--b", "b_names", multiple=True, help="Only this profile of the second file.")
@click.option(
    "--relation",
    "relations",
    multiple=True,
    default=("parent-child", "full-sib", "half-sib"),
    show_default=True,
    help="Relation; may be repeated.",
)
@click.option(
    "--min-log10-lr", type=Number(-1000, 1000), help="List only pairs with at least this log10 LR."
)
@click.option("--loci", is_flag=True, help="Show each locus.")
@mutation_options
@frequency_options
@output_options
def kinship(
    first: Path,
    second: Path | None,
    a_names: tuple[str, ...],
    b_names: tuple[str, ...],
    relations: tuple[str, ...],
    min_log10_lr: float | None,
    loci: bool,
    source: str,
    populations: tuple[str, ...],
    minimum: float | str | None,
    theta: float,
    format_: str,
    **mutation: Any,
) -> None:
    """Weigh how two persons are related, against being unrelated.

    All profiles of the first file are compared with all of the second, or with
    each other. The figure is the smallest over the populations. With a mutation
    model the first person is the parent, grandparent or uncle.
    """
    tables = _tables(source, populations, minimum)
    left = _profiles(first, a_names)
    right = _profiles(second or first, b_names)
    rows: list[dict[str, Any]] = []
    failures: list[str] = []
    for i, a in enumerate(left):
        for j, b in enumerate(right):
            twice = second is None and (a.name == b.name or (not a_names and not b_names and j < i))
            if not twice:
                with _noted(failures):
                    rows += _kinship_rows(a, b, relations, tables, theta, _mutation(mutation))
    if min_log10_lr is not None:
        rows = [row for row in rows if _log10(row) >= min_log10_lr]
    rows.sort(key=_log10, reverse=True)
    if loci:
        rows = [
            {"a": row["a"], "b": row["b"], "relation": row["relation"], "locus": locus, "lr": value}
            for row in rows
            for locus, value in row["loci"].items()
        ]
    columns = ["a", "b", "relation", "lr", "log10_lr", "excluding", "y_str", "mutation"]
    columns += ["table", "theta"]
    note = f"Minimum allele frequency: {tables[0].minimum_rule}. {NOT_IDENTIFIED}"
    emit(rows, format_, columns=None if loci else columns, note=note)
    _end(failures)


def _log10(row: Mapping[str, Any]) -> float:
    """log10 LR of a row; minus infinity where the relation is excluded."""
    return float("-inf") if row["log10_lr"] is None else float(row["log10_lr"])


def _kinship_rows(
    a: "DnaProfile",
    b: "DnaProfile",
    relations: Sequence[str],
    tables: "Sequence[Frequencies]",
    theta: float,
    mutation: "MutationModel",
) -> list[dict[str, Any]]:
    from biomatch.dna.kinship import least_favourable_kinship, relation_name, y_check
    from biomatch.dna.mutation import MutationKind
    from biomatch.dna.relationship import relation_lr

    y = y_check(a, b)
    told = f"{y.mismatched} of {y.compared} differ" if y.compared else ""
    rows = []
    for relation in map(relation_name, relations):
        index = least_favourable_kinship(a, b, relation, tables, theta)
        row = {"a": a.name, "b": b.name, **index.as_dict(), "mutation": "none", "y_str": told}
        if mutation.kind is not MutationKind.NONE:
            results = [
                relation_lr(a, b, relation, table, theta=theta, mutation=mutation)
                for table in tables
            ]
            row |= min(results, key=lambda result: result.log10).as_dict()
        rows.append(row)
    return rows


@dna.command(
    epilog=examples(
        "biomatch dna missing family.ped relatives.csv remains.csv --missing MP",
        "biomatch dna missing family.ped relatives.csv remains.csv --missing MP "
        "--mutation stepwise --rate2 1e-5",
        "biomatch dna missing disaster.fam",
    )
)
@click.argument("pedigree", type=FILE)
@click.argument("relatives", type=FILE, required=False)
@click.argument("remains", type=FILE, required=False)
@click.option(
    "--missing", "missing", help="Name of the missing member (of a project: Missing person)."
)
@click.option("--null", default=0.0, help="Frequency of null alleles.")
@click.option("--no-mutation", is_flag=True, help="Leave the project's mutation models out.")
@mutation_options
@frequency_options
@output_options
def missing(
    pedigree: Path,
    relatives: Path | None,
    remains: Path | None,
    missing: str | None,
    null: float,
    no_mutation: bool,
    source: str,
    populations: tuple[str, ...],
    minimum: float | str | None,
    theta: float,
    format_: str,
    **mutation: Any,
) -> None:
    """Rank unidentified remains as the missing member of a family.

    PEDIGREE has one line a person: name father mother [sex], with 0 for unknown
    parents. RELATIVES holds the profiles of members under the same names.

    A Familias project (.fam) alone brings families, unidentified persons,
    frequencies, theta and mutation models: all persons are compared with all
    families, the best pairs first.
    """
    unidentified: list[DnaProfile] = []
    if relatives is None:
        from biomatch.dna.projects import MISSING, match_project

        ranked = match_project(pedigree, missing or MISSING, mutation=not no_mutation)
    elif remains is None or missing is None:
        raise click.UsageError("a pedigree needs RELATIVES, REMAINS and --missing")
    else:
        from biomatch.dna.missing import Family, rank_remains
        from biomatch.dna.pedigree import Pedigree

        family = Family(
            name=pedigree.stem,
            pedigree=Pedigree.read(pedigree),
            missing=missing,
            profiles={profile.name: profile for profile in _profiles(relatives)},
        )
        tables, unidentified = _tables(source, populations, minimum), _profiles(remains)
        ranked = rank_remains(
            family, unidentified, tables, theta=theta, mutation=_mutation(mutation), null=null
        )
    rows = [
        {"rank": rank, "family": match.family, "remains": match.candidate, **match.result.as_dict()}
        for rank, match in enumerate(ranked, start=1)
    ]
    columns = ["rank", "family", "remains", "lr", "log10_lr", "mutation", "theta", "table"]
    rule = f"Minimum allele frequency: {ranked[0].result.minimum_rule}. " if ranked else ""
    emit(rows, format_, columns=columns, note=f"{rule}{NOT_IDENTIFIED}")
    _end(_left_out(unidentified, (match.candidate for match in ranked)))


@dna.command(
    epilog=examples(
        "biomatch dna pedigree father.ped stranger.ped profiles.csv",
        "biomatch dna pedigree project.fam",
        "biomatch dna pedigree project.fam --no-mutation",
    )
)
@click.argument("first", type=FILE)
@click.argument("second", type=FILE, required=False)
@click.argument("profiles", type=FILE, required=False)
@click.option("--null", default=0.0, help="Frequency of null alleles.")
@click.option("--no-mutation", is_flag=True, help="Leave the project's mutation models out.")
@click.option("--loci", is_flag=True, help="Show each locus.")
@mutation_options
@frequency_options
@output_options
def pedigree(
    first: Path,
    second: Path | None,
    profiles: Path | None,
    null: float,
    no_mutation: bool,
    loci: bool,
    source: str,
    populations: tuple[str, ...],
    minimum: float | str | None,
    theta: float,
    format_: str,
    **mutation: Any,
) -> None:
    """Weigh two pedigrees given the profiles of their members.

    FIRST and SECOND have one line a person: name father mother [sex]. A
    Familias project (.fam) alone brings pedigrees, profiles, frequencies,
    theta and mutation models; its first pedigree is weighed against its last.
    """
    if second is None:
        from biomatch.dna.projects import compare_project

        results = [compare_project(first, mutation=not no_mutation)]
    elif profiles is None:
        raise click.UsageError("two pedigrees need a third file: the members' profiles")
    else:
        from biomatch.dna.pedigree import Pedigree
        from biomatch.dna.relationship import compare_pedigrees

        typed = {profile.name: profile for profile in _profiles(profiles)}
        above, below = Pedigree.read(first), Pedigree.read(second)
        results = [
            compare_pedigrees(
                above, below, typed, table, theta=theta, mutation=_mutation(mutation), null=null
            )
            for table in _tables(source, populations, minimum)
        ]
    told = min(results, key=lambda result: result.log10).as_dict()
    if loci:
        emit([{"locus": locus, "lr": value} for locus, value in told["loci"].items()], format_)
        return
    columns = ["lr", "log10_lr", "mutation", "theta", "table", "minimum_frequency"]
    emit([told], format_, columns=columns)


@dna.command(
    epilog=examples(
        "biomatch dna mixture stain.csv suspects.csv --contributors 2 --dropout 0.1",
        "biomatch dna mixture stain.csv suspects.csv --replicates --known victim.csv",
        "biomatch dna mixture stain.csv suspects.csv --convention smartrank --dropout 0.03",
    )
)
@click.argument("stain", type=FILE)
@click.argument("candidates", type=FILE)
@click.option("--stain-name", help="Profile of the stain's file, if it has several.")
@click.option("--replicates", is_flag=True, help="The stain's file holds replicates of one stain.")
@click.option("--known", "known_file", type=FILE, help="Known contributors (a victim).")
@click.option(
    "--contributors", type=click.IntRange(1, 4), default=2, show_default=True, help="Persons."
)
@click.option(
    "--dropout",
    type=Number(0, 1, max_open=True),
    help="Drop-out probability of an allele copy; default: estimated from the stain.",
)
@click.option(
    "--dropin",
    type=Number(0, 1, max_open=True),
    default=0.05,
    show_default=True,
    help="Drop-in probability.",
)
@click.option(
    "--convention",
    type=click.Choice(["lrmix", "smartrank"]),
    default="lrmix",
    show_default=True,
    help="How the hypotheses are set up.",
)
@click.option("--loci", is_flag=True, help="Show each locus.")
@frequency_options
@output_options
def mixture(
    stain: Path,
    candidates: Path,
    stain_name: str | None,
    replicates: bool,
    known_file: Path | None,
    loci: bool,
    source: str,
    populations: tuple[str, ...],
    minimum: float | str | None,
    format_: str,
    **model: Any,
) -> None:
    """Rank candidates as contributors to a stain (qualitative LR)."""
    from biomatch.dna.mixture import rank_contributors

    evidence = _stain(stain, stain_name, replicates)
    known = _profiles(known_file) if known_file else []
    tables = _tables(source, populations, minimum)
    people = _profiles(candidates)
    ranked = rank_contributors(
        evidence,
        people,
        tables,
        known=known,
        model=_mixture_model(model),
        estimate=model["dropout"] is None,
    )
    rows = [{"candidate": person.name, **result.as_dict()} for person, result in ranked]
    if loci:
        rows = [
            {"candidate": row["candidate"], "locus": locus, "lr": value}
            for row in rows
            for locus, value in row["loci"].items()
        ]
    columns = ["candidate", "lr", "log10_lr", "contributors", "dropout", "dropin", "theta"]
    columns += ["convention", "table"]
    note = f"Minimum allele frequency: {tables[0].minimum_rule}. {NOT_IDENTIFIED}"
    emit(rows, format_, columns=None if loci else columns, note=note)
    _end(_left_out(people, (person.name for person, _ in ranked)))


def _stain(path: Path, name: str | None, replicates: bool) -> "DnaProfile":
    from biomatch.dna.profile import DnaProfile

    if replicates:
        return DnaProfile.from_replicates(_profiles(path), path.stem)
    return _one(path, name, "--stain-name or --replicates")


def _mixture_model(values: Mapping[str, Any]) -> "MixtureModel":
    from biomatch.dna.mixture import Convention, MixtureModel

    return MixtureModel(
        contributors=values["contributors"],
        dropout=values["dropout"] or 0.0,
        dropin=values["dropin"],
        theta=values["theta"],
        convention=Convention(values["convention"]),
    )


@dna.command(epilog=examples("biomatch dna kits", "biomatch dna kits GlobalFiler"))
@click.argument("name", required=False)
@output_options
def kits(name: str | None, format_: str) -> None:
    """List typing kits, or the loci and ladder of one."""
    from biomatch.dna.kits import get_kit
    from biomatch.dna.kits import kits as all_kits

    if name is None:
        rows: list[dict[str, Any]] = [
            {
                "kit": kit.name,
                "loci": len(kit.loci),
                "autosomal": len(kit.autosomal),
                "aliases": list(kit.aliases),
            }
            for kit in all_kits().values()
        ]
    else:
        kit = get_kit(name)
        rows = [
            {"locus": locus, "dye": kit.dyes[locus], "ladder": " ".join(kit.ladders[locus])}
            for locus in kit.loci
        ]
    emit(rows, format_)


@dna.command(
    epilog=examples(
        "biomatch dna frequencies",
        "biomatch dna frequencies nist1036 --population Cauc",
        "biomatch dna frequencies my-table.csv --locus TH01",
    )
)
@click.argument("source", required=False)
@click.option("--population", "populations", multiple=True, help="Only this population.")
@click.option("--locus", help="Show the alleles of this locus.")
@output_options
def frequencies(
    source: str | None, populations: tuple[str, ...], locus: str | None, format_: str
) -> None:
    """List frequency tables, or the content of one."""
    from biomatch.dna.frequencies import Frequencies

    if source is None:
        shipped = Frequencies.available()
        rows: list[dict[str, Any]] = [
            {"table": name, "population": population, "loci": len(table.loci)}
            for name, tables in shipped.items()
            for population, table in tables.items()
        ]
    else:
        found = Frequencies.find(source, populations)
        place = _table_locus(locus, found) if locus else None
        rows = [row for table in found for row in _frequency_rows(table, place)]
    emit(rows, format_)


def _table_locus(spelling: str, tables: "Sequence[Frequencies]") -> str:
    """Name in the tables of the locus asked for; some of them have it."""
    from biomatch.dna.loci import canonical
    from biomatch.errors import ProfileError

    try:
        locus = canonical(spelling, tables[0].loci)
    except ProfileError as error:
        raise click.BadParameter(str(error), param_hint="--locus") from error
    if not any(locus in table for table in tables):
        raise click.BadParameter(f"{locus}: not in the frequency table", param_hint="--locus")
    return locus


def _frequency_rows(table: "Frequencies", locus: str | None) -> list[dict[str, Any]]:
    if locus is not None and locus not in table:
        return []
    if locus is not None:
        return [
            {"population": table.population, "allele": allele, "frequency": frequency}
            for allele, frequency in table.table[locus].items()
        ]
    return [
        {
            "population": table.population,
            "locus": name,
            "alleles": len(column),
            "typed_alleles": table.n_alleles(name),
            "minimum": table.minimum_at(name),
        }
        for name, column in table.table.items()
    ]


@dna.command("rules", epilog=examples("biomatch dna rules", "biomatch dna rules pruem-2008"))
@click.argument("name", required=False)
@output_options
def show_rules(name: str | None, format_: str) -> None:
    """List match rules, or one with its source."""
    from biomatch.dna.rules import rule_set, rule_sets

    if name is None:
        rows = [
            {
                "rule": rule.name,
                "title": rule.title,
                "min_loci": rule.min_loci,
                "max_mismatches": rule.max_mismatches,
            }
            for rule in rule_sets().values()
        ]
        emit(rows, format_)
        return
    rule = rule_set(name)
    values = {key: getattr(rule, key) for key in ("name", "version", "title", "source")}
    values |= {key: getattr(rule, key) for key in ("stringency", "min_loci", "min_matching")}
    emit_record({**values, "max_mismatches": rule.max_mismatches}, format_)


dna.add_command(search)
dna.add_command(convert)
