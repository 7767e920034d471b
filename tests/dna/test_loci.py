import pytest

from biomatch.dna.loci import BY_NAME, LOCI, LOCUS_SETS, LocusKind, canonical, is_autosomal
from biomatch.errors import ProfileError


@pytest.mark.parametrize(
    ("spelling", "name"),
    [
        ("VWA", "vWA"),
        ("vwa", "vWA"),
        ("THO1", "TH01"),
        ("TH 01", "TH01"),
        ("TP0X", "TPOX"),
        ("CSF1P0", "CSF1PO"),
        ("Penta D", "PentaD"),
        ("PENTA_E", "PentaE"),
        ("Amelogenin", "AMEL"),
        ("DYS385A/B", "DYS385"),
        ("DYS389 II", "DYS389II"),
        ("Y-GATA-H4", "YGATAH4"),
        ("Yindel", "YINDEL"),
        ("FES/FPS", "FESFPS"),
        ("d10s1248", "D10S1248"),
    ],
)
def test_aliases(spelling, name):
    assert canonical(spelling) == name


def test_every_name_finds_itself():
    assert all(canonical(locus.name) == locus.name for locus in LOCI)
    assert len(BY_NAME) == len(LOCI) <= 255


def test_unknown_locus_names_the_nearest():
    with pytest.raises(ProfileError, match="unknown locus 'D3S1385'; did you mean D3S1358"):
        canonical("D3S1385")


def test_extra_names_are_taken_verbatim():
    assert canonical("my marker", {"my marker"}) == "my marker"


def test_stored_numbers_never_change():
    places = {name: number for number, name in enumerate(locus.name for locus in LOCI)}
    pinned = {"AMEL": 0, "CSF1PO": 1, "vWA": 5, "D22S1045": 20, "SE33": 21, "PentaE": 24}
    assert {name: places[name] for name in pinned} == pinned
    assert places["YINDEL"] == 70
    assert places["QS2"] == 119


def test_named_sets_have_their_sizes_and_known_members():
    sizes = {"codis13": 13, "codis20": 20, "ess7": 7, "ess12": 12, "uk-dna17": 17, "pruem24": 24}
    assert {name: len(LOCUS_SETS[name]) for name in sizes} == sizes
    assert all(name in BY_NAME for loci in LOCUS_SETS.values() for name in loci)
    assert set(LOCUS_SETS["codis13"]) < set(LOCUS_SETS["codis20"])


def test_kinds():
    assert is_autosomal("FGA")
    assert is_autosomal("a laboratory's own marker")
    assert not is_autosomal("AMEL")
    assert BY_NAME["DYS391"].kind is LocusKind.Y
    assert BY_NAME["HPRTB"].kind is LocusKind.X
