"""How right scores are, as report.json says it: metrics with their intervals, confusion, curves.

{"num_real", "num_fake", "num_groups", "threshold", "band",
 "metrics":   {name: number, or None where it is not defined},
 "intervals": {name: [low, high]},           95 %, bootstrap over groups; None where there is none
 "notes":     {name: why there is no number, or how many draws had none},
 "confusion": [[real called real, real called fake], [fake called real, fake called fake]],   the band left aside
 "answers":   {"real": {"REAL": n, "INCONCLUSIVE": n, "FAKE": n}, "fake": {...}},
 "roc":       {"fpr": [...], "tpr": [...], "thresholds": [...]},   the first threshold is None: above all scores
 "reliability": [{"low", "high", "num", "mean_score", "share_fake"}, ...]}                 bins that hold something
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import sklearn.metrics
from numpy.typing import NDArray

from deepfake_tf import metrics
from deepfake_tf.judging import verdict
from deepfake_tf.judging.decision import Decision
from deepfake_tf.judging.verdict import Answer
from deepfake_tf.metrics import ece
from deepfake_tf.reporting.resampling import NUM_DRAWS, Interval, num_groups_of_a_class
from deepfake_tf.schema import FAKE, LABEL_NAMES, REAL

MAX_CURVE_POINTS = 200
FEW_GROUPS = 10
"""Groups of a class below which an interval is a rough guide."""


def measure(
    labels: NDArray[np.int64], logits: NDArray[np.float64], groups: Sequence[str], decision: Decision
) -> dict[str, Any]:
    """Returns all that is said of some rows.

    Args:
        labels: int64 [N], 0 real and 1 fake, N >= 1.
        logits: float64 [N], joined, not calibrated.
        groups: N names.
        decision: how they become answers.
    """
    scores = scores_of(logits, decision)
    return {
        **summarise(labels, logits, groups, decision),
        "threshold": decision.threshold,
        "band": decision.band,
        "confusion": confusion(labels, scores, decision.threshold),
        "answers": _answers(labels, scores, decision),
        "roc": _roc(labels, logits, decision),
        "reliability": _reliability(labels, scores),
    }


def summarise(
    labels: NDArray[np.int64], logits: NDArray[np.float64], groups: Sequence[str], decision: Decision
) -> dict[str, Any]:
    """Returns the counts, metrics, intervals and notes alone; takes what `measure` takes."""
    scores = scores_of(logits, decision)
    # A sigmoid orders as its logits do, and rounds the surest to 1; an isotonic score has ties that answers have as
    # well.
    order = scores if decision.calibration.logits else logits
    values = metrics.compute_all(labels, scores, threshold=decision.threshold, order=order)
    found = metrics.intervals(labels, scores, groups, threshold=decision.threshold, order=order)
    return {
        "num_real": int(np.sum(labels == REAL)),
        "num_fake": int(np.sum(labels == FAKE)),
        "num_groups": len(set(groups)),
        "metrics": {name: number_or_none(value) for name, value in values.items()},
        "intervals": {name: _ends(one) for name, one in found.items()},
        "notes": _notes(labels, groups, found),
    }


def scores_of(logits: NDArray[np.float64], decision: Decision) -> NDArray[np.float64]:
    """Returns the calibrated scores in [0, 1], float64 [N]."""
    return np.array([verdict.score(float(logit), decision.calibration) for logit in logits])


def confusion(labels: NDArray[np.int64], scores: NDArray[np.float64], threshold: float) -> list[list[int]]:
    """Returns [[real called real, real called fake], [fake called real, fake called fake]]."""
    called = np.asarray(scores) >= threshold
    return [[int(np.sum(called[labels == label] == answer)) for answer in (False, True)] for label in (REAL, FAKE)]


def number_or_none(value: float) -> float | None:
    """Returns what JSON can hold of a number."""
    return float(value) if math.isfinite(value) else None


def _ends(interval: Interval) -> list[float | None]:
    if _is_the_same(interval):
        return [None, None]
    return [number_or_none(interval.low), number_or_none(interval.high)]


def _is_the_same(interval: Interval) -> bool:
    return interval.high - interval.low < 1e-12


def _notes(labels: NDArray[np.int64], groups: Sequence[str], found: Mapping[str, Interval]) -> dict[str, str]:
    notes = dict(metrics.why_undefined(labels))
    for name, interval in found.items():
        if _is_the_same(interval):
            # An AUC of 1 is 1 in every draw, however few the videos: the bootstrap sees nothing of others.
            notes[name] = "the same in every draw: these videos do not show how far off it may be"
        elif interval.num_undefined:
            notes[name] = f"{interval.num_undefined} of {NUM_DRAWS} draws of groups gave no value and are left out"
    fewest = num_groups_of_a_class(labels, groups)
    if fewest < FEW_GROUPS:
        notes["intervals"] = f"one class has {fewest} groups only: take the intervals as a rough guide"
    return notes


def _answers(labels: NDArray[np.int64], scores: NDArray[np.float64], decision: Decision) -> dict[str, dict[str, int]]:
    said = [verdict.answer(float(one), threshold=decision.threshold, band=decision.band) for one in scores]
    return {
        LABEL_NAMES[label]: {
            str(word): sum(one == word for one, own in zip(said, labels, strict=True) if own == label)
            for word in (Answer.REAL, Answer.INCONCLUSIVE, Answer.FAKE)
        }
        for label in (REAL, FAKE)
    }


def _roc(labels: NDArray[np.int64], logits: NDArray[np.float64], decision: Decision) -> dict[str, list[float | None]]:
    if len(np.unique(labels)) < 2:
        return {"fpr": [], "tpr": [], "thresholds": []}
    order = scores_of(logits, decision) if decision.calibration.logits else logits
    false_rate, true_rate, steps = sklearn.metrics.roc_curve(labels, order)
    kept = np.unique(np.linspace(0, len(steps) - 1, min(len(steps), MAX_CURVE_POINTS)).round().astype(int))
    thresholds = steps if decision.calibration.logits else scores_of(steps, decision)
    return {
        "fpr": false_rate[kept].tolist(),
        "tpr": true_rate[kept].tolist(),
        "thresholds": [None, *(float(one) for one in thresholds[kept][1:])],
    }


def _reliability(labels: NDArray[np.int64], scores: NDArray[np.float64]) -> list[dict[str, float]]:
    inside = ece.bins(scores)
    return [
        {
            "low": number / ece.NUM_BINS,
            "high": (number + 1) / ece.NUM_BINS,
            "num": int(np.sum(inside == number)),
            "mean_score": float(np.mean(scores[inside == number])),
            "share_fake": float(np.mean(labels[inside == number])),
        }
        for number in np.unique(inside).tolist()
    ]
