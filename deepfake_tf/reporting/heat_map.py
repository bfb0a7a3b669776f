"""A table of AUCs as a picture: one square a cell, shaded by how far it lies from guessing."""

from collections.abc import Sequence

from deepfake_tf.reporting import figures

_SQUARE_INCHES = (0.95, 0.46)
_MARGIN_INCHES = (0.6, 0.9)
_INCHES_PER_LETTER = 0.085


@figures.styled
def draw(
    values: Sequence[Sequence[float | None]],
    rows: Sequence[str],
    columns: Sequence[str],
    *,
    title: str,
    texts: Sequence[Sequence[str]] | None = None,
    marked: tuple[int, int] | None = None,
) -> bytes:
    """Draws the table.

    Args:
        values: R rows of C AUCs in [0, 1]; None where there is none.
        rows: R names.
        columns: C names.
        title: above the picture.
        texts: what stands in each square, several lines if wanted; the value with three decimals if None.
        marked: row and column of a square that gets a frame.

    Returns:
        A PNG file.
    """
    from matplotlib.patches import Rectangle

    lines = max((text.count("\n") + 1 for own in texts or () for text in own), default=1)
    width = _MARGIN_INCHES[0] + _SQUARE_INCHES[0] * len(columns) + _INCHES_PER_LETTER * max(map(len, rows))
    height = _MARGIN_INCHES[1] + _SQUARE_INCHES[1] * lines**0.7 * len(rows) + 0.07 * max(map(len, columns))
    figure = figures.new_figure(max(width, 0.3 + _INCHES_PER_LETTER * len(title)), height)
    axes = figure.subplots()
    shown = [[float("nan") if value is None else value for value in own] for own in values]
    axes.set_facecolor("#eeeeee")
    axes.imshow(shown, cmap="RdBu", vmin=0, vmax=1, aspect="auto")
    for row, own in enumerate(values):
        for column, value in enumerate(own):
            text = texts[row][column] if texts else ("–" if value is None else f"{value:.3f}")
            colour = "white" if value is not None and abs(value - 0.5) > 0.3 else "black"
            axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=9)
    if marked is not None:
        corner = (marked[1] - 0.48, marked[0] - 0.46)
        axes.add_patch(Rectangle(corner, 0.96, 0.92, fill=False, edgecolor="black", linewidth=2))
    axes.set_xticks(range(len(columns)), columns, rotation=30, ha="right")
    axes.set_yticks(range(len(rows)), rows)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    figure.suptitle(title, fontsize=10)
    return figures.to_png(figure)
