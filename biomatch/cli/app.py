"""The root command: global options, configuration, exit codes, and commands loaded when used.

Values come from flags, then environment variables, then ``biomatch.toml``.
"""

import importlib
import os
import warnings
from collections.abc import Sequence
from gettext import gettext
from pathlib import Path
from typing import Any, TextIO

import click

from biomatch import __version__
from biomatch.cli.options import examples
from biomatch.cli.output import say
from biomatch.errors import BiomatchError

__all__ = ["Commands", "cli"]

COMMANDS = {
    "audit": "biomatch.cli.audit:audit",
    "batch": "biomatch.cli.batch:batch",
    "calibrate": "biomatch.cli.evaluate:calibrate",
    "case": "biomatch.cli.cases:case",
    "cluster": "biomatch.cli.cluster:cluster",
    "completion": "biomatch.cli.completion:completion",
    "convert": "biomatch.cli.convert:convert",
    "decide": "biomatch.cli.cases:decide",
    "dedup": "biomatch.cli.search:dedup",
    "delete": "biomatch.cli.records:delete",
    "demo": "biomatch.cli.demo:demo",
    "dna": "biomatch.cli.dna:dna",
    "enrol": "biomatch.cli.enrol:enrol",
    "evaluate": "biomatch.cli.evaluate:evaluate",
    "face": "biomatch.cli.face:face",
    "gallery": "biomatch.cli.galleries:gallery",
    "index": "biomatch.cli.index:index",
    "info": "biomatch.cli.info:info",
    "list": "biomatch.cli.records:list_subjects",
    "models": "biomatch.cli.models:models",
    "re-enrol": "biomatch.cli.enrol:re_enrol",
    "search": "biomatch.cli.search:search",
    "show": "biomatch.cli.records:show",
    "verify": "biomatch.cli.search:verify",
    "warm-up": "biomatch.cli.warm:warm_up",
}
CONFIG = "biomatch.toml"
NO_CACHE = (
    "compiled code has nowhere to lie: neither biomatch's own folder nor the user's cache folder "
    "can be written; set NUMBA_CACHE_DIR to a folder that can"
)
EPILOG = (
    examples(
        "biomatch demo",
        "biomatch enrol prints/ --db case.db",
        "biomatch search mark.png --db case.db --out reports/",
        "biomatch show 1001 --db case.db --format json",
    )
    + """

\b
Exit codes:
  0 done (no hit is not an error)    1 some items failed
  2 wrong usage                      3 database, index or model damaged
  4 search incomplete
"""
)


