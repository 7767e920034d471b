"""Score files and their plots."""

from pathlib import Path

import numpy as np
import pytest

from biomatch.errors import FormatError
from biomatch.evaluation import metrics, plots, scores


@pytest.fixture
def score_file(tmp_path: Path) -> Path:
    """Write 40 subjects' mated and non-mated comparisons."""
    rng = np.random.default_rng(7)
    lines = ["probe,reference,score"]
    lines += [
        f"s{a},s{b},{rng.normal(2.5 if a == b else 0, 1):.6f}" for a in range(40) for b in range(40)
    ]
    path = tmp_path / "system.csv"
    path.write_text("\n".join(lines))
    return path


def test_reads_subjects_and_tells_mates(score_file: Path) -> None:
    found = scores.read(score_file)
    assert (found.genuine.size, found.impostor.size, found.subjects) == (40, 1560, 40)


def test_summary_agrees_with_the_metrics(score_file: Path) -> None:
    found = scores.read(score_file)
    told = scores.summary(found, draws=60)
    assert told["eer"] == metrics.eer(found.genuine, found.impostor)
    low, high = told["eer_interval"]
    assert low <= told["eer"] <= high
    assert low < high


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "needs the columns"),
        ("score\n1\n", "needs the columns"),
        ("probe,reference,score\n", "no comparisons"),
        ("probe,reference,score\na,a,x\n", "line 2: score 'x'"),
        ("probe,reference,score\na,a,nan\n", "not a number"),
        ("mated,score\n2,1\n", "mated '2' must be 0 or 1"),
        ("mated,score\n1,1\n", "needs mated and non-mated"),
    ],
)
def test_bad_files_are_refused_in_one_sentence(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(text)
    with pytest.raises(FormatError, match=says) as caught:
        scores.read(path)
    assert "\n" not in str(caught.value)


def test_a_spreadsheets_separator_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "semicolons.csv"
    path.write_text("probe;reference;score\n1;1;2\n1;2;0\n")
    assert scores.read(path).genuine.tolist() == [2.0]


def test_a_mated_column_overrules_the_subjects(tmp_path: Path) -> None:
    path = tmp_path / "twins.csv"
    path.write_text("probe,reference,mated,score\na,b,1,3\na,c,0,1\n")
    assert scores.read(path).genuine.tolist() == [3.0]


def test_plots_draw_one_curve_a_system(score_file: Path, tmp_path: Path) -> None:
    found = scores.read(score_file)
    assert len(plots.det([found, found]).axes[0].lines) == 3  # two systems and the diagonal
    assert len(plots.roc([found]).axes[0].lines) == 1
    curve = plots.cmc({"a": [1, 1, 2, 0]}, max_rank=5).axes[0].lines[0]
    assert np.asarray(curve.get_ydata()).tolist() == pytest.approx([2 / 3, 1, 1, 1, 1])
    assert len(plots.tippett([found]).axes[0].lines) == 3
    written = plots.save_all([found], tmp_path / "plots")
    assert [path.name for path in written] == ["det.png", "roc.png", "histogram_system.png"]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in written)
