"""report.html: one page that says how right a model is, for a reviewer, an auditor and an engineer.

It needs neither a network nor files beside it: pictures are SVG or JPEG inside the page. What it concludes is worked
out from the numbers (report_words.py), never written beforehand.
"""

import base64
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from deepfake_tf import atomic
from deepfake_tf.batching.clip_table import ClipTable
from deepfake_tf.degrading import robustness_plots
from deepfake_tf.degrading.degradations import CLEAN
from deepfake_tf.manifest import VideoEntry
from deepfake_tf.reporting import data_card, figures, report_plots, report_words

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TEMPLATE_NAME = "report.html.jinja"
PAGE_FILE = "report.html"

_NUM_HARDEST = 12
_CROPS_EACH = 3
_MOST_COLUMNS = 6


@dataclass(frozen=True)
class Picture:
    """A picture of the page: SVG, a title, and what to conclude from it."""

    name: str
    title: str
    svg: str
    caption: str


@dataclass(frozen=True)
class Hard:
    """A video that the model is most wrong about, or least sure of.

    Attributes:
        video_id: its name.
        truth: "real" or "fake".
        method: how it was faked, if it is known.
        score: of the model.
        crops: JPEG files of its first clip, as base64.
        is_wrong: whether it lies on the wrong side of the threshold.
    """

    video_id: str
    truth: str
    method: str
    score: float
    crops: tuple[str, ...]
    is_wrong: bool


def write(
    out_dir: Path | str,
    results: Mapping[str, Any],
    *,
    videos: Sequence[Mapping[str, Any]],
    clips: ClipTable | None = None,
    entries: Sequence[VideoEntry] = (),
    robustness: Mapping[str, Any] | None = None,
) -> None:
    """Writes report.html.

    Args:
        out_dir: its folder, which is there.
        results: what report.json holds.
        videos: the rows of video_scores.csv.
        clips: where the pictures of the hardest videos are taken from.
        entries: the manifest of the clips.
        robustness: what robustness.json holds, if it was measured.
    """
    page = render(results, videos=videos, clips=clips, entries=entries, robustness=robustness)
    atomic.write_whole(Path(out_dir) / PAGE_FILE, page.encode())


