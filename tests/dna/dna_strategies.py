"""Hypothesis strategies for profiles: designated alleles, wildcards, open ends, mixtures."""

from hypothesis import strategies as st

from biomatch.dna import DnaProfile

LOCI = ("TH01", "vWA", "FGA", "D3S1358", "D8S1179", "D18S51", "D21S11", "D22S1045", "PentaD")
COMMON = ("7", "8", "9", "9.2", "9.3", "10")
RARE = ("1", "5", "12.1", "14", "15", "16.2", "17", "18", "19", "20", "21.2", "22", "23", "99")
SPECIAL = ("F", "R", "*", "OL", "<7", ">20", "<99")

alleles = st.one_of(st.sampled_from(COMMON), st.sampled_from(COMMON), st.sampled_from(RARE))
plain = st.lists(alleles, min_size=1, max_size=2)
odd = st.lists(st.one_of(alleles, st.sampled_from(SPECIAL)), min_size=1, max_size=5)
genotypes = st.one_of(plain, plain, plain, odd)


@st.composite
def profiles(draw: st.DrawFn, kinds: st.SearchStrategy[list[str]] = genotypes) -> DnaProfile:
    """A profile of some loci, untyped loci and odd genotypes included."""
    typed = draw(st.lists(st.sampled_from(LOCI), unique=True, max_size=len(LOCI)))
    table = {locus: draw(kinds) for locus in typed if locus != "PentaD"}
    if "PentaD" in typed:
        table["PentaD"] = draw(
            st.lists(st.sampled_from(("9", "9.4", "10")), min_size=1, max_size=2)
        )
    three = {"D22S1045"}
    table = {
        locus: [v for v in values if not (locus in three and v[-2:] == ".3")] or ["11"]
        for locus, values in table.items()
    }
    return DnaProfile.from_alleles(table, name=draw(st.text(max_size=4)))


databases = st.lists(profiles(), min_size=1, max_size=25)
