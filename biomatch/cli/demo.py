"""``biomatch demo``: the whole thing at work on shipped samples."""

from pathlib import Path

import click

from biomatch.cli.options import examples
from biomatch.cli.output import say

__all__ = ["demo"]


@click.command(epilog=examples("biomatch demo", "biomatch demo --out look/"))
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("demo-out"),
    help="Folder for database and reports (default: demo-out).",
)
def demo(*, out: Path) -> None:
    """Enrol shipped samples, search three probes, and write reports.

    A simulated latent print, a photograph and a partial DNA profile are
    searched; the right person should be at rank 1 each time.
    """
    from biomatch import jobs
    from biomatch.cli.search import print_answers

    settings = click.get_current_context().find_root().obj or {}
    advance = (lambda _step: None) if settings.get("quiet") else (lambda step: say(f"- {step}"))
    scenes = []
    for scene in jobs.demo(out, advance=advance):
        print_answers([scene.answer], "table")
        verdict = "right" if scene.right else "WRONG"
        click.echo(f"{verdict}: {scene.title} comes from '{scene.expected}'\n")
        scenes.append(scene)
    click.echo(f"Reports: {out / 'index.html'}")
    click.get_current_context().exit(0 if all(scene.right for scene in scenes) else 1)
