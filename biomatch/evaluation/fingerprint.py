"""Error rates of the fingerprint pipeline on any folder of prints named as in FVC."""

import math
import re
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biomatch.errors import FormatError, OptionError, SampleError
from biomatch.evaluation import metrics

__all__ = ["PrintSet", "evaluate", "extract_sets", "find_sets", "identify", "verify"]

NAME = re.compile(r"(?P<finger>[^.].*)_(?P<impression>\d+)")
PICTURES = frozenset({".bmp", ".jp2", ".jpeg", ".jpg", ".pgm", ".png", ".tif", ".tiff", ".wsq"})
RECORDS = frozenset({".an2", ".ansi", ".eft", ".fir", ".fmr", ".iso", ".ist", ".json", ".nist"})
ASSUMED_PPI = "500 (assumed)"
FMRS = (0.01, 0.001, 0.0)
FPIR = 0.01
GALLERY_IMPRESSION = 1
PROBE_IMPRESSIONS = range(4, 9)

Floats = NDArray[np.float64]
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class PrintSet:
    """The prints of one folder.

    Attributes
    ----------
    name
        The folder's name.
    paths
        Its files, sorted by finger and impression.
    fingers, impressions
        What each file's name says, in the order of `paths`; zeros in front of a number mean
        nothing.
    left_out
        One message for each file that shows an impression a second time.
    """

    name: str
    paths: tuple[Path, ...]
    fingers: tuple[str, ...]
    impressions: tuple[int, ...]
    left_out: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.paths)


@dataclass(frozen=True, slots=True)
class Verification:
    """Scores of all pairs inside one folder, and the finger numbers behind them."""

    mated: Floats
    nonmated: Floats
    mated_fingers: NDArray[np.int64]
    nonmated_fingers: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Identification:
    """Searches of all probes in the gallery of all folders.

    Attributes
    ----------
    folder, finger
        Folder number and finger number (over all folders) of each probe.
    mate_score, mate_rank
        Of the probe's mate.
    nonmate_top
        Best score when the mate is taken out: a non-mated search.
    """

    folder: NDArray[np.int64]
    finger: NDArray[np.int64]
    mate_score: Floats
    mate_rank: NDArray[np.int64]
    nonmate_top: Floats


def find_sets(folder: Path) -> list[PrintSet]:
    """Find prints named ``<finger>_<impression>.<ext>`` in a folder, or in folders below it.

    A folder whose own prints give mated and non-mated pairs is one set, whatever lies below it;
    else each folder below is looked at in the same way. A set below is named by its path from
    `folder`. Minutiae records and mark-ups count only where the folder has no such pictures.

    Raises
    ------
    OptionError
        There are none.
    """
    found = _sets_in(folder, (), frozenset())
    if not found:
        raise OptionError(
            f"{folder}: holds no prints named <finger>_<impression>.<ext> (for example "
            "101_1.png), nor folders of them"
        )
    return found


def _sets_in(folder: Path, above: tuple[str, ...], seen: frozenset[Path]) -> list[PrintSet]:
    """Look for sets; `above` leads to the folder, `seen` keeps links from leading in circles."""
    own = _read_folder(folder, "/".join(above) or folder.resolve().name)
    if _gives_pairs(own):
        return [own]
    seen |= {folder.resolve()}
    below = [
        prints
        for sub in sorted(folder.iterdir())
        if sub.is_dir() and sub.name[:1] != "." and sub.resolve() not in seen
        for prints in _sets_in(sub, (*above, sub.name), seen)
    ]
    if below:
        return [_with_strays(below[0], own), *below[1:]]
    return [own] if len(own) else []


def _gives_pairs(prints: PrintSet) -> bool:
    return 1 < len(set(prints.fingers)) < len(prints)


def _with_strays(prints: PrintSet, strays: PrintSet) -> PrintSet:
    """Name files that lie above the sets and were left out for that."""
    told = tuple(f"{path}: lies beside folders of prints, left out" for path in strays.paths)
    return replace(prints, left_out=prints.left_out + told)


