"""From one format to another: pictures, minutiae records, transactions, JSON."""

import io
import json
import math
import os
from enum import StrEnum
from pathlib import Path

import numpy as np

from biomatch import images
from biomatch.errors import OptionError, UnreadableSampleError
from biomatch.fingerprint.minutiae import MinutiaType
from biomatch.fingerprint.template import FingerprintTemplate
from biomatch.formats import fmr, templates
from biomatch.formats.ansi_nist.transactions import Envelope, latent_search
from biomatch.formats.minutiae_record import Standard
from biomatch.formats.samples import read_bytes, read_samples
from biomatch.formats.sniff import HEAD, Kind, sniff
from biomatch.types import Sample

__all__ = ["Format", "convert"]

DEFAULT_PPI = 500.0


class Format(StrEnum):
    """Formats that can be written."""

    PNG = "png"
    BMP = "bmp"
    TIFF = "tiff"
    JPEG = "jpeg"
    JPEG2000 = "jp2"
    PGM = "pgm"
    WSQ = "wsq"
    ISO_2005 = "iso-2005"
    ISO_2011 = "iso-2011"
    ANSI_2004 = "ansi-2004"
    ANSI_2007 = "ansi-2007"
    ANSI_2009 = "ansi-2009"
    ANSI_2009_AM1 = "ansi-2009-am1"
    MARKUP = "markup"
    FIELDS = "fields"
    TRANSACTION = "an2"


_SUFFIXES = {
    ".png": Format.PNG,
    ".bmp": Format.BMP,
    ".tif": Format.TIFF,
    ".tiff": Format.TIFF,
    ".jpg": Format.JPEG,
    ".jpeg": Format.JPEG,
    ".jp2": Format.JPEG2000,
    ".pgm": Format.PGM,
    ".wsq": Format.WSQ,
    ".fmr": Format.ISO_2005,
    ".iso": Format.ISO_2005,
    ".ansi": Format.ANSI_2004,
    ".json": Format.MARKUP,
    ".an2": Format.TRANSACTION,
    ".an2k": Format.TRANSACTION,
}
_STANDARDS = {
    Format.ISO_2005: Standard.ISO_2005,
    Format.ISO_2011: Standard.ISO_2011,
    Format.ANSI_2004: Standard.ANSI_2004,
    Format.ANSI_2007: Standard.ANSI_2007,
    Format.ANSI_2009: Standard.ANSI_2009,
    Format.ANSI_2009_AM1: Standard.ANSI_2009_AM1,
}
_PILLOW = {
    Format.PNG: "PNG",
    Format.BMP: "BMP",
    Format.TIFF: "TIFF",
    Format.JPEG: "JPEG",
    Format.JPEG2000: "JPEG2000",
    Format.PGM: "PPM",
}


def convert(
    source: Path | str,
    target: Path | str,
    format: Format | str | None = None,  # noqa: A002
) -> list[Path]:
    """Convert a file.

    Pictures become pictures (PNG, BMP, TIFF, JPEG, JPEG 2000, PGM, WSQ) with their ppi, or a
    latent search transaction (``an2``). Minutiae (records, Type-9, mark-up) become a record of
    another edition, or a mark-up in JSON; ``fields`` shows a minutiae record's fields as JSON.
    A file with several pictures is written as several files with running numbers.

    Parameters
    ----------
    source
        Any file that `biomatch.formats.read_samples` reads, DNA tables apart.
    target
        File to write; an existing one is replaced.
    format
        What to write; by default what the suffix of `target` says.

    Returns
    -------
    The files written.

    Raises
    ------
    OptionError
        Unknown format.
    UnreadableSampleError, FormatError
        The source cannot be read, or holds nothing of that kind.
    """
    source, target = Path(source), Path(target)
    kind = _format(target, format)
    if kind is Format.FIELDS:
        record = fmr.read(read_bytes(source), str(source))
        text = json.dumps(fmr.fields(record), indent=2, ensure_ascii=False)
        return [_write(target, f"{text}\n".encode())]
    samples = _samples(source)
    if kind in _STANDARDS:
        found = _templates(samples, source)
        record = templates.from_templates(found, _STANDARDS[kind])
        return [_write(target, fmr.write(record))]
    if kind is Format.MARKUP:
        found = _templates(samples, source)
        return _numbered(target, [_markup(template) for template in found])
    pictures = [_decoded(sample) for sample in samples if sample.template is None]
    if not pictures:
        raise UnreadableSampleError(f"{source}: holds no picture to write as {kind.value}")
    return _numbered(target, [_encode(picture, kind, source) for picture in pictures])


