"""DET, ROC, CMC, score histogram and Tippett plots (ISO/IEC 19795-1 axes), with matplotlib.

Every function returns a `matplotlib.figure.Figure` that belongs to the caller and touches no
global state of pyplot, so it works in notebooks, servers and threads alike.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from biomatch.errors import OptionError
from biomatch.evaluation import metrics
from biomatch.evaluation.scores import ScoreSet

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["cmc", "det", "histogram", "roc", "save_all", "tippett"]

COLOURS = ("#0b5394", "#b45f06", "#38761d", "#741b47", "#5b5b5b", "#a61c00")
TICKS = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.05, 0.1, 0.2, 0.4)


def _figure(title: str, x: str, y: str) -> "tuple[Figure, Axes]":
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise OptionError("plots need matplotlib: pip install 'biomatch[plot]'") from error
    figure = Figure(figsize=(6.4, 5.2), layout="constrained")
    axes = figure.add_subplot()
    axes.set(title=title, xlabel=x, ylabel=y)
    axes.grid(visible=True, color="#dddddd", linewidth=0.7)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    return figure, axes


def _percent(value: float) -> str:
    return f"{value * 100:g} %"


def det(sets: Sequence[ScoreSet]) -> "Figure":
    """Draw the detection error trade-off on normal-deviate axes (Martin et al., 1997)."""
    from scipy.special import ndtri

    figure, axes = _figure("Detection error trade-off", "false match rate", "false non-match rate")
    lowest = 0.4
    for colour, scores in zip(_colours(len(sets)), sets, strict=True):
        curve = metrics.error_curve(scores.genuine, scores.impostor)
        floor = 0.5 / max(scores.genuine.size, scores.impostor.size)
        lowest = min(lowest, floor)
        fmr, fnmr = (np.clip(rate, floor, 1 - floor) for rate in (curve.fmr, curve.fnmr))
        rate = metrics.eer(scores.genuine, scores.impostor)
        axes.plot(
            ndtri(fmr), ndtri(fnmr), color=colour, label=f"{scores.name} (EER {rate * 100:.2f} %)"
        )
    ticks = [tick for tick in TICKS if tick >= lowest / 2]
    labels = [_percent(tick) for tick in ticks]
    axes.set_xticks(ndtri(ticks), labels, rotation=40)
    axes.set_yticks(ndtri(ticks), labels)
    limits = ndtri([ticks[0] * 0.7, 0.5])
    axes.set(xlim=limits, ylim=limits)
    axes.plot(limits, limits, color="#999999", linewidth=0.8, linestyle=":")
    axes.legend(frameon=False)
    return figure


def roc(sets: Sequence[ScoreSet]) -> "Figure":
    """Draw the receiver operating characteristic over a logarithmic FMR axis."""
    figure, axes = _figure(
        "Receiver operating characteristic", "false match rate", "true match rate (1 - FNMR)"
    )
    for colour, scores in zip(_colours(len(sets)), sets, strict=True):
        curve = metrics.error_curve(scores.genuine, scores.impostor)
        floor = 0.5 / scores.impostor.size
        axes.step(
            np.maximum(curve.fmr, floor),
            1 - curve.fnmr,
            where="post",
            color=colour,
            label=scores.name,
        )
    axes.set_xscale("log")
    axes.legend(frameon=False, loc="lower right")
    return figure


def cmc(ranks: Mapping[str, ArrayLike], *, max_rank: int = 20) -> "Figure":
    """Draw the cumulative match characteristic of closed-set searches.

    Parameters
    ----------
    ranks
        Name -> ranks of the mates, from 1 (0 = the probe has no mate).
    """
    figure, axes = _figure("Cumulative match characteristic", "rank", "mated searches found")
    for colour, (name, values) in zip(_colours(len(ranks)), ranks.items(), strict=True):
        rates = metrics.cmc(values, max_rank)
        axes.step(
            np.arange(1, max_rank + 1),
            rates,
            where="post",
            color=colour,
            label=f"{name} (rank 1: {rates[0] * 100:.1f} %)",
        )
    axes.set_xlim(1, max_rank)
    axes.set_ylim(top=1.005)
    axes.legend(frameon=False, loc="lower right")
    return figure


def histogram(scores: ScoreSet, *, bins: int = 60) -> "Figure":
    """Draw the distributions of mated and non-mated scores, each with area one."""
    figure, axes = _figure(f"Scores: {scores.name}", "comparison score", "density")
    edges = np.linspace(scores.score.min(), scores.score.max(), bins + 1)
    for values, colour, label in (
        (scores.impostor, COLOURS[1], "non-mated"),
        (scores.genuine, COLOURS[0], "mated"),
    ):
        axes.hist(
            values,
            bins=list(edges),
            density=True,
            color=colour,
            alpha=0.55,
            label=f"{label} ({values.size:,})",
        )
    axes.legend(frameon=False)
    return figure


def tippett(sets: Sequence[ScoreSet]) -> "Figure":
    """Draw the share of comparisons whose log10 LR is at least x, for both hypotheses.

    The scores of the sets must be log10 likelihood ratios. Mated curves should stay right of
    zero, non-mated ones left of it; what crosses is misleading evidence.
    """
    figure, axes = _figure(
        "Tippett plot", "log10 likelihood ratio", "share of comparisons at or above"
    )
    for colour, scores in zip(_colours(len(sets)), sets, strict=True):
        cost = metrics.cllr(scores.genuine, scores.impostor)
        for values, style, label in (
            (scores.genuine, "-", f"{scores.name}, same source (Cllr {cost:.3f})"),
            (scores.impostor, "--", f"{scores.name}, different sources"),
        ):
            ordered = np.sort(values)
            share = 1 - np.arange(ordered.size) / ordered.size
            axes.step(ordered, share, where="pre", color=colour, linestyle=style, label=label)
    axes.axvline(0, color="#999999", linewidth=0.8)
    axes.legend(frameon=False)
    return figure


def save_all(sets: Sequence[ScoreSet], folder: Path) -> list[Path]:
    """Write DET, ROC and one histogram a set as PNG.

    Returns
    -------
    list of Path
        The files, in the order written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    figures = {"det": det(sets), "roc": roc(sets)}
    figures |= {f"histogram_{scores.name}": histogram(scores) for scores in sets}
    written = []
    for name, figure in figures.items():
        path = folder / f"{name}.png"
        figure.savefig(path, dpi=150)
        written.append(path)
    return written


def _colours(count: int) -> list[str]:
    return [COLOURS[index % len(COLOURS)] for index in range(count)]
