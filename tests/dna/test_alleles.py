import pytest
from hypothesis import given
from hypothesis import strategies as st

from biomatch.dna.alleles import (
    decode,
    encode,
    is_exact,
    is_wildcard,
    neighbours,
    normalise,
    sort_alleles,
)
from biomatch.errors import ProfileError

TOKENS = st.one_of(
    st.builds(
        lambda side, whole, part: f"{side}{whole}.{part}" if part else f"{side}{whole}",
        st.sampled_from(["", "", "", "<", ">"]),
        st.integers(1, 999),
        st.integers(0, 3),
    ),
    st.sampled_from(["*", "F", "R", "OL", "X", "Y"]),
)


@pytest.mark.parametrize(
    ("text", "locus", "token"),
    [
        ("9.3", "TH01", "9.3"),
        (" 11 ", "FGA", "11"),
        ("11.0", "FGA", "11"),
        ("<9", "FGA", "<9"),
        ("> 27", "D18S51", ">27"),
        ("ol", "FGA", "OL"),
        ("f", "FGA", "F"),
        ("x", "AMEL", "X"),
        ("2", "AMEL", "Y"),
        ("9.4", "PentaD", "9.4"),
        ("254", "APOAI1", "254"),
    ],
)
def test_normalises(text, locus, token):
    assert normalise(text, locus) == token


@pytest.mark.parametrize(
    ("text", "locus"),
    [
        ("9..3", "TH01"),
        ("9.3.1", "TH01"),
        ("9.4", "TH01"),
        ("14.3", "D22S1045"),
        ("0", "FGA"),
        ("120", "FGA"),
        ("X", "FGA"),
        ("11", "AMEL"),
        ("", "FGA"),
        ("-1", "FGA"),
        ("nine", "FGA"),
    ],
)
def test_refuses_with_locus_and_value(text, locus):
    with pytest.raises(ProfileError) as caught:
        normalise(text, locus)
    assert locus in str(caught.value)
    assert repr(text) in str(caught.value)


def test_sorts_as_cmf_does():
    shuffled = [">10", "10", "F", "9.1", "<9", "9.3", "9", "9.2", "100", "9"]
    expected = ("<9", "9", "9.1", "9.2", "9.3", "10", "100", ">10", "F")
    assert sort_alleles(shuffled) == expected


@given(TOKENS)
def test_numbers_are_exact_both_ways(token):
    assert decode(encode(token)) == token
    assert 0 <= encode(token) < 65536


def test_encoded_numbers_never_change():
    pinned = {"9.3": 93, "11": 110, "<8": 10080, ">27": 20270, "*": 30000, "OL": 30003, "Y": 30005}
    assert {token: encode(token) for token in pinned} == pinned


@given(st.integers(0, 65535))
def test_decode_knows_its_numbers(number):
    try:
        token = decode(number)
    except ProfileError:
        return
    assert encode(token) == number


@pytest.mark.parametrize(
    ("token", "repeat", "near"),
    [
        ("9.1", 4, {"9", "9.2"}),
        ("9.2", 4, {"9.1", "9.3"}),
        ("9.3", 4, {"9.2", "10"}),
        ("9.4", 5, {"9.3", "10"}),
        ("10", 4, {"9.3", "10.1"}),
        ("F", 4, set()),
        ("<9", 4, set()),
    ],
)
def test_microvariant_tolerance(token, repeat, near):
    assert neighbours(token, repeat) == near


@given(st.integers(2, 99), st.integers(0, 3), st.integers(2, 99), st.integers(0, 3))
def test_tolerance_is_symmetric(a, b, c, d):
    first, second = (f"{w}.{p}" if p else f"{w}" for w, p in ((a, b), (c, d)))
    assert (first in neighbours(second)) == (second in neighbours(first))


def test_kinds_of_token():
    assert is_wildcard("OL")
    assert not is_wildcard("<9")
    assert is_exact("9.3")
    assert not is_exact("<9")
