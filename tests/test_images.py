"""Safe decoding: formats, ppi, orientation, depth, pages, limits, damage."""

import io
import json
import multiprocessing
import os
import signal
import struct
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from biomatch import images
from biomatch.errors import OptionError, UnreadableSampleError
from biomatch.images import decode, headers, sandbox, wsq


def gradient(height: int = 40, width: int = 60) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    return ((x * 3 + y * 2) % 256).astype(np.uint8)


def encoded(pixels: np.ndarray, kind: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, kind, **options)
    return stream.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM", "JPEG2000", "GIF"])
def test_lossless_formats_give_the_same_pixels(kind: str) -> None:
    picture = images.read(encoded(gradient(), kind))
    grey = picture.pixels if picture.pixels.ndim == 2 else images.to_grey(picture.pixels)
    np.testing.assert_array_equal(grey, gradient())
    assert (picture.pages, picture.scale) == (1, 1.0)


def test_a_suffix_means_nothing(tmp_path: Path) -> None:
    path = tmp_path / "really.bmp"
    path.write_bytes(encoded(gradient(), "PNG"))
    np.testing.assert_array_equal(images.read(path).pixels, gradient())


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "JPEG2000"])
def test_sixteen_bits_stay(kind: str) -> None:
    deep = gradient().astype(np.uint16) * 257
    picture = images.read(encoded(deep, kind))
    assert picture.pixels.dtype == np.uint16
    np.testing.assert_array_equal(picture.pixels, deep)
    np.testing.assert_array_equal(images.to_grey(picture.pixels), gradient())


@pytest.mark.parametrize("gain", [1, 3, 257])
def test_words_of_thirty_two_bits_become_sixteen_or_eight(gain: int) -> None:
    wide = gradient().astype(np.int32) * gain
    pixels = images.read(encoded(wide, "TIFF")).pixels
    assert pixels.dtype == (np.uint8 if gain == 1 else np.uint16)
    np.testing.assert_array_equal(pixels, wide)
    np.testing.assert_array_equal(images.to_grey(pixels), wide if gain == 1 else wide // 256)


@pytest.mark.parametrize("white", [1.0, 255.0])
def test_floats_are_grey_levels_or_shares_of_white(white: float) -> None:
    floats = (gradient() / 255.0 * white).astype(np.float32)
    pixels = images.read(encoded(floats, "TIFF")).pixels.astype(int)
    assert abs(pixels - gradient()).max() <= 1


def test_big_endian_tiff_becomes_native() -> None:
    deep = (gradient().astype(np.uint16) * 257).astype(">u2")
    stream = io.BytesIO()
    Image.frombytes("I;16B", (60, 40), deep.tobytes()).save(stream, "TIFF")
    pixels = images.read(stream.getvalue()).pixels
    assert pixels.dtype == np.uint16
    np.testing.assert_array_equal(pixels, deep)


def test_transparent_pictures_lie_on_white_paper() -> None:
    rgba = np.zeros((10, 10, 4), np.uint8)
    assert (images.read(encoded(rgba, "PNG")).pixels == 255).all()


@pytest.mark.parametrize(
    ("kind", "dpi", "ppi"),
    [
        ("PNG", 500, 500),
        ("TIFF", 1000, 1000),
        ("BMP", 500, 500),
        ("JPEG", 500, 500),
        ("PNG", 72, None),
        ("JPEG", 96, None),
        ("JPEG", 300, 300),
    ],
)
def test_resolution_is_read_and_screen_defaults_are_not(
    kind: str, dpi: int, ppi: float | None
) -> None:
    found = images.read(encoded(gradient(), kind, dpi=(dpi, dpi))).ppi
    assert found == (None if ppi is None else pytest.approx(ppi, rel=1e-3))


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "JPEG", "BMP"])
def test_pixels_that_are_not_square_have_no_ppi(kind: str) -> None:
    assert images.read(encoded(gradient(), kind, dpi=(500, 250))).ppi is None
    assert images.read(encoded(gradient(), kind, dpi=(500, 504))).ppi is not None


def test_print_sizes_of_cameras_mean_nothing() -> None:
    exif = Image.Exif()
    exif[decode.EXIF_MAKE] = "Maker"
    photo = encoded(gradient(), "JPEG", dpi=(300, 300), exif=exif)
    assert images.read(photo).ppi is None
    calibrated = encoded(gradient(), "JPEG", dpi=(1000, 1000), exif=exif)
    assert images.read(calibrated).ppi == 1000


def test_exif_orientation_is_applied() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = images.read(encoded(gradient(), "PNG", exif=exif)).pixels
    np.testing.assert_array_equal(turned, np.rot90(gradient(), -1))


