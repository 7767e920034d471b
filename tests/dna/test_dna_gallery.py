"""The filter loses nothing, and what is verified is what the plain reference says."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from dna_strategies import databases, plain, profiles
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from biomatch.dna import DnaProfile, codes
from biomatch.dna.alleles import encode, sort_alleles
from biomatch.dna.gallery import DnaGallery
from biomatch.dna.lookup import pack_flags, probe_locus
from biomatch.dna.matching import compare, compare_locus
from biomatch.dna.rules import RuleSet, rule_set
from biomatch.errors import FormatError

QUICK = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
RULES = st.builds(
    lambda name, loci, wrong: rule_set(name).with_limits(min_loci=loci, max_mismatches=wrong),
    st.sampled_from(("high", "moderate", "low", "pruem-2008", "interpol-six")),
    st.integers(1, 8),
    st.integers(0, 3),
)


def gallery(references: list[DnaProfile]) -> DnaGallery:
    return DnaGallery.build([profile.dumps() for profile in references])


def expected(probe: DnaProfile, references: list[DnaProfile], rules: RuleSet) -> list[int]:
    return [n for n, other in enumerate(references) if compare(probe, other, rules).is_hit]


@QUICK
@given(databases, profiles(), RULES)
@example(
    [DnaProfile.from_alleles({"TH01": ("6", "F")})],
    DnaProfile.from_alleles({"TH01": ("9.3", "F")}),
    rule_set("moderate").with_limits(min_loci=1),
)
def test_hits_are_those_of_the_reference(
    references: list[DnaProfile], probe: DnaProfile, rules: RuleSet
) -> None:
    built = gallery(references)
    truth = expected(probe, references, rules)
    for method in ("filter", "scan"):
        assert built.search([probe], rules, method=method)[0].tolist() == truth


@QUICK
@given(databases, RULES, st.data())
def test_filter_alone_is_a_superset(
    references: list[DnaProfile], rules: RuleSet, data: st.DataObject
) -> None:
    """Straight from the index, even where a scan would be chosen; probes near the references."""
    base = data.draw(st.sampled_from(references))
    probe = DnaProfile.from_alleles(
        {
            locus: data.draw(plain) if data.draw(st.integers(0, 9)) == 0 else tokens
            for locus, tokens in base.loci.items()
            if locus != "D22S1045" and data.draw(st.integers(0, 4))
        }
    )
    built = gallery(references)
    query = built.query(probe, rules)
    if not query.possible:
        assert expected(probe, references, rules) == []
        return
    table = query.filter_table(built.index)
    passed = built.index.search([table], rules.max_mismatches)[0]
    assert set(expected(probe, references, rules)) <= set(passed.tolist())
    assert set(expected(probe, references, rules)) <= set(query.scan()[0].tolist())


@QUICK
@given(databases)
def test_packing_keeps_every_genotype(references: list[DnaProfile]) -> None:
    columns = codes.pack([profile.dumps() for profile in references])
    for row, profile in enumerate(references):
        assert columns.genotypes(row) == dict(profile.autosomal)


def test_genotypes_without_a_code_are_searched_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With room for one interned genotype and two alleles, most rows overflow."""
    monkeypatch.setattr(codes, "MAX_INTERNED", 1)
    monkeypatch.setattr(codes, "MAX_ALLELE_CODES", 2)
    references = [
        DnaProfile.from_alleles({"TH01": (a, b), "vWA": ("14", "15", c)})
        for a in ("6", "7", "8", "9")
        for b in ("9.3", "10", "F")
        for c in ("16", "17")
    ]
    built = gallery(references)
    assert built.columns.overflow
    for rules in (rule_set("moderate"), rule_set("high"), rule_set("low")):
        limited = rules.with_limits(min_loci=1, max_mismatches=1)
        for probe in references[::3]:
            found = built.search([probe], limited)[0].tolist()
            assert found == expected(probe, references, limited)


@QUICK
@given(databases, databases, profiles(), RULES)
def test_enrolling_later_and_removing_change_nothing_else(
    first: list[DnaProfile], second: list[DnaProfile], probe: DnaProfile, rules: RuleSet
) -> None:
    built = gallery(first)
    assert built.search([probe], rules)[0].tolist() == expected(probe, first, rules)
    rows = built.add([profile.dumps() for profile in second])
    assert rows.tolist() == list(range(len(first), len(first) + len(second)))
    everyone = [*first, *second]
    truth = expected(probe, everyone, rules)
    assert built.search([probe], rules)[0].tolist() == truth
    gone = np.arange(0, len(everyone), 2)
    assert built.remove(gone) == len(gone)
    assert built.remove(gone) == 0
    left = [row for row in truth if row % 2]
    assert built.search([probe], rules)[0].tolist() == left
    assert built.search([probe], rules, method="scan")[0].tolist() == left


