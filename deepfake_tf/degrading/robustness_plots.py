"""Pictures of a robustness sweep: for each degradation the AUC with its interval, and the mean score of each class."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from deepfake_tf.degrading.degradations import CLEAN
from deepfake_tf.reporting import figures

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLUMNS = 4


@figures.styled
def draw_all(results: Mapping[str, Any]) -> bytes:
    """Draws all curves of robustness.json into one PNG file."""
    curves = results["curves"]
    columns = min(_COLUMNS, len(curves))
    rows = math.ceil(len(curves) / columns)
    figure = figures.new_figure(3.6 * columns, 3.2 * rows)
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for one, curve in zip(axes, curves, strict=False):
        _draw(one, curve, results[CLEAN], results["threshold"])
        one.set_title(curve["title"])
    for one in axes[len(curves) :]:
        one.set_visible(False)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figures.to_png(figure)


@figures.styled
def draw_curve(curve: Mapping[str, Any], clean: Mapping[str, Any], threshold: float) -> "Figure":
    """Draws one curve.

    Args:
        curve: one of robustness.json.
        clean: the point of the videos as they are.
        threshold: a score at or above it counts as fake.
    """
    figure = figures.new_figure(5.2, 3.6)
    _draw(figure.subplots(), curve, clean, threshold)
    figure.legend(loc="outside upper left", ncols=3, fontsize=8.5)
    return figure


def _draw(axes: "Axes", curve: Mapping[str, Any], clean: Mapping[str, Any], threshold: float) -> None:
    labels = curve["labels"]
    points = [clean if label == CLEAN else curve["points"][label] for label in labels]
    places = range(len(labels))
    axes.axhline(threshold, color=figures.SOFT, linewidth=1, linestyle=":")
    for name, colour, mark, text in (
        ("mean_score_real", figures.REAL_COLOUR, "o", "mean score of reals"),
        ("mean_score_fake", figures.FAKE_COLOUR, "s", "mean score of fakes"),
    ):
        values = [_value(point[name]) for point in points]
        axes.plot(places, values, color=colour, marker=mark, markersize=4, linewidth=1, linestyle="--", label=text)
    lows, highs = ([_value(point["roc_auc_interval"][end]) for point in points] for end in (0, 1))
    axes.fill_between(places, lows, highs, color=figures.PLAIN_COLOUR, alpha=0.25, linewidth=0)
    values = [_value(point["roc_auc"]) for point in points]
    axes.plot(
        places, values, color=figures.PLAIN_COLOUR, marker="D", markersize=5, linewidth=2, label="video AUC, 95 %"
    )
    axes.set_xticks(places, labels)
    axes.set_xlim(-0.4, len(labels) - 0.6)
    axes.set_ylim(0, 1.02)
    axes.set_xlabel(f"{curve['title']}: {curve['unit']}")
    axes.set_ylabel("AUC, or score in [0, 1]")
    axes.grid(axis="y", linewidth=0.7)


def _value(value: float | None) -> float:
    return math.nan if value is None else value