def test_pages_of_a_tiff() -> None:
    stream = io.BytesIO()
    first, second = Image.fromarray(gradient()), Image.fromarray(255 - gradient(30, 20))
    first.save(stream, "TIFF", save_all=True, append_images=[second])
    data = stream.getvalue()
    assert images.read(data).pages == 2
    np.testing.assert_array_equal(images.read(data, page=1).pixels, 255 - gradient(30, 20))
    with pytest.raises(UnreadableSampleError, match="has 2 pages, page 2 was asked for"):
        images.read(data, page=2)
    with pytest.raises(OptionError, match="page -1"):
        images.read(data, page=-1)


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_reduced_decoding_keeps_shape_and_says_the_scale(kind: str) -> None:
    smooth = np.tile(np.linspace(0, 255, 800, dtype=np.uint8), (600, 1))
    picture = images.read(encoded(smooth, kind, dpi=(500, 500)), max_side=200)
    assert picture.pixels.shape == (150, 200)
    assert picture.scale == pytest.approx(0.25)
    assert picture.ppi == pytest.approx(125, rel=1e-3)
    assert abs(picture.pixels.astype(float) - smooth[::4, ::4][:150, :200]).max() < 4
    assert images.read(encoded(smooth, kind), max_side=5000).scale == 1.0
    with pytest.raises(OptionError, match="max_side 0"):
        images.read(encoded(smooth, kind), max_side=0)


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "JPEG", "JPEG2000", "PPM"])
def test_truncation_is_one_clear_sentence(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "cut.img"
    noise = np.random.default_rng(1).integers(0, 255, (80, 80), np.uint8)
    data = encoded(noise, kind)
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(UnreadableSampleError) as caught:
        images.read(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "empty"),
        (b"this is a text, not a picture", "not a picture in a known format"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIF or AVIF picture, .* save it as JPEG or PNG"),
        (b"\xff\xa0\xff\xa4\0\x06", "WSQ without a frame header"),
        (b"\xff\x4f\xff\x51\0", "JPEG 2000 without a codestream"),
        (b"P5 20000 20000 255\n" + bytes(100), "exceed the limit"),
        (b"\xff\xa0\xff\xa2\0\x11\0\xff\xff\xff\xff\0\0\0\0\0\0\0\0", "exceed the limit"),
    ],
)
def test_hopeless_files_are_refused_before_decoding(data: bytes, message: str) -> None:
    with pytest.raises(UnreadableSampleError, match=message):
        images.read(data)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UnreadableSampleError, match="cannot be read"):
        images.read(tmp_path / "none.png")
    with pytest.raises(UnreadableSampleError, match="not a regular file"):
        images.read(tmp_path)
    with pytest.raises(UnreadableSampleError, match="cannot be read"):
        images.read("a\0b.png")


def test_wsq_survives_encoding_and_decoding() -> None:
    pytest.importorskip("_wsq")
    y, x = np.mgrid[:300, :300]
    ridges = (127 + 100 * np.sin(x / 2.5 + y / 9)).astype(np.uint8)
    data = images.write_wsq(ridges)
    picture = images.read(data)
    assert picture.ppi == 500
    assert len(data) < ridges.size / 5
    assert np.abs(picture.pixels.astype(float) - ridges).mean() < 12
    small = images.read(data, max_side=100)
    assert small.pixels.shape == (100, 100)
    assert small.ppi == pytest.approx(500 / 3)


@pytest.mark.parametrize(
    ("height", "width"), [(96, 96), (81, 97), (98, 83), (155, 203), (130, 111)]
)
def test_our_wsq_decoder_agrees_with_nbis_at_odd_sizes(height: int, width: int) -> None:
    library = pytest.importorskip("_wsq")
    rng = np.random.default_rng(height * width)
    y, x = np.mgrid[:height, :width]
    ridges = 127 + 90 * np.sin(x / 2.2 + y / 7) + rng.normal(0, 15, (height, width))
    data = images.write_wsq(ridges.clip(0, 255).astype(np.uint8))
    expected = np.frombuffer(library.decompress(data)[0], np.uint8).reshape(height, width)
    assert np.abs(wsq.decode(data).astype(int) - expected).max() <= 1


def test_damaged_wsq_is_read_or_refused() -> None:
    pytest.importorskip("_wsq")
    data = bytearray(images.write_wsq(gradient(128, 128)))
    rng = np.random.default_rng(7)
    read, refused = 0, 0
    for _ in range(300):
        mutant = bytearray(data)
        for place in rng.integers(2, len(data), 4):
            mutant[place] = rng.integers(256)
        try:
            images.read(bytes(mutant))
            read += 1
        except UnreadableSampleError:
            refused += 1
    assert read + refused == 300
    assert refused
    assert images.read(bytes(data)).pixels.shape == (128, 128)


