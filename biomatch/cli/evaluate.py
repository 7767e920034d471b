"""``biomatch evaluate`` and ``calibrate``: how good the answers are, on one's own data."""

import json
from pathlib import Path
from typing import Any

import click

from biomatch.cli.options import Number, examples
from biomatch.cli.output import emit, emit_record, output_options, say

__all__ = ["calibrate", "evaluate"]

JSON_OUT = click.option(
    "--json", "json_out", type=click.Path(path_type=Path, dir_okay=False), help="Write JSON here."
)
FILE = click.Path(path_type=Path, dir_okay=False)
FOLDER = click.Path(path_type=Path, file_okay=False, exists=True)
ACCURACY = click.option(
    "--accuracy", default="default", help="Model set: default, high, or your own."
)
WORKERS = click.option("--workers", type=click.IntRange(1), default=1, help="Extraction processes.")
DEVICE = click.option(
    "--device", default="cpu", help="cpu, or a provider of your ONNX Runtime: cuda, …"
)


def _finish(result: dict[str, Any], json_out: Path | None, format_: str) -> None:
    from biomatch.report.plain import plain

    if json_out:
        json_out.parent.mkdir(parents=True, exist_ok=True)
        json_out.write_text(json.dumps(plain(result), indent=2) + "\n", encoding="utf-8")
        say(f"wrote {json_out}")
    emit_record(result, format_)


@click.group(
    epilog=examples(
        "biomatch evaluate fingerprint prints/ --json result.json",
        "biomatch evaluate face photos/ --pairs pairs.csv --json result.json",
        "biomatch evaluate scores a.csv b.csv --plots plots/",
    )
)
def evaluate() -> None:
    """Measure error rates (ISO/IEC 19795-1) on data of your own."""


@evaluate.command(
    epilog=examples(
        "biomatch evaluate fingerprint prints/ --json result.json",
        "biomatch evaluate fingerprint sets/ --ppi 569 --extractor classical",
    )
)
@click.argument("folder", type=FOLDER)
@click.option("--ppi", type=Number(100, 4000), help="Resolution, if files lack it.")
@click.option(
    "--extractor",
    type=click.Choice(["leader", "classical"]),
    default="leader",
    help="Which minutiae extractor.",
)
@click.option("--workers", type=click.IntRange(1, 256), default=1, help="Processes that extract.")
@JSON_OUT
@output_options
def fingerprint(
    *,
    folder: Path,
    ppi: float | None,
    extractor: str,
    workers: int,
    json_out: Path | None,
    format_: str,
) -> None:
    """Compare all prints of FOLDER: files named FINGER_IMPRESSION.png.

    FOLDER holds such files, or folders of them. All cross-finger pairs are
    impostors; 1:N has impression 1 as gallery and 4 to 8 as probes.
    """
    from biomatch.cli.progress import progress
    from biomatch.evaluation.fingerprint import evaluate as run
    from biomatch.evaluation.fingerprint import find_sets

    total = sum(len(prints) for prints in find_sets(folder))
    with progress("prints", total) as advance:
        result = run(
            folder,
            ppi=ppi,
            extractor=extractor,
            workers=workers,
            progress=lambda *_step: advance(),
        )
    _finish(result, json_out, format_)


@evaluate.command(
    epilog=examples(
        "biomatch evaluate face photos/ --pairs pairs.csv --accuracy high",
        "biomatch evaluate face photos/ --gallery gallery.csv --probes probes.csv",
    )
)
@click.argument("folder", type=FOLDER)
@click.option("--gallery", type=FILE, help="CSV path,subject: one enrolled picture a person.")
@click.option("--probes", type=FILE, help="CSV path,subject: probes of enrolled people.")
@click.option("--nonmated", type=FILE, help="CSV path,subject: probes of other people.")
@click.option("--pairs", type=FILE, help="CSV path_a,path_b,same.")
@ACCURACY
@WORKERS
@DEVICE
@JSON_OUT
@output_options
def face(
    *,
    folder: Path,
    gallery: Path | None,
    probes: Path | None,
    nonmated: Path | None,
    pairs: Path | None,
    accuracy: str,
    workers: int,
    device: str,
    json_out: Path | None,
    format_: str,
) -> None:
    """Verify pairs and search probes; picture paths are relative to FOLDER."""
    from biomatch.evaluation.face import evaluate as run

    result = run(
        folder,
        gallery=gallery,
        probes=probes,
        nonmated=nonmated,
        pairs=pairs,
        accuracy=accuracy,
        workers=workers,
        device=device,
    )
    _finish(result, json_out, format_)


@evaluate.command(epilog=examples("biomatch evaluate dna database.csv --probes stains.csv"))
@click.argument("database", type=FILE)
@click.option("--probes", type=FILE, required=True, help="Table of probes with known donors.")
@JSON_OUT
@output_options
def dna(*, database: Path, probes: Path, json_out: Path | None, format_: str) -> None:
    """Search every probe profile; a probe's donor has the same sample name."""
    from biomatch.evaluation.dna import evaluate as run

    _finish(run(database, probes), json_out, format_)


@evaluate.command(
    epilog=examples(
        "biomatch evaluate scores ours.csv --plots plots/",
        "biomatch evaluate scores a.csv b.csv c.csv --json table.json",
    )
)
@click.argument("files", nargs=-1, required=True, type=FILE)
@click.option("--plots", type=click.Path(path_type=Path), help="Folder for DET, ROC, histograms.")
@click.option("--draws", type=click.IntRange(0), default=500, help="Bootstrap draws, 0 = none.")
@JSON_OUT
@output_options
def scores(
    *,
    files: tuple[Path, ...],
    plots: Path | None,
    draws: int,
    json_out: Path | None,
    format_: str,
) -> None:
    """Compare score files of several systems: EER, FNMR at FMR, plots.

    A score file is a CSV with the columns probe and reference (subjects)
    and score, or with mated (0 or 1) and score. Intervals are bootstrapped
    over subjects.
    """
    from biomatch.evaluation import scores as files_of
    from biomatch.report.plain import plain

    sets = [files_of.read(path) for path in files]
    rows = [files_of.summary(one, draws=draws) for one in sets]
    if plots:
        from biomatch.evaluation.plots import save_all

        for path in save_all(sets, plots):
            say(f"wrote {path}")
    if json_out:
        json_out.write_text(json.dumps(plain(rows), indent=2) + "\n", encoding="utf-8")
    emit(rows, format_)


@click.group(epilog=examples("biomatch calibrate face pairs.csv --folder photos/ --out own.json"))
def calibrate() -> None:
    """Fit the meaning of scores on pairs of your own."""


@calibrate.command(
    "face",
    epilog=examples(
        "biomatch calibrate face pairs.csv --folder photos/ --out own.json",
        "biomatch search photo.jpg -m face --set calibration=own.json --db case.db",
    ),
)
@click.argument("pairs", type=FILE)
@click.option("--folder", type=FOLDER, help="Where the pictures are (default: beside PAIRS).")
@ACCURACY
@WORKERS
@DEVICE
@click.option("--out", type=FILE, required=True, help="Calibration file to write.")
@output_options
def calibrate_face(
    *,
    pairs: Path,
    folder: Path | None,
    accuracy: str,
    workers: int,
    device: str,
    out: Path,
    format_: str,
) -> None:
    """Fit score to log10 LR and FMR on PAIRS (CSV path_a,path_b,same)."""
    from biomatch.evaluation.recalibration import calibrate_face as run

    result = run(
        pairs, folder or pairs.parent, accuracy=accuracy, out=out, workers=workers, device=device
    )
    emit_record(result, format_)
