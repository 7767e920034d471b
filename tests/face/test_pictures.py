"""Photographs of any depth, orientation and size."""

import io
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from biomatch.errors import BiomatchError, UnreadableSampleError
from biomatch.face import extract, pictures


def encoded(pixels: NDArray[np.uint8], form: str, **options: object) -> bytes:
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, form, **options)
    return data.getvalue()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(astronaut: NDArray[np.uint8], orientation: int) -> None:
    # How a camera held that way stores the scene: the inverse of what the tag asks for.
    stored = {
        1: astronaut,
        2: astronaut[:, ::-1],
        3: astronaut[::-1, ::-1],
        4: astronaut[::-1],
        5: astronaut.transpose(1, 0, 2),
        6: np.rot90(astronaut, 1),
        7: np.rot90(astronaut.transpose(1, 0, 2), 2),
        8: np.rot90(astronaut, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    (face,) = extract(encoded(np.ascontiguousarray(stored), "PNG", exif=exif))
    assert face.turn == 0
    assert face.box[0] == pytest.approx(178, abs=4)
    assert face.box[1] == pytest.approx(62, abs=4)


def variants(pixels: NDArray[np.uint8]) -> dict[str, NDArray[np.generic]]:
    alpha = np.full((*pixels.shape[:2], 1), 255, np.uint8)
    grey = pixels.mean(axis=2).astype(np.uint8)
    return {
        "RGBA": np.concatenate([pixels, alpha], axis=2),
        "16-bit": pixels.astype(np.uint16) * 257,
        "16-bit grey": grey.astype(np.uint16) * 257,
        "12 of 16 bits": pixels.astype(np.uint16) * 16,
        "10 of 16 bits, grey": grey.astype(np.uint16) * 4,
        "8 of 16 bits": pixels.astype(np.uint16),
        "grey": grey,
        "grey with one channel": grey[..., None],
        "float": pixels / 255.0,
    }


@pytest.mark.parametrize("kind", list(variants(np.zeros((1, 1, 3), np.uint8))))
def test_depths_and_channels_agree(astronaut: NDArray[np.uint8], kind: str) -> None:
    (plain,) = extract(astronaut)
    (face,) = extract(variants(astronaut)[kind])
    assert float(face.embedding @ plain.embedding) > (0.999 if "grey" not in kind else 0.85)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "BMP", "TIFF", "WEBP"])
def test_file_formats_agree(astronaut: NDArray[np.uint8], form: str) -> None:
    (plain,) = extract(astronaut)
    (face,) = extract(encoded(astronaut, form))
    assert float(face.embedding @ plain.embedding) > 0.98


def test_a_black_and_white_copy_is_recognised(astronaut: NDArray[np.uint8]) -> None:
    (plain,) = extract(astronaut)
    data = io.BytesIO()
    Image.fromarray(astronaut).convert("1").save(data, "PNG")
    (face,) = extract(data.getvalue())
    assert float(face.embedding @ plain.embedding) > 0.75
    assert face.box == pytest.approx(plain.box, abs=8)


def test_large_pictures_are_decoded_small(astronaut: NDArray[np.uint8]) -> None:
    large = np.asarray(Image.fromarray(astronaut).resize((6000, 6000)))
    photograph = pictures.read(encoded(large, "JPEG"))
    assert photograph.size == (6000, 6000)
    assert max(photograph.pixels.shape) == 2560
    (face,) = extract(encoded(large, "JPEG"))
    (plain,) = extract(astronaut)
    assert face.picture_size == (6000, 6000)
    assert face.box == pytest.approx(plain.box * 6000 / 512, rel=0.06, abs=40)
    assert float(face.embedding @ plain.embedding) > 0.9


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (b"", "empty"),
        (b"this is no picture at all", "not a picture"),
        (np.zeros((4, 4, 7), np.uint8), "shape"),
        (np.zeros((0, 4), np.uint8), "shape"),
        (np.zeros((4, 4), np.int32), "int32"),
        (np.full((4, 4), 3.0), "between 0 and 1"),
        (np.full((4, 4), np.nan), "between 0 and 1"),
        (Path("nowhere/at/all.jpg"), "all.jpg: cannot be read"),
    ],
)
def test_what_is_no_picture(source: object, words: str) -> None:
    with pytest.raises(UnreadableSampleError, match=words):
        extract(source)  # type: ignore[arg-type]


def test_a_truncated_jpeg(astronaut: NDArray[np.uint8]) -> None:
    blob = encoded(astronaut, "JPEG")
    with pytest.raises(BiomatchError, match=r"<bytes>: .*damaged|truncated"):
        extract(blob[: len(blob) // 2])
