"""Parsers that read what strangers send, and seeds to mutate.

A target takes bytes and may raise nothing but `BiomatchError`. Seeds are made here; the research
data next to the repository are added when they are there.
"""

import io
import json
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import written
from PIL import Image

from biomatch import images
from biomatch.dna.profile import DnaProfile
from biomatch.errors import BiomatchError
from biomatch.face import template as face
from biomatch.face.assessment import Quality
from biomatch.fingerprint import markup
from biomatch.fingerprint.minutiae import Minutiae
from biomatch.fingerprint.template import FingerprintTemplate
from biomatch.formats import ansi_nist, fmr, iso19794_4, iso19794_5, templates
from biomatch.formats.ansi_nist import contents, minutiae
from biomatch.formats.ansi_nist.records import TaggedRecord, tagged
from biomatch.formats.ansi_nist.transactions import Envelope, latent_search
from biomatch.formats.inspection import _READERS
from biomatch.formats.minutiae_record import (
    Core,
    CoresDeltas,
    Delta,
    Geometry,
    RidgeCount,
    RidgeCounts,
    Standard,
    Zones,
)
from biomatch.formats.sniff import HEAD, Kind, sniff
from biomatch.images import wsq
from biomatch.images.decode import UnreadableError

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
LARGEST_SEED = 10_000
Target = Callable[[bytes], object]


def minutiae_record(data: bytes) -> None:
    record = fmr.read(data)
    fmr.fields(record)
    if fmr.write(record) != data:
        raise AssertionError("not written back byte for byte")
    templates.to_templates(record)


def transaction(data: bytes) -> None:
    read = ansi_nist.read(data)
    if read.encode() != data:
        raise AssertionError("not written back byte for byte")
    for record in read.records:
        shown = contents.describe(record, read)
        if shown is not None and shown.width * shown.height <= contents.images.decode.MAX_PIXELS:
            _quiet(lambda shown=shown: shown.compression == "NONE" and shown.pixels())
        if record.type == 9 and isinstance(record, TaggedRecord):
            _quiet(lambda record=record: minutiae.template(record, (500, 500, 500.0)))
    _READERS[Kind.TRANSACTION](data, "fuzz")


def face_record(data: bytes) -> None:
    iso19794_5.read(data)


def finger_record(data: bytes) -> None:
    for finger in iso19794_4.read(data).images:
        if finger.compression in (0, 1):
            finger.pixels()


def picture(data: bytes) -> None:
    images.read(data, max_side=512)


def wsq_picture(data: bytes) -> None:
    try:
        wsq.decode(data)
    except UnreadableError as error:
        raise BiomatchError(str(error)) from error


def mark_up(data: bytes) -> None:
    markup.loads(data)


def sniffed(data: bytes) -> None:
    reader = _READERS.get(sniff(data[:HEAD]))
    if reader is not None and sniff(data[:HEAD]) not in (Kind.PICTURE, Kind.TEXT, Kind.XML):
        reader(data, "fuzz")


def fingerprint_template(data: bytes) -> None:
    template = FingerprintTemplate.loads(_sealed(data))
    FingerprintTemplate.loads(template.dumps())


def face_template(data: bytes) -> None:
    body = data[9:]
    face.loads(data[:5] + zlib.crc32(body).to_bytes(4, "little") + body)


def dna_profile(data: bytes) -> None:
    DnaProfile.loads(_sealed(data)).dumps()


def _sealed(data: bytes) -> bytes:
    """Repair the checksum, so that the parser behind it is reached."""
    return data[:-4] + zlib.crc32(data[:-4]).to_bytes(4, "little")


def _quiet(call: Callable[[], object]) -> None:
    try:
        call()
    except BiomatchError:
        return


TARGETS: dict[str, Target] = {
    "minutiae_record": minutiae_record,
    "transaction": transaction,
    "face_record": face_record,
    "finger_record": finger_record,
    "picture": picture,
    "wsq_picture": wsq_picture,
    "mark_up": mark_up,
    "sniffed": sniffed,
    "fingerprint_template": fingerprint_template,
    "face_template": face_template,
    "dna_profile": dna_profile,
    **written.TARGETS,
}


