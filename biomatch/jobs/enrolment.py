"""Enrol many items; bad ones are reported and the rest goes on."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from biomatch.errors import BiomatchError, IntegrityError
from biomatch.formats.manifest import Item
from biomatch.jobs.items import samples
from biomatch.jobs.outcome import Failure, Outcome

if TYPE_CHECKING:
    from biomatch.search import Database, Enrolled

__all__ = ["enrol"]


def enrol(
    db: "Database",
    items: Sequence[Item],
    *,
    workers: int = 1,
    advance: Callable[[int], None] = lambda _count: None,
    **common: Any,
) -> Outcome:
    """Enrol every item; sources that are in the database already are skipped.

    Each item is committed by itself. A run that was killed is resumed by running it again: what
    was committed is recognised by the sha256 of its file, and nothing is enrolled twice.

    Parameters
    ----------
    db
        Where to.
    items
        From a manifest or a folder.
    workers
        Threads that extract side by side; with more than one, the order of enrolment varies.
    advance
        Called with the number of items finished since the last call.
    common
        Further arguments of `Database.enrol`, such as purpose and actor.

    Raises
    ------
    IntegrityError
        Database or model is damaged: the rest of the batch would fail for the same reason.
    """
    outcome = Outcome()

    def one(item: Item) -> "list[Enrolled] | Failure":
        return _enrol(db, item, common)

    with ThreadPoolExecutor(workers) as pool:
        for result in pool.map(one, items) if workers > 1 else map(one, items):
            if isinstance(result, Failure):
                outcome.failures.append(result)
            elif all(receipt.duplicate for receipt in result):
                outcome.skipped += 1
            else:
                outcome.done += 1
                outcome.templates += sum(not receipt.duplicate for receipt in result)
                outcome.alerts += sum(len(receipt.alerts) for receipt in result)
            advance(1)
    return outcome


def _enrol(db: "Database", item: Item, common: dict[str, Any]) -> "list[Enrolled] | Failure":
    try:
        return [
            receipt
            for sample in samples(item)
            for receipt in db.enrol(sample, subject=item.subject, **{**common, **item.record})
        ]
    except IntegrityError:
        raise
    except BiomatchError as error:
        return Failure.of(item, error)
