"""Which of two runs is better, on the same videos, and whether that can be said at all.

OUT/first/, OUT/second/    an evaluation each, see evaluation.py
OUT/pairs.csv              one row a video that both judged
OUT/comparison.json        written last

Two tests of the AUC stand side by side: DeLong's, which takes videos as independent, and the bootstrap over groups,
which does not, and draws the same groups for both runs. A run is called better only if the second says so.
"""

import dataclasses
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import scipy.stats
from numpy.typing import NDArray

from deepfake_tf import atomic, metrics, plugins
from deepfake_tf.errors import ConfigError, DataError
from deepfake_tf.manifest import read_table
from deepfake_tf.reporting import delong
from deepfake_tf.reporting.evaluation import evaluate
from deepfake_tf.reporting.measures import number_or_none
from deepfake_tf.reporting.resampling import Draws, draw_groups, middle, num_groups_of_a_class
from deepfake_tf.reporting.score_tables import write_table
from deepfake_tf.schema import LABEL_NAMES

COMPARISON_VERSION = 1
COMPARISON_FILE = "comparison.json"
SIDES = ("first", "second")


@dataclass(frozen=True)
class Pairs:
    """The videos that both runs judged.

    Attributes:
        video_ids: N names.
        labels: int64 [N], 0 real and 1 fake.
        groups: N names.
        orders: float64 [2, N], what orders the videos for each run.
        scores: float64 [2, N] in [0, 1], calibrated.
        thresholds: of each run.
    """

    video_ids: tuple[str, ...]
    labels: NDArray[np.int64]
    groups: tuple[str, ...]
    orders: NDArray[np.float64]
    scores: NDArray[np.float64]
    thresholds: tuple[float, float]


def compare(
    first_run: Path | str,
    second_run: Path | str,
    data_dir: Path | str,
    split: str,
    out_dir: Path | str,
    *,
    on_progress: Callable[[str, int, int], None] | None = None,
) -> dict[str, Any]:
    """Evaluates two runs on one split and tests whether they differ.

    Args:
        first_run: a finished run.
        second_run: another.
        data_dir: a finished extraction.
        split: train, val or test.
        out_dir: where it is written; made if it is not there.
        on_progress: called with "first" or "second", and the number of batches done and of all.

    Returns:
        {"format_version", "runs": two paths, "data", "num_pairs", "num_real", "num_fake", "num_groups", "only_first",
        "only_second": videos that one of them alone judged, "words": what can be said, "delong": see delong.py,
        "differences": {metric: {"first", "second", "difference", "interval"}}, first less second,
        "right": {"both", "first_only", "second_only", "neither", "p": McNemar's exact test}}

    Raises:
        ConfigError: a run is not there or does not fit the data, or the folder holds something else.
        DataError: fewer than two reals or fakes were judged by both.
    """
    out_dir = Path(out_dir)
    reports, rows = [], []
    for side, run in zip(SIDES, (first_run, second_run), strict=True):
        tell = partial(on_progress, side) if on_progress else None
        reports.append(evaluate(run, data_dir, split, out_dir / side, on_progress=tell))
        judged = [row for row in read_table(out_dir / side / "video_scores.csv") if row["logit"]]
        rows.append({row["video_id"]: row for row in judged})
    pairs = _pair(rows, reports)
    found = {
        "format_version": COMPARISON_VERSION,
        "runs": [str(first_run), str(second_run)],
        "data": reports[0]["data"],
        "only_first": len(rows[0].keys() - rows[1].keys()),
        "only_second": len(rows[1].keys() - rows[0].keys()),
        **compare_pairs(pairs),
    }
    write_table(out_dir / "pairs.csv", _rows(pairs))
    atomic.write_whole(out_dir / COMPARISON_FILE, (json.dumps(found, indent=2) + "\n").encode())
    return found


def compare_pairs(pairs: Pairs) -> dict[str, Any]:
    """Returns what `compare` says of the videos that both runs judged.

    Raises:
        DataError: there are fewer than two reals or fakes.
    """
    tested = delong.compare(pairs.labels, *pairs.orders)
    differences = _differences(pairs)
    return {
        "num_pairs": len(pairs.labels),
        "num_real": int(np.sum(pairs.labels == 0)),
        "num_fake": int(np.sum(pairs.labels == 1)),
        "num_groups": len(set(pairs.groups)),
        "words": _words(differences["roc_auc"], tested),
        "delong": {
            name: [number_or_none(one) for one in value] if isinstance(value, tuple) else number_or_none(value)
            for name, value in dataclasses.asdict(tested).items()
        },
        "differences": differences,
        "right": _right(pairs),
    }