def test_a_second_smaller_frame_in_wsq_is_refused() -> None:
    """Found by fuzzing: it once asked for a negative number of values."""
    pytest.importorskip("_wsq")
    data = images.write_wsq(gradient(128, 128))
    frame, block = data.index(b"\xff\xa2"), data.index(b"\xff\xa3")
    small = bytearray(data[frame : frame + 19])
    small[6:10] = struct.pack(">HH", 20, 20)
    with pytest.raises(decode.UnreadableError, match="second WSQ frame"):
        wsq.decode(data[:-2] + bytes(small) + data[block:])


def test_wsq_cut_anywhere_is_refused() -> None:
    pytest.importorskip("_wsq")
    data = images.write_wsq(gradient(64, 64))
    for size in range(2, len(data) - 1, 37):
        with pytest.raises(UnreadableSampleError):
            images.read(data[:size])


def test_a_child_is_stopped_at_its_time_limit() -> None:
    with pytest.raises(sandbox.ChildDiedError, match="too long"):
        sandbox.request({"do": "spin"}, b"", seconds=0.5, memory=1 << 28)


def test_a_child_refuses_to_swell() -> None:
    data = encoded(np.zeros((2000, 2000), np.uint8), "JPEG2000")
    head, _ = sandbox.request(
        {"do": "decode", "page": 0, "max_side": None}, data, seconds=10, memory=1 << 20
    )
    assert not head["ok"]


def test_the_limit_of_one_picture_does_not_bind_the_next() -> None:
    small = encoded(gradient(), "JPEG2000")
    large = encoded(np.random.default_rng(1).integers(0, 256, (2500, 2500), np.uint8), "JPEG2000")
    sandbox._POOL.close()
    child = sandbox._Child()
    try:
        for data, memory in ((small, 1 << 20), (large, 1 << 30)):
            request = {"do": "decode", "page": 0, "max_side": None, "seconds": 20}
            head, _ = child.ask(sandbox.frame(request | {"memory": memory}, data), 120)
        assert head["ok"]
    finally:
        child.close()


def test_a_picture_is_not_condemned_by_an_earlier_ones_child(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = encoded(gradient(), "JPEG2000")
    images.read(data)
    child = sandbox._POOL.take()
    assert child.answered
    os.kill(child.process.pid, signal.SIGSEGV)
    child.process.wait(10)
    monkeypatch.setattr(sandbox._POOL, "take", lambda: child)
    assert images.read(data).pixels.shape == gradient().shape


def test_threads_have_a_child_each() -> None:
    data = encoded(gradient(), "JPEG2000")
    results: list[np.ndarray] = []
    threads = [
        threading.Thread(target=lambda: results.append(images.read(data).pixels)) for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 6
    assert all((pixels == gradient()).all() for pixels in results)


def _sum(data: bytes) -> int:
    return int(images.read(data).pixels.sum())


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_worker_processes_decode_on_their_own(method: str) -> None:
    data = encoded(gradient(), "JPEG2000")
    expected = _sum(data)
    with multiprocessing.get_context(method).Pool(2) as pool:
        assert pool.map(_sum, [data] * 4) == [expected] * 4
    assert _sum(data) == expected


def test_idle_children_are_reused() -> None:
    data = encoded(gradient(), "JPEG2000")
    images.read(data)
    before = {child.process.pid for child in sandbox._POOL.idle}
    images.read(data)
    assert {child.process.pid for child in sandbox._POOL.idle} == before
    assert os.getpid() not in before


def test_header_sizes() -> None:
    data = encoded(gradient(30, 50), "JPEG2000")
    assert headers.fragile_size(data, "JPEG2000") == (50, 30, 1)


@pytest.mark.shared
def test_wsq_within_one_grey_level_of_nbis(shared: Path) -> None:
    folder = shared / "standards" / "wsq"
    sizes = {
        entry["fileName"].removesuffix(".raw"): (entry["height"], entry["width"])
        for entry in json.loads((folder / "dims.json").read_text())
    }
    truths = sorted(folder.glob("*.decoded.raw"))
    assert truths
    for truth in truths:
        expected = np.fromfile(truth, np.uint8).reshape(sizes[truth.name.split(".")[0]])
        pixels = images.read(folder / truth.name.replace(".decoded.raw", ".wsq")).pixels
        assert np.abs(pixels.astype(int) - expected).max() <= 1, truth.name


@pytest.mark.shared
def test_jpeg_2000_of_nist(shared: Path) -> None:
    picture = images.read(shared / "standards" / "wsq" / "img.jp2")
    assert picture.pixels.shape == (1007, 908)
    assert picture.ppi == pytest.approx(1000, rel=1e-3)