def _read_folder(folder: Path, name: str) -> PrintSet:
    found = sorted(_named(folder))
    pictures = [entry for entry in found if entry[0].suffix.lower() in PICTURES]
    prints: dict[tuple[str, int], Path] = {}
    left_out = []
    for path, key in pictures or found:
        if key in prints:
            left_out.append(f"{path}: is the same impression as {prints[key].name}, left out")
        else:
            prints[key] = path
    rows = sorted(prints.items())
    return PrintSet(
        name,
        tuple(path for _, path in rows),
        tuple(finger for (finger, _), _ in rows),
        tuple(impression for (_, impression), _ in rows),
        tuple(left_out),
    )


def _named(folder: Path) -> Iterator[tuple[Path, tuple[str, int]]]:
    for path in folder.iterdir():
        named = NAME.fullmatch(path.stem)
        if named and path.suffix.lower() in PICTURES | RECORDS and path.is_file():
            finger = named["finger"].lstrip("0") if named["finger"].isdigit() else named["finger"]
            yield path, (finger or "0", int(named["impression"]))


@dataclass(frozen=True, slots=True)
class Resolution:
    """What the caller says of the resolution of some files.

    Attributes
    ----------
    ppi
        Pixels per inch, None = nothing is said.
    overrules
        Whether it counts more than what a file states.
    """

    ppi: float | None = None
    overrules: bool = False


def resolutions(
    sets: Sequence[PrintSet], ppi: float | Mapping[str, float] | None
) -> list[Resolution]:
    """Tell what is said of the resolution of each set.

    Parameters
    ----------
    sets
        The sets.
    ppi
        A number, for files that state none; or numbers by the names of sets, which overrule the
        files there. The name ``""`` stands for the sets that are not named, like the number.

    Raises
    ------
    OptionError
        A number that is no resolution, or a name that no set has.
    """
    said = dict(ppi) if isinstance(ppi, Mapping) else {} if ppi is None else {"": ppi}
    for value in said.values():
        if not (math.isfinite(value) and value > 0):
            raise OptionError(f"ppi {value} is not a positive number")
    names = [prints.name for prints in sets]
    for name in said:
        if name and name not in names:
            raise OptionError(f"ppi of folder '{name}': there is no such set, only {names}")
    rest = Resolution(said.get(""))
    return [Resolution(said[name], True) if name in said else rest for name in names]


@dataclass(frozen=True, slots=True)
class _Made:
    """What came of one file: a template's bytes, or an error."""

    blob: bytes | None
    error: str
    seconds: float


def _extract(task: tuple[Path, Resolution, str]) -> _Made:
    from biomatch.fingerprint import QualityWarning, ResolutionWarning

    path, resolution, extractor = task
    start = time.process_time()
    try:
        ppi = _ppi(path, resolution)
        start = time.process_time()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResolutionWarning)
            warnings.simplefilter("ignore", QualityWarning)
            blob = _template(path, ppi, extractor).dumps()
    except (SampleError, FormatError) as error:
        return _Made(None, str(error), time.process_time() - start)
    return _Made(blob, "", time.process_time() - start)


def _ppi(path: Path, resolution: Resolution) -> float | None:
    """Resolution to extract with: None leaves it to the file."""
    from biomatch import images

    if resolution.ppi is None or path.suffix.lower() in RECORDS:
        return None
    stated = not resolution.overrules and images.read(path).ppi is not None
    return None if stated else resolution.ppi


def _template(path: Path, ppi: float | None, extractor: str) -> Any:
    """Template of a picture, or of the first finger of a record.

    Raises
    ------
    SampleError, FormatError
        The file cannot be used.
    """
    from biomatch.fingerprint import extract
    from biomatch.fingerprint.modality import MODALITY
    from biomatch.formats import read_samples

    if path.suffix.lower() in PICTURES:
        return extract(path, ppi, extractor=extractor)
    sample = read_samples(path, "fingerprint")[0]
    options = {} if sample.template is not None else {"extractor": extractor}
    return MODALITY.extract(replace(sample, options=options))[0]


