"""Transactions: byte for byte, lenient where files are, strict where data are missing."""

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from biomatch.errors import FormatError, UnreadableSampleError
from biomatch.formats import ansi_nist, read_samples
from biomatch.formats.ansi_nist import contents, minutiae
from biomatch.formats.ansi_nist.dictionary import RECORD_NAMES, field_name
from biomatch.formats.ansi_nist.records import BinaryRecord, TaggedRecord, subfields, tagged
from biomatch.types import ImpressionType


def header(*kinds: tuple[int, int]) -> TaggedRecord:
    count = [(1, len(kinds)), *kinds]
    return tagged(
        1,
        [
            (2, "0502"),
            (3, [(a, f"{b:02d}") if i else (a, b) for i, (a, b) in enumerate(count)]),
            (4, "MPS"),
            (11, "19.69"),
            (12, "19.69"),
        ],
    )


def latent(idc: int = 1, pixels: bytes = bytes(range(60))) -> TaggedRecord:
    return tagged(
        13,
        [
            (2, f"{idc:02d}"),
            (3, "4"),
            (6, "10"),
            (7, "6"),
            (8, "1"),
            (9, "1000"),
            (10, "1000"),
            (11, "NONE"),
            (12, "8"),
            (13, "7"),
            (999, pixels),
        ],
    )


def test_image_bytes_that_look_like_separators_stay_in_the_image() -> None:
    pixels = b"\x1c\x1d\x1e\x1f13.002:9\x1d1.001:5\x1d" + bytes(35)
    data = header((13, 1)).encode() + latent(pixels=pixels).encode()
    transaction = ansi_nist.read(data)
    assert transaction.encode() == data
    (record,) = transaction.of_type(13)
    assert record.data == pixels


def test_a_wrong_length_of_a_tagged_record_is_read_and_kept() -> None:
    text = tagged(2, [(2, "00"), (7, "CASE-1")]).encode()
    wrong = text.replace(b"2.001:31", b"2.001:99")
    assert wrong != text
    data = header((2, 0), (13, 1)).encode() + wrong + latent().encode()
    transaction = ansi_nist.read(data)
    assert [record.type for record in transaction.records] == [1, 2, 13]
    assert transaction.encode() == data


def test_doubled_fields_and_padding_are_kept() -> None:
    double = tagged(2, [(2, "00"), (34, "first"), (34, "second")])
    data = header((2, 0)).encode() + double.encode() + b"\r\n\0"
    transaction = ansi_nist.read(data)
    (record,) = transaction.of_type(2)
    assert isinstance(record, TaggedRecord)
    assert [field.text for field in record.fields if field.number == 34] == ["first", "second"]
    assert transaction.trailing == b"\r\n\0"
    assert transaction.encode() == data


def test_text_is_utf8_or_latin1() -> None:
    record = tagged(2, [(2, "00"), (18, "Łukasz Ångström")])
    assert record.text(18) == "Łukasz Ångström"
    old = tagged(2, [(2, "00"), (18, "Ångström".encode("latin-1"))])
    assert old.text(18) == "Ångström"


def test_separators_in_new_text_become_blanks() -> None:
    assert tagged(2, [(7, "A\x1dB")]).value(7) == b"A B"


def test_truncation_names_record_and_offset() -> None:
    data = header((13, 1)).encode() + latent().encode()
    with pytest.raises(FormatError, match=r"cut\.an2: field 13\.001 at offset \d+: .*truncated"):
        ansi_nist.read(data[:-20], "cut.an2")
    with pytest.raises(FormatError, match=r"field 1\.003 lists 2 records, 1 are there"):
        ansi_nist.read(header((13, 1)).encode())
    with pytest.raises(FormatError, match=r"a transaction starts with '1\.001:'"):
        ansi_nist.read(b"<xml/>")


def binary(kind: int, data: bytes, *, width: int, height: int, coding: int = 0) -> bytes:
    head = bytes((1, 3, 2, 255, 255, 255, 255, 255, 1))
    head += width.to_bytes(2, "big") + height.to_bytes(2, "big") + bytes((coding,))
    return (4 + len(head) + len(data)).to_bytes(4, "big") + head + data


@pytest.mark.parametrize(("kind", "ppi"), [(3, 250), (4, 500)])
def test_grey_binary_records(kind: int, ppi: int) -> None:
    pixels = bytes(range(60))
    data = header((kind, 1)).encode() + binary(kind, pixels, width=10, height=6)
    transaction = ansi_nist.read(data)
    assert transaction.encode() == data
    record = transaction.records[1]
    assert isinstance(record, BinaryRecord)
    shown = contents.describe(record, transaction)
    assert shown is not None
    assert (shown.position, shown.ppi, shown.kind) == (2, ppi, ImpressionType.ROLLED)
    np.testing.assert_array_equal(shown.pixels().ravel(), np.arange(60))


