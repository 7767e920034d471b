"""What became of a batch."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from biomatch.errors import BiomatchError, OptionError
from biomatch.formats.manifest import Item
from biomatch.search import Rejected

__all__ = ["Failure", "Outcome", "write_errors"]


@dataclass(frozen=True, slots=True)
class Failure:
    """One item that could not be used, and why."""

    item: str
    error: str
    kind: str

    @classmethod
    def of(cls, item: Item, error: BiomatchError | Rejected) -> "Failure":
        """Say which item an error belongs to, where its message does not."""
        name = item.sample.name
        if isinstance(error, Rejected):
            said, kind = error.error, error.kind
        else:
            said, kind = str(error), type(error).__name__
        if name not in said and not (item.where and item.where in said):
            said = f"{name}: {said}"
        return cls(name, said, kind)


@dataclass(slots=True)
class Outcome:
    """Counts of a batch; every item is in exactly one of the first three.

    Attributes
    ----------
    done
        Items enrolled or searched now.
    skipped
        Items that an earlier run, or the same source under another name, had done already.
    failures
        Items that failed.
    templates
        Templates enrolled, or candidate lists written: a table of profiles gives several.
    incomplete
        Searches that did not see the whole gallery.
    alerts
        Alerts that enrolments raised.
    """

    done: int = 0
    skipped: int = 0
    templates: int = 0
    incomplete: int = 0
    alerts: int = 0
    failures: list[Failure] = field(default_factory=list)

    @property
    def items(self) -> int:
        """All items that were looked at."""
        return self.done + self.skipped + len(self.failures)

    @property
    def exit_code(self) -> int:
        """4 when a search was incomplete, else 1 when an item failed, else 0.

        2 when every item failed for an option: that is wrong use, and no fault of the items.
        """
        if self.incomplete:
            return 4
        only = (
            {failure.kind for failure in self.failures} if not self.done + self.skipped else set()
        )
        return 2 if only == {OptionError.__name__} else 1 if self.failures else 0


def write_errors(path: Path, failures: Sequence[Failure]) -> None:
    """Write the error report, a CSV with the columns item, kind and error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".part")
    with temporary.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["item", "kind", "error"])
        table.writerows([failure.item, failure.kind, failure.error] for failure in failures)
    temporary.replace(path)
