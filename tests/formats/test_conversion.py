"""Files shown and converted; transactions of our own."""

import datetime
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from biomatch import images
from biomatch.errors import OptionError, UnreadableSampleError
from biomatch.fingerprint.minutiae import Minutiae
from biomatch.fingerprint.template import FingerprintTemplate
from biomatch.formats import ansi_nist, convert, fmr, inspect, read_samples, templates
from biomatch.formats.ansi_nist.records import TaggedRecord
from biomatch.formats.ansi_nist.transactions import (
    Envelope,
    error_answer,
    latent_search,
    search_results,
)
from biomatch.formats.minutiae_record import Standard
from biomatch.types import Candidate, ImpressionType

TIME = datetime.datetime(2024, 5, 6, 7, 8, 9, tzinfo=datetime.UTC)
ENVELOPE = Envelope("NL/NAFIS", "DE/BKA", "0200000004F", time=TIME)


def marks() -> FingerprintTemplate:
    rows = [(10 + 9 * i, 20 + 7 * i, 0.5 * i, i % 3, 1.0) for i in range(12)]
    return FingerprintTemplate(
        Minutiae.from_rows(np.array(rows)),
        200,
        150,
        impression=ImpressionType.LATENT,
        extractor="examiner",
    )


def search() -> ansi_nist.Transaction:
    pixels = np.arange(200 * 150, dtype=np.uint32).reshape(150, 200).astype(np.uint8)
    return latent_search(
        ENVELOPE, pixels, 500, case="NL2024-17", template=marks(), finger_position=7
    )


def test_a_latent_search_is_read_back(tmp_path: Path) -> None:
    transaction = search()
    data = transaction.encode()
    again = ansi_nist.read(data)
    assert again == transaction
    head = again.header
    assert [head.text(n) for n in (2, 4, 5, 6, 7, 8, 9)] == [
        "0300",
        "MPS",
        "20240506",
        "4",
        "DE/BKA",
        "NL/NAFIS",
        "0200000004F",
    ]
    assert head.items(13) == [["INT-I", "4.22"]]
    assert head.items(3) == [["1", "3"], ["2", "00"], ["9", "01"], ["13", "01"]]
    for record in again.records:
        assert isinstance(record, TaggedRecord)
        assert record.number(1) == len(record.encode())
    path = tmp_path / "search.an2"
    path.write_bytes(data)
    minutiae, picture = read_samples(path)
    assert (minutiae.finger_position, picture.finger_position) == (7, 7)
    assert minutiae.label == picture.label == "0200000004F"
    assert picture.image.shape == (150, 200)
    found, made = minutiae.template.minutiae, marks().minutiae
    np.testing.assert_allclose(found.x, made.x, atol=0.2)
    np.testing.assert_allclose(found.y, made.y, atol=0.2)
    turn = np.angle(np.exp(1j * (found.angle.astype(float) - made.angle)))
    assert np.abs(turn).max() < np.radians(0.6)
    np.testing.assert_array_equal(found.type, made.type)


def test_each_candidate_is_one_answer() -> None:
    candidates = [
        Candidate(1, "S-1", "s1", 9.0, 5.25, finger_position=7),
        Candidate(2, "S-2", "s2", 1.0, -2.0),
    ]
    envelope = Envelope("DE/BKA", "NL/NAFIS", "77", time=TIME)
    answers = [ansi_nist.read(a.encode()) for a in search_results(envelope, search(), candidates)]
    assert [a.header.text(4) for a in answers] == ["SRE", "SRE"]
    assert [a.header.text(9) for a in answers] == ["77-001", "77-002"]
    assert {a.header.text(10) for a in answers} == {"0200000004F"}
    first, second = (a.of_type(2)[0] for a in answers)
    assert isinstance(first, TaggedRecord)
    assert isinstance(second, TaggedRecord)
    assert first.items(64) == [["MPS"], ["I"], ["001/002"], ["5250"]]
    assert second.items(64) == [["MPS"], ["I"], ["002/002"], ["0"]]
    assert first.text(7) == "NL2024-17"
    assert first.text(10) == "S-1"


def test_no_candidate_and_refusal() -> None:
    (answer,) = search_results(ENVELOPE, search(), [])
    record = answer.of_type(2)[0]
    assert isinstance(record, TaggedRecord)
    assert record.items(64) == [["MPS"], ["N"], ["000/000"], ["0"]]
    refusal = error_answer(ENVELOPE, search(), 101, "field 2.007 is missing")
    record = refusal.of_type(2)[0]
    assert isinstance(record, TaggedRecord)
    assert record.text(74) == "101: field 2.007 is missing"
    with pytest.raises(OptionError, match="error code 0"):
        error_answer(ENVELOPE, search(), 0, "")