def test_two_level_records_are_black_on_white() -> None:
    data = header((6, 1)).encode() + binary(6, b"\xf0\x00\x0f\x00", width=16, height=2)
    transaction = ansi_nist.read(data)
    shown = contents.describe(transaction.records[1], transaction)
    assert shown is not None
    pixels = shown.pixels()
    assert pixels[0].tolist() == [0] * 4 + [255] * 12
    assert pixels[1].tolist() == [255] * 4 + [0] * 4 + [255] * 8


def test_facsimile_of_types_5_and_6() -> None:
    rng = np.random.default_rng(5)
    black = rng.random((40, 64)) < 0.3
    stream = io.BytesIO()
    picture = Image.fromarray(~black)
    picture.save(stream, "TIFF", compression="group4", tiffinfo={278: 40})
    with Image.open(io.BytesIO(stream.getvalue())) as stored:
        offset, size = stored.tag_v2[273][0], stored.tag_v2[279][0]
        white_is_zero = stored.tag_v2[262] == 0
    coded = stream.getvalue()[offset : offset + size]
    data = header((6, 1)).encode() + binary(6, coded, width=64, height=40, coding=1)
    transaction = ansi_nist.read(data)
    shown = contents.describe(transaction.records[1], transaction)
    assert shown is not None
    dark = shown.pixels() == 0
    np.testing.assert_array_equal(dark, black if white_is_zero else ~black)


def test_a_raw_image_that_is_too_short_is_refused() -> None:
    data = header((13, 1)).encode() + latent(pixels=bytes(59)).encode()
    transaction = ansi_nist.read(data)
    shown = contents.describe(transaction.records[1], transaction)
    assert shown is not None
    with pytest.raises(UnreadableSampleError, match=r"Type-13 record with IDC 1: .* truncated"):
        shown.pixels("x.an2")


@pytest.mark.parametrize("depth", [12, 16])
def test_deep_pixels_fill_sixteen_bits(depth: int) -> None:
    values = np.arange(6, dtype=np.uint16) * 100
    fields = [(2, "01"), (3, "4"), (6, "3"), (7, "2"), (11, "NONE"), (12, str(depth))]
    record = tagged(13, [*fields, (999, values.astype(">u2").tobytes())])
    shown = contents.describe(record, ansi_nist.Transaction((header((1, 0)), record)))
    assert shown is not None
    np.testing.assert_array_equal(shown.pixels().ravel(), values << (16 - depth))


def test_slaps_with_segments_give_one_sample_a_finger(tmp_path: Path) -> None:
    pixels = np.arange(100, dtype=np.uint8).reshape(10, 10)
    record = tagged(
        14,
        [
            (2, "01"),
            (3, "0"),
            (6, "10"),
            (7, "10"),
            (8, "2"),
            (9, "197"),
            (10, "197"),
            (11, "NONE"),
            (12, "8"),
            (13, "13"),
            (21, [(2, 0, 4, 1, 9), (3, 5, 9, 1, 9), (4, 20, 30, 1, 9)]),
            (999, pixels.tobytes()),
        ],
    )
    path = tmp_path / "slap.an2"
    path.write_bytes(header((14, 1)).encode() + record.encode())
    first, second = read_samples(path)
    assert (first.finger_position, second.finger_position) == (2, 3)
    assert first.ppi == 500
    np.testing.assert_array_equal(first.image, pixels[1:10, 0:5])


