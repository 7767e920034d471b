"""Options that several commands share, each a decorator."""

import math
import re
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from biomatch.search import Database, Filters
    from biomatch.types import Sample

__all__ = [
    "Number",
    "audit_options",
    "database_option",
    "default_sample",
    "examples",
    "filter_options",
    "filters_of",
    "key_values",
    "named_database",
    "open_database",
    "sample_options",
]

F = TypeVar("F", bound=Callable[..., Any])


class Number(click.FloatRange):
    """A finite number in a range: NaN is neither below nor above a limit."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Refuse NaN and infinities."""
        number = float(super().convert(value, param, ctx))
        if not math.isfinite(number):
            self.fail(f"{value!r} is not a finite number", param, ctx)
        return number


MODALITIES = ("fingerprint", "face", "dna")


def examples(*lines: str) -> str:
    """Lay out a command's examples for the end of its help, in 80 columns."""
    return "\b\nExamples:\n" + "\n".join(f"  {_wrapped(line)}" for line in lines)


def _wrapped(line: str) -> str:
    glued = re.sub(r"(--[a-z0-9-]+) (?!-)", "\\1\N{NO-BREAK SPACE}", line)
    return " \\\n      ".join(textwrap.wrap(glued, 72)).replace("\N{NO-BREAK SPACE}", " ")


def _stack(*decorators: Callable[[F], F]) -> Callable[[F], F]:
    def decorate(command: F) -> F:
        for decorator in reversed(decorators):
            command = decorator(command)
        return command

    return decorate


def database_option(command: F) -> F:
    """Add ``--db`` to a command; the root's ``--db`` or BIOMATCH_DB stands in for it.

    The variable is the root's alone: here it would overrule what the root was told by a flag.
    """
    return click.option("--db", metavar="PATH|URL", help="Database: a file or a URL.")(command)


def _login() -> str:
    import getpass

    return getpass.getuser()


def audit_options(command: F) -> F:
    """Add what every audited action states: purpose, case, and who acts."""
    return _stack(
        click.option("--purpose", default="", help="Why this is done; kept in the audit trail."),
        click.option("--case", "case_id", default=None, help="Case that this belongs to."),
        click.option(
            "--actor",
            envvar="BIOMATCH_ACTOR",
            default=_login,
            show_default="login name",
            help="Who acts; kept in the audit trail.",
        ),
        click.option("--as", "as_owner", default=None, help="Owner to act as."),
    )(command)


def sample_options(command: F) -> F:
    """Add how samples are read."""
    return _stack(
        click.option(
            "-m",
            "--modality",
            metavar="NAME",
            default=None,
            help=f"What the files are: {', '.join(MODALITIES)}, or a plug-in's name.",
        ),
        click.option(
            "--ppi",
            type=Number(100, 5000),
            help="True resolution of pictures; overrules what their files state.",
        ),
        click.option(
            "--finger",
            type=click.IntRange(0, 86),
            default=0,
            help="Finger position, ANSI/NIST code (0 = unknown).",
        ),
        click.option(
            "--impression",
            type=click.Choice(["plain", "rolled", "latent", "palm", "unknown"]),
            default="unknown",
            help="Kind of friction ridge impression.",
        ),
        click.option(
            "--option",
            "extraction",
            metavar="NAME=VALUE",
            multiple=True,
            help="Extraction option, such as extractor=classical.",
        ),
    )(command)


def filter_options(command: F) -> F:
    """Add exact filters on the records that a search sees."""
    return _stack(
        click.option("--fingers", metavar="1,6", help="Only these finger positions."),
        click.option("--owners", metavar="XA,XB", help="Only records of these owners."),
        click.option("--category", help="Only this category."),
        click.option("--gallery", help="Only this gallery."),
        click.option("--sex", type=click.Choice(["F", "M", "X"]), help="Only this sex."),
        click.option("--born", metavar="FROM-TO", help="Only these years of birth."),
        click.option("--min-quality", type=Number(0, 100), help="Lowest sample quality."),
        click.option("--strict", is_flag=True, help="Leave out records that do not say."),
    )(command)


def key_values(pairs: tuple[str, ...], option: str) -> dict[str, Any]:
    """Read ``name=value`` pairs; numbers and true/false become what they look like."""
    found: dict[str, Any] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals or not name:
            raise click.UsageError(f"{option} '{pair}' must be NAME=VALUE")
        found[name.replace("-", "_")] = _value(text)
    return found


def default_sample(given: dict[str, Any]) -> "Sample":
    """Describe samples by what the sample options say."""
    from biomatch.types import ImpressionType, Sample

    return Sample(
        modality=given["modality"] or "",
        ppi=given["ppi"],
        finger_position=given["finger"],
        impression=ImpressionType(given["impression"]),
        options=key_values(given["extraction"], "--option"),
    )


def filters_of(given: dict[str, Any]) -> "Filters":
    """Build the filters from the filter options."""
    from biomatch.search import Filters

    born_from, born_to = _years(given["born"])
    return Filters(
        finger_positions=frozenset(_codes(given["fingers"])),
        owners=frozenset(_words(given["owners"])),
        sexes=frozenset(_words(given["sex"])),
        categories=frozenset(_words(given["category"])),
        galleries=frozenset(_words(given["gallery"])),
        born_from=born_from,
        born_to=born_to,
        min_quality=given["min_quality"],
        strict=given["strict"],
    )


def _words(text: str | None) -> list[str]:
    return [word.strip() for word in (text or "").split(",") if word.strip()]


def _codes(text: str | None) -> list[int]:
    if not all(word.isdecimal() for word in _words(text)):
        raise click.UsageError(f"--fingers '{text}' must be codes such as 1,6")
    return [int(word) for word in _words(text)]


def _years(text: str | None) -> tuple[int | None, int | None]:
    if not text:
        return None, None
    low, dash, high = text.partition("-")
    if not all(year.isdecimal() or not year for year in (low, high)) or not (low or high):
        raise click.UsageError(f"--born '{text}' must be FROM-TO, such as 1970-1985")
    return int(low) if low else None, int(high) if high else int(low) if not dash else None


def _value(text: str) -> Any:
    if text.lower() in {"true", "false"}:
        return text.lower() == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def named_database(db: str | None) -> str:
    """Return the database that flags, environment or configuration name."""
    context = click.get_current_context()
    named = db or (context.find_root().obj or {}).get("db")
    if not named:
        raise click.UsageError(
            'no database named: give --db PATH, set BIOMATCH_DB, or write db = "..." in '
            "biomatch.toml"
        )
    return str(named)


def open_database(db: str | None, *, create: bool = False, **settings: Any) -> "Database":
    """Open the named database; only enrolment creates one."""
    import biomatch

    named = named_database(db)
    is_file = "://" not in named and named != ":memory:"
    if is_file and not create and not Path(named).exists():
        from biomatch.errors import DatabaseError

        raise DatabaseError(f"{named}: there is no such database; 'biomatch enrol' creates one")
    root = click.get_current_context().find_root().obj or {}
    settings["as_owner"] = settings.get("as_owner") or root.get("as_owner")
    return biomatch.open(named, create=create, **settings)
