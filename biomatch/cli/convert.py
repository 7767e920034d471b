"""``biomatch convert``: files from one format to another, and what is in them."""

from pathlib import Path

import click

from biomatch.cli.options import examples
from biomatch.cli.output import emit, output_options, say

__all__ = ["convert"]


@click.command(
    epilog=examples(
        "biomatch convert --inspect transaction.an2",
        "biomatch convert print.wsq print.png",
        "biomatch convert template.iso template.ansi --to ansi-2004",
        "biomatch convert mark.png search.an2",
        "biomatch convert print.png print.fir --to fir-2011",
        "biomatch convert stain.csv profile.an2",
    )
)
@click.argument("source", type=click.Path(path_type=Path))
@click.argument("target", type=click.Path(path_type=Path), required=False)
@click.option("--inspect", is_flag=True, help="Show the records and fields of SOURCE.")
@click.option(
    "--to",
    "kind",
    metavar="FORMAT",
    help="png, bmp, tiff, jpeg, jp2, pgm, wsq, iso-2005, iso-2011, ansi-2004, ansi-2009, "
    "ansi-2009-am1, markup, fields, an2, fir-2005, fir-2011, fir-incits, fac-2005, fac-2011, "
    "dna-csv (default: by TARGET's ending).",
)
@output_options
def convert(
    *, source: Path, target: Path | None, inspect: bool, kind: str | None, format_: str
) -> None:
    """Convert SOURCE into TARGET, or show what SOURCE holds.

    Pictures become pictures or image records, minutiae records and
    examiners' mark-ups each other, a picture of a mark a latent search
    transaction, and DNA profiles a transaction of Type-18 records. Other
    forms of DNA tables are written by "biomatch dna convert".
    """
    if inspect:
        _show(source, format_)
        return
    if target is None:
        raise click.UsageError("give a TARGET, or --inspect")
    from biomatch.formats import conversion

    for written in conversion.convert(source, target, kind):
        say(f"wrote {written}")


def _show(source: Path, format_: str) -> None:
    from biomatch.formats import inspection

    rows = [
        {
            "record": record.title,
            "tag": field.tag,
            "mnemonic": field.mnemonic,
            "name": field.name,
            "value": field.value,
        }
        for record in inspection.inspect(source)
        for field in record.fields
    ]
    emit(rows, format_)
