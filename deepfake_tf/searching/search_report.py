"""One page about a search, which needs nothing else: RUN/search.html."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deepfake_tf import atomic
from deepfake_tf.learning.settings import MONITORS
from deepfake_tf.reporting import figures
from deepfake_tf.searching import search_importance
from deepfake_tf.searching.search_importance import Importance

if TYPE_CHECKING:
    from matplotlib.axes import Axes

REPORT_FILE = "search.html"
TEMPLATE_NAME = "search.html.jinja"
# What stands in a row beside what was drawn.
_NOT_DRAWN = ("trial", "status", "message", "settings")

# As wide as the page at 107 px an inch, so that the words of all pictures are of one size and can be read.
_WIDTH_IN = 9.6
_AXIS_IN = (0.78, 1.15)
"""Between two axes of the parallel coordinates: the least, and the most."""

Row = Mapping[str, Any]


def write(run_dir: Path, run: Mapping[str, Any], rows: Sequence[Row], space: Sequence[Mapping[str, Any]]) -> None:
    """Writes search.html.

    Args:
        run_dir: the folder of the search.
        run: what its run.json holds.
        rows: of trials.csv, one trial or more with a score.
        space: class name and configuration of each drawn setting, as Keras Tuner gives them.
    """
    import jinja2

    monitor = run["result"]["monitor"]
    domains = {one["config"]["name"].replace("/", "."): one["config"] for one in space}
    names = [name for name in _union(rows) if name not in (*_NOT_DRAWN, monitor)]
    names = [name for name in names if len({row.get(name) for row in rows}) > 1]
    log_names = [name for name in names if domains.get(name, {}).get("sampling") == "log"]
    importance = search_importance.measure(rows, names, monitor, log_names)
    order = [*(importance.names if importance else ()), *(name for name in names)]
    order = list(dict.fromkeys(order))
    pictures = {
        "progress": draw_progress(rows, monitor),
        "coordinates": draw_coordinates(rows, order, monitor, log_names) if names else "",
        "importance_svg": draw_importance(importance) if importance else "",
    }
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template(TEMPLATE_NAME).render(
        run,
        monitor=monitor,
        is_low_good=MONITORS[monitor] == "min",
        rows=ranked(rows, monitor),
        names=order,
        domains=[_describe(name, config) for name, config in domains.items()],
        best=next(row for row in rows if f"trials/{row['trial']}" == run["result"]["best_run"]),
        importance=importance,
        min_trials=search_importance.MIN_TRIALS,
        durations=_durations(run_dir, rows),
        run_file=str(run_dir / "run.json"),
        settings_json=json.dumps(run["settings"], indent=2),
        **pictures,
    )
    atomic.write_whole(run_dir / REPORT_FILE, page.encode())


def ranked(rows: Sequence[Row], monitor: str) -> list[Row]:
    """Returns the rows, the best first, those without a score last."""
    sign = 1 if MONITORS[monitor] == "min" else -1
    return sorted(rows, key=lambda row: (row[monitor] is None, sign * (row[monitor] or 0)))


def _union(rows: Sequence[Row]) -> dict[str, Any]:
    return {name: None for row in rows for name in row}


def _describe(name: str, config: Mapping[str, Any]) -> tuple[str, str]:
    if "values" in config:
        return name, ", ".join(str(one) for one in config["values"])
    if "min_value" not in config:
        return name, "true, false"
    even = " evenly over orders of magnitude" if config.get("sampling") == "log" else ""
    return name, f"{config['min_value']:g} to {config['max_value']:g}{even}"


def _durations(run_dir: Path, rows: Sequence[Row]) -> dict[str, float]:
    """Seconds by trial; of failed ones, and of those that went on from another, only what their own run.json says."""
    found = {}
    for row in rows:
        path = run_dir / "trials" / row["trial"] / "run.json"
        if path.is_file():
            found[row["trial"]] = json.loads(path.read_text("utf-8"))["result"]["duration_sec"]
    return found


# Pictures ------------------------------------------------------------------------------------------------------------


@figures.styled
def draw_progress(rows: Sequence[Row], monitor: str) -> str:
    """Draws each trial's score in the order of trials, and the best so far; returns an SVG element."""
    figure = figures.new_figure(_WIDTH_IN, 3.0)
    axes = figure.subplots()
    better = min if MONITORS[monitor] == "min" else max
    numbers = [int(row["trial"]) for row in rows if row[monitor] is not None]
    scores = [row[monitor] for row in rows if row[monitor] is not None]
    best = [better(scores[: number + 1]) for number in range(len(scores))]
    axes.step(numbers, best, where="post", color=figures.FAKE_COLOUR, label="best so far")
    axes.plot(numbers, scores, "o", color=figures.PLAIN_COLOUR, markersize=5, label="trial")
    failed = [int(row["trial"]) for row in rows if row["status"] == "FAILED"]
    if failed:
        axes.plot(
            failed,
            [0.02] * len(failed),
            "x",
            transform=axes.get_xaxis_transform(),
            color=figures.SOFT,
            label="failed",
        )
    axes.set_xlabel("trial")
    axes.set_ylabel(monitor)
    axes.locator_params(axis="x", integer=True)
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=3)
    return figures.to_svg(figure, "progress", f"{monitor} of each trial, and the best so far")


