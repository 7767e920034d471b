import pytest

from biomatch.dna.pedigree import Pedigree, Person, Sex
from biomatch.errors import FormatError, OptionError


def test_parents_come_first_and_are_added():
    pedigree = Pedigree.of(Person("child", "father", "mother"), Person("father", "grandpa", None))
    names = [person.name for person in pedigree.members]
    assert names.index("grandpa") < names.index("father") < names.index("child")
    assert "father's other parent" in names
    by_name = {person.name: person for person in pedigree.members}
    assert by_name["mother"].sex is Sex.FEMALE
    assert by_name["father"].mother == "father's other parent"


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ([Person("a"), Person("a")], "'a' is given twice"),
        ([Person("a", "b", "m"), Person("b", "a", "n")], "their own ancestor"),
        ([Person("a", "b", "m"), Person("b", sex=Sex.FEMALE)], "'b' has sex F but is the father"),
        ([Person("a", "b", "m"), Person("c", "m", "d")], "'m' has sex F but is the father"),
    ],
)
def test_impossible_families(members, message):
    with pytest.raises(OptionError, match=message):
        Pedigree.of(*members)


def test_reads_text(tmp_path):
    path = tmp_path / "family.ped"
    path.write_text("# a family\nMP father mother M\nsib, father, mother, 2\nmother 0 - F\n\n")
    pedigree = Pedigree.read(path)
    assert pedigree.names == {"MP", "father", "mother", "sib"}
    assert next(p for p in pedigree.members if p.name == "sib").sex is Sex.FEMALE


@pytest.mark.parametrize(
    ("text", "message"),
    [("a b\n", "line 1: 2 columns"), ("a 0 0\nb 0 0 K\n", "line 2: sex 'K'")],
)
def test_broken_text_names_the_line(tmp_path, text, message):
    path = tmp_path / "family.ped"
    path.write_text(text)
    with pytest.raises(FormatError, match=message):
        Pedigree.read(path)


def test_unrelated_persons_are_appended_once():
    pedigree = Pedigree.of(Person("child", "father", "mother"))
    assert pedigree.with_unrelated(["father"]) is pedigree
    assert pedigree.with_unrelated(["x"]).names == pedigree.names | {"x"}
