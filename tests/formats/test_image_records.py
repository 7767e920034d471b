"""Face and finger image records."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from biomatch.errors import FormatError, UnreadableSampleError
from biomatch.formats import iso19794_4, iso19794_5, read_samples


def jpeg(width: int = 30, height: int = 40) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.full((height, width, 3), 90, np.uint8)).save(stream, "JPEG")
    return stream.getvalue()


def face_2005(picture: bytes) -> bytes:
    points = bytes((1, 0x36)) + b"\0\x0a\0\x14\0\0"
    block = 20 + len(points) + 12 + len(picture)
    body = block.to_bytes(4, "big") + b"\0\1" + bytes((2, 1, 6)) + b"\0\4\x4d" + b"\0\3"
    body += bytes((5, 10, 15, 20, 25, 30)) + points
    body += bytes((1, 0)) + b"\0\x1e\0\x28" + bytes((1, 2)) + b"\x49\x47\0\0" + picture
    return b"FAC\0" + b"010\0" + (14 + len(body)).to_bytes(4, "big") + b"\0\1" + body


def face_2011(picture: bytes) -> bytes:
    body = b"\x07\xe0" + bytes(7) + bytes((1,)) + b"\0\1\0\2" + b"\1" + b"\x50\0\1\0\2"
    body += b"\0\0" + bytes((1, 2, 3, 180)) + bytes(3) + b"\0\1" + bytes(6)
    body += bytes((1, 0)) + b"\0\x1e\0\x28" + bytes((0,)) + b"\0\0" + bytes((1, 1))
    body += len(picture).to_bytes(4, "big") + picture
    rep = (4 + len(body)).to_bytes(4, "big") + body
    return b"FAC\0" + b"030\0" + (17 + len(rep)).to_bytes(4, "big") + b"\0\1\0\0\0" + rep


@pytest.mark.parametrize("build", [face_2005, face_2011])
def test_face_records(build, tmp_path: Path) -> None:
    path = tmp_path / "face.fac"
    path.write_bytes(build(jpeg()))
    (face,) = iso19794_5.read(path.read_bytes()).images
    assert (face.width, face.height) == (30, 40)
    (sample,) = read_samples(path)
    assert sample.modality == "face"
    assert sample.image is not None
    assert sample.image.shape == (40, 30, 3)


@pytest.mark.parametrize("build", [face_2005, face_2011])
def test_truncated_face_records_name_the_field(build) -> None:
    data = build(jpeg())
    for size in (6, 12, 20, 60, len(data) - 1):
        with pytest.raises(FormatError, match="at offset"):
            iso19794_5.read(data[:size], "x")


def test_a_broken_face_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "face.fac"
    path.write_bytes(face_2005(b"\xff\xd8\xff" + bytes(50)))
    with pytest.raises(UnreadableSampleError, match="face image"):
        read_samples(path)


def finger_2005(pixels: bytes, *, product: bytes = b"", depth: int = 8, coding: int = 0) -> bytes:
    block = (14 + len(pixels)).to_bytes(4, "big") + bytes((7, 1, 1, 60, 1)) + b"\0\x0a\0\6\0"
    head = product + b"\0\0" + b"\0\x1f" + bytes((1, 2)) + b"\0\xc5\0\xc5\0\xc5\0\xc5"
    head += bytes((depth, coding)) + b"\0\0"
    size = 8 + 6 + len(head) + len(block) + len(pixels)
    return b"FIR\0" + b"010\0" + size.to_bytes(6, "big") + head + block + pixels


def test_finger_image_records_of_2005(tmp_path: Path) -> None:
    path = tmp_path / "finger.fir"
    path.write_bytes(finger_2005(bytes(range(60))))
    (sample,) = read_samples(path)
    assert (sample.finger_position, sample.ppi) == (7, 500)
    np.testing.assert_array_equal(np.asarray(sample.image).ravel(), np.arange(60))


def test_incits_381_has_a_longer_header() -> None:
    record = iso19794_4.read(finger_2005(bytes(range(60)), product=b"\0\x42\0\x11"))
    assert record.standard == "ANSI INCITS 381-2004"
    assert record.images[0].position == 7


def test_packed_pixels_are_stretched() -> None:
    record = iso19794_4.read(finger_2005(b"\xf0" * 30, depth=4, coding=1))
    pixels = record.images[0].pixels()
    assert pixels.shape == (6, 10)
    assert pixels[0].tolist() == [255, 0] * 5


def test_truncated_finger_records_name_the_field() -> None:
    data = finger_2005(bytes(60))
    for size in (6, 20, 40, len(data) - 1):
        with pytest.raises(FormatError, match="at offset"):
            iso19794_4.read(data[:size], "x")


@pytest.mark.shared
def test_records_of_others(shared: Path) -> None:
    folder = shared / "standards" / "iso"
    (finger,) = iso19794_4.read((folder / "annexc.fir").read_bytes()).images
    assert (finger.width, finger.height, finger.ppi, finger.position) == (375, 625, 500, 7)
    assert finger.pixels().shape == (625, 375)
    (face,) = iso19794_5.read((folder / "face01.iso2005").read_bytes()).images
    assert (face.width, face.height, face.sex, face.eye_colour, face.hair_colour) == (
        280,
        320,
        2,
        1,
        6,
    )
    assert [(p.x, p.y) for p in face.points] == [(95, 117), (168, 109), (139, 133), (136, 50)]
    assert face.pixels().shape == (320, 280, 3)
