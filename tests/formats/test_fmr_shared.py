"""Records of other makers in ../shared: every field equal to the JSON beside them, byte-exact."""

import json
from pathlib import Path

import pytest

from biomatch.formats import fmr
from biomatch.formats.minutiae_record import Standard

pytestmark = pytest.mark.shared

EDITIONS = {
    "ansi378v2004-sample": Standard.ANSI_2004,
    "ansi378v2009-sample": Standard.ANSI_2009,
    "iso19794p2v2005-sample": Standard.ISO_2005,
    "fmr": None,
}


def records(shared: Path) -> list[Path]:
    folder = shared / "standards" / "iso"
    return sorted([*folder.glob("*.dat"), *folder.glob("fmr.*")])


def test_every_field_equals_the_json_beside_the_record(shared: Path) -> None:
    truths = sorted((shared / "standards" / "iso").glob("*.json"))
    assert truths
    for truth in truths:
        record = fmr.read(truth.with_suffix(".dat").read_bytes())
        assert fmr.fields(record) == json.loads(truth.read_text()), truth.name


def test_all_records_are_written_back_byte_for_byte(shared: Path) -> None:
    for path in records(shared):
        data = path.read_bytes()
        assert fmr.write(fmr.read(data, path.name)) == data, path.name


def test_ansi_is_never_taken_for_iso(shared: Path) -> None:
    for path in records(shared):
        standard = fmr.read(path.read_bytes(), path.name).standard
        assert standard.is_iso != ("ansi" in path.name), path.name


def test_all_secugen_records_are_read(shared: Path) -> None:
    paths = sorted((shared / "fingerprint").glob("*/secugen_iso/*.iso"))
    assert len(paths) >= 300
    for path in paths:
        data = path.read_bytes()
        record = fmr.read(data, path.name)
        assert record.standard is Standard.ISO_2005
        assert len(record.views) == 1
        assert fmr.write(record) == data