@figures.styled
def draw_coordinates(rows: Sequence[Row], names: Sequence[str], monitor: str, log_names: Sequence[str]) -> str:
    """Draws parallel coordinates: a line a trial, an axis a setting, the score last; returns an SVG element."""
    columns = [*names, monitor]
    least, most = (one * len(columns) for one in _AXIS_IN)
    figure = figures.new_figure(max(5.2, least, min(most, _WIDTH_IN)), 4.2)
    axes = figure.subplots()
    places = [_places(rows, name, name in log_names) for name in columns]
    best_first = ranked(rows, monitor)
    for place, row in reversed(list(enumerate(best_first))):
        heights = [column[0].get(row["trial"], math.nan) for column in places]
        share = place / max(1, len(rows) - 1)
        if row[monitor] is None:
            look: dict[str, Any] = {"color": figures.SOFT, "linestyle": ":", "linewidth": 1, "alpha": 0.7}
        elif place == 0:
            look = {"color": figures.FAKE_COLOUR, "linewidth": 2.5}
        else:
            look = {"color": figures.REAL_COLOUR, "linewidth": 1.2, "alpha": 0.85 - 0.65 * share}
        # A setting that a trial does not use has no place: the line leaps over it.
        there = [number for number, height in enumerate(heights) if not math.isnan(height)]
        axes.plot(there, [heights[number] for number in there], marker="o", markersize=3, **look)
    _draw_axes(axes, columns, [ticks for _, ticks in places])
    return figures.to_svg(figure, "coordinates", "Parallel coordinates: a line for each trial, the best one thick")


def _draw_axes(axes: "Axes", columns: Sequence[str], ticks: Sequence[Sequence[tuple[float, str]]]) -> None:
    for number, marks in enumerate(ticks):
        axes.axvline(number, color=figures.LINE, linewidth=1, zorder=0)
        for height, text in marks:
            # Above the lines that run along here.
            axes.annotate(text, (number, height), xytext=(3, 3), textcoords="offset points", fontsize=7.5)
    axes.set_xticks(range(len(columns)), columns, rotation=25, ha="right", rotation_mode="anchor", fontsize=8.5)
    axes.set_yticks([])
    axes.set_xlim(-0.15, len(columns) - 1 + 0.45)
    axes.set_ylim(-0.05, 1.05)
    axes.spines[:].set_visible(False)


def _places(rows: Sequence[Row], name: str, is_log: bool) -> tuple[dict[str, float], list[tuple[float, str]]]:
    """Heights in [0, 1] by trial, and what to write beside the axis."""
    values = {row["trial"]: row[name] for row in rows if row.get(name) is not None}
    kinds = sorted(set(values.values()), key=lambda one: (isinstance(one, str), one))
    if len(kinds) <= 6 or isinstance(kinds[0], str):
        heights = {kind: (number + 0.5) / len(kinds) for number, kind in enumerate(kinds)}
        return {trial: heights[one] for trial, one in values.items()}, [(heights[one], _short(one)) for one in kinds]
    scale = math.log if is_log else float
    low, high = scale(kinds[0]), scale(kinds[-1])
    heights = {kind: (scale(kind) - low) / (high - low) for kind in kinds}
    middle = math.exp((low + high) / 2) if is_log else (low + high) / 2
    ticks = [(0.0, _short(kinds[0])), (0.5, _short(middle)), (1.0, _short(kinds[-1]))]
    return {trial: heights[one] for trial, one in values.items()}, ticks


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


@figures.styled
def draw_importance(importance: Importance) -> str:
    """Draws the importance of each setting as a bar with its spread; returns an SVG element."""
    figure = figures.new_figure(_WIDTH_IN, 0.9 + 0.28 * len(importance.names))
    axes = figure.subplots()
    heights = range(len(importance.names))[::-1]
    axes.barh(heights, importance.shares, color=figures.PLAIN_COLOUR, height=0.6)
    axes.errorbar(
        importance.shares, heights, xerr=importance.spreads, fmt="none", ecolor=figures.SOFT, elinewidth=1, capsize=2
    )
    axes.axvline(0, color=figures.SOFT, linewidth=1)
    axes.set_yticks(heights, importance.names)
    axes.set_xlabel("growth of the error when shuffled, as a share of the ranks' variance")
    return figures.to_svg(figure, "importance", "Importance of each setting, with its spread")
