"""Records that are written are read back field by field: 19794-4, 19794-5, Type-18."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from biomatch.dna.loci import BY_NAME
from biomatch.dna.profile import DnaProfile
from biomatch.errors import FormatError, OptionError, UnreadableSampleError
from biomatch.formats import ansi_nist, iso19794_4, iso19794_5, read_samples
from biomatch.formats.ansi_nist import dna
from biomatch.formats.ansi_nist.records import tagged
from biomatch.formats.ansi_nist.transactions import Envelope
from biomatch.formats.conversion import convert
from biomatch.formats.iso19794_4 import FingerImage, FingerImageRecord
from biomatch.formats.iso19794_5 import FaceImage, FaceRecord, FeaturePoint

ENVELOPE = Envelope("A", "B", "1")
octets = st.integers(0, 255)
words = st.integers(0, 65535)
triples = st.tuples(octets, octets, octets)


@st.composite
def finger_records(draw: st.DrawFn) -> FingerImageRecord:
    edition = draw(st.sampled_from(iso19794_4.EDITIONS))
    ppi = draw(st.sampled_from([250.0, 500.0, 1000.0, None]))
    depth, compression = draw(st.integers(1, 16)), draw(st.integers(0, 5))
    found = [
        FingerImage(
            position=draw(octets),
            impression=draw(octets),
            quality=draw(st.integers(0, 254)),
            width=draw(words),
            height=draw(words),
            ppi=ppi,
            depth=depth,
            compression=compression,
            data=draw(st.binary(min_size=1, max_size=40)),
        )
        for _ in range(draw(st.integers(1, 4)))
    ]
    return FingerImageRecord(edition, tuple(found))


@given(finger_records())
def test_finger_image_records_come_back(record: FingerImageRecord) -> None:
    data = iso19794_4.write(record)
    assert iso19794_4.read(data) == record
    length = data[8:12] if record.standard == iso19794_4.ISO_2011 else data[8:14]
    assert int.from_bytes(length, "big") == len(data)


@given(
    st.sampled_from(["010", "030"]),
    st.lists(
        st.tuples(triples, triples, st.lists(st.tuples(octets, octets, words, words))), max_size=3
    ),
    words,
    octets,
)
def test_face_image_records_come_back(version, faces, width, quality) -> None:
    made = tuple(
        FaceImage(
            1,
            2,
            3,
            0x123456,
            4,
            pose,
            spread,
            tuple(FeaturePoint(*point) for point in points),
            1,
            0,
            width,
            9,
            1,
            0,
            7,
            quality,
            b"\xff\xd8\xff" + bytes(5),
        )
        for pose, spread, points in faces
    )
    record = FaceRecord(version, made)
    if not made:
        with pytest.raises(OptionError, match="0 pictures"):
            iso19794_5.write(record)
        return
    data = iso19794_5.write(record)
    assert iso19794_5.read(data) == record
    assert int.from_bytes(data[8:12], "big") == len(data)


def test_what_an_edition_cannot_say_is_refused() -> None:
    image = FingerImage(1, 0, 80, 3, 2, 500.0, 8, 0, bytes(6))
    other = FingerImage(1, 0, 80, 3, 2, 1000.0, 8, 0, bytes(6))
    wide = FingerImage(1, 0, 80, 70_000, 2, 500.0, 8, 0, bytes(6))
    for record, reason in (
        (FingerImageRecord(iso19794_4.ISO_2005, (image, other)), "one ppi"),
        (FingerImageRecord(iso19794_4.ISO_2011, (wide,)), "does not fit"),
        (FingerImageRecord("nonsense", (image,)), "edition"),
        (FingerImageRecord(iso19794_4.ISO_2011, ()), "0 pictures"),
    ):
        with pytest.raises(OptionError, match=reason):
            iso19794_4.write(record)
    with pytest.raises(OptionError, match="version"):
        iso19794_5.write(FaceRecord("020", ()))


PICTURE = Path(__file__).parents[2] / "fixtures" / "fingerprint" / "001_1.png"
PHOTOGRAPH = Path(__file__).parents[2] / "fixtures" / "faces" / "probe.jpg"


@pytest.mark.parametrize("kind", ["fir-2005", "fir-2011", "fir-incits"])
def test_a_print_becomes_a_record_and_a_picture_again(kind: str, tmp_path: Path) -> None:
    convert(PICTURE, tmp_path / "print.fir", kind)
    (sample,) = read_samples(tmp_path / "print.fir")
    convert(tmp_path / "print.fir", tmp_path / "print.png")
    (again,) = read_samples(tmp_path / "print.png", "fingerprint")
    assert sample.ppi == 500
    assert sample.image is not None
    from biomatch import images

    np.testing.assert_array_equal(sample.image, images.to_grey(images.read(PICTURE).pixels))
    assert again.path is not None
    np.testing.assert_array_equal(images.read(again.path).pixels, sample.image)


@pytest.mark.parametrize("kind", ["fac-2005", "fac-2011"])
def test_a_photograph_becomes_a_record(kind: str, tmp_path: Path) -> None:
    from biomatch import images

    convert(PHOTOGRAPH, tmp_path / "face.fac", kind)
    (sample,) = read_samples(tmp_path / "face.fac")
    assert sample.modality == "face"
    assert sample.image is not None
    np.testing.assert_array_equal(sample.image, images.read(PHOTOGRAPH).pixels)
    with pytest.raises(UnreadableSampleError, match="no finger picture"):
        convert(tmp_path / "face.fac", tmp_path / "x.fir")


loci = [name for name, locus in BY_NAME.items() if locus.by_length and locus.kind != "quality"]
tokens = st.lists(
    st.sampled_from(["6", "7", "9.3", "10", "11.1", "17", "<5", ">40", "OL"]), max_size=8
)


@given(st.dictionaries(st.sampled_from(loci), tokens, min_size=1))
def test_profiles_come_back_from_type_18(calls) -> None:
    profile = DnaProfile.from_alleles(calls, name="Stain 7")
    written = dna.transaction(ENVELOPE, [profile]).encode()
    read = ansi_nist.read(written)
    assert read.encode() == written
    back = dna.profile(read.records[1], "x")
    typed = {locus: profile.loci[locus] for locus in profile.typed}
    if not typed:
        assert back is None
        return
    assert back is not None
    assert dict(back.loci) == typed
    assert back.name == "Stain 7"


def test_numbers_of_loci_need_their_list(tmp_path: Path) -> None:
    rows = [("0", "3", "1", "1", "1", "6", "9.3")]
    record = tagged(18, [(2, "01"), (4, "LAB"), (16, rows)])
    with pytest.raises(FormatError, match="locus reference number 3"):
        dna.profile(record, "x")
    found = dna.profile(record, "x", {3: "TH01"})
    assert found is not None
    assert dict(found.loci) == {"TH01": ("6", "9.3")}
    header = ENVELOPE.header("DNA", [(18, 1)])
    path = tmp_path / "dna.an2"
    path.write_bytes(header.encode() + record.encode())
    for modality in (None, "dna"):
        with pytest.raises(FormatError, match=r"IDC 1: field 18\.016"):
            read_samples(path, modality)


def test_a_table_becomes_a_transaction_and_a_table_again(tmp_path: Path) -> None:
    table = tmp_path / "stain.csv"
    table.write_text("SampleName,Marker,Allele1,Allele2\nA,TH01,6,9.3\nA,AMEL,X,Y\nB,TH01,7,7\n")
    convert(table, tmp_path / "stain.an2")
    found = read_samples(tmp_path / "stain.an2", "dna")
    assert [sample.label for sample in found] == ["A", "B"]
    assert len({sample.sha256 for sample in found}) == 2
    convert(tmp_path / "stain.an2", tmp_path / "again.csv")
    from biomatch.dna import files

    assert files.read(tmp_path / "again.csv") == files.read(table)
    with pytest.raises(OptionError, match="biomatch dna convert"):
        convert(table, tmp_path / "x.png")


def test_type_18_limits() -> None:
    profile = DnaProfile.from_alleles({"TH01": ("6",)}, name="A")
    with pytest.raises(OptionError, match="0 profiles"):
        dna.transaction(ENVELOPE, [])
    with pytest.raises(OptionError, match="IDC 100"):
        dna.record(profile, 100, "A")
    with pytest.raises(OptionError, match="given twice"):
        dna.record(profile, 1, "A", [(16, "x")])
    made = dna.record(profile, 1, "A", [(14, "20250102"), (3, [("G",)])])
    assert [field.number for field in made.fields] == [1, 2, 3, 4, 14, 16, 23]