def _format(target: Path, name: Format | str | None) -> Format:
    if name is None:
        found = _SUFFIXES.get(target.suffix.lower())
        if found is None:
            raise OptionError(
                f"{target}: suffix '{target.suffix}' names no format; give one of "
                + ", ".join(kind.value for kind in Format)
            )
        return found
    try:
        return Format(str(name))
    except ValueError:
        raise OptionError(
            f"no format '{name}'; there are: {', '.join(kind.value for kind in Format)}"
        ) from None


def _samples(source: Path) -> list[Sample]:
    data = read_bytes(source)
    if sniff(data[:HEAD]) is Kind.PICTURE:
        return read_samples(source, "fingerprint")
    return [sample for sample in read_samples(source) if sample.modality != "dna"]


def _templates(samples: list[Sample], source: Path) -> list[FingerprintTemplate]:
    found = [s.template for s in samples if isinstance(s.template, FingerprintTemplate)]
    if not found:
        raise UnreadableSampleError(
            f"{source}: holds no minutiae; extract them first (biomatch enrol or the Python API)"
        )
    return found


def _decoded(sample: Sample) -> images.Picture:
    if sample.image is not None:
        return images.Picture(sample.image, sample.ppi)
    return images.read(sample.path or b"")


def _encode(picture: images.Picture, kind: Format, source: Path) -> bytes:
    if kind is Format.WSQ:
        return images.write_wsq(picture.pixels)
    if kind is Format.TRANSACTION:
        envelope = Envelope("BIOMATCH", "BIOMATCH", source.stem)
        ppi = picture.ppi or DEFAULT_PPI
        return latent_search(envelope, picture.pixels, ppi, case=source.stem).encode()
    return _pillow(picture, kind)


def _pillow(picture: images.Picture, kind: Format) -> bytes:
    from PIL import Image

    pixels = picture.pixels
    if kind in (Format.BMP, Format.JPEG) and pixels.dtype == np.uint16:
        pixels = images.to_grey(pixels) if pixels.ndim == 2 else images.to_rgb(pixels)
    if kind is Format.PGM:
        pixels = images.to_grey(pixels) if pixels.dtype != np.uint16 else pixels
    options = {}
    if picture.ppi is not None and kind in (Format.PNG, Format.BMP, Format.TIFF, Format.JPEG):
        options["dpi"] = (picture.ppi, picture.ppi)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, _PILLOW[kind], **options)
    return stream.getvalue()


_TYPE_NAMES = {
    MinutiaType.ENDING: "ending",
    MinutiaType.BIFURCATION: "bifurcation",
    MinutiaType.UNKNOWN: "unknown",
}


def _markup(template: FingerprintTemplate) -> bytes:
    """Write a template as the mark-up JSON of `biomatch.fingerprint.markup`, at 500 ppi."""
    found = template.minutiae
    content: dict[str, object] = {
        "width": template.width,
        "height": template.height,
        "ppi": 500,
        "finger_position": template.finger_position,
        "impression": template.impression.value,
        "minutiae": [
            {
                "x": round(x, 3),
                "y": round(y, 3),
                "angle": round(math.degrees(angle), 2) % 360,
                "type": _TYPE_NAMES[MinutiaType(kind)],
                "quality": round(quality, 4),
            }
            for x, y, angle, kind, quality in found.rows().astype(float).tolist()
        ],
    }
    if template.roi is not None:
        content["roi"] = [[round(x, 3), round(y, 3)] for x, y in template.roi.tolist()]
    return (json.dumps(content, indent=1) + "\n").encode()


def _numbered(target: Path, contents: list[bytes]) -> list[Path]:
    if len(contents) == 1:
        return [_write(target, contents[0])]
    return [
        _write(target.with_stem(f"{target.stem}_{number:02d}"), data)
        for number, data in enumerate(contents, 1)
    ]


def _write(target: Path, data: bytes) -> Path:
    """Write under a temporary name, then rename: nothing half-written is left."""
    partial = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        partial.write_bytes(data)
        partial.replace(target)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise OptionError(f"{target}: cannot be written ({error.strerror})") from error
    return target
