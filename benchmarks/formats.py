"""Read every sample file of the standards: what each holds, and how true it was read.

``python -m benchmarks.formats ../shared/data/standards`` prints one line a file. Transactions and
records are read, inspected and written back, which must give the same bytes; records with a
``.json`` beside them must give exactly its fields; WSQ pictures must lie within one grey level of
the NBIS decoder's output (``.decoded.raw``). All other files are read, or refused in one
sentence. The exit code is 1 when a check fails.
"""

import json
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np

from biomatch import dna, images
from biomatch.errors import BiomatchError
from biomatch.formats import ansi_nist, fmr, inspect, read_samples
from biomatch.formats.sniff import HEAD, Kind, sniff

RECORDS = {"fmr.ansi2004", "fmr.iso2005"}


def transaction(path: Path) -> tuple[bool, str]:
    """Read, inspect and write back one transaction."""
    data = path.read_bytes()
    read = ansi_nist.read(data, path.name)
    shown = inspect(path)
    types = Counter(record.type for record in read.records)
    content = ", ".join(f"{count} x Type-{kind}" for kind, count in sorted(types.items()))
    same = read.encode() == data
    complete = len(shown) >= len(read.records) and all(record.fields for record in shown)
    return same and complete, f"{content}; {_same(same)}; {len(shown)} records shown"


def record(path: Path) -> tuple[bool, str]:
    """Read and write back one minutiae record; compare its fields where they are known."""
    data = path.read_bytes()
    read = fmr.read(data, path.name)
    same, told = fmr.write(read) == data, path.with_suffix(".json")
    equal, words = True, "no .json"
    if told.exists():
        equal = fmr.fields(read) == json.loads(told.read_text())
        words = "fields = .json" if equal else "FIELDS DIFFER from .json"
    return same and equal, f"{read.standard.name}, {len(read.views)} views; {_same(same)}; {words}"


def wsq(path: Path) -> tuple[bool, str]:
    """Decode one WSQ picture and compare it with the decoder of NBIS."""
    pixels = images.read(path).pixels
    truth = path.with_suffix(".decoded.raw")
    size = f"{pixels.shape[1]} x {pixels.shape[0]}"
    if not truth.exists():
        return True, f"{size}; read"
    expected = np.fromfile(truth, np.uint8).reshape(pixels.shape)
    difference = np.abs(pixels.astype(int) - expected)
    return bool(difference.max() <= 1), (
        f"{size}; differs by {difference.max()} grey levels at most, "
        f"in {100 * (difference > 0).mean():.3f} % of the pixels"
    )


def other(path: Path) -> tuple[bool, str]:
    """Read a picture, a record or a table of profiles, to the end."""
    try:
        found = _content(path)
    except BiomatchError as error:
        return "\n" not in str(error), f"refused: {str(error).replace(str(path), path.name)}"
    return True, f"read: {found}"


def _content(path: Path) -> str:
    kind = sniff(path.read_bytes()[:HEAD])
    if kind is Kind.PICTURE:
        picture = images.read(path)
        return f"{picture.pixels.shape[1]} x {picture.pixels.shape[0]}, {picture.ppi or '?'} ppi"
    samples = read_samples(path)
    if samples[0].modality == "dna":
        return f"{len(dna.read(path))} profiles"
    return f"{len(samples)} {samples[0].modality}"


def _same(same: bool) -> str:
    return "written back byte for byte" if same else "WRITTEN BACK WITH OTHER BYTES"


def check_of(path: Path) -> Callable[[Path], tuple[bool, str]]:
    """Choose the check of a file."""
    if path.suffix.startswith(".an2"):
        return transaction
    if path.name in RECORDS or path.suffix == ".dat":
        return record
    return wsq if path.suffix == ".wsq" else other


def main() -> None:
    """Print the table."""
    folder, failed = Path(sys.argv[1]), 0
    print("| file | result |\n| --- | --- |")
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    for path in files:
        good, words = check_of(path)(path)
        failed += not good
        print(f"| {path.relative_to(folder)} | {'' if good else 'FAILED: '}{words} |")
    print(f"\n{len(files)} files, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
