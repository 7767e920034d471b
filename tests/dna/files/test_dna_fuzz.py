"""No input ends in anything but profiles or one of our own errors."""

import pytest
from dna_samples import ALL, STRIDER
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from biomatch.dna.files import parse_profiles
from biomatch.errors import BiomatchError

SETTINGS = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
PIECES = st.sampled_from(
    ("\n", "\t", ",", ";", '"', "<", ">", "&", "/", "0", "9", "-1", "NaN", "1e9", "é", "\x00", "]")
)


def survives(text: str) -> None:
    try:
        profiles = parse_profiles(text, "fuzz")
    except BiomatchError:
        return
    assert profiles
    for profile in profiles:
        assert type(profile).loads(profile.dumps()) == profile


@SETTINGS
@given(st.text(max_size=300))
def test_any_text(text: str) -> None:
    survives(text)


@SETTINGS
@given(st.lists(st.lists(st.text(max_size=6), max_size=5), max_size=6), st.sampled_from(",;\t"))
def test_any_table(rows: list[list[str]], delimiter: str) -> None:
    header = delimiter.join(("SampleName", "Marker", "Allele1", "Allele2"))
    body = "\n".join(delimiter.join(row) for row in rows)
    survives(f"{header}\n{body}")
    survives(f"SampleName{delimiter}TH01{delimiter}vWA\n{body}")


@pytest.mark.parametrize("name", sorted([*ALL, "strider"]))
@SETTINGS
@given(st.data())
def test_damaged_documents(name: str, data: st.DataObject) -> None:
    text = {**ALL, "strider": STRIDER}[name]
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(text) - 1))
        length = data.draw(st.integers(0, 12))
        text = text[:start] + data.draw(st.one_of(PIECES, st.just(""))) + text[start + length :]
        if not text:
            break
    survives(text)
