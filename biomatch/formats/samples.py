"""The front door: any file in, samples out, told by content and never by suffix alone."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from biomatch import images
from biomatch.errors import OptionError, UnreadableSampleError
from biomatch.fingerprint import markup
from biomatch.formats import ansi_nist, fmr, iso19794_4, iso19794_5, templates
from biomatch.formats.ansi_nist import contents
from biomatch.formats.sniff import HEAD, Kind, sniff
from biomatch.types import Sample

__all__ = ["MAX_BYTES", "MOST_PAGES", "read_bytes", "read_samples"]

MAX_BYTES = 1 << 30
"""Files beyond this size are refused before they are read."""

MOST_PAGES = 200
"""Pages of a TIFF beyond this number are left out."""

TRANSACTION_IN_XML = b"NISTBiometricInformationExchangePackage"
TIFF_STARTS = (b"II*\0", b"MM\0*")


def read_samples(path: Path | str, modality: str | None = None) -> list[Sample]:
    """Read the samples that a file holds.

    A picture gives one sample (one a page of a multi-page TIFF), a finger minutiae record one
    with a finished template a finger view, an ANSI/NIST-ITL transaction one an image or
    minutiae record with its finger position, ppi and impression type and one a DNA profile, a
    DNA table one that the DNA pipeline reads, an examiner's mark-up (JSON) one with a finished
    template.

    Parameters
    ----------
    path
        The file.
    modality
        What the caller expects. Needed for pictures, which do not say whether they show a
        finger or a face; elsewhere it selects (a transaction may hold fingers and a face).

    Returns
    -------
    At least one sample, in file order. The first has the sha256 of the file; further ones have
    digests of their own, made of the file's and their place. Samples of one file
    are of one person, so they share a label: the subject's or transaction's number where the
    file gives one, else the file's name; a file of one sample has no label.

    Raises
    ------
    UnreadableSampleError
        Missing, empty, too large, damaged, of no known format, or of another modality.
    FormatError
        A record breaks its standard; the message names field and offset.
    OptionError
        A picture without a modality.
    """
    path = Path(path)
    data = read_bytes(path)
    kind = sniff(data[:HEAD])
    reader = _READERS.get(kind)
    if reader is None:
        other = _UNREAD.get(data[:4])
        if other is not None:
            raise UnreadableSampleError(f"{path}: is {other}, which biomatch does not read")
        raise UnreadableSampleError(
            f"{path}: is no picture, minutiae record, ANSI/NIST-ITL transaction or DNA table "
            f"that biomatch knows; it starts with {data[:8]!r}"
        )
    samples = _told_apart(reader(path, data, modality))
    if modality is not None:
        held = samples
        samples = [sample for sample in samples if sample.modality == modality]
        if not samples:
            names = sorted({sample.modality for sample in held})
            raise UnreadableSampleError(
                f"{path}: holds {' and '.join(names)}, not {modality} ({kind.value})"
            )
    return samples


def _told_apart(samples: list[Sample]) -> list[Sample]:
    """Give each further sample of a file a digest of its own, made of the file's and its place.

    Samples are recognised by their digest: with one for all, the second finger of a ten-print
    transaction would pass for a repetition of the first.
    """
    return samples[:1] + [
        replace(sample, sha256=_digest(f"{sample.sha256}:{place}".encode()))
        for place, sample in enumerate(samples[1:], 1)
    ]


def read_bytes(path: Path) -> bytes:
    """Read a whole file of bearable size.

    Raises
    ------
    UnreadableSampleError
        Missing, not a regular file, empty, larger than `MAX_BYTES`, or of a name that is not
        in UTF-8, which no record and no report could hold.
    """
    try:
        str(path).encode()
    except UnicodeEncodeError as error:
        shown = str(path).encode("ascii", "backslashreplace").decode()
        raise UnreadableSampleError(f"{shown}: its name is not in UTF-8; rename it") from error
    try:
        if path.is_dir():
            raise UnreadableSampleError(f"{path}: is a folder, not a file")
        if path.exists() and not path.is_file():
            raise UnreadableSampleError(f"{path}: is not a regular file")
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise UnreadableSampleError(
                f"{path}: {size:,} bytes exceed the limit of {MAX_BYTES:,}; split the file"
            )
        data = path.read_bytes()
    except (OSError, ValueError) as error:
        if isinstance(error, UnreadableSampleError):
            raise
        reason = getattr(error, "strerror", None) or error
        raise UnreadableSampleError(f"{path}: cannot be read ({reason})") from error
    if not data:
        raise UnreadableSampleError(f"{path}: the file is empty")
    return data


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _picture(path: Path, data: bytes, modality: str | None) -> list[Sample]:
    if modality == "dna":
        raise UnreadableSampleError(f"{path}: is a picture, not a DNA table")
    if modality is None:
        if not data.startswith(b"\xff\xa0"):
            raise OptionError(
                f"{path}: is a picture; say what it shows with modality 'fingerprint' or 'face'"
            )
        modality = "fingerprint"
    pages = images.pages(data, str(path)) if data[:4] in TIFF_STARTS else 1
    if pages == 1:
        return [Sample(modality, path=path, sha256=_digest(data))]
    return [_page(path, data, modality, page) for page in range(min(pages, MOST_PAGES))]


def _page(path: Path, data: bytes, modality: str, page: int) -> Sample:
    picture = images.read(data, page=page, name=f"{path}, page {page + 1}")
    return Sample(
        modality,
        path=path,
        image=picture.pixels,
        label=path.stem,
        ppi=picture.ppi,
        sha256=_digest(data),
    )


def _minutiae_record(path: Path, data: bytes, _: str | None) -> list[Sample]:
    record = fmr.read(data, str(path))
    digest = _digest(data)
    return [
        Sample(
            "fingerprint",
            path=path,
            template=template,
            label=path.stem if len(record.views) > 1 else None,
            ppi=template.ppi if template.ppi_stated else None,
            finger_position=template.finger_position,
            impression=template.impression,
            sha256=digest,
        )
        for template in templates.to_templates(record)
    ]


def _transaction(path: Path, data: bytes, modality: str | None) -> list[Sample]:
    transaction = ansi_nist.read(data, str(path))
    samples = contents.samples(transaction, path, _digest(data), modality)
    if not samples:
        kinds = sorted({record.type for record in transaction.records})
        raise UnreadableSampleError(
            f"{path}: the transaction holds no fingerprint, palm, face, minutiae or STR "
            f"profile, only records of Type-{', Type-'.join(map(str, kinds))}"
        )
    return samples


def _finger_record(path: Path, data: bytes, _: str | None) -> list[Sample]:
    digest, record = _digest(data), iso19794_4.read(data, str(path))
    return [
        Sample(
            "fingerprint",
            path=path,
            image=finger.pixels(str(path)),
            label=path.stem if len(record.images) > 1 else None,
            ppi=finger.ppi,
            finger_position=contents.known_position(finger.position),
            impression=templates.impression_type(finger.impression),
            sha256=digest,
        )
        for finger in record.images
    ]


def _face_record(path: Path, data: bytes, _: str | None) -> list[Sample]:
    digest, record = _digest(data), iso19794_5.read(data, str(path))
    label = path.stem if len(record.images) > 1 else None
    return [
        Sample("face", path=path, image=face.pixels(str(path)), label=label, sha256=digest)
        for face in record.images
    ]


def _table(path: Path, data: bytes, modality: str | None) -> list[Sample]:
    if modality not in (None, "dna"):
        raise UnreadableSampleError(
            f"{path}: is text, not a picture of a {modality} in a known format "
            "(PNG, BMP, TIFF, JPEG, JPEG 2000, WSQ, PGM)"
        )
    return [Sample("dna", path=path, sha256=_digest(data))]


def _xml(path: Path, data: bytes, modality: str | None) -> list[Sample]:
    if TRANSACTION_IN_XML in data[:4096]:
        raise UnreadableSampleError(
            f"{path}: is an ANSI/NIST-ITL transaction in the XML encoding; biomatch reads the "
            "traditional one: ask the sender for that"
        )
    return _table(path, data, modality)


def _archive(path: Path, data: bytes, modality: str | None) -> list[Sample]:  # noqa: ARG001
    raise UnreadableSampleError(
        f"{path}: is a ZIP archive or a workbook; unpack it, or export its table as CSV"
    )


def _json(path: Path, data: bytes, modality: str | None) -> list[Sample]:
    try:
        content = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise UnreadableSampleError(f"{path}: is not valid JSON ({error})") from error
    if isinstance(content, dict) and "minutiae" in content:
        made = markup.loads(data, name=str(path))
        return [
            Sample(
                "fingerprint",
                path=path,
                template=made,
                ppi=made.ppi,
                finger_position=made.finger_position,
                impression=made.impression,
                sha256=_digest(data),
            )
        ]
    return _table(path, data, modality)


_UNREAD = {
    b"IIR\0": "an iris image record (ISO/IEC 19794-6)",
    b"VIR\0": "a vascular image record (ISO/IEC 19794-9)",
    b"FSP\0": "a finger pattern record (ISO/IEC 19794-3)",
    b"%PDF": "a PDF document",
}
Reader = Callable[[Path, bytes, str | None], list[Sample]]
_READERS: dict[Kind, Reader] = {
    Kind.PICTURE: _picture,
    Kind.MINUTIAE_RECORD: _minutiae_record,
    Kind.TRANSACTION: _transaction,
    Kind.FINGER_RECORD: _finger_record,
    Kind.FACE_RECORD: _face_record,
    Kind.JSON: _json,
    Kind.XML: _xml,
    Kind.ARCHIVE: _archive,
    Kind.TEXT: _table,
}
