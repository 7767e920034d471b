"""``biomatch gallery``: who may search what, watch-lists, and alerts."""

from typing import Any

import click

from biomatch.cli.options import Number, audit_options, database_option, examples, open_database
from biomatch.cli.output import emit, emit_record, output_options

__all__ = ["gallery"]

COLUMNS = [
    "name", "owner", "sharing", "listed", "disclosure", "watched", "unsolved", "alert_log10_lr",
    "hook",
]  # fmt: skip
ALERT_COLUMNS = [
    "id", "at", "gallery", "subject", "sample", "unsolved", "case", "log10_lr", "hook_result",
]  # fmt: skip


@click.group(
    epilog=examples(
        "biomatch gallery list --db case.db",
        "biomatch gallery set prints --watched yes --hook 'notify-send hit' --db case.db",
        "biomatch gallery set prints --owner XA --sharing listed --listed XB,XC --db case.db",
    )
)
def gallery() -> None:
    """Share, watch and list galleries; show alerts."""


@gallery.command(
    "list",
    epilog=examples(
        "biomatch gallery list --db case.db", "biomatch --as XB gallery list --db case.db"
    ),
)
@database_option
@output_options
def list_galleries(*, db: str | None, format_: str) -> None:
    """List the galleries; as an owner, those it owns or may search."""
    from biomatch.report.plain import plain

    with open_database(db) as database:
        emit([plain(found) for found in database.galleries()], format_, columns=COLUMNS)


@gallery.command(
    "set",
    epilog=examples(
        "biomatch gallery set prints --watched yes --alert 3 --db case.db",
        "biomatch gallery set wanted --owner XA --sharing all --disclosure hit --db case.db",
    ),
)
@click.argument("name")
@database_option
@click.option("--owner", help="Country or agency that it belongs to.")
@click.option(
    "--sharing",
    type=click.Choice(["nobody", "listed", "all"]),
    help="Who may search it beside its owner.",
)
@click.option("--listed", metavar="XB,XC", help="The owners of --sharing listed.")
@click.option(
    "--disclosure",
    type=click.Choice(["hit", "identity"]),
    help="What others see: a reference number, or the identity.",
)
@click.option("--watched", type=bool, metavar="yes|no", help="Search who is enrolled here.")
@click.option("--unsolved", type=bool, metavar="yes|no", help="Holds probes of open cases.")
@click.option(
    "--alert", "alert_log10_lr", type=Number(-1000, 1000), help="Lowest log10 LR of an alert."
)
@click.option("--hook", help="Command, or address to post to, for each alert.")
@click.option("--actor", envvar="BIOMATCH_ACTOR", help="Who acts.")
@output_options
def set_gallery(
    *, name: str, db: str | None, format_: str, listed: str | None, actor: str | None, **given: Any
) -> None:
    """Make gallery NAME, or change the settings given."""
    from biomatch.report.plain import plain

    owners = None if listed is None else [o.strip() for o in listed.split(",") if o.strip()]
    settings = {setting: value for setting, value in given.items() if value is not None}
    with open_database(db, create=True) as database:
        made = database.gallery(name, listed=owners, actor=actor, **settings)
    emit_record(plain(made), format_)


@gallery.command(epilog=examples("biomatch gallery enlist wanted 1001 1002 --db case.db"))
@click.argument("name")
@click.argument("subjects", nargs=-1, required=True)
@database_option
@audit_options
def enlist(*, name: str, subjects: tuple[str, ...], db: str | None, **given: Any) -> None:
    """Put SUBJECTS on the watch-list NAME."""
    with open_database(db, as_owner=given["as_owner"]) as database:
        database.enlist(name, *subjects, actor=given["actor"], purpose=given["purpose"])


@gallery.command(epilog=examples("biomatch gallery delist wanted 1001 --db case.db"))
@click.argument("name")
@click.argument("subjects", nargs=-1, required=True)
@database_option
@audit_options
def delist(*, name: str, subjects: tuple[str, ...], db: str | None, **given: Any) -> None:
    """Take SUBJECTS off the watch-list NAME; their records stay."""
    with open_database(db, as_owner=given["as_owner"]) as database:
        database.delist(name, *subjects, actor=given["actor"], purpose=given["purpose"])


@gallery.command(epilog=examples("biomatch gallery alerts --case 2026-17 --db case.db"))
@database_option
@click.option("--case", "case_id", help="Only alerts of this case.")
@output_options
def alerts(*, db: str | None, case_id: str | None, format_: str) -> None:
    """Show who was enrolled that may solve a case."""
    from biomatch.report.plain import plain

    with open_database(db) as database:
        found = database.alerts(case=case_id)
    emit([plain(alert) for alert in found], format_, columns=ALERT_COLUMNS)