def check(name: str, data: bytes) -> bool:
    """Run a target; True when it accepted the bytes. Anything but a BiomatchError escapes."""
    try:
        TARGETS[name](data)
    except BiomatchError as error:
        if "\n" in str(error) and not name.startswith("dna_"):
            raise AssertionError(f"message of several lines: {error}") from error
        return False
    return True


def _print() -> FingerprintTemplate:
    rows = [(10 + 9 * i, 20 + 7 * i, 0.5 * i, i % 3, 0.1 + i / 20) for i in range(12)]
    roi = np.array([(0, 0), (190, 0), (190, 140)])
    mask = np.ones((10, 13), bool)
    return FingerprintTemplate(Minutiae.from_rows(np.array(rows)), 200, 150, mask=mask, roi=roi)


def _minutiae_records() -> Iterator[bytes]:
    image = Geometry(200, 150)
    for standard in Standard:
        record = templates.from_templates([_print(), _print()], standard)
        areas = [
            RidgeCounts(1, (RidgeCount(0, 1, 5),)).pack(),
            CoresDeltas((Core(4, 5, 6),), (Delta(7, 8, (1, 2, 3)),)).pack(standard),
        ]
        if standard.is_iso:
            areas.append(Zones(100, 100, 4, (1, 2, 3, 4)).pack(standard))
        views = tuple(
            replace(view, areas=tuple(areas), image=image, number=n)
            for n, view in enumerate(record.views)
        )
        yield fmr.write(replace(record, views=views))


def _transactions() -> Iterator[bytes]:
    envelope = Envelope("A", "B", "1")
    pixels = np.arange(600, dtype=np.uint16).reshape(20, 30).astype(np.uint8)
    yield latent_search(envelope, pixels, 500, case="C", template=_print()).encode()
    head = envelope.header("X", [(4, 1), (9, 2), (14, 3), (99, 4)])
    four = (18 + 12).to_bytes(4, "big") + bytes(
        (1, 1, 2, 255, 255, 255, 255, 255, 1, 0, 4, 0, 3, 0)
    )
    efs = [(300, [(900, 800, 10, 20, "1,1-5,1-5,9")]), (302, "7"), (331, [(5, 6, 90, "E")])]
    m1 = [(128, "90"), (129, "80"), (130, "1"), (131, "500"), (137, [(1, 2, 3, 4, 1, 50)])]
    slap = [(3, "0"), (6, "6"), (7, "4"), (8, "2"), (9, "197"), (11, "NONE"), (12, "8")]
    slap += [(13, "13"), (21, [(2, 0, 3, 0, 3)]), (999, bytes(24))]
    yield b"".join(
        (
            head.encode(),
            four + bytes(12),
            tagged(9, [(2, "02"), *m1, *efs]).encode(),
            tagged(14, [(2, "03"), *slap]).encode(),
            tagged(99, [(2, "04"), (999, next(_minutiae_records()))]).encode(),
        )
    )


def _pictures() -> Iterator[bytes]:
    pixels = np.add.outer(np.arange(24), np.arange(32)).astype(np.uint8)
    for kind in ("PNG", "BMP", "TIFF", "JPEG", "PPM", "JPEG2000", "GIF"):
        stream = io.BytesIO()
        Image.fromarray(pixels).save(stream, kind)
        yield stream.getvalue()
    stream = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint16) * 257).save(stream, "TIFF", compression="tiff_lzw")
    yield stream.getvalue()


def _wsq_pictures() -> Iterator[bytes]:
    """A flat picture of 16 x 16 pixels, made by hand: every coefficient zero."""
    taps = struct.pack(">BBI", 0, 6, 852699) * 5 + struct.pack(">BBI", 0, 6, 788486) * 4
    segments = (
        (0xA4, bytes((9, 7)) + taps),
        (0xA5, struct.pack(">BH", 2, 44) + struct.pack(">BHBH", 3, 9000, 3, 9900) * 64),
        (0xA2, struct.pack(">BBHHBHBHBH", 0, 255, 16, 16, 2, 12750, 4, 12000, 2, 0)),
        (0xA6, bytes((0, 0, 2)) + bytes(14) + bytes((100, 92))),
        (0xA3, bytes((0,))),
    )
    coded = b"".join(
        struct.pack(">BBH", 0xFF, kind, len(body) + 2) + body for kind, body in segments
    )
    yield b"\xff\xa0" + coded + b"\x1f\xff\xa1"


