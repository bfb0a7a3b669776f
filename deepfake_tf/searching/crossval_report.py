"""One page about a cross-validation, which needs nothing else: RUN/crossval.html."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deepfake_tf import atomic
from deepfake_tf.reporting import figures, report_words

REPORT_FILE = "crossval.html"
TEMPLATE_NAME = "crossval.html.jinja"
SHOWN = ("roc_auc", "average_precision", "balanced_accuracy", "log_loss")
"""Metrics of the table of folds; all of them are in crossval.json."""


def write(run_dir: Path, result: Mapping[str, Any]) -> None:
    """Writes crossval.html.

    Args:
        run_dir: the folder of the cross-validation.
        result: what its crossval.json holds.
    """
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = format_number
    page = environment.get_template(TEMPLATE_NAME).render(
        result,
        run_dir=str(run_dir),
        shown=SHOWN,
        why_no_interval=report_words.why_no_interval(result["pooled"]["videos"]),
        folds_svg=draw_folds(result),
        roc_svg=draw_roc(result) if result["pooled"]["videos"]["roc"]["fpr"] else "",
    )
    atomic.write_whole(run_dir / REPORT_FILE, page.encode())


def format_number(value: float | None) -> str:
    """Returns three decimals, or a dash where there is no value."""
    return "–" if value is None else f"{value:.3f}"


@figures.styled
def draw_folds(result: Mapping[str, Any]) -> str:
    """Draws the AUC over videos of each fold, their mean, and the pooled one with its interval; an SVG element."""
    figure = figures.new_figure(5.2, 0.9 + 0.32 * (len(result["folds"]) + 1))
    axes = figure.subplots()
    rows = result["folds"]
    heights = list(range(len(rows), 0, -1))
    values = [row["metrics"]["roc_auc"] for row in rows]
    there = [(value, height) for value, height in zip(values, heights, strict=True) if value is not None]
    axes.plot([one[0] for one in there], [one[1] for one in there], "o", color=figures.PLAIN_COLOUR)
    mean = result["over_folds"]["roc_auc"]["mean"]
    if mean is not None:
        axes.axvline(mean, color=figures.PLAIN_COLOUR, linewidth=1, linestyle="--")
    pooled = result["pooled"]["videos"]
    low, high = pooled["intervals"]["roc_auc"]
    if low is not None:
        axes.plot([low, high], [0, 0], color=figures.FAKE_COLOUR, linewidth=2)
    if pooled["metrics"]["roc_auc"] is not None:
        axes.plot([pooled["metrics"]["roc_auc"]], [0], "D", color=figures.FAKE_COLOUR)
    axes.axvline(0.5, color=figures.SOFT, linewidth=1)
    axes.set_yticks([*heights, 0], [*(f"fold {row['fold']}" for row in rows), "all, 95 %"])
    axes.set_xlim(min(0.45, *(value for value, _ in there), low or 1) - 0.02 if there else 0, 1.02)
    axes.set_xlabel("AUC over videos; 0.5 is guessing")
    return figures.to_svg(figure, "folds", "AUC over videos of each fold, and of all with its interval")


@figures.styled
def draw_roc(result: Mapping[str, Any]) -> str:
    """Draws the ROC curve of all out-of-fold scores of videos; an SVG element."""
    figure = figures.new_figure(4.2, 4.0)
    axes = figure.subplots()
    curve = result["pooled"]["videos"]["roc"]
    axes.plot([0, 1], [0, 1], color=figures.SOFT, linewidth=1, linestyle=":")
    axes.plot(curve["fpr"], curve["tpr"], color=figures.FAKE_COLOUR, linewidth=2)
    axes.set_xlabel("reals called fake")
    axes.set_ylabel("fakes called fake")
    axes.set_aspect("equal")
    return figures.to_svg(figure, "roc", "ROC curve of all out-of-fold scores")
