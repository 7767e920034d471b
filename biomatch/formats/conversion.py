"""From one format to another: pictures, image and minutiae records, transactions, JSON, DNA."""

import io
import json
import math
import os
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path

import numpy as np

from biomatch import images
from biomatch.dna.profile import DnaProfile
from biomatch.errors import OptionError, UnreadableSampleError
from biomatch.fingerprint.minutiae import MinutiaType
from biomatch.fingerprint.template import FingerprintTemplate
from biomatch.formats import fmr, iso19794_4, iso19794_5, templates
from biomatch.formats.ansi_nist import dna
from biomatch.formats.ansi_nist.transactions import Envelope, latent_search
from biomatch.formats.minutiae_record import Standard
from biomatch.formats.samples import read_bytes, read_samples
from biomatch.formats.sniff import HEAD, Kind, sniff
from biomatch.types import Sample

__all__ = ["Format", "convert"]

DEFAULT_PPI = 500.0
OLDEST_UNKNOWN = 20
"""Impression type codes from here on came with the editions of 2009 and 2011."""


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
    FINGER_2005 = "fir-2005"
    FINGER_2011 = "fir-2011"
    FINGER_INCITS = "fir-incits"
    FACE_2005 = "fac-2005"
    FACE_2011 = "fac-2011"
    DNA_TABLE = "dna-csv"


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
    ".fir": Format.FINGER_2005,
    ".fac": Format.FACE_2005,
    ".csv": Format.DNA_TABLE,
}
_STANDARDS = {
    Format.ISO_2005: Standard.ISO_2005,
    Format.ISO_2011: Standard.ISO_2011,
    Format.ANSI_2004: Standard.ANSI_2004,
    Format.ANSI_2007: Standard.ANSI_2007,
    Format.ANSI_2009: Standard.ANSI_2009,
    Format.ANSI_2009_AM1: Standard.ANSI_2009_AM1,
}
_FINGER_EDITIONS = {
    Format.FINGER_2005: iso19794_4.ISO_2005,
    Format.FINGER_2011: iso19794_4.ISO_2011,
    Format.FINGER_INCITS: iso19794_4.INCITS_2004,
}
_FACE_VERSIONS = {Format.FACE_2005: "010", Format.FACE_2011: "030"}
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

    Pictures become pictures (PNG, BMP, TIFF, JPEG, JPEG 2000, PGM, WSQ) with their ppi, a
    finger or face image record (ISO/IEC 19794-4 and -5, INCITS 381), or a latent search
    transaction (``an2``); DNA profiles a transaction of Type-18 records, and these a table of
    profiles. Minutiae (records, Type-9, mark-up) become a record of
    another edition, or a mark-up in JSON; ``fields`` shows a minutiae record's fields as JSON.
    A file with several pictures is written as several files with running numbers.

    Parameters
    ----------
    source
        Any file that `biomatch.formats.read_samples` reads.
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
        Unknown format, or source and target are one file: evidence is not overwritten.
    UnreadableSampleError, FormatError
        The source cannot be read, or holds nothing of that kind.
    """
    source, target = Path(source), Path(target)
    kind = _format(target, format)
    if source.exists() and target.exists() and target.samefile(source):
        raise OptionError(f"{target}: source and target are one file; name another target")
    if kind is Format.FIELDS:
        record = fmr.read(read_bytes(source), str(source))
        text = json.dumps(fmr.fields(record), indent=2, ensure_ascii=False)
        return [_write(target, f"{text}\n".encode())]
    samples = _samples(source, kind)
    if samples[0].modality == "dna":
        return [_write(target, _dna(samples, kind, source))]
    if kind is Format.MARKUP:
        return _numbered(target, [_markup(made) for made in _templates(samples, source)])
    if kind in _RECORDS:
        return [_write(target, _RECORDS[kind](samples, kind, source))]
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


def _samples(source: Path, kind: Format) -> list[Sample]:
    data = read_bytes(source)
    if sniff(data[:HEAD]) is Kind.PICTURE:
        return read_samples(source, "face" if kind in _FACE_VERSIONS else "fingerprint")
    if kind is Format.DNA_TABLE:
        return read_samples(source, "dna")
    found = read_samples(source)
    return [sample for sample in found if sample.modality != "dna"] or found


def _dna(samples: list[Sample], kind: Format, source: Path) -> bytes:
    """Profiles as a transaction of Type-18 records or as a long table."""
    from biomatch.dna import files

    profiles = [s.template for s in samples if isinstance(s.template, DnaProfile)]
    profiles = profiles or files.read(source)
    if kind is Format.TRANSACTION:
        envelope = Envelope("BIOMATCH", "BIOMATCH", source.stem)
        return dna.transaction(envelope, profiles).encode()
    if kind is Format.DNA_TABLE:
        return files.WRITERS["long"](profiles).encode()
    raise OptionError(
        f"{source}: holds DNA profiles, which become an2 or dna-csv here, and CMF, NIEM and "
        "other tables with 'biomatch dna convert'"
    )


def _minutiae_record(samples: list[Sample], kind: Format, source: Path) -> bytes:
    record = templates.from_templates(_templates(samples, source), _STANDARDS[kind])
    return fmr.write(record)


def _finger_record(samples: list[Sample], kind: Format, source: Path) -> bytes:
    pictures = [(s, _decoded(s)) for s in samples if s.template is None and s.modality != "face"]
    if not pictures:
        raise UnreadableSampleError(f"{source}: holds no finger picture")
    edition, fingers = _FINGER_EDITIONS[kind], []
    for sample, picture in pictures:
        grey = images.to_grey(picture.pixels)
        height, width = grey.shape
        fingers.append(
            iso19794_4.FingerImage(
                position=sample.finger_position,
                impression=_impression(sample, edition),
                quality=None,
                width=width,
                height=height,
                ppi=sample.ppi or picture.ppi or DEFAULT_PPI,
                depth=8,
                compression=0,
                data=grey.tobytes(),
            )
        )
    return iso19794_4.write(iso19794_4.FingerImageRecord(edition, tuple(fingers)))


def _impression(sample: Sample, edition: str) -> int:
    """Impression type code; the older editions have none for unknown and take the first."""
    code = templates.impression_code(sample.impression)
    return code if edition == iso19794_4.ISO_2011 or code < OLDEST_UNKNOWN else 0


def _face_record(samples: list[Sample], kind: Format, source: Path) -> bytes:
    pictures = [_decoded(s) for s in samples if s.template is None and s.modality == "face"]
    if not pictures:
        raise UnreadableSampleError(f"{source}: holds no face picture")
    return iso19794_5.write(
        iso19794_5.FaceRecord(
            _FACE_VERSIONS[kind], tuple(_face_image(picture, source) for picture in pictures)
        )
    )


def _face_image(picture: images.Picture, source: Path) -> iso19794_5.FaceImage:
    """Make a basic face image; a JPEG file's own bytes are kept, others coded without loss."""
    data, coding = read_bytes(source), 0
    if not data.startswith(b"\xff\xd8\xff"):
        data, coding = _pillow(picture, Format.JPEG2000), 1
    height, width = picture.pixels.shape[:2]
    colour = iso19794_5.COLOUR_RGB if picture.pixels.ndim == 3 else iso19794_5.COLOUR_GREY
    return iso19794_5.FaceImage(
        *(0,) * 5, (0,) * 3, (0,) * 3, (), 0, coding, width, height, colour, 0, 0, 0, data
    )


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


_RECORDS: dict[Format, Callable[[list[Sample], Format, Path], bytes]] = {
    **dict.fromkeys(_STANDARDS, _minutiae_record),
    **dict.fromkeys(_FINGER_EDITIONS, _finger_record),
    **dict.fromkeys(_FACE_VERSIONS, _face_record),
}


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
