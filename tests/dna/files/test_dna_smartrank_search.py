"""SmartRank's own regression cases, from its files to its figures."""

from pathlib import Path

import pytest

from biomatch.dna.familial import contributors
from biomatch.dna.files import read, read_frequencies
from biomatch.dna.files.safexml import parse
from biomatch.dna.files.smartrank import SearchCriteria, read_criteria
from biomatch.dna.gallery import DnaGallery
from biomatch.errors import OptionError


def criteria(folder: Path, name: str) -> SearchCriteria:
    return read_criteria(parse((folder / name).read_text("utf-8"), name), name)


def expected(path: Path) -> dict[str, str]:
    lines = [line.split() for line in path.read_text().splitlines() if not line.startswith("#")]
    return {line[0]: line[1] for line in lines}


@pytest.mark.parametrize(
    ("search", "database", "results"),
    [
        ("SMARTRANK-42", "SMARTRANK-27-database.csv", "SMARTRANK-27"),
        ("SMARTRANK-42", "SMARTRANK-49-database.csv", "SMARTRANK-49"),
        (
            "FOEC0000BE#08-GBCX0000LU#09",
            "database_codis_generated_100.csv",
            "FOEC0000BE#08-GBCX0000LU#09",
        ),
    ],
)
def test_published_likelihood_ratios(
    shared: Path, search: str, database: str, results: str
) -> None:
    """All five published digits, under the convention that carries the program's name."""
    folder = shared / "dna" / "samples" / "smartrank"
    asked = criteria(folder, f"{search}-SearchCriteria.xml")
    table = read_frequencies(folder / "str_base_validation_file.xml")["Entire Database"]
    table = table.with_minimum(asked.rare_frequency, floor=False)
    references = read(folder / database)
    rows, scores = contributors(
        DnaGallery.build([profile.dumps() for profile in references]),
        asked.evidence,
        [table],
        known=asked.known,
        model=asked.model(),
        keep=asked.max_results,
        min_log10_lr=3.0,
    )
    found = {
        references[row].name: f"{10**score:.4E}" for row, score in zip(rows, scores, strict=True)
    }
    assert found == expected(folder / f"{results}-expectedresults.txt")


def test_criteria_with_open_questions_have_no_model(shared: Path) -> None:
    folder = shared / "dna" / "samples" / "smartrank"
    with pytest.raises(OptionError, match="differ"):
        criteria(folder, "SmartRankImportFile-sample.xml").model()
    with pytest.raises(OptionError, match=r"differ|automatic"):
        criteria(folder, "SmartRankImportFile-sample-automatic.xml").model()
