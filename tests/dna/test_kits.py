import pytest

from biomatch.dna.kits import check_kit, find_kit, get_kit, kits
from biomatch.dna.loci import BY_NAME, LOCUS_SETS
from biomatch.errors import OptionError, ProfileError


def test_all_loci_are_known():
    assert len(kits()) >= 33
    assert all(locus in BY_NAME for kit in kits().values() for locus in kit.loci)


@pytest.mark.parametrize(
    ("name", "autosomal"),
    [
        ("GlobalFiler", 21),
        ("PowerPlex Fusion", 22),
        ("PowerPlex Fusion 6C", 23),
        ("Identifiler", 15),
        ("NGM", 15),
        ("NGM SElect", 16),
        ("PowerPlex ESI 17", 16),
        ("PowerPlex 16", 15),
        ("PowerPlex 18D", 17),
        ("PowerPlex 21", 20),
        ("SGM Plus", 10),
        ("Profiler Plus", 9),
        ("COfiler", 6),
        ("MiniFiler", 8),
        ("Investigator 24plex", 21),
    ],
)
def test_sizes(name, autosomal):
    assert len(get_kit(name).autosomal) == autosomal


def test_expanded_core_set_is_in_the_big_kits():
    for name in ("GlobalFiler", "Fusion 6C", "24plex"):
        assert set(LOCUS_SETS["codis20"]) <= set(get_kit(name).loci)


def test_aliases_and_spelling():
    assert get_kit("globalfiler express") is get_kit("GlobalFiler")
    assert get_kit("AmpFLSTR NGM SElect").name == "NGM SElect"
    assert find_kit("Y-PLEX 5") is None
    with pytest.raises(OptionError, match="unknown kit 'GlobalFilter'; did you mean 'GlobalFiler'"):
        get_kit("GlobalFilter")


def test_mismatch():
    check_kit("GlobalFiler", ["SE33", "QS1"])
    check_kit(None, ["SE33"])
    with pytest.raises(ProfileError, match="PentaE: GlobalFiler"):
        check_kit("GlobalFiler", ["PentaE"])


def test_ladders():
    assert "9.3" in get_kit("GlobalFiler").ladders["TH01"]
    assert get_kit("Investigator 24plex").ladders["QS1"] == ()
    assert get_kit("GlobalFiler PCR Amplification Kit").ladders["AMEL"] == ("X", "Y")