def test_pictures_keep_their_resolution(tmp_path: Path) -> None:
    source = tmp_path / "a.png"
    pixels = np.arange(64 * 64, dtype=np.uint32).reshape(64, 64).astype(np.uint8)
    Image.fromarray(pixels).save(source, dpi=(1000, 1000))
    for suffix in (".tif", ".bmp", ".png"):
        (made,) = convert(source, tmp_path / f"b{suffix}")
        picture = images.read(made)
        np.testing.assert_array_equal(picture.pixels, pixels)
        assert picture.ppi == pytest.approx(1000, rel=1e-3)
    (made,) = convert(source, tmp_path / "b.jp2")
    np.testing.assert_array_equal(images.read(made).pixels, pixels)
    (made,) = convert(source, tmp_path / "b.an2")
    (sample,) = read_samples(made)
    assert sample.ppi == 1000
    np.testing.assert_array_equal(sample.image, pixels)
    assert sorted(p.suffix for p in tmp_path.iterdir() if p.name.startswith(".")) == []


def test_minutiae_change_their_edition(tmp_path: Path) -> None:
    source = tmp_path / "a.fmr"
    source.write_bytes(fmr.write(templates.from_templates([marks()], Standard.ANSI_2009)))
    for name in ("iso-2005", "iso-2011", "ansi-2004", "ansi-2009-am1"):
        (made,) = convert(source, tmp_path / name, name)
        (sample,) = read_samples(made)
        np.testing.assert_array_equal(sample.template.minutiae.x, marks().minutiae.x)
    (made,) = convert(source, tmp_path / "a.json")
    (sample,) = read_samples(made)
    np.testing.assert_array_equal(sample.template.minutiae.y, marks().minutiae.y)
    (made,) = convert(source, tmp_path / "f.json", "fields")
    assert len(json.loads(made.read_text())["fingerprints"][0]["minutiae"]) == 12
    with pytest.raises(UnreadableSampleError, match="no picture"):
        convert(source, tmp_path / "b.png")
    with pytest.raises(OptionError, match="names no format"):
        convert(source, tmp_path / "b.xyz")
    with pytest.raises(OptionError, match="no format 'abc'"):
        convert(source, tmp_path / "b", "abc")


def test_inspection_names_records_and_fields(tmp_path: Path) -> None:
    path = tmp_path / "search.an2"
    path.write_bytes(search().encode())
    shown = inspect(path)
    assert [record.title for record in shown] == [
        "Type-1 Transaction information",
        "Type-2 User-defined descriptive text, IDC 00",
        "Type-9 Minutiae, IDC 01",
        "Type-13 Variable-resolution latent friction ridge image, IDC 01",
    ]
    domain = next(field for field in shown[0].fields if field.tag == "1.013")
    assert (domain.mnemonic, domain.name, domain.value) == ("DOM", "Domain name", "INT-I, 4.22")
    assert shown[3].fields[-1].value == "<30,000 bytes>"
    (tmp_path / "a.bin").write_bytes(b"\0\1\2")
    with pytest.raises(UnreadableSampleError, match="is unknown; records are listed"):
        inspect(tmp_path / "a.bin")


def test_dna_profiles_are_shown_by_locus(tmp_path: Path) -> None:
    path = tmp_path / "case.csv"
    path.write_text("SampleName,Marker,Allele1,Allele2\nstain,TH01,6,9.3\nstain,VWA,15,16\n")
    (shown,) = inspect(path)
    assert shown.title == "DNA profile stain"
    assert {field.name: field.value for field in shown.fields}["TH01"] == "6, 9.3"


@pytest.mark.shared
def test_everything_in_the_standards_folder_is_shown(shared: Path) -> None:
    folder = shared / "standards"
    paths = [*folder.glob("an2/*"), *folder.glob("iso/*.dat"), *folder.glob("iso/f*")]
    assert len(paths) > 15
    for path in paths:
        shown = inspect(path)
        assert shown
        for record in shown:
            for field in record.fields:
                assert field.value.isprintable()


@pytest.mark.shared
def test_a_ten_print_card_becomes_pictures(shared: Path, tmp_path: Path) -> None:
    made = convert(shared / "standards" / "an2" / "type-4-slaps.an2", tmp_path / "slap.png")
    assert [path.name for path in made] == [f"slap_{n:02d}.png" for n in range(1, 5)]
    assert images.read(made[0]).ppi == pytest.approx(500, abs=0.1)


@pytest.mark.shared
def test_type_9_minutiae_lie_on_those_of_the_picture(shared: Path) -> None:
    """The angle and the origin of each block agree with what an extractor finds."""
    from biomatch.fingerprint.modality import MODALITY

    for name in ("type-9-10-14.an2", "type-9-4-iafis.an2", "type-9-13-std.an2"):
        marked, picture = read_samples(shared / "standards" / "an2" / name, "fingerprint")
        truth = marked.template.minutiae
        (template,) = MODALITY.extract(picture)
        found = template.minutiae
        distance = np.hypot(truth.x[:, None] - found.x, truth.y[:, None] - found.y)
        near = distance.min(axis=1) < 8
        turn = truth.angle.astype(float) - found.angle[distance.argmin(axis=1)]
        degrees = np.degrees(np.abs(np.angle(np.exp(1j * turn[near]))))
        assert near.mean() > 0.5, name
        assert np.median(degrees) < 6, name