def extract_sets(
    sets: Sequence[PrintSet],
    *,
    ppi: float | Mapping[str, float] | None = None,
    extractor: str = "leader",
    workers: int = 1,
    progress: Progress | None = None,
) -> tuple[list[list[Any]], list[str], float]:
    """Extract every print.

    Parameters
    ----------
    sets
        From `find_sets`.
    ppi
        See `resolutions`.
    extractor, workers, progress
        See `evaluate`.

    Returns
    -------
    templates
        One list a set; a print without usable features has a template without minutiae,
        which matches nothing.
    failed
        One message for each of those.
    seconds
        Mean CPU seconds a print, the first (which loads the model) left out.
    """
    from biomatch.fingerprint import FingerprintTemplate, Minutiae

    said = resolutions(sets, ppi)
    tasks = [
        (path, resolution, extractor)
        for prints, resolution in zip(sets, said, strict=True)
        for path in prints.paths
    ]
    blank = FingerprintTemplate(Minutiae.empty(), 1, 1)
    templates, failed, seconds = [], [], []
    for number, made in enumerate(_map(tasks, workers), 1):
        templates.append(blank if made.blob is None else FingerprintTemplate.loads(made.blob))
        seconds.append(made.seconds)
        if made.error:
            failed.append(made.error)
        if progress:
            progress("extract", number, len(tasks))
    ends = np.cumsum([len(prints) for prints in sets])
    parts = [templates[end - len(prints) : end] for end, prints in zip(ends, sets, strict=True)]
    warm = seconds[workers:] or seconds
    return parts, failed, float(np.mean(warm))


def _map(tasks: list[tuple[Path, Resolution, str]], workers: int) -> Iterator[_Made]:
    if workers <= 1:
        yield from map(_extract, tasks)
        return
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
        yield from pool.map(_extract, tasks)


def verify(prints: PrintSet, templates: Any) -> Verification:
    """Compare every pair of impressions inside a folder, the earlier one as probe.

    Parameters
    ----------
    prints
        The folder.
    templates
        Of its prints: a sequence, or `biomatch.fingerprint.packing.PackedPrints`.
    """
    from biomatch.fingerprint.comparison import score_rows
    from biomatch.fingerprint.packing import PackedPrints, pack

    packed = templates if isinstance(templates, PackedPrints) else pack(templates)
    finger = np.unique(prints.fingers, return_inverse=True)[1]
    first, second = np.triu_indices(len(prints), 1)
    rows = [
        score_rows(packed, packed, np.arange(row + 1, len(prints)), probe_row=row)
        for row in range(len(prints) - 1)
    ]
    scores = np.concatenate([np.zeros(0), *rows])
    pairs = np.stack([finger[first], finger[second]], axis=1)
    mated = pairs[:, 0] == pairs[:, 1]
    return Verification(scores[mated], scores[~mated], pairs[mated, 0], pairs[~mated])


