import pickle
import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from biomatch.dna.loci import LOCUS_SETS
from biomatch.dna.profile import DnaProfile
from biomatch.errors import FormatError, ProfileError

NUMBERS = st.builds(
    lambda whole, part: f"{whole}.{part}" if part else f"{whole}",
    st.integers(4, 50),
    st.integers(0, 2),
)
ALLELES = st.lists(st.one_of(NUMBERS, st.sampled_from(["F", "R", "*", "OL"])), max_size=8)
LOCI = st.dictionaries(st.sampled_from(LOCUS_SETS["codis20"]), ALLELES, max_size=20)
PROFILES = st.builds(
    lambda loci, name, comment: DnaProfile.from_alleles(loci, name=name, comment=comment),
    LOCI,
    st.text(max_size=20).filter(lambda text: text.isprintable()),
    st.one_of(st.none(), st.text(max_size=20)),
)


def test_homozygote_once_or_twice_is_the_same():
    once = DnaProfile.from_alleles({"TH01": ("6",)})
    twice = DnaProfile.from_alleles({"THO1": ("6", "6")})
    assert once == twice
    assert hash(once) == hash(twice)
    assert once.alleles("THO1") == ("6",)


def test_alleles_are_sorted_numerically():
    profile = DnaProfile.from_alleles({"FGA": ("10", "9.3", ">30", "<9", "9")})
    assert profile.loci["FGA"] == ("<9", "9", "9.3", "10", ">30")


@pytest.mark.parametrize(
    ("loci", "kit", "message"),
    [
        ({"D3S1385": ("12",)}, None, "unknown locus 'D3S1385'"),
        ({"TH01": ("9..3",)}, None, "TH01: allele '9..3'"),
        ({"TH01": (9.3,)}, None, "TH01: allele 9.3 is not text"),
        ({"TH01": "9.3"}, None, "TH01: '9.3' is one text"),
        ({"vWA": ("14",), "VWA": ("15",)}, None, "vWA: the locus is given twice"),
        ({"FGA": tuple(map(str, range(18, 27)))}, None, "FGA: 9 alleles"),
        ({"SE33": ("14",)}, "Identifiler", "SE33: Identifiler does not type this locus"),
    ],
)
def test_errors_name_locus_and_value(loci, kit, message):
    with pytest.raises(ProfileError, match=message):
        DnaProfile.from_alleles(loci, kit=kit)


def test_unknown_kit_is_kept_and_not_checked():
    assert DnaProfile.from_alleles({"SE33": ("14",)}, kit="Y-PLEX 5").kit == "Y-PLEX 5"


def test_quality_sensors_are_no_loci():
    profile = DnaProfile.from_alleles({"QS1": ("Q",), "FGA": ("20",)}, kit="Investigator 24plex")
    assert profile.typed == ("FGA",)


def test_heights_follow_their_alleles():
    profile = DnaProfile.from_alleles(
        {"VWA": ("17", "14"), "FGA": ("20", "20")},
        heights={"VWA": (170.0, None), "FGA": (90.0, 90.0)},
    )
    assert profile.heights == {"vWA": (None, 170.0), "FGA": (90.0,)}


def test_heights_must_fit():
    with pytest.raises(ProfileError, match="FGA: 1 heights for 2 alleles"):
        DnaProfile.from_alleles({"FGA": ("20", "21")}, heights={"FGA": (10.0,)})


def test_required_alleles_must_be_there():
    kept = DnaProfile.from_alleles({"FGA": ("20", "21", "22")}, required={"FGA": ("21",)})
    assert kept.required == {"FGA": ("21",)}
    with pytest.raises(ProfileError, match="FGA: required allele 25"):
        DnaProfile.from_alleles({"FGA": ("20", "21")}, required={"FGA": ("25",)})


def test_replicates_make_a_union():
    first = DnaProfile.from_alleles({"FGA": ("20",), "TH01": ()}, name="r1")
    second = DnaProfile.from_alleles({"FGA": ("21",)}, name="r2")
    stain = DnaProfile.from_replicates([first, second], "stain")
    assert stain.loci == {"FGA": ("20", "21"), "TH01": ()}
    assert stain.tables == (first.loci, second.loci)
    assert stain.typed == ("FGA",)
    with pytest.raises(ProfileError, match="at least one"):
        DnaProfile.from_replicates([])


def test_mixture_needs_more_than_a_tri_allele():
    tri = DnaProfile.from_alleles({"D21S11": ("29", "30", "31"), "FGA": ("20",)})
    two = DnaProfile.from_alleles({"D21S11": ("29", "30", "31"), "FGA": ("20", "21", "22")})
    four = DnaProfile.from_alleles({"FGA": ("20", "21", "22", "23")})
    assert [profile.is_mixture for profile in (tri, two, four)] == [False, True, True]


def test_sex_and_y_loci_do_not_count():
    profile = DnaProfile.from_alleles({"AMEL": ("X", "Y"), "DYS391": ("10",), "FGA": ("20",)})
    assert profile.n_loci == 1
    assert len(profile.typed) == 3


@given(PROFILES)
def test_stored_form_is_exact(profile):
    again = DnaProfile.loads(profile.dumps())
    assert again == profile
    assert pickle.loads(pickle.dumps(profile)) == profile


def test_stored_form_keeps_everything():
    profile = DnaProfile.from_alleles(
        {"FGA": ("20", "21"), "own marker": ("7",)},
        name="Ünit 7",
        heights={"FGA": (100.0, None)},
        replicates=[{"FGA": ("20",)}, {"FGA": ("21",)}],
        category="Forensic, Unknown",
        required={"FGA": ("20",)},
        comment="left shoe",
        extra_loci=("own marker",),
    )
    assert DnaProfile.loads(profile.dumps()) == profile


def test_a_stored_profile_is_compact():
    loci = dict.fromkeys(LOCUS_SETS["codis20"], ("15", "17"))
    assert len(DnaProfile.from_alleles(loci, name="S123456").dumps()) < 160


@given(PROFILES, st.data())
def test_damage_is_seen(profile, data):
    blob = bytearray(profile.dumps())
    place = data.draw(st.integers(0, len(blob) - 1))
    blob[place] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(FormatError):
        DnaProfile.loads(bytes(blob))


@given(st.binary(max_size=200))
def test_noise_is_refused(noise):
    with pytest.raises(FormatError):
        DnaProfile.loads(noise)


@given(PROFILES, st.data())
def test_truncation_is_refused(profile, data):
    blob = profile.dumps()
    with pytest.raises(FormatError):
        DnaProfile.loads(blob[: data.draw(st.integers(0, len(blob) - 1))])


@pytest.mark.parametrize("rest", [b"7", b"[]", b'{"heights": 3}', b'{"replicates": [1]}', b"{"])
def test_a_rest_of_another_shape_is_refused_even_with_a_right_checksum(rest):
    body = b"DNA\x01\x00" + struct.pack("<H", 0) + struct.pack("<I", len(rest)) + rest
    with pytest.raises(FormatError, match="stored DNA profile"):
        DnaProfile.loads(body + struct.pack("<I", zlib.crc32(body)))