@QUICK
@given(databases, profiles(), RULES)
def test_scores_are_the_sums_of_the_loci(
    references: list[DnaProfile], probe: DnaProfile, rules: RuleSet
) -> None:
    def worth(locus: str, mine: tuple[str, ...], theirs: tuple[str, ...]) -> float:
        return len(locus) + 10.0 * len(set(mine) & set(theirs)) + 0.25 * len(theirs)

    def other(locus: str, mine: tuple[str, ...], theirs: tuple[str, ...]) -> float:
        return 30.0 - worth(locus, mine, theirs)

    built = gallery(references)
    hits = built.search([probe], rules)[0]
    got = built.match_scores(probe, rules, hits, [worth, other]).tolist()
    for row, score in zip(hits.tolist(), got, strict=True):
        there = references[row].autosomal
        pairs = [(k, probe.autosomal[k], there[k]) for k in probe.autosomal if there.get(k)]
        pairs = [pair for pair in pairs if not rules.loci or pair[0] in rules.loci]
        assert score == min(sum(f(*pair) for pair in pairs) for f in (worth, other))


@QUICK
@given(databases, profiles(), RULES)
def test_hits_come_with_their_scores_best_first(
    references: list[DnaProfile], probe: DnaProfile, rules: RuleSet
) -> None:
    def worth(locus: str, mine: tuple[str, ...], theirs: tuple[str, ...]) -> float:
        return 10.0 * len(set(mine) & set(theirs)) + 0.1 * len(theirs)

    built = gallery(references)
    ((rows, scores),) = built.search_scored([probe], rules, [worth])
    assert sorted(rows.tolist()) == expected(probe, references, rules)
    assert scores.tolist() == built.match_scores(probe, rules, rows, [worth]).tolist()
    ranked = sorted(zip((-scores).tolist(), rows.tolist(), strict=True))
    assert [row for _, row in ranked] == rows.tolist()


def test_equal_genotypes_have_equal_scores_in_every_gallery() -> None:
    """Whoever else is in a gallery says nothing about a score, to the last bit."""
    rng = np.random.default_rng(6)
    names = [f"M{n}" for n in range(30)]
    people = [
        DnaProfile.from_alleles(
            {name: [str(a) for a in rng.integers(5, 12, 2)] for name in names}, extra_loci=names
        )
        for _ in range(40)
    ]

    def worth(locus: str, mine: tuple[str, ...], _: tuple[str, ...]) -> float:
        return np.log10(len(locus) + 0.3 * float(mine[0]))

    rules, scores = rule_set("moderate"), set()
    for company in (people[1:4], people[4:20], people[20:]):
        ((_, found),) = gallery([people[0], *company]).search_scored([people[0]], rules, [worth])
        scores.update(found.tolist())
    assert len(scores) == 1


def test_small_galleries_are_scanned_and_large_ones_filtered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    person = DnaProfile.from_alleles(dict.fromkeys(("TH01", "TPOX", "CSF1PO"), ("9", "10")))
    built = gallery([person] * 3)
    rules = rule_set("moderate").with_limits(min_loci=3)
    used: list[str] = []

    def filtered(queries: list[object], _: int) -> list[np.ndarray]:
        used.append("filter")
        return [np.arange(3) for _ in queries]

    monkeypatch.setattr(built, "candidates", filtered)
    assert built.search([person], rules)[0].tolist() == [0, 1, 2]
    assert used == []
    monkeypatch.setattr("biomatch.dna.gallery.SCANNED", 2)
    assert built.search([person], rules)[0].tolist() == [0, 1, 2]
    assert used == ["filter"]


def test_threads_and_galleries_do_not_disturb_each_other() -> None:
    """Each thread lays its tables out on a desk of its own, one gallery after the other."""
    rng = np.random.default_rng(2)
    names = ("TH01", "TPOX", "CSF1PO", "D5S818", "D13S317", "D16S539")
    people = [
        DnaProfile.from_alleles(
            {name: [str(a) for a in rng.integers(6, 14, 2)] for name in names[number % 3 :]}
        )
        for number in range(120)
    ]
    galleries = [gallery(people[:10]), gallery(people[10:70]), gallery(people[70:])]
    rules = rule_set("low").with_limits(min_loci=3, max_mismatches=1)
    work = [(probe, one) for probe in people for one in galleries]

    def search(item: tuple[DnaProfile, DnaGallery]) -> list[int]:
        found: list[int] = item[1].search([item[0]], rules)[0].tolist()
        return found

    alone = [search(item) for item in work]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(search, work)) == alone
    everyone = [people[:10], people[10:70], people[70:]]
    truth = [expected(probe, part, rules) for probe in people for part in everyone]
    assert alone == truth


