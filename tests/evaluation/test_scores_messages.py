"""Refusals of score files stay on one line, whatever a quoted cell holds (found by fuzzing)."""

from pathlib import Path

import pytest

from biomatch.errors import FormatError
from biomatch.evaluation.scores import read


@pytest.mark.parametrize(
    "text",
    ['probe,reference,score\na,b,"\n\n"\n', '"a\nb",c\n1,2\n', 'mated,score\n"0\n",1\n'],
    ids=["score", "header", "mated"],
)
def test_a_refusal_is_one_line(text: str, tmp_path: Path) -> None:
    path = tmp_path / "scores.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(FormatError) as caught:
        read(path)
    assert "\n" not in str(caught.value)