def identify(sets: Sequence[PrintSet], templates: Sequence[Sequence[Any]]) -> Identification | None:
    """Search impressions 4 to 8 in the gallery of all first impressions of all folders.

    Two folders are taken to hold different fingers, whatever their names. None when no probe
    has a mate in the gallery.
    """
    from biomatch.fingerprint.comparison import score_rows
    from biomatch.fingerprint.packing import pack

    gallery, owners, probes = [], [], []
    for number, (prints, own) in enumerate(zip(sets, templates, strict=True)):
        for finger, impression, template in zip(
            prints.fingers, prints.impressions, own, strict=True
        ):
            if impression == GALLERY_IMPRESSION:
                gallery.append(template)
                owners.append((number, finger))
            elif impression in PROBE_IMPRESSIONS:
                probes.append((number, finger, template))
    row_of = {owner: row for row, owner in enumerate(owners)}
    mated = [probe for probe in probes if probe[:2] in row_of]
    if not mated or len(gallery) < 2:
        return None
    packed, searched = pack(gallery), pack([template for *_, template in mated])
    rows = np.arange(len(gallery))
    table = np.stack([score_rows(searched, packed, rows, probe_row=n) for n in range(len(mated))])
    mate_row = np.array([row_of[probe[:2]] for probe in mated])
    mates = mate_row[:, None] == rows[None, :]
    return Identification(
        np.array([number for number, *_ in mated]),
        mate_row,
        table[mates],
        metrics.mate_ranks(table, mates),
        np.where(mates, -np.inf, table).max(axis=1),
    )


def _pair_rates(scores: Verification) -> dict[str, Any]:
    if not (len(scores.mated) and len(scores.nonmated)):
        return {"eer": None, "fnmr_at_fmr": {f"{fmr:g}": None for fmr in FMRS}}
    return {
        "eer": metrics.eer(scores.mated, scores.nonmated),
        "fnmr_at_fmr": {
            f"{fmr:g}": metrics.fnmr_at_fmr(scores.mated, scores.nonmated, fmr) for fmr in FMRS
        },
    }


def _search_rates(found: Identification | None, which: NDArray[np.bool_] | None) -> dict[str, Any]:
    if found is None or (which is not None and not which.any()):
        return {"rank1": None, "rank10": None, "fnir_at_fpir": {f"{FPIR:g}": None}}
    threshold = metrics.threshold_at_fpir(found.nonmate_top, FPIR)
    rank, score = found.mate_rank, found.mate_score
    if which is not None:
        rank, score = rank[which], score[which]
    return {
        "rank1": float((rank == 1).mean()),
        "rank10": float((rank <= 10).mean()),
        "fnir_at_fpir": {f"{FPIR:g}": float(((score < threshold) | (rank > 1)).mean())},
    }