class Commands(click.Group):
    """A group that imports a command's module when the command is used.

    Attributes
    ----------
    lazy
        Command name -> ``module:attribute``.
    """

    def __init__(self, *args: Any, lazy: dict[str, str] | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.lazy = lazy or {}

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name all commands in alphabetical order."""
        return sorted({*self.lazy, *super().list_commands(ctx)})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command."""
        if cmd_name not in self.lazy:
            return super().get_command(ctx, cmd_name)
        module, attribute = self.lazy[cmd_name].split(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or name the nearest one."""
        import difflib

        name = args[0]
        if name not in self.list_commands(ctx) and not name.startswith("-"):
            near = difflib.get_close_matches(name, self.list_commands(ctx), 1)
            hint = f"; did you mean '{near[0]}'?" if near else ""
            ctx.fail(gettext("no command '{name}'{hint}").format(name=name, hint=hint))
        found = super().resolve_command(ctx, args)
        if found[1] is not None:
            _settle(ctx, name, found[1])
        return found

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command and turn errors into a sentence and an exit code."""
        try:
            with warnings.catch_warnings():
                warnings.showwarning = _say_warning
                return super().invoke(ctx)
        except BiomatchError as error:
            say(f"Error: {error}")
            ctx.exit(error.exit_code)
        except BrokenPipeError:
            raise
        except RuntimeError as error:
            if "no locator available" not in str(error):  # numba's words, and its only sign
                raise
            say(f"Error: {NO_CACHE}")
            ctx.exit(3)
        except OSError as error:
            if error.filename is None:
                raise
            raise click.ClickException(f"{error.filename}: {error.strerror}") from error


def _say_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Show our own warnings as a sentence, and others with their place in the code."""
    text = f"Warning: {message}"
    if not category.__module__.startswith("biomatch."):
        text = warnings.formatwarning(message, category, filename, lineno, line).rstrip()
    click.echo(text, err=file is None, file=file)


def _settle(ctx: click.Context, name: str, command: click.Command) -> None:
    """Let a command's options be set by their flags' names in environment and configuration."""
    flags = {
        max(parameter.opts, key=len).lstrip("-").replace("-", "_"): parameter
        for parameter in command.params
        if isinstance(parameter, click.Option)
    }
    for flag, parameter in flags.items():
        if parameter.envvar is None and ctx.auto_envvar_prefix:
            path = f"{ctx.auto_envvar_prefix}_{name}_{flag}"
            parameter.envvar = path.upper().replace("-", "_")
    stated = (ctx.default_map or {}).get(name)
    if not isinstance(stated, dict) or isinstance(command, click.Group):
        return
    unknown = sorted(key for key in stated if key.replace("-", "_") not in flags)
    if unknown:
        ctx.fail(f"configuration: '{name}' has no option '{unknown[0]}'")
    values = {flags[key.replace("-", "_")].name: value for key, value in stated.items()}
    ctx.default_map = {**(ctx.default_map or {}), name: values}


def _configure(ctx: click.Context, _option: click.Parameter, value: Path | None) -> Path | None:
    path = value or Path(CONFIG)
    if value is None and not path.is_file():
        return None
    import tomllib

    try:
        settings = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise click.UsageError(f"{path}: cannot be read ({error.strerror})") from error
    except (ValueError, RecursionError) as error:
        raise click.UsageError(f"{path}: is not valid TOML ({error})") from error
    _check_settings(path, settings)
    ctx.default_map = settings
    return path


def _check_settings(path: Path, settings: dict[str, Any]) -> None:
    kinds: dict[str, type] = dict.fromkeys(COMMANDS, dict)
    kinds |= {"db": str, "models": str, "quiet": bool, "threads": int}
    names = {dict: "a table", str: "text in quotes", bool: "true or false", int: "a number"}
    for name, value in settings.items():
        if name not in kinds:
            raise click.UsageError(f"{path}: unknown setting '{name}'; see 'biomatch --help'")
        if not isinstance(value, kinds[name]):
            raise click.UsageError(f"{path}: '{name}' must be {names[kinds[name]]}")


def _threads(count: int) -> None:
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, str(count))


@click.group(
    cls=Commands,
    lazy=COMMANDS,
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "BIOMATCH"},
)
@click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    is_eager=True,
    expose_value=False,
    callback=_configure,
    help=f"Settings file (default: ./{CONFIG} if there is one).",
)
@click.option("--db", metavar="PATH|URL", help="Database: a file or a PostgreSQL URL.")
@click.option("--as", "as_owner", metavar="OWNER", help="Owner to act as, in every command.")
@click.option(
    "--models",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="Folder with your own models.toml and models.",
)
@click.option("--threads", type=click.IntRange(1), default=1, help="Threads a library may use.")
@click.option("-q", "--quiet", is_flag=True, help="No progress on stderr.")
@click.version_option(__version__, prog_name="biomatch")
@click.pass_context
def cli(
    ctx: click.Context,
    db: str | None,
    as_owner: str | None,
    models: Path | None,
    threads: int,
    quiet: bool,
) -> None:
    """Match fingerprints, faces and DNA profiles, one to many.

    Settings come from flags, then environment variables (BIOMATCH_DB,
    BIOMATCH_MODELS, ...), then biomatch.toml in the current folder.
    """
    ctx.obj = {"db": db, "as_owner": as_owner or os.environ.get("BIOMATCH_AS"), "quiet": quiet}
    if models:
        os.environ["BIOMATCH_MODELS"] = str(models)
    _threads(threads)


def known_commands() -> Sequence[str]:
    """Names of all commands, for tests and documentation."""
    return sorted(COMMANDS)
