"""Many photographs: extraction in this process or in worker processes.

Each worker runs single-threaded sessions: on a CPU several of them finish more photographs an
hour than one session with as many threads.
"""

import multiprocessing
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from biomatch.errors import OptionError, SampleError
from biomatch.face.extraction import extract
from biomatch.face.template import FaceTemplate

__all__ = ["extract_many"]

Outcome = tuple[Path, list[FaceTemplate] | SampleError]
CHUNK = 8


def extract_many(
    paths: Iterable[Path | str], *, workers: int = 1, **options: Any
) -> Iterator[Outcome]:
    """Extract the faces of many photographs, in the order given.

    Parameters
    ----------
    paths
        Picture files.
    workers
        Processes; 1 = this one.
    **options
        As for `extraction.extract`.

    Yields
    ------
    path, templates or error
        A photograph that cannot be used yields its `SampleError` and the rest goes on.

    Raises
    ------
    OptionError
        An option is unknown or out of range.
    """
    if workers < 1:
        raise OptionError(f"workers is {workers}; it must be at least 1")
    files: Sequence[Path] = [Path(path) for path in paths]
    work = partial(_outcome, options=options)
    if workers == 1 or len(files) < 2:
        yield from map(work, files)
        return
    context = multiprocessing.get_context("forkserver" if _can_fork() else "spawn")
    with ProcessPoolExecutor(min(workers, len(files)), mp_context=context) as pool:
        yield from pool.map(work, files, chunksize=CHUNK)


def _can_fork() -> bool:
    return "forkserver" in multiprocessing.get_all_start_methods()


def _outcome(path: Path, *, options: dict[str, Any]) -> Outcome:
    try:
        return path, extract(path, **options)
    except SampleError as error:
        return path, error
