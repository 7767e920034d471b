"""``biomatch info``: versions, models and database at a glance."""

from pathlib import Path
from typing import Any

import click

from biomatch.cli.options import database_option, examples, open_database
from biomatch.cli.output import emit_record, output_options

__all__ = ["info"]

LIBRARIES = ("numpy", "faiss-cpu", "onnxruntime", "opencv-python-headless", "numba", "sqlalchemy")


@click.command(epilog=examples("biomatch info", "biomatch info --db case.db --format json"))
@database_option
@output_options
def info(*, db: str | None, format_: str) -> None:
    """Show versions, models, modalities and what the database holds."""
    import platform

    from biomatch import __version__, models
    from biomatch.search import registry

    told: dict[str, Any] = {
        "biomatch": __version__,
        "python": platform.python_version(),
        **{name: _version(name) for name in LIBRARIES},
        "modalities": registry.names(),
        "models": sorted(models.registry()),
        "model_folders": [str(folder) for folder in models.folders()],
    }
    named = db or (click.get_current_context().find_root().obj or {}).get("db")
    if named and ("://" in named or Path(named).exists()):
        with open_database(named) as database:
            told["database"] = named
            told["subjects"] = len(database)
            told["records"] = {
                status.modality: status.records for status in database.index_status()
            }
    emit_record(told, format_)


def _version(name: str) -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
