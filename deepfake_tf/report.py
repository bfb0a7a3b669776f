"""One page that says how right a model is: report.html, which needs neither a network nor files beside it."""

import base64
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

TEMPLATE_NAME = "report.html.jinja"

MEANINGS = {
    "accuracy": "share of right answers",
    "precision": "true fakes among those called fake",
    "recall": "those called fake among the fakes",
    "f1": "harmonic mean of precision and recall",
    "roc_auc": "chance that a fake scores above a real one; 0.5 is guessing",
    "log_loss": "in nats; 0.693 is what a constant 0.5 gives",
}
"""What the reader of a report is told of a metric; one without an entry stands by its name."""


def draw_confusion(counts: Sequence[Sequence[int]], names: Sequence[str] = ("real", "fake")) -> bytes:
    """Draws a confusion matrix: counts, and shares of the row as shades.

    Args:
        counts: [[real called real, real called fake], [fake called real, fake called fake]].
        names: of the classes.

    Returns:
        A PNG file.
    """
    # Figures without pyplot: no window system is asked for, and nothing is shared between threads.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.2, 3.6), dpi=150, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    axes = figure.subplots()
    totals = [max(sum(row), 1) for row in counts]
    shares = [[count / total for count in row] for row, total in zip(counts, totals, strict=True)]
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for row, (own, parts) in enumerate(zip(counts, shares, strict=True)):
        for column, (count, share) in enumerate(zip(own, parts, strict=True)):
            colour = "white" if share > 0.5 else "black"
            axes.text(column, row, f"{count}\n{share:.0%}", ha="center", va="center", color=colour, fontsize=13)
    axes.set_xticks(range(len(names)), [f"called {name}" for name in names])
    axes.set_yticks(range(len(names)), [f"is {name}" for name in names])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_title("Videos, and share of each row", fontsize=11)
    picture = io.BytesIO()
    canvas.print_png(picture)
    return picture.getvalue()


def render(results: Mapping[str, Any], *, confusion_png: bytes) -> str:
    """Returns report.html.

    Args:
        results: what evaluation found, as report.json holds it.
        confusion_png: the confusion matrix.
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
    picture = base64.b64encode(confusion_png).decode()
    return environment.get_template(TEMPLATE_NAME).render(results, meanings=MEANINGS, confusion=picture)


def format_number(value: float | None) -> str:
    """Returns three decimals, or a dash where there is no value."""
    return "–" if value is None else f"{value:.3f}"