def _pair(rows: Sequence[Mapping[str, Mapping[str, str]]], reports: Sequence[Mapping[str, Any]]) -> Pairs:
    shared = [video_id for video_id in rows[0] if video_id in rows[1]]
    if not shared:
        raise DataError("No video was judged by both runs: there is nothing to compare.")
    own = [[one[video_id] for video_id in shared] for one in rows]
    # As measures.py: an isotonic map has ties that its answers have as well.
    columns = ["score" if one["decision"]["calibration"]["logits"] else "logit" for one in reports]
    return Pairs(
        video_ids=tuple(shared),
        labels=np.array([LABEL_NAMES.index(row["label"]) for row in own[0]]),
        groups=tuple(row["group"] for row in own[0]),
        orders=np.array([[float(row[name]) for row in side] for name, side in zip(columns, own, strict=True)]),
        scores=np.array([[float(row["score"]) for row in side] for side in own]),
        thresholds=(reports[0]["decision"]["threshold"], reports[1]["decision"]["threshold"]),
    )


def _differences(pairs: Pairs) -> dict[str, dict[str, Any]]:
    """Returns every metric of both, and its difference with the interval over groups, drawn alike for both."""
    values = [
        metrics.compute_all(pairs.labels, scores, threshold=threshold, order=order)
        for scores, threshold, order in zip(pairs.scores, pairs.thresholds, pairs.orders, strict=True)
    ]
    names = [name for name in values[0] if all(math.isfinite(one[name]) for one in values)]
    parts: dict[str, list[NDArray[np.float64]]] = {name: [] for name in names}
    for weights in draw_groups(pairs.groups):
        drawn = [_draws(pairs, side, weights) for side in (0, 1)]
        for name in names:
            metric = plugins.load("metrics", name)
            first, second = (metric.compute_draws(own[metric.OF == "order"]) for own in drawn)
            parts[name].append(first - second)
    num_groups = num_groups_of_a_class(pairs.labels, pairs.groups)
    found = {}
    for name in names:
        interval = middle(np.concatenate(parts[name]), num_groups)
        found[name] = {
            "first": values[0][name],
            "second": values[1][name],
            "difference": values[0][name] - values[1][name],
            "interval": [number_or_none(interval.low), number_or_none(interval.high)],
        }
    return found


def _draws(pairs: Pairs, side: int, weights: NDArray[np.float64]) -> tuple[Draws, Draws]:
    """Returns one run's scores and what orders its videos, each with the weights."""
    scores, order = (
        Draws(pairs.labels, values[side], weights, pairs.thresholds[side]) for values in (pairs.scores, pairs.orders)
    )
    return scores, order


def _words(auc: Mapping[str, Any], tested: delong.DeLong) -> str:
    values = f"AUC {auc['first']:.3f} against {auc['second']:.3f}"
    low, high = auc["interval"]
    if low is None or len({low, high, 0.0}) == 1:
        return f"Undecided: {values}; these videos do not show a difference."
    span = f"difference {auc['difference']:+.3f}, 95 % interval over groups {low:+.3f} to {high:+.3f}"
    if low > 0 or high < 0:
        better, worse = SIDES if low > 0 else SIDES[::-1]
        return f"The {better} run orders these videos better than the {worse}: {values}, {span}."
    alone = f" DeLong's test alone says p {tested.p:.3f}, but it takes videos of one group as independent."
    doubt = alone if tested.p < 0.05 else ""
    return f"Undecided: {values}, {span}.{doubt}"


def _right(pairs: Pairs) -> dict[str, Any]:
    first, second = (
        (scores >= threshold) == (pairs.labels == 1)
        for scores, threshold in zip(pairs.scores, pairs.thresholds, strict=True)
    )
    counts = {
        "both": int(np.sum(first & second)),
        "first_only": int(np.sum(first & ~second)),
        "second_only": int(np.sum(~first & second)),
        "neither": int(np.sum(~first & ~second)),
    }
    num_differing = counts["first_only"] + counts["second_only"]
    p = float(scipy.stats.binomtest(counts["first_only"], num_differing).pvalue) if num_differing else 1.0
    return {**counts, "p": p}


def _rows(pairs: Pairs) -> list[dict[str, Any]]:
    return [
        {
            "video_id": video_id,
            "label": LABEL_NAMES[pairs.labels[number]],
            "group": pairs.groups[number],
            "first_score": float(pairs.scores[0, number]),
            "second_score": float(pairs.scores[1, number]),
        }
        for number, video_id in enumerate(pairs.video_ids)
    ]


def check_runs_differ(first: Path | str, second: Path | str) -> None:
    """Raises if both are the same folder.

    Raises:
        ConfigError: they are.
    """
    if Path(first).resolve() == Path(second).resolve():
        raise ConfigError(f"A run is compared with another, not with itself. Received: {first} twice")
