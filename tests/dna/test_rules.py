import pytest

from biomatch.dna.loci import BY_NAME
from biomatch.dna.rules import Stringency, rule_set, rule_sets
from biomatch.errors import OptionError


def test_every_rule_has_its_source():
    assert {"codis-high-2017", "codis-moderate-2017", "codis-low-2017"} <= set(rule_sets())
    for rule in rule_sets().values():
        assert rule.source
        assert rule.version
        assert rule.min_loci >= 1
        assert all(locus in BY_NAME for locus in rule.loci)


def test_short_names():
    assert rule_set("moderate").stringency is Stringency.MODERATE
    assert rule_set("pruem-2008").max_mismatches == 1
    for short, full in (
        ("codis", "moderate"),
        ("pruem", "pruem-2008"),
        ("INTERPOL", "interpol_six"),
    ):
        assert rule_set(short) == rule_set(full)
    with pytest.raises(OptionError, match="unknown rule set 'strict'"):
        rule_set("strict")


def test_limits_of_one_search():
    rule = rule_set("interpol-six").with_limits(min_loci=4, max_mismatches=2)
    assert (rule.min_loci, rule.min_matching, rule.max_mismatches) == (4, 4, 2)
    assert rule_set("interpol-six").min_loci == 6
    with pytest.raises(OptionError, match="min_loci is 0"):
        rule.with_limits(min_loci=0)
    with pytest.raises(OptionError, match="max_mismatches is -1"):
        rule.with_limits(max_mismatches=-1)