@QUICK
@given(
    st.lists(
        st.sampled_from(("7", "8", "9", "9.2", "9.3", "10", "F", "<9", ">9.2", "<8", ">30")),
        min_size=1,
        max_size=5,
        unique=True,
    ),
    st.sampled_from(("high", "moderate", "low", "pruem-2008")),
    st.booleans(),
)
def test_kinds_of_alleles_say_what_the_rule_says_of_every_genotype(
    tokens: list[str], name: str, target: bool
) -> None:
    probe = sort_alleles(tokens)
    stringency = rule_set(name).stringency
    required = probe[:1] if target else ()
    locus = probe_locus("TH01", probe, stringency, required)
    book = codes.CodeBook()
    column = book.column("TH01")
    everything = ["1", "5", "7", "8", "8.3", "9", "9.1", "9.2", "9.3", "10", "12", "31", "99"]
    book.add_alleles(column, [encode(token) for token in everything])
    kinds = locus.kinds(book, column)
    for i, first in enumerate(everything):
        for j, second in enumerate(everything[: i + 1]):
            genotype = sort_alleles([first, second])
            told = locus.pairs[kinds[i + 1], kinds[j + 1] if i != j else 0]
            plainly = compare_locus("TH01", probe, genotype, stringency, required)
            assert told == pack_flags(plainly, stringency), genotype
            if locus.by_slots:
                assert plainly.matches == bool(set(genotype) & set(probe))


def test_saved_and_loaded_answers_the_same(tmp_path: Path) -> None:
    references = [
        DnaProfile.from_alleles({"TH01": (a, b), "FGA": (c, "22")})
        for a in ("6", "7")
        for b in ("9.3", "F")
        for c in ("20", "21", "23.2")
    ]
    built = gallery(references)
    built.remove(np.array([3]))
    built.save(tmp_path)
    again = DnaGallery.load(tmp_path)
    assert isinstance(again.columns.codes, np.memmap)
    rules = rule_set("moderate").with_limits(min_loci=2, max_mismatches=1)
    for probe in references:
        assert built.search([probe], rules)[0].tolist() == again.search([probe], rules)[0].tolist()
    more = DnaProfile.from_alleles({"TH01": ("5", "6"), "FGA": ("20", "22")})
    assert again.add([more.dumps()]).tolist() == [len(references)]
    assert len(references) in again.search([more], rules)[0]


def test_a_damaged_folder_is_refused(tmp_path: Path) -> None:
    gallery([DnaProfile.from_alleles({"TH01": ("6", "9.3")})]).save(tmp_path)
    (tmp_path / "dictionary.json").write_text("{")
    with pytest.raises(FormatError, match="cannot be read"):
        DnaGallery.load(tmp_path)


@given(st.data())
def test_damaged_blobs_are_refused(data: st.DataObject) -> None:
    blob = DnaProfile.from_alleles({"TH01": ("6", "9.3"), "vWA": ("14",)}, name="x").dumps()
    place = data.draw(st.integers(0, len(blob) - 1))
    bit = data.draw(st.integers(0, 7))
    broken = bytearray(blob)
    broken[place] ^= 1 << bit
    with pytest.raises(FormatError, match="profile 1"):
        codes.pack([blob, bytes(broken)])
    cut = data.draw(st.integers(0, len(blob) - 1))
    with pytest.raises(FormatError):
        codes.pack([blob[:cut]])


def test_forty_loci_are_searched_though_the_filter_holds_thirty_two() -> None:
    names = [f"M{n}" for n in range(40)]
    rng = np.random.default_rng(1)
    references = [
        DnaProfile.from_alleles(
            {name: [str(a) for a in rng.integers(5, 12, 2)] for name in names}, extra_loci=names
        )
        for _ in range(30)
    ]
    built = gallery(references)
    assert len(built.index.loci) == 32
    rules = rule_set("moderate").with_limits(min_loci=20, max_mismatches=2)
    for number, probe in enumerate(references):
        assert number in built.search([probe], rules)[0]
        assert built.search([probe], rules)[0].tolist() == expected(probe, references, rules)


def test_allowed_rows_bound_the_answer() -> None:
    same = DnaProfile.from_alleles({"TH01": ("6", "9.3")})
    built = gallery([same] * 5)
    rules = rule_set("high").with_limits(min_loci=1)
    allowed = np.array([True, False, True, False, False])
    assert built.search([same], rules, allowed=allowed)[0].tolist() == [0, 2]


def test_an_empty_gallery_has_no_hits() -> None:
    built = gallery([])
    probe = DnaProfile.from_alleles({"TH01": ("6", "9.3")})
    assert built.search([probe], rule_set("moderate"))[0].tolist() == []