def evaluate(
    folder: Path,
    *,
    ppi: float | Mapping[str, float] | None = None,
    extractor: str = "leader",
    workers: int = 1,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Measure the pipeline on a folder of prints, or on a folder of such folders.

    Files are named ``<finger>_<impression>.<ext>`` (see `find_sets`). Inside each folder all
    pairs are compared: impressions of one finger are mated, all cross-finger pairs non-mated
    (ISO/IEC 19795-1). For 1:N the gallery is impression 1 of every finger of all folders
    together, the probes are impressions 4 to 8; a folder's figures are those of its own probes
    in that common gallery, at the one threshold that lets 1 % of all non-mated searches (the
    probe's mate taken out) return a candidate.

    A file that gives no template is named in ``about`` and matches nothing: its pairs and
    searches stay in the rates as misses. Nothing checks that two folders hold different fingers;
    in FVC2002 DB3_B and FVC2004 DB3_B finger 108 of the one is finger 102 of the other, which
    lets ten of 400 searches find a mate that counts as a false positive.

    Parameters
    ----------
    folder
        Where the prints are.
    ppi
        Resolution of files that state none (default 500); or resolutions by folder name, which
        overrule the files there (see `resolutions`).
    extractor
        ``"leader"`` or ``"classical"``.
    workers
        Processes that extract.
    progress
        Called with stage, done, total.

    Returns
    -------
    dict
        JSON-able: ``folders`` (name -> eer, fnmr_at_fmr, rank1, rank10, fnir_at_fpir), their
        ``mean`` (1:N: over all probes), ``cpu`` (extract_ms a print with its cylinders,
        compare_us a pair, one thread) and ``about`` (counts; by folder how many prints were taken
        at which ppi; files that gave no template; files left out, with the reason). Rates are
        fractions, None without data.

    Raises
    ------
    OptionError
        No prints, too few of them, or none that can be used; no resolution, or one for a folder
        that is not there.
    """
    from biomatch.fingerprint.packing import pack

    sets = find_sets(Path(folder))
    templates, failed, seconds = extract_sets(
        sets, ppi=ppi, extractor=extractor, workers=workers, progress=progress
    )
    _require_templates(sets, failed)
    verify_warm_up()
    start = time.process_time()
    packed = [pack(own) for own in templates]
    packing = (time.process_time() - start) / sum(len(prints) for prints in sets)
    start = time.process_time()
    verified = [verify(prints, own) for prints, own in zip(sets, packed, strict=True)]
    spent = time.process_time() - start
    _require_pairs(sets, verified)
    found = identify(sets, templates)
    result = summarise(sets, verified, found, failed, seconds + packing, spent)
    result["about"]["ppi"] = {
        prints.name: _ppi_counts(own) for prints, own in zip(sets, templates, strict=True)
    }
    return result


def _ppi_counts(templates: Sequence[Any]) -> dict[str, int]:
    """How many prints were taken at which resolution."""
    counts = Counter(
        f"{template.ppi:g}" if template.ppi_stated else ASSUMED_PPI
        for template in templates
        if len(template)
    )
    return dict(sorted(counts.items()))


def _require_templates(sets: Sequence[PrintSet], failed: Sequence[str]) -> None:
    count = sum(len(prints) for prints in sets)
    if len(failed) == count:
        raise OptionError(f"none of {count} prints gave a template; the first: {failed[0]}")


def _require_pairs(sets: Sequence[PrintSet], verified: Sequence[Verification]) -> None:
    if not any(len(scores.mated) and len(scores.nonmated) for scores in verified):
        raise OptionError(
            f"{', '.join(prints.name for prints in sets)}: error rates need two impressions of a "
            f"finger, and two fingers in one folder; there are {sum(map(len, sets))} prints of "
            f"{sum(len(set(prints.fingers)) for prints in sets)} fingers"
        )


def verify_warm_up() -> None:
    """Compile or load the comparison kernels, so that timings leave this out."""
    from biomatch.fingerprint import FingerprintTemplate, Minutiae, compare

    grid = np.arange(12.0)
    some = Minutiae(20 * grid, 17 * grid % 100, grid, 0 * grid, 0 * grid + 1)
    template = FingerprintTemplate(some, 300, 300)
    compare(template, [template])


def summarise(
    sets: Sequence[PrintSet],
    verified: Sequence[Verification],
    found: Identification | None,
    failed: Sequence[str],
    extract_seconds: float,
    compare_seconds: float,
) -> dict[str, Any]:
    """Put the figures of all folders into one JSON-able object."""
    folders = {}
    for number, (prints, scores) in enumerate(zip(sets, verified, strict=True)):
        own = None if found is None else found.folder == number
        folders[prints.name] = {**_pair_rates(scores), **_search_rates(found, own)}
    pairs = sum(len(scores.mated) + len(scores.nonmated) for scores in verified)
    mean_of = [rates for rates in folders.values() if rates["eer"] is not None]
    mean = {
        "eer": float(np.mean([rates["eer"] for rates in mean_of])),
        "fnmr_at_fmr": {
            f"{fmr:g}": float(np.mean([rates["fnmr_at_fmr"][f"{fmr:g}"] for rates in mean_of]))
            for fmr in FMRS
        },
        **_search_rates(found, None),
    }
    return {
        "folders": folders,
        "mean": mean,
        "cpu": {
            "extract_ms": 1e3 * extract_seconds,
            "compare_us": 1e6 * compare_seconds / pairs,
        },
        "about": {
            "prints": sum(len(prints) for prints in sets),
            "mated": sum(len(scores.mated) for scores in verified),
            "nonmated": sum(len(scores.nonmated) for scores in verified),
            "searches": 0 if found is None else len(found.finger),
            "failed": list(failed),
            "left_out": [message for prints in sets for message in prints.left_out],
        },
    }
