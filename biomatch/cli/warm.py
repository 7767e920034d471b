"""``biomatch warm-up``: compile now what the first search would have to wait for."""

import click

from biomatch.cli.options import examples
from biomatch.cli.output import emit_record, output_options, say

__all__ = ["warm_up"]


@click.command(
    "warm-up",
    epilog=examples(
        "biomatch warm-up",
        "NUMBA_CACHE_DIR=/opt/biomatch/cache biomatch warm-up",
        "RUN pip install biomatch-*.whl && biomatch warm-up   # in a Dockerfile",
    ),
)
@output_options
def warm_up(*, format_: str) -> None:
    """Compile and cache all kernels, and check the models.

    The first use of each pipeline compiles its kernels, which takes about a
    minute of one core. This does it now, once for a machine or an image; a
    second run finds everything ready. The cache lies beside the package, or in
    the user's cache folder where that cannot be written, or in the folder that
    the environment variable NUMBA_CACHE_DIR names.
    """
    from biomatch.jobs.warming import warm_up as run

    settings = click.get_current_context().find_root().obj or {}
    advance = (lambda _step: None) if settings.get("quiet") else (lambda step: say(f"- {step}"))
    found = run(advance)
    emit_record(
        {
            "pipelines": list(found.modalities),
            "kernels": found.kernels,
            "compiled_now": found.compiled,
            "cache": [str(folder) for folder in found.cache],
            "seconds": round(found.seconds, 1),
        },
        format_,
    )
    if not found.compiled:
        say("all was ready")
