"""The pictures and the page of a probe: table.png, best.png and probe.html, which needs nothing beside it."""

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from deepfake_tf import atomic, plugins
from deepfake_tf.reporting import figures, heat_map

PAGE_FILE = "probe.html"
TEMPLATE_NAME = "probe.html.jinja"
TABLE_PICTURE = "table.png"
TEST_PICTURE = "table-test.png"
BEST_PICTURE = "best.png"
NUM_BARS = 16

Cell = Mapping[str, Any]


def write(run_dir: Path, results: Mapping[str, Any]) -> None:
    """Writes the pictures and the page.

    Args:
        run_dir: the folder; it is there.
        results: what probe.json holds.
    """
    pictures = {TABLE_PICTURE: draw_table(results, "val"), BEST_PICTURE: draw_best(results)}
    if "test" in results["splits"]:
        pictures[TEST_PICTURE] = draw_table(results, "test")
    for name, data in pictures.items():
        atomic.write_whole(run_dir / name, data)
    atomic.write_whole(run_dir / PAGE_FILE, render(results, pictures).encode())


def draw_table(results: Mapping[str, Any], split: str) -> bytes:
    """Draws the table as a heat map: a row for each backbone, transform and reduction, a column for each classifier.

    Args:
        results: what probe.json holds.
        split: whose AUC over videos is shown, "val" or "test".

    Returns:
        A PNG file.
    """
    cells = results["cells"]
    rows = list(dict.fromkeys(_row_name(cell) for cell in cells))
    columns = list(dict.fromkeys(cell["settings"]["classifier"] for cell in cells))
    values: list[list[float | None]] = [[None] * len(columns) for _ in rows]
    for cell in cells:
        at = rows.index(_row_name(cell)), columns.index(cell["settings"]["classifier"])
        values[at[0]][at[1]] = cell[split]["roc_auc"]
    winner = cells[results["winner"]]
    marked = rows.index(_row_name(winner)), columns.index(winner["settings"]["classifier"])
    title = f"AUC over the {results['splits'][split]['num_videos']} videos of {split}; framed: best on val"
    return heat_map.draw(values, rows, [name.replace("_", " ") for name in columns], title=title, marked=marked)


@figures.styled
def draw_best(results: Mapping[str, Any]) -> bytes:
    """Draws the best cells, and all runs that they are compared with, as bars with their intervals.

    Args:
        results: what probe.json holds.

    Returns:
        A PNG file.
    """
    bars = _bars(results)
    figure = figures.new_figure(7.5, 1.2 + 0.36 * len(bars))
    axes = figure.subplots()
    splits = [("val", figures.PLAIN_COLOUR, 0.0)]
    if "test" in results["splits"]:
        splits = [("val", figures.PLAIN_COLOUR, -0.16), ("test", figures.FAKE_COLOUR, 0.16)]
    for split, colour, shift in splits:
        places = [number + shift for number in range(len(bars))]
        _draw_points(axes, places, [one[split] for _, one in bars], label=split, colour=colour)
    axes.axvline(0.5, color=figures.SOFT, linestyle="--", linewidth=1)
    axes.set_yticks(range(len(bars)), [name for name, _ in bars])
    axes.invert_yaxis()
    axes.set_xlim(-0.02, 1.02)
    axes.set_xlabel("AUC over videos, 95 % over groups; dashed: guessing")
    figure.legend(loc="outside upper right", ncols=len(splits), fontsize=9)
    axes.set_title("Best on val first", fontsize=10, loc="left")
    return figures.to_png(figure)


def render(results: Mapping[str, Any], pictures: Mapping[str, bytes]) -> str:
    """Returns probe.html.

    Args:
        results: what probe.json holds.
        pictures: PNG files by name.
    """
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = _format_number
    used = dict.fromkeys(cell["settings"]["classifier"] for cell in results["cells"])
    return environment.get_template(TEMPLATE_NAME).render(
        results,
        ranked=[results["cells"][number] for number in ranking(results["cells"])],
        best=results["cells"][results["winner"]],
        logits={name: plugins.load("classifiers", name).LOGIT for name in used},
        pictures={name: base64.b64encode(data).decode() for name, data in pictures.items()},
    )


def ranking(cells: Sequence[Cell]) -> list[int]:
    """Returns the numbers of the cells, the best on "val" first, as the winner is chosen."""
    keys = [
        (cell["val"]["roc_auc"] or 0.0, cell["val"]["clip_auc"] or 0.0, -number) for number, cell in enumerate(cells)
    ]
    return sorted(range(len(cells)), key=lambda number: keys[number], reverse=True)


def name_of(cell: Cell) -> str:
    """Returns a cell's name for people."""
    return f"{_row_name(cell)}: {cell['settings']['classifier'].replace('_', ' ')}"


def _row_name(cell: Cell) -> str:
    settings = cell["settings"]
    words = [settings["backbone"], settings["transform"], settings["reduction"]]
    return ", ".join([words[0], *(word for word in words[1:] if word != "none")])


def _bars(results: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """The best cells and all runs, by name, the best first."""
    cells = [results["cells"][number] for number in ranking(results["cells"])[:NUM_BARS]]
    bars = [(name_of(cell), cell) for cell in cells]
    bars += [(f"run: {run['name']}", run) for run in results["runs"]]
    return sorted(bars, key=lambda bar: -(bar[1]["val"]["roc_auc"] or 0.0))


def _draw_points(
    axes: Any, places: Sequence[float], measured: Sequence[Mapping[str, Any]], *, label: str, colour: str
) -> None:
    for number, (place, one) in enumerate(zip(places, measured, strict=True)):
        low, high = one["interval"]
        if low is not None:
            axes.plot([low, high], [place, place], color=colour, linewidth=2, alpha=0.6)
        if one["roc_auc"] is not None:
            axes.plot([one["roc_auc"]], [place], "o", color=colour, markersize=5, label=label if number == 0 else None)


def _format_number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
