"""Whatever profiles hold, each writer's text says it again."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from biomatch.dna import DnaProfile
from biomatch.dna.files import WRITERS, parse_profiles
from biomatch.dna.files.text import is_blank

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
