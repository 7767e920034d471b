"""``biomatch dna search`` and ``biomatch dna convert``: files against files, no database."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from biomatch.cli.options import Number, examples
from biomatch.cli.output import emit, output_options, say

if TYPE_CHECKING:
    from biomatch.types import Candidate

__all__ = ["convert", "search"]

FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
FORMS = ("cmf", "long", "niem", "smartrank", "wide")


@click.command(
    epilog=examples(
        "biomatch dna search stain.csv --in database.csv",
        "biomatch dna search stain.csv --in database.csv --stringency high --max-mismatches 1",
        "biomatch dna search remains.csv --in relatives.csv --relation parent-child",
        "biomatch dna search stain.csv --in database.csv --contributors 2 --known victim.csv",
    )
)
@click.argument("probes", type=FILE)
@click.option(
    "--in", "references", type=FILE, required=True, multiple=True, help="Files to search."
)
@click.option(
    "--rules", default="codis", show_default=True, help="codis, pruem, interpol or a name."
)
@click.option(
    "--stringency",
    type=click.Choice(["high", "moderate", "low"]),
    default="moderate",
    show_default=True,
    help="How strictly alleles must agree.",
)
@click.option("--max-mismatches", type=click.IntRange(0), help="Mismatched loci still reported.")
@click.option("--min-loci", type=click.IntRange(1), help="Least number of loci compared.")
@click.option("--relation", help="Search relatives instead: parent-child, full-sib, half-sib, ...")
@click.option("--min-log10-lr", type=Number(-1000, 1000), help="Relatives: least log10 LR.")
@click.option("--max-exclusions", type=click.IntRange(0), help="Parent-child: loci excluded.")
@click.option("--frequencies", default="nist1036", show_default=True, help="Table or file.")
@click.option("--population", help="Populations, separated by commas; default: all.")
@click.option(
    "--theta",
    type=Number(0, 1, max_open=True),
    default=0.01,
    show_default=True,
    help="Population structure.",
)
@click.option(
    "--formula", type=click.Choice(["nrc41", "nrc410", "wright"]), default="nrc410", help="Formula."
)
@click.option("--contributors", type=click.IntRange(1, 4), help="Search a stain of so many.")
@click.option("--dropout", type=Number(0, 1, max_open=True), help="Stains: drop-out.")
@click.option("--dropin", type=Number(0, 1, max_open=True), help="Stains: drop-in.")
@click.option("--known", type=FILE, help="Stains: profiles of known contributors.")
@click.option(
    "--limit", type=click.IntRange(1), default=250, show_default=True, help="Candidates at most."
)
@output_options
def search(
    probes: Path, references: tuple[Path, ...], limit: int, format_: str, **values: Any
) -> None:
    """Search profiles in files of profiles, exactly, ranked by log10 LR."""
    from biomatch.dna import read
    from biomatch.dna.candidates import search_profiles
    from biomatch.dna.options import parse_options

    found = [profile for path in references for profile in read(path)]
    options = {key: value for key, value in values.items() if value is not None}
    chosen, searched = parse_options(options), read(probes)
    lists = search_profiles(searched, found, limit=limit, **options)
    rows = [_row(one.probe, candidate) for one in lists for candidate in one]
    emit(rows, format_, note="A candidate is not an identification: a person confirms it.")
    say(f"{len(found):,} profiles searched; {lists[0].calibration}")
    shortages = [f"{p.name}: {told}" for p in searched if (told := chosen.shortage(p))]
    for told in shortages:
        say(f"Error: {told}")
    if shortages:
        click.get_current_context().exit(1)


def _row(probe: str, candidate: "Candidate") -> dict[str, Any]:
    row = {
        "probe": probe,
        "rank": candidate.rank,
        "candidate": candidate.subject,
        "log10_lr": round(candidate.log10_lr, 4),
    }
    comparison = candidate.why["comparison"]
    if kinship := candidate.why.get("kinship"):
        y = kinship["y_str"]
        return {
            **row,
            "relation": kinship["relation"],
            "compared": comparison["compared"],
            "excluding": kinship["excluding"],
            "y_str": f"{y['mismatched']} of {y['compared']} differ" if y["compared"] else "",
        }
    if stain := candidate.why.get("mixture"):
        names = ("contributors", "dropout", "dropin", "convention", "unused")
        return {**row, **{name: stain[name] for name in names}}
    counts = ("hit", "compared", "matched", "mismatched", "missing_probe", "missing_reference")
    return {
        **row,
        **{name: comparison[name] for name in counts},
        "expected_adventitious": candidate.expected_false,
    }


@click.command(
    epilog=examples(
        "biomatch dna convert export.txt --to cmf --out message.xml",
        "biomatch dna convert message.xml --to smartrank --out database.csv",
    )
)
@click.argument("files", type=FILE, nargs=-1, required=True)
@click.option(
    "--to",
    "form",
    type=click.Choice(FORMS),
    default="long",
    show_default=True,
    help="Format to write.",
)
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), required=True, help="File to write."
)
def convert(files: tuple[Path, ...], form: str, out: Path) -> None:
    """Read DNA files of any known format and write them as one file."""
    from biomatch.dna import read
    from biomatch.dna.files import write

    profiles = [profile for path in files for profile in read(path)]
    write(out, profiles, form)
    say(f"{out}: {len(profiles):,} profiles written as {form}")