def render(
    results: Mapping[str, Any],
    *,
    videos: Sequence[Mapping[str, Any]],
    clips: ClipTable | None = None,
    entries: Sequence[VideoEntry] = (),
    robustness: Mapping[str, Any] | None = None,
) -> str:
    """Returns what `write` writes."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = format_number
    environment.filters["sure"] = format_interval
    judged = [row for row in videos if row.get("score") not in ("", None) and row["label"] in report_plots.NAMES]
    card = data_card.describe(entries, results["data"]["split"], data_card.training_entries(results["run"]))
    return environment.get_template(TEMPLATE_NAME).render(
        results,
        verdict=report_words.verdict(results),
        cautions=report_words.cautions(results),
        meanings=report_words.MEANINGS,
        rates=report_words.rates(results["videos"]),
        pictures=list(_pictures(results, judged)),
        by_column=list(_by_column(results)),
        curves=list(_curves(robustness)),
        on_robustness=report_words.on_robustness(robustness) if robustness else "",
        robustness=robustness,
        hardest=_hardest(judged, results["videos"].get("threshold", 0.5), clips),
        refused=[row for row in videos if row.get("outcome", "OK") != "OK"],
        card=card if entries else None,
        commands=_commands(results, robustness),
    )


def format_number(value: float | None) -> str:
    """Returns three decimals, or a dash where there is no value."""
    return "–" if value is None else f"{value:.3f}"


def format_interval(level: Mapping[str, Any], name: str) -> str:
    """Returns the interval of a metric, empty if it has none."""
    low, high = report_words.interval(level, name)
    return "" if low is None or high is None else f"{low:.3f} to {high:.3f}"


# Pictures -------------------------------------------------------------------------------------------------------------


def _picture(name: str, title: str, figure: "Figure", caption: str) -> Picture:
    return Picture(name, title, figures.to_svg(figure, name, f"{title}. {caption}"), caption)


def _pictures(results: Mapping[str, Any], judged: Sequence[Mapping[str, Any]]) -> Iterable[Picture]:
    videos, words = results["videos"], report_words
    threshold, band = videos.get("threshold", 0.5), videos.get("band", 0.0)
    scores = {name: [float(row["score"]) for row in judged if row["label"] == name] for name in report_plots.NAMES}
    figure = report_plots.draw_confusion(videos["confusion"])
    yield _picture("confusion", "Right and wrong", figure, words.on_confusion(videos))
    figure = report_plots.draw_scores(scores, threshold, band)
    yield _picture("scores", "The score of every video", figure, words.on_scores(scores, threshold))
    if videos["metrics"].get("roc_auc") is not None and videos.get("roc"):
        figure = report_plots.draw_roc(videos["roc"], words.rates(videos))
        yield _picture("roc", "Finding fakes against false alarms (ROC)", figure, words.on_roc(videos))
        figure = report_plots.draw_det(videos["roc"], videos["num_real"], videos["num_fake"])
        yield _picture("det", "Both kinds of error (DET)", figure, words.on_det(videos))
    if videos.get("reliability"):
        figure = report_plots.draw_reliability(videos["reliability"])
        caption = words.on_reliability(videos, results.get("decision", {}))
        yield _picture("reliability", "What a score means (calibration)", figure, caption)


def _by_column(results: Mapping[str, Any]) -> Iterable[tuple[str, Sequence[Mapping[str, Any]], Picture | None]]:
    overall = results["videos"]["metrics"].get("roc_auc")
    columns = results.get("by", {})
    # How fakes were made is what is asked first.
    for number, column in enumerate(sorted(columns, key=lambda name: name != "method")[:_MOST_COLUMNS]):
        slices = columns[column]
        picture = None
        if any(one["metrics"].get("roc_auc") is not None for one in slices):
            figure = report_plots.draw_slices(slices, column, overall)
            picture = _picture(f"by{number}", f"By {column}", figure, report_words.on_slices(slices, column))
        yield column, slices, picture


def _curves(robustness: Mapping[str, Any] | None) -> Iterable[Picture]:
    if not robustness:
        return
    for curve in robustness["curves"]:
        figure = robustness_plots.draw_curve(curve, robustness[CLEAN], robustness["threshold"])
        what = "done to the videos" if curve["level"] == "video" else "done to the clips"
        yield _picture(f"worse_{curve['name']}", f"{curve['title']}, {what}", figure, report_words.on_curve(curve))


def _hardest(judged: Sequence[Mapping[str, Any]], threshold: float, clips: ClipTable | None) -> list[Hard]:
    """The videos that lie furthest on the wrong side, then those nearest to the threshold."""

    def margin(row: Mapping[str, Any]) -> float:
        above = float(row["score"]) - threshold
        return above if row["label"] == "fake" else -above

    chosen = sorted(judged, key=margin)[:_NUM_HARDEST]
    first: dict[str, int] = {}
    for row, video_id in enumerate(clips.video_ids if clips else ()):
        first.setdefault(video_id, row)
    return [
        Hard(
            video_id=row["video_id"],
            truth=row["label"],
            method=row.get("method", "") or "",
            score=float(row["score"]),
            crops=_crops(clips, first[row["video_id"]]) if clips and row["video_id"] in first else (),
            is_wrong=(float(row["score"]) >= threshold) != (row["label"] == "fake"),
        )
        for row in chosen
    ]


def _crops(clips: ClipTable, row: int) -> tuple[str, ...]:
    jpegs, mask = clips.read(row)
    there = np.flatnonzero(mask)
    few = there[np.linspace(0, len(there) - 1, min(_CROPS_EACH, len(there))).astype(int)]
    return tuple(base64.b64encode(jpegs[number]).decode() for number in few)


def _commands(results: Mapping[str, Any], robustness: Mapping[str, Any] | None) -> list[str]:
    run, data, split = results["run_path"], results["data"]["path"], results["data"]["split"]
    commands = []
    if robustness:
        more = f" --max-videos {robustness['max_videos']}" if robustness["max_videos"] else ""
        commands.append(f"{shlex.join(['python', '-m', 'pipelines.robustness', run, data, '--split', split])}{more}")
    again = shlex.join(["python", "-m", "pipelines.evaluate", run, data, "--split", split])
    return [*commands, results.get("command", again)]
