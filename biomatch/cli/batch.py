"""``biomatch batch``: a job of several steps, as one would run them by hand."""

import shlex
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

    Each [[step]] has run = "enrol", "search", "verify", "dedup" or "evaluate
    fingerprint|face|dna|scores", sources = [...], and that command's options
    by name; what stands above the first step holds for every step that has
    such an option. Paths are relative to SCRIPT. Items that fail do not stop
    the job; the worst exit code is the job's. With --resume, what was
    enrolled or searched already is left alone.
    """
    from biomatch.jobs.script import read

    job = read(script)
    if db:
        job = type(job)(db, job.common, job.steps, job.folder)
    steps = [_arguments(job, step, resume=resume) for step in job.steps]
    _require_use(job)
    worst = 0
    for number, arguments in enumerate(steps, start=1):
        say(f"step {number} of {len(steps)}: biomatch {shlex.join(arguments)}")
        if not dry_run:
            worst = max(worst, _run(arguments))
    click.get_current_context().exit(worst)


def _arguments(job: "Script", step: "Step", *, resume: bool) -> list[str]:
    """Spell a step as the shell would."""
    command = _command(step.run)
    spelled = [*step.run.split(), *map(str, step.sources)]
    given = dict(step.options)
    options = {name: value for name, value in job.common.items() if _option(command, name)}
    if job.db and _option(command, "db"):
        options["db"] = job.db
    if resume and _option(command, "resume"):
        given["resume"] = True
    for name, value in {**options, **given}.items():
        option = _option(command, name)
        if option is None:
            raise click.UsageError(f"step '{step.run}' has no option '{name}'")
        spelled += _spelled(option, name, value, job.folder)
    return spelled


def _require_use(job: "Script") -> None:
    """Refuse a setting above the steps that no step has, for it is misspelt."""
    commands = [_command(step.run) for step in job.steps]
    for name in job.common:
        if not any(_option(command, name) for command in commands):
            raise click.UsageError(f"no step has the option '{name}'")


def _command(path: str) -> click.Command:
    from biomatch.cli.app import cli

    context = click.get_current_context()
    command: click.Command = cli
    for name in path.split():
        found = command.get_command(context, name) if isinstance(command, click.Group) else None
        if found is None:
            raise click.UsageError(f"no command '{path}'")
        command = found
    return command


def _option(command: click.Command, name: str) -> click.Option | None:
    """Find an option by the name of its flag, or by the name that the code gives it."""
    options = [found for found in command.params if isinstance(found, click.Option)]
    flag, key = "--" + name.replace("_", "-"), name.replace("-", "_")
    by_flag = next((option for option in options if flag in option.opts), None)
    return by_flag or next((option for option in options if option.name == key), None)


def _spelled(option: click.Option, name: str, value: Any, folder: Path) -> list[str]:
    flag = max(option.opts, key=len)
    if option.is_flag:
        if not isinstance(value, bool):
            raise click.UsageError(f"'{name}' is {value!r}; it must be true or false")
        return [flag] if value else []
    values = value if isinstance(value, list) else [value]
    if any(isinstance(entry, dict | list | bool) for entry in values):
        raise click.UsageError(f"'{name}' is {value!r}; it must be a text or a number")
    place = folder if isinstance(option.type, click.Path) else None
    if place and not all(isinstance(entry, str) for entry in values):
        raise click.UsageError(f"'{name}' is {value!r}; it must be a path, in quotes")
    return [text for entry in values for text in (flag, str(place / entry if place else entry))]


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
