"""``biomatch models``: what is shipped, whether it is intact, under which licences."""

from typing import Any

import click

from biomatch.cli.options import examples
from biomatch.cli.output import emit, output_options, say
from biomatch.errors import ModelError

__all__ = ["models"]


@click.group(
    epilog=examples(
        "biomatch models list",
        "biomatch models verify",
        "biomatch --models /opt/models models list",
    )
)
def models() -> None:
    """List, check and license the models."""


@models.command("list", epilog=examples("biomatch models list --format json"))
@output_options
def list_models(format_: str) -> None:
    """List registered models and where they come from."""
    from biomatch.models import registry

    rows: list[dict[str, Any]] = [
        {
            "name": model.name,
            "licence": model.licence,
            "file": str(model.path),
            "sha256": model.sha256,
            "origin": model.origin,
            "made_by": model.made_by,
            "contract": model.contract,
        }
        for model in registry().values()
    ]
    emit(rows, format_, columns=["name", "licence", "file", "origin"])


@models.command(epilog=examples("biomatch models verify"))
@output_options
def verify(format_: str) -> None:
    """Check every model's sha256; exit code 3 if one is missing or differs."""
    from biomatch import models as store

    rows = []
    for name in store.registry():
        try:
            store.verify(name)
            rows.append({"name": name, "intact": True, "cause": ""})
        except ModelError as error:
            rows.append({"name": name, "intact": False, "cause": str(error)})
    emit(rows, format_)
    broken = [row["name"] for row in rows if not row["intact"]]
    if broken:
        raise ModelError(f"{len(broken)} of {len(rows)} models cannot be used: {broken[0]}")


@models.command(epilog=examples("biomatch models licences | less"))
def licences() -> None:
    """Print the licence text of every model."""
    from biomatch.models import registry

    for model in registry().values():
        click.echo(f"== {model.name}: {model.licence} ({model.origin})")
        text = model.path.parent / model.licence_file
        if model.licence_file and text.is_file():
            click.echo(text.read_text(encoding="utf-8"))
        else:
            say(f"{model.name}: no licence text beside the model")
