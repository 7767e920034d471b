"""Whatever profiles hold, each writer's text says it again."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from biomatch.dna import DnaProfile
from biomatch.dna.files import WRITERS, parse_profiles, write
from biomatch.dna.files.text import is_blank
from biomatch.errors import FormatError

ALLELES = st.sampled_from(("7", "9", "9.3", "10", "21.2", "F", "R", "*", "OL", "<7", ">20"))
LOCI = st.sampled_from(("TH01", "vWA", "FGA", "PentaE", "DYS389I", "SE33"))
TABLES = st.dictionaries(LOCI, st.lists(ALLELES, min_size=1, max_size=5), min_size=1)

NAMES = st.text(
    st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs")), min_size=1, max_size=20
).filter(lambda name: name == name.strip() and not is_blank(name))


@pytest.mark.parametrize("form", sorted(set(WRITERS) - {"cmf"}))
@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(NAMES, TABLES, min_size=1, max_size=4))
def test_round_trip(form: str, tables: dict[str, dict[str, list[str]]]) -> None:
    profiles = [DnaProfile.from_alleles(table, name=name) for name, table in tables.items()]
    again = parse_profiles(WRITERS[form](profiles), "x")
    assert [(p.name, dict(p.loci)) for p in again] == [(p.name, dict(p.loci)) for p in profiles]


@pytest.mark.parametrize("form", sorted(WRITERS))
@pytest.mark.parametrize(
    ("names", "says"),
    [
        (("A", "A "), "2 profiles are called 'A'"),
        (("A", ""), "a profile has no name"),
        (("NULL",), "a profile has no name .'NULL'."),
        ((), "there is no profile to write"),
    ],
)
def test_what_no_reader_could_take_apart_is_not_written(
    tmp_path: Path, form: str, names: tuple[str, ...], says: str
) -> None:
    profiles = [DnaProfile.from_alleles({"TH01": ("6", "9.3")}, name=name) for name in names]
    with pytest.raises(FormatError, match=says):
        write(tmp_path / "x", profiles, form)
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("form", ["cmf", "niem"])
@pytest.mark.parametrize("odd", ["\x01", "\x0c", "\ufffe", "\ud800"])
def test_characters_that_xml_cannot_carry_are_named(tmp_path: Path, form: str, odd: str) -> None:
    profile = DnaProfile.from_alleles({"TH01": ("6", "9.3")}, name=f"a{odd}b")
    with pytest.raises(FormatError, match="XML cannot carry the character"):
        write(tmp_path / "x", [profile], form)
    assert not (tmp_path / "x").exists()


def test_loci_that_codis_does_not_know_are_named(tmp_path: Path) -> None:
    profile = DnaProfile.from_alleles({"TH01": ("6",), "D6S1043": ("11",)}, name="S")
    with pytest.raises(FormatError, match="specimen 'S': D6S1043 is no CODIS locus"):
        write(tmp_path / "x", [profile], "cmf")
