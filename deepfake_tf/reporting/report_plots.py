"""The pictures of a report, each a matplotlib figure: what is ink in them takes the colour of the page (figures.py)."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from deepfake_tf.reporting import figures

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NAMES = ("real", "fake")
_COLOURS = {"real": figures.REAL_COLOUR, "fake": figures.FAKE_COLOUR}
_MARKS = {"real": "o", "fake": "s"}
_DET_TICKS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 0.9, 0.95, 0.98, 0.99)
_MOST_BARS = 24


@figures.styled
def draw_confusion(counts: Sequence[Sequence[int]]) -> "Figure":
    """Draws a confusion matrix: counts, and shares of the row as shades.

    Args:
        counts: [[real called real, real called fake], [fake called real, fake called fake]].
    """
    figure = figures.new_figure(5.2, 3.4)
    axes = figure.subplots()
    for row, own in enumerate(counts):
        total = max(sum(own), 1)
        for column, count in enumerate(own):
            colour = figures.REAL_COLOUR if row == column else figures.FAKE_COLOUR
            place = (column - 0.48, row - 0.48)
            axes.add_patch(_rectangle(place, 0.96, colour, 0.06 + 0.5 * count / total))
            text = f"{count}\n{100 * count / total:.0f} %"
            axes.text(column, row, text, ha="center", va="center", color=figures.INK, fontsize=14)
    axes.set_xlim(-0.5, 1.5)
    axes.set_ylim(1.5, -0.5)
    axes.set_xticks((0, 1), [f"called {name}" for name in NAMES])
    axes.set_yticks((0, 1), [f"is {name}" for name in NAMES])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_title("Videos, and share of the row", loc="left")
    return figure


def _rectangle(place: tuple[float, float], side: float, colour: str, alpha: float) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle(place, side, side, facecolor=colour, alpha=alpha, linewidth=0)


@figures.styled
def draw_roc(roc: Mapping[str, Sequence[float]], point: tuple[float, float] | None) -> "Figure":
    """Draws the receiver operating characteristic.

    Args:
        roc: "fpr" and "tpr", the corners of the curve.
        point: false- and true-positive rate at the threshold.
    """
    figure = figures.new_figure()
    axes = figure.subplots()
    axes.plot((0, 1), (0, 1), color=figures.SOFT, linestyle=":", linewidth=1, label="guessing")
    axes.plot(roc["fpr"], roc["tpr"], color=figures.PLAIN_COLOUR, linewidth=2, label="this model, by video")
    if point:
        axes.plot(*point, color=figures.FAKE_COLOUR, marker="D", linestyle="none", label="at the threshold", zorder=3)
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.02, 1.02)
    axes.set_xlabel("false-positive rate: share of reals called fake")
    axes.set_ylabel("share of fakes called fake")
    axes.grid(linewidth=0.7)
    axes.legend(loc="lower right", fontsize=9)
    return figure


@figures.styled
def draw_det(roc: Mapping[str, Sequence[float]], num_real: int, num_fake: int) -> "Figure":
    """Draws the detection error tradeoff: both kinds of error, on the scale of the normal distribution.

    Rates of 0 and 1 lie at infinity there; they are drawn half a video away from it (Martin et al. 1997).

    Args:
        roc: "fpr" and "tpr".
        num_real: reals, which say how small a rate can be seen.
        num_fake: fakes.
    """
    from scipy.special import ndtri

    figure = figures.new_figure()
    axes = figure.subplots()
    false = [ndtri(min(max(rate, 0.5 / num_real), 1 - 0.5 / num_real)) for rate in roc["fpr"]]
    missed = [ndtri(min(max(1 - rate, 0.5 / num_fake), 1 - 0.5 / num_fake)) for rate in roc["tpr"]]
    least = min(0.01, 0.5 / num_real, 0.5 / num_fake)
    ends = float(ndtri(least)) - 0.1, -float(ndtri(least)) + 0.1
    axes.plot(ends, ends, color=figures.SOFT, linestyle="--", linewidth=1, label="equal rates")
    axes.plot(ends, ends[::-1], color=figures.SOFT, linestyle=":", linewidth=1, label="guessing")
    axes.plot(false, missed, color=figures.PLAIN_COLOUR, linewidth=2, label="this model, by video")
    ticks = [float(ndtri(rate)) for rate in _DET_TICKS]
    names = [f"{100 * rate:g}" for rate in _DET_TICKS]
    axes.set_xticks(ticks, names, fontsize=8)
    axes.set_yticks(ticks, names, fontsize=8)
    axes.set_xlim(*ends)
    axes.set_ylim(*ends)
    axes.set_xlabel("reals called fake, in % (normal scale)")
    axes.set_ylabel("fakes missed, in %")
    axes.grid(linewidth=0.7)
    figure.legend(loc="outside upper left", ncols=3, fontsize=9)
    return figure


@figures.styled
def draw_reliability(bins: Sequence[Mapping[str, float]]) -> "Figure":
    """Draws how often videos of a score were fake, with 95 % intervals, and how many videos have that score.

    Args:
        bins: with "low", "high", "num", "mean_score" and "share_fake"; empty ones are left out.
    """
    figure = figures.new_figure(5.2, 4.2)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    upper.plot((0, 1), (0, 1), color=figures.SOFT, linestyle=":", linewidth=1, label="as often as the score says")
    for one in bins:
        low, high = wilson(one["share_fake"] * one["num"], one["num"])
        upper.plot((one["mean_score"],) * 2, (low, high), color=figures.PLAIN_COLOUR, linewidth=1.5, alpha=0.6)
    places = [one["mean_score"] for one in bins]
    shares = [one["share_fake"] for one in bins]
    upper.plot(
        places, shares, color=figures.PLAIN_COLOUR, marker="o", linewidth=1.5, label="videos of that score, 95 %"
    )
    upper.set_ylabel("share that is fake")
    upper.set_ylim(-0.03, 1.03)
    upper.grid(linewidth=0.7)
    figure.legend(loc="outside upper left", ncols=2, fontsize=9)
    for one in bins:
        width = 0.9 * (one["high"] - one["low"])
        lower.bar((one["low"] + one["high"]) / 2, one["num"], width, color=figures.PLAIN_COLOUR, alpha=0.6)
    lower.set_xlim(-0.02, 1.02)
    lower.set_ylabel("videos")
    lower.set_xlabel("score, P(fake) in [0, 1]")
    return figure


def wilson(hits: float, number: float) -> tuple[float, float]:
    """Returns Wilson's 95 % interval of a share (1927).

    Args:
        hits: how many of them.
        number: of how many, 1 or more.
    """
    z = 1.959964
    share = hits / number
    middle = (share + z * z / (2 * number)) / (1 + z * z / number)
    half = z * math.sqrt(share * (1 - share) / number + z * z / (4 * number * number)) / (1 + z * z / number)
    return max(0.0, middle - half), min(1.0, middle + half)


@figures.styled
def draw_scores(scores: Mapping[str, Sequence[float]], threshold: float, band: float) -> "Figure":
    """Draws the score of every video, reals beside fakes: the confidence scatter of the CoAtNet article.

    Args:
        scores: of the reals and of the fakes, in [0, 1].
        threshold: from which a video counts as fake.
        band: nearer to it a video is inconclusive.
    """
    figure = figures.new_figure()
    axes = figure.subplots()
    begin = 0
    for name in NAMES:
        own = scores[name]
        places = range(begin, begin + len(own))
        label = f"{len(own)} {name}"
        size = 28 if len(own) < 200 else 8
        axes.scatter(
            places, own, s=size, color=_COLOURS[name], marker=_MARKS[name], alpha=0.75, linewidths=0, label=label
        )
        begin += len(own)
    axes.axhline(threshold, color=figures.INK, linewidth=1, linestyle="--", label=f"threshold {threshold:.3g}")
    if band:
        axes.axhspan(
            threshold - band, threshold + band, color=figures.SOFT, alpha=0.18, linewidth=0, label="inconclusive"
        )
    if abs(threshold - 0.5) > 1e-6:
        axes.axhline(0.5, color=figures.SOFT, linewidth=1, linestyle=":", label="0.5")
    axes.set_ylim(-0.03, 1.03)
    axes.set_xlim(-1, begin)
    axes.set_xlabel("videos, reals first")
    axes.set_ylabel("score, P(fake) in [0, 1]")
    axes.grid(axis="y", linewidth=0.7)
    figure.legend(loc="outside upper left", ncols=3, fontsize=9)
    return figure


@figures.styled
def draw_slices(slices: Sequence[Mapping[str, Any]], column: str, overall: float | None) -> "Figure":
    """Draws the AUC of each value of a column with its interval.

    Args:
        slices: with "value", "metrics", "intervals", "num_real" and "num_fake"; those without an AUC are left out.
        column: of the manifest.
        overall: the AUC of all videos.
    """
    drawn = [one for one in slices if one["metrics"].get("roc_auc") is not None][:_MOST_BARS]
    figure = figures.new_figure(5.2, 1.5 + 0.42 * len(drawn))
    axes = figure.subplots()
    for place, one in enumerate(drawn):
        auc, (low, high) = one["metrics"]["roc_auc"], one["intervals"].get("roc_auc", (None, None))
        axes.barh(place, auc, 0.6, color=figures.PLAIN_COLOUR, alpha=0.7)
        if low is not None:
            axes.plot((low, high), (place, place), color=figures.INK, linewidth=1.5, marker="|", markersize=9)
    axes.axvline(0.5, color=figures.SOFT, linewidth=1, linestyle=":", label="guessing")
    if overall is not None:
        axes.axvline(overall, color=figures.FAKE_COLOUR, linewidth=1, linestyle="--", label="all videos")
    names = [f"{_short(one['value'])} ({one['num_real']} + {one['num_fake']})" for one in drawn]
    axes.set_yticks(range(len(drawn)), names)
    axes.invert_yaxis()
    axes.set_xlim(0, 1.02)
    axes.set_xlabel("video AUC with its 95 % interval")
    axes.set_title(f"By {column} (reals + fakes)", loc="left")
    figure.legend(loc="outside lower right", ncols=2, fontsize=9)
    return figure


def _short(text: str) -> str:
    return text if len(text) <= 22 else text[:20] + " …"