@pytest.mark.parametrize(
    ("fields", "x", "y", "degrees"),
    [
        ([(12, [("001", "01000200090", "0", "A")])], 19.69, 118.11 - 39.37, 270),
        ([(23, [("001", "01000200090", "00", "C")])], 19.69, 39.37, 90),
        (
            [(300, [("2000", "1000", "100", "50")]), (331, [("100", "200", "90", "E")])],
            39.37,
            49.2,
            90,
        ),
        (
            [(130, "1"), (131, "1000"), (132, "1000"), (137, [("1", "40", "80", "45", "1", "0")])],
            20,
            40,
            90,
        ),
    ],
)
def test_minutiae_of_all_blocks_mean_the_same(
    fields: list, x: float, y: float, degrees: float
) -> None:
    record = tagged(9, [(2, "01"), (3, "4"), (4, "S"), *fields])
    made = minutiae.template(record, (600, 600 // 5, 500.0 * 120 / 118.11))
    assert made is not None
    found = made.minutiae
    assert found.x[0] == pytest.approx(x, abs=0.2)
    assert found.y[0] == pytest.approx(y, abs=0.2)
    assert np.degrees(found.angle[0]) == pytest.approx(degrees, abs=0.1)
    assert made.impression is ImpressionType.LATENT


def test_malformed_minutiae_name_field_and_value() -> None:
    record = tagged(9, [(2, "01"), (12, [("001", "x1000200090", "0", "A")])])
    with pytest.raises(FormatError, match=r"field 9\.012: position and angle 'x1000200090'"):
        minutiae.template(record)
    record = tagged(9, [(2, "01"), (331, [("1", "?", "3")])])
    with pytest.raises(FormatError, match=r"field 9\.331: item 2 of a minutia is '\?'"):
        minutiae.template(record)


def test_a_record_without_minutiae_gives_no_template() -> None:
    assert minutiae.template(tagged(9, [(2, "01"), (4, "S"), (12, "")])) is None


def test_the_dictionary_knows_each_record_type() -> None:
    assert field_name(13, 999) == ("DATA", "Image or object data")
    assert field_name(9, 331) == ("MIN", "EFS minutiae")
    assert field_name(4, 8) == ("CGA", "Compression algorithm")
    assert field_name(2, 555) == ("", "")
    for kind in RECORD_NAMES:
        assert field_name(kind, 1)[0] == "LEN"


@given(st.lists(st.lists(st.text("AZaz09 .,-", max_size=5), min_size=1, max_size=4), min_size=1))
def test_subfields_survive(parts: list[list[str]]) -> None:
    record = tagged(2, [(2, "00"), (700, parts)])
    assert record.items(700) == parts
    assert subfields(record.value(700) or b"") == parts
    data = header((2, 0)).encode() + record.encode()
    assert ansi_nist.read(data).records[1] == record


@given(st.binary(max_size=400))
def test_any_image_bytes_survive(pixels: bytes) -> None:
    data = header((13, 1), (13, 2)).encode() + latent(1, pixels).encode() + latent(2).encode()
    transaction = ansi_nist.read(data)
    assert transaction.encode() == data
    assert transaction.of_type(13)[0].data == pixels


@pytest.mark.shared
def test_every_nist_transaction_is_written_back_byte_for_byte(shared: Path) -> None:
    paths = sorted((shared / "standards" / "an2").glob("*.an2*"))
    assert paths
    for path in paths:
        data = path.read_bytes()
        transaction = ansi_nist.read(data, path.name)
        assert transaction.encode() == data, path.name
        assert transaction.trailing == b""
        listed = [int(items[0]) for items in transaction.header.items(3)]
        assert [record.type for record in transaction.records] == [1, *listed[1:]], path.name


@pytest.mark.shared
def test_every_picture_of_nist_is_decoded_at_its_size(shared: Path) -> None:
    count = 0
    for path in sorted((shared / "standards" / "an2").glob("*.an2*")):
        transaction = ansi_nist.read(path.read_bytes(), path.name)
        for record in transaction.records:
            shown = contents.describe(record, transaction)
            if shown is not None:
                assert shown.pixels(path.name).shape[:2] == (shown.height, shown.width)
                count += 1
    assert count > 40


@pytest.mark.shared
def test_ten_prints_have_their_positions(shared: Path) -> None:
    for name in ("type-4-tpcard.an2", "type-14-tpcard-nqm.an2"):
        samples = read_samples(shared / "standards" / "an2" / name, "fingerprint")
        assert [s.finger_position for s in samples] == [*range(1, 11), 14, 12, 11, 13]
        assert {s.ppi for s in samples} == {500}
        assert [s.impression.value for s in samples] == ["rolled"] * 10 + ["plain"] * 4


@pytest.mark.shared
def test_m1_minutiae_equal_those_of_the_incits_record(shared: Path) -> None:
    """NIST converted one set of minutiae to a legacy Type-9 record."""
    path = shared / "standards" / "an2" / "biomeval_type9.an2k"
    transaction = ansi_nist.read(path.read_bytes())
    record = transaction.records[1]
    assert isinstance(record, TaggedRecord)
    made = minutiae.template(record)
    assert made is not None
    assert len(made) == record.number(10) == 28
    assert made.minutiae.x[0] == 26
    assert np.degrees(made.minutiae.angle[0]) == pytest.approx(68, abs=0.1)


@pytest.mark.shared
def test_efs_records_have_positions_and_regions(shared: Path) -> None:
    samples = read_samples(shared / "standards" / "an2" / "biomeval_type9-efs.an2k")
    assert [s.finger_position for s in samples] == [8, 5, 3, 10, 9, 7, 2, 4]
    assert all(s.template.roi is not None for s in samples)


@pytest.mark.shared
def test_transactions_without_prints_say_what_they_hold(shared: Path) -> None:
    folder = shared / "standards" / "an2"
    with pytest.raises(UnreadableSampleError, match="only records of Type-1, Type-2, Type-17"):
        read_samples(folder / "type-17-iris.an2")
    assert [s.modality for s in read_samples(folder / "type-9-10-14.an2")] == [
        "fingerprint",
        "face",
        "fingerprint",
    ]
    (face,) = read_samples(folder / "type-9-10-14.an2", "face")
    assert face.image is not None


@pytest.mark.parametrize("text", ["\x1d0", "", "x", "\u0663", "999"])
def test_a_quality_that_is_no_number_counts_as_not_reported(text: str) -> None:
    assert minutiae._legacy_quality(text) == minutiae._legacy_quality("0")


def test_the_worst_quality_is_nearly_nothing() -> None:
    assert minutiae._legacy_quality(" 63 ") < 0.02 < 0.98 < minutiae._legacy_quality("2")
