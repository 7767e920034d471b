"""``biomatch batch``: a job of several steps, as one would run them by hand."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from biomatch.cli.options import database_option, examples
from biomatch.cli.output import say

if TYPE_CHECKING:
    from biomatch.jobs.script import Script, Step

__all__ = ["batch"]


@click.command(
    epilog=examples(
        "biomatch batch night.toml",
        "biomatch batch night.toml --resume",
        "biomatch batch night.toml --dry-run",
    )
)
@click.argument("script", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@database_option
@click.option("--resume", is_flag=True, help="Go on after a killed run.")
@click.option("--dry-run", is_flag=True, help="Only show the steps.")
def batch(*, script: Path, db: str | None, resume: bool, dry_run: bool) -> None:
    """Run the steps of SCRIPT, a TOML file, in order.

    Each [[step]] has run = "enrol", "search", "verify", "dedup" or
    "evaluate", sources = [...], and that command's options by name. Items that
    fail do not stop the job; the worst exit code is the job's. With --resume,
    what was enrolled or searched already is left alone.
    """
    from biomatch.jobs.script import read

    job = read(script)
    if db:
        job = type(job)(db, job.common, job.steps)
    worst = 0
    for number, step in enumerate(job.steps, start=1):
        arguments = _arguments(job, step, resume=resume)
        say(f"step {number} of {len(job.steps)}: biomatch {' '.join(arguments)}")
        if not dry_run:
            worst = max(worst, _run(arguments))
    click.get_current_context().exit(worst)


def _arguments(job: "Script", step: "Step", *, resume: bool) -> list[str]:
    """Spell a step as the shell would."""
    from biomatch.cli.app import cli

    context = click.get_current_context()
    command = cli.get_command(context, step.run)
    if command is None:
        raise click.UsageError(f"no command '{step.run}'")
    flags = {parameter.name: parameter for parameter in command.params}
    spelled = [step.run, *map(str, step.sources)]
    options = {**job.common, **({"db": job.db} if job.db else {}), **step.options}
    if resume and "resume" in flags:
        options["resume"] = True
    for name, value in options.items():
        key = name.replace("-", "_")
        parameter = flags.get(key) or _by_flag(command, name)
        if parameter is None:
            if name in job.common:
                continue
            raise click.UsageError(f"step '{step.run}' has no option '{name}'")
        spelled += _spelled(parameter, value)
    return spelled


def _by_flag(command: click.Command, name: str) -> click.Parameter | None:
    flag = "--" + name.replace("_", "-")
    return next((parameter for parameter in command.params if flag in parameter.opts), None)


def _spelled(parameter: click.Parameter, value: Any) -> list[str]:
    flag = max(parameter.opts, key=len)
    if isinstance(value, bool):
        return [flag] if value else []
    if isinstance(value, list):
        return [text for entry in value for text in (flag, str(entry))]
    return [flag, str(value)]


def _run(arguments: list[str]) -> int:
    from biomatch.cli.app import cli

    root = click.get_current_context().find_root().obj or {}
    front = ["--quiet"] if root.get("quiet") else []
    try:
        outcome = cli.main([*front, *arguments], prog_name="biomatch", standalone_mode=False)
    except click.exceptions.Exit as stop:
        return int(stop.exit_code)
    except click.ClickException as error:
        error.show()
        return int(error.exit_code)
    return outcome if isinstance(outcome, int) else 0
