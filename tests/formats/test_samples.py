"""The front door: content decides, errors say what the file is."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from biomatch.errors import FormatError, OptionError, UnreadableSampleError
from biomatch.formats import read_samples
from biomatch.formats.sniff import Kind, sniff


def test_a_picture_is_what_the_caller_says(tmp_path: Path) -> None:
    path = tmp_path / "print.png"
    Image.fromarray(np.zeros((20, 20), np.uint8)).save(path)
    (sample,) = read_samples(path, "fingerprint")
    assert (sample.modality, sample.path) == ("fingerprint", path)
    assert sample.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert read_samples(path, "face")[0].modality == "face"
    with pytest.raises(OptionError, match="fingerprint' or 'face"):
        read_samples(path)
    with pytest.raises(UnreadableSampleError, match="is a picture, not a DNA table"):
        read_samples(path, "dna")


def test_text_named_png_is_refused_as_text(tmp_path: Path) -> None:
    path = tmp_path / "fake.png"
    path.write_text("hello, this is a text\n")
    with pytest.raises(UnreadableSampleError, match="is text, not a picture"):
        read_samples(path, "fingerprint")


def test_each_page_of_a_tiff_is_a_sample(tmp_path: Path) -> None:
    path = tmp_path / "card.tif"
    pages = [Image.fromarray(np.full((8, 8), grey, np.uint8)) for grey in (10, 20, 30)]
    pages[0].save(path, save_all=True, append_images=pages[1:], dpi=(500, 500))
    samples = read_samples(path, "fingerprint")
    assert [int(sample.image[0, 0]) for sample in samples] == [10, 20, 30]
    assert [sample.label for sample in samples] == ["card"] * 3
    digests = [sample.sha256 for sample in samples]
    assert digests[0] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert len(set(digests)) == 3
    assert digests == [sample.sha256 for sample in read_samples(path, "fingerprint")]


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        ("Größe;Länge\n".encode("cp1252"), Kind.TEXT),
        ("a;é".encode()[:-1], Kind.TEXT),
        (b"\xff\xfe" + "a,b\n".encode("utf-16-le"), Kind.TEXT),
        (b'\xef\xbb\xbf{"a": 1}', Kind.JSON),
        (b" <?xml version='1.0'?>", Kind.XML),
        (bytes(range(200, 255)) * 5, Kind.UNKNOWN),
        (b"abc\x01def", Kind.UNKNOWN),
        (b"   \n", Kind.UNKNOWN),
        (b"PK\x03\x04", Kind.ARCHIVE),
        (b"RIFF\0\0\0\0WEBPVP8 ", Kind.PICTURE),
        (b"P5\n2 2", Kind.PICTURE),
        (b"1.01:123\x1d1.02:0300", Kind.TRANSACTION),
    ],
)
def test_kinds_by_content(data: bytes, kind: Kind) -> None:
    assert sniff(data) is kind


def test_archives_say_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    path.write_bytes(b"PK\x03\x04" + bytes(30))
    with pytest.raises(UnreadableSampleError, match="export its table as CSV"):
        read_samples(path, "dna")


def test_records_of_other_modalities_are_named(tmp_path: Path) -> None:
    path = tmp_path / "iris.bin"
    path.write_bytes(b"IIR\x00020\0")
    with pytest.raises(UnreadableSampleError, match="is an iris image record"):
        read_samples(path)


def test_missing_empty_and_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableSampleError, match="cannot be read"):
        read_samples(tmp_path / "nothing.png", "face")
    (tmp_path / "empty.png").touch()
    with pytest.raises(UnreadableSampleError, match="empty"):
        read_samples(tmp_path / "empty.png", "face")
    with pytest.raises(UnreadableSampleError, match="is a folder, not a file"):
        read_samples(tmp_path, "face")


def test_a_truncated_record_names_field_and_offset(tmp_path: Path) -> None:
    path = tmp_path / "short.fmr"
    path.write_bytes(b"FMR\0 20\0\0\0\0\x20")
    with pytest.raises(FormatError, match=r"short\.fmr: record header at offset 8"):
        read_samples(path)


@pytest.mark.shared
def test_a_record_gives_one_template_a_view(shared: Path) -> None:
    path = shared / "standards" / "iso" / "iso19794p2v2005-sample.dat"
    samples = read_samples(path)
    assert [sample.finger_position for sample in samples] == [7, 2]
    assert {sample.ppi for sample in samples} == {500}
    with pytest.raises(
        UnreadableSampleError, match=r"holds fingerprint, not face \(finger minutiae record\)"
    ):
        read_samples(path, "face")


def test_a_transaction_in_xml_is_named(tmp_path: Path) -> None:
    path = tmp_path / "t.xml"
    path.write_bytes(
        b'<?xml version="1.0"?>\n<itl:NISTBiometricInformationExchangePackage xmlns:itl="x"/>'
    )
    for modality in (None, "fingerprint", "dna"):
        with pytest.raises(UnreadableSampleError, match="XML encoding"):
            read_samples(path, modality)