def _mark_ups() -> Iterator[bytes]:
    marks = [{"x": 10 * i, "y": 9 * i, "angle": 30.5 * i, "type": "ending"} for i in range(9)]
    content = {"width": 300, "height": 200, "ppi": 500, "minutiae": marks}
    yield json.dumps(content | {"roi": [[0, 0], [290, 0], [0, 190]]}).encode()


def _finger_records() -> Iterator[bytes]:
    block = (14 + 60).to_bytes(4, "big") + bytes((7, 1, 1, 60, 1)) + b"\0\x0a\0\6\0"
    head = b"\0\0\0\x1f" + bytes((1, 2)) + b"\0\xc5" * 4 + bytes((8, 0, 0, 0))
    yield b"FIR\x00010\0" + (106).to_bytes(6, "big") + head + block + bytes(60)


def _face_records() -> Iterator[bytes]:
    body = b"\0\1\2\1\6\0\4\x4d\0\3" + bytes(6) + b"\1\x36\0\x0a\0\x14\0\0"
    body += b"\1\0\0\x1e\0\x28\1\2\x49\x47\0\0\xff\xd8\xff" + bytes(30)
    yield (
        b"FAC\x00010\0"
        + (14 + 4 + len(body)).to_bytes(4, "big")
        + b"\0\1"
        + (4 + len(body)).to_bytes(4, "big")
        + body
    )


def _dna_profiles() -> Iterator[bytes]:
    yield DnaProfile.from_alleles(
        {"TH01": ("6", "9.3"), "D3S1358": ("15", "16")}, name="A", comment="c"
    ).dumps()


def _face_templates() -> Iterator[bytes]:
    measures = len(fields(Quality))
    yield face.dumps(
        face.FaceTemplate(
            embedding=np.full(16, 0.25, np.float32),
            norms=(9.0, 11.0),
            box=np.array([1, 2, 30, 40], np.float32),
            landmarks=np.arange(10, dtype=np.float32).reshape(5, 2),
            score=0.9,
            turn=0.0,
            face_index=0,
            picture_size=(100, 120),
            quality=Quality(*(1.0,) * measures),
            model_set="default",
            model_id="m",
        )
    )


_OWN: dict[str, Callable[[], Iterator[bytes]]] = {
    "minutiae_record": _minutiae_records,
    "transaction": _transactions,
    "face_record": _face_records,
    "finger_record": _finger_records,
    "picture": _pictures,
    "wsq_picture": _wsq_pictures,
    "mark_up": _mark_ups,
    "sniffed": _transactions,
    "fingerprint_template": lambda: iter([_print().dumps()]),
    "face_template": _face_templates,
    "dna_profile": _dna_profiles,
    **written.SEEDS,
}
_SHARED: dict[str, tuple[str, ...]] = {
    "minutiae_record": ("standards/iso/*.dat", "standards/iso/fmr.*"),
    "transaction": ("standards/an2/*",),
    "face_record": ("standards/iso/face*",),
    "wsq_picture": ("standards/wsq/*.wsq",),
    "sniffed": ("standards/iso/*.dat", "standards/iso/fmr.*"),
    **written.PATTERNS,
}


def seeds(name: str) -> list[bytes]:
    """Bytes that the target accepts, none longer than `LARGEST_SEED`."""
    found = list(_OWN[name]())
    for pattern in _SHARED.get(name, ()):
        paths = (path for path in sorted(SHARED.glob(pattern)) if path.is_file())
        found += [path.read_bytes() for path in paths if path.stat().st_size <= LARGEST_SEED]
    return found
