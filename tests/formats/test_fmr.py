"""Finger minutiae records: all fields survive, editions are told apart, truncation is refused."""

from dataclasses import replace

import pytest
from fmr_strategies import OLD, records
from hypothesis import given, settings
from hypothesis import strategies as st

from biomatch.errors import FormatError
from biomatch.formats import fmr
from biomatch.formats.minutiae_record import (
    Area,
    Core,
    CoresDeltas,
    Delta,
    Geometry,
    MinutiaeRecord,
    Quality,
    RecordMinutia,
    RidgeCounts,
    Standard,
    View,
    Zones,
)


def plain(record: MinutiaeRecord) -> MinutiaeRecord:
    return replace(record, version=b"")


def sample(standard: Standard, *, areas: tuple[Area, ...] = ()) -> MinutiaeRecord:
    image = Geometry(300, 400)
    minutiae = tuple(RecordMinutia(1 + i % 2, 10 + i, 20 + i, 30 + i, 50) for i in range(20))
    view = View(
        7, 0, 0, (Quality(80, *((0, 0) if standard in OLD else (6, 55))),), image, minutiae, areas
    )
    return MinutiaeRecord(standard, (view,), image=image if standard in OLD else None)


@settings(max_examples=100, deadline=None)
@given(records())
def test_every_field_of_every_edition_survives(record: MinutiaeRecord) -> None:
    data = fmr.write(record)
    again = fmr.read(data)
    assert again.standard is record.standard
    assert plain(again) == plain(record)
    assert fmr.write(again) == data
    assert fmr.fields(again)["fingerprints"]


@settings(max_examples=60, deadline=None)
@given(records(), st.floats(0, 1))
def test_truncation_is_refused_with_field_and_offset(record: MinutiaeRecord, share: float) -> None:
    data = fmr.write(record)
    cut = data[: int(share * (len(data) - 1))]
    with pytest.raises(FormatError, match=r"cut: .* at offset \d+"):
        fmr.read(cut, "cut")


@settings(max_examples=60, deadline=None)
@given(records(), st.integers(0, 400))
def test_wrong_total_lengths_are_read_and_kept(record: MinutiaeRecord, length: int) -> None:
    record = replace(record, stated_length=length)
    data = fmr.write(record)
    if record.standard is Standard.ANSI_2004 and length == 0:
        return  # zero announces the six-byte form
    again = fmr.read(data)
    assert again.standard is record.standard
    assert fmr.write(again) == data


@pytest.mark.parametrize("standard", list(Standard))
def test_padding_is_kept(standard: Standard) -> None:
    data = fmr.write(sample(standard)) + bytes(100)
    again = fmr.read(data)
    assert again.standard is standard
    assert again.trailing == bytes(100)
    assert fmr.write(again) == data


def test_ansi_2004_with_a_six_byte_length() -> None:
    record = replace(sample(Standard.ANSI_2004), long_length=True)
    data = fmr.write(record)
    assert data[8:10] == b"\0\0"
    again = fmr.read(data)
    assert again.standard is Standard.ANSI_2004
    assert again.long_length
    assert fmr.write(again) == data


def test_a_record_beyond_64_kib_gets_the_six_byte_length() -> None:
    view = sample(Standard.ANSI_2004).views[0]
    big = replace(view, areas=(Area(0x0101, bytes(60_000)),))
    record = MinutiaeRecord(
        Standard.ANSI_2004, (big, replace(big, number=1)), image=Geometry(300, 400)
    )
    data = fmr.write(record)
    assert len(data) > 0x10000
    assert plain(fmr.read(data)) == record


@pytest.mark.parametrize("standard", [Standard.ISO_2005, Standard.ANSI_2004])
def test_the_other_spelling_of_version_20(standard: Standard) -> None:
    data = fmr.write(sample(standard)).replace(b" 20\0", b"020\0")
    again = fmr.read(data)
    assert again.standard is standard
    assert fmr.write(again) == data


def test_a_length_that_counts_the_content_only() -> None:
    record = sample(Standard.ISO_2005, areas=(Area(0x0221, b"abcdef", 6),))
    again = fmr.read(fmr.write(record))
    assert again.views[0].areas == record.views[0].areas


def test_an_area_that_claims_too_much_in_a_whole_file() -> None:
    points = CoresDeltas((Core(5, 6, 7),), (Delta(1, 2, (3, 4, 5)),)).pack(Standard.ISO_2005)
    data = bytearray(fmr.write(sample(Standard.ISO_2005, areas=(points,))))
    size = len(points.data) + 4
    block = data.index(bytes((0, size, 0, 2, 0, size)))
    data[block + 1] += 1
    data[block + 5] += 1
    again = fmr.read(bytes(data))
    assert again.cores_deltas(again.views[0]) == CoresDeltas.unpack(points.data, Standard.ISO_2005)
    assert fmr.write(again) == data


def test_a_missing_extended_data_length_in_a_whole_file() -> None:
    data = bytearray(fmr.write(sample(Standard.ISO_2005))[:-2])
    data[8:12] = len(data).to_bytes(4, "big")
    again = fmr.read(bytes(data))
    assert again.views[0].areas_length == -1
    assert fmr.write(again) == data
    data[8:12] = (len(data) + 2).to_bytes(4, "big")
    with pytest.raises(FormatError, match=r"extended data block length at offset .*truncated"):
        fmr.read(bytes(data))


def test_cores_have_angles_of_their_own_in_iso_only() -> None:
    mixed = CoresDeltas((Core(1, 2, 3), Core(4, 5)), (Delta(6, 7),))
    area = mixed.pack(Standard.ISO_2005)
    assert CoresDeltas.unpack(area.data, Standard.ISO_2005) == mixed
    with pytest.raises(FormatError, match="either all cores"):
        mixed.pack(Standard.ANSI_2009)


def test_zones_need_possible_cells() -> None:
    with pytest.raises(FormatError, match="0 x 8 px"):
        Zones.unpack(bytes((0, 8, 8)), Standard.ISO_2005, Geometry(10, 10))
    with pytest.raises(FormatError, match="is empty"):
        RidgeCounts.unpack(b"")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "format identifier"),
        (b"FMR\0 99\0", "version at offset 4"),
        (b"FMR\0 20\0", "record header at offset 8"),
        (b"RMF\0 20\0", "format identifier"),
    ],
)
def test_other_files_are_refused(data: bytes, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        fmr.read(data)


@pytest.mark.parametrize("standard", list(Standard))
def test_values_that_do_not_fit_are_refused(standard: Standard) -> None:
    record = sample(standard)
    view = replace(record.views[0], position=300)
    with pytest.raises(FormatError, match="exceeds its field"):
        fmr.write(replace(record, views=(view,)))
    crowded = replace(record.views[0], minutiae=record.views[0].minutiae * 20)
    with pytest.raises(FormatError, match="exceeds its field"):
        fmr.write(replace(record, views=(crowded,)))


def test_one_image_size_in_the_old_editions() -> None:
    record = sample(Standard.ISO_2005)
    other = replace(record.views[0], image=Geometry(1, 1))
    with pytest.raises(FormatError, match="one image size"):
        fmr.write(replace(record, views=(record.views[0], other)))


def test_the_draft_of_2007_is_told_from_2009() -> None:
    for standard in (Standard.ANSI_2007, Standard.ANSI_2009):
        record = replace(sample(standard), product_owner=0x42, product_type=0x11, device=0xB5)
        assert plain(fmr.read(fmr.write(record))) == record
