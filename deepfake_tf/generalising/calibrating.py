"""Calibrating a model that learned from everything: by what its like, which had not, said out of fold.

What it is calibrated by are real videos and the fakes that were made from them: each pair is one scene, one codec and
one background. But who knows the fakes made here need know no other: unless the videos' own fakes are shown to score
above their reals, the score is silenced, so that every video is inconclusive.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from deepfake_tf import metrics
from deepfake_tf.errors import DataError
from deepfake_tf.generalising import scores
from deepfake_tf.generalising.scores import Said
from deepfake_tf.judging import calibration, decision, verdict
from deepfake_tf.judging.decision import Decision
from deepfake_tf.judging.scoring import VideoScores
from deepfake_tf.judging.verdict import Answer
from deepfake_tf.reporting import measures
from deepfake_tf.schema import FAKE, REAL, SCORE_BINS, Calibration

INCONCLUSIVE_SHARE = 0.1
# What was learned from is compressed and scaled otherwise: its middle need not be theirs.
_METHOD = "platt"
# Where there is nothing to calibrate by, scores are one half but for their order, and all of them inconclusive.
_SILENT_SCALE = 1e-3
_SILENT_BAND = 0.25


def out_of_fold(videos: VideoScores, by_group: Mapping[str, int]) -> dict[str, Any]:
    """Returns the calibration from all folds, and its error where each fold is calibrated by the others.

    A score of one half is one at which a fake is as likely as a real, if there are as many of both.

    Args:
        videos: judged out of fold.
        by_group: the fold of each group.

    Returns:
        {"decision": for the final model, "ece", "brier", "log_loss", "score_histogram"}
    """
    rows = _as_many_of_both(videos.labels)
    logits, labels = videos.logits[rows], videos.labels[rows]
    fold = np.array([by_group[name] for name in videos.groups])[rows]
    out_of_fold = np.zeros(len(fold))
    for number in np.unique(fold).tolist():
        own = fold == number
        out_of_fold[own] = measures.scores_of(logits[own], _fit(logits[~own], labels[~own]))
    errors = metrics.compute_all(labels, out_of_fold)
    fitted = _fit(logits, labels)
    calibrated = measures.scores_of(logits, fitted)
    return {
        "decision": fitted.to_json(),
        "ece": measures.number_or_none(errors["ece"]),
        "brier": measures.number_or_none(errors["brier"]),
        "log_loss": measures.number_or_none(errors["log_loss"]),
        "score_histogram": np.histogram(calibrated, SCORE_BINS, (0.0, 1.0))[0].tolist(),
    }


def silence_unless_shown(fitted: Mapping[str, Any], videos: VideoScores) -> dict[str, Any]:
    """Returns a calibration with "is_silent" added, which it is unless fakes that were not made here score higher.

    That is shown if the whole interval of their AUC, over groups, lies above one half.

    Args:
        fitted: what `out_of_fold` returned.
        videos: real videos and fakes that were not made here, judged out of fold.
    """
    found = scores.of_videos(videos)
    low = found["interval"][0]
    # No draw differs: there is no interval but the figure itself.
    is_silent = (found["auc"] if low is None else low) <= 0.5
    chosen = _silent(videos.logits).to_json() if is_silent else fitted["decision"]
    return {**fitted, "is_silent": is_silent, "decision": chosen}


def error(videos: VideoScores, chosen: Decision) -> float | None:
    """Returns the expected calibration error of videos that had no say in the calibration."""
    own = measures.scores_of(videos.logits, chosen)
    return measures.number_or_none(metrics.compute_all(videos.labels, own)["ece"])


def verdicts(said: Said, chosen: Decision) -> dict[str, dict[str, int]]:
    """Returns how many videos get each answer, those that are real and those of each method."""
    names = np.where(said.clips.labels == REAL, "real", np.array(said.clips.methods))
    found = {}
    for name in ["real", *sorted(set(said.clips.methods) - {""})]:
        rows = np.flatnonzero(names == name)
        own = measures.scores_of(Said(said.clips.select(rows), said.logits[rows]).videos().logits, chosen)
        answers = [verdict.answer(one, threshold=chosen.threshold, band=chosen.band) for one in own.tolist()]
        found[name] = {str(one): answers.count(one) for one in (Answer.REAL, Answer.INCONCLUSIVE, Answer.FAKE)}
    return found


def _as_many_of_both(labels: np.ndarray) -> np.ndarray:
    """Returns rows in which the rarer label comes as often as the other, as far as whole numbers go."""
    counts = [max(1, int(np.sum(labels == label))) for label in (REAL, FAKE)]
    times = np.maximum(1, np.round(max(counts) / np.array(counts))).astype(int)
    return np.repeat(np.arange(len(labels)), times[labels])


def _fit(logits: np.ndarray, labels: np.ndarray) -> Decision:
    try:
        fitted = calibration.fit(logits, labels, _METHOD)
    except DataError:
        # Fakes do not score above reals: the score says nothing, and its order stays.
        return _silent(logits)
    calibrated = measures.scores_of(logits, Decision(calibration=fitted))
    return Decision(calibration=fitted, band=decision.choose_band(calibrated, 0.5, INCONCLUSIVE_SHARE))


def _silent(logits: np.ndarray) -> Decision:
    return Decision(calibration=Calibration(scale=_SILENT_SCALE / (float(np.std(logits)) or 1.0)), band=_SILENT_BAND)
