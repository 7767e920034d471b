"""Where the parts of a gallery are searched: here, in threads, in processes, on a cluster."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from biomatch.search.index import PartView
from biomatch.search.scan import Found, Job, scan

__all__ = ["Executor", "Inline", "Threads"]


class Executor(Protocol):
    """Runs one job over all parts of a view.

    Whatever the implementation, the answer for a part is the same; only candidates travel.
    """

    def run(self, parts: Sequence[PartView], job: Job) -> list[list[Found] | None]:
        """Return each part's findings, one `Found` a template; None where a part failed."""
        ...

    def close(self) -> None:
        """Give back workers."""
        ...


class Inline:
    """One part after the other in the calling thread."""

    def run(self, parts: Sequence[PartView], job: Job) -> list[list[Found] | None]:
        """Search the parts in order."""
        return [scan(view, job) for view in parts]

    def close(self) -> None:
        """Nothing to give back."""


class Threads:
    """Parts side by side, one thread each.

    Galleries release the GIL in their kernels and use one thread themselves: two threads over
    two segments read at 95 % of the memory's bandwidth where FAISS's own second thread makes
    one exact query slower.

    Parameters
    ----------
    count
        Threads.
    """

    def __init__(self, count: int) -> None:
        self._pool = ThreadPoolExecutor(count, thread_name_prefix="biomatch-search")

    def run(self, parts: Sequence[PartView], job: Job) -> list[list[Found] | None]:
        """Search the parts, largest first so that none is left over at the end."""
        if len(parts) < 2:
            return [scan(view, job) for view in parts]
        order = sorted(range(len(parts)), key=lambda i: -len(parts[i].part))
        pending = {i: self._pool.submit(scan, parts[i], job) for i in order}
        return [pending[i].result() for i in range(len(parts))]

    def close(self) -> None:
        """Stop the threads."""
        self._pool.shutdown(wait=True, cancel_futures=True)
