"""Calibrating a model that learned from everything: by what its like, which had not, said out of fold.

What it is calibrated by are real videos and the fakes that were made from them: each pair is one scene, one codec and
one background. But who knows the fakes made here need know no other: unless fakes that were not made here are shown to
score above their own reals, what is published is silenced, so that every video is inconclusive. What is measured of a
calibration is measured without that, since nothing could be learned from a score that is always one half.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

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


@dataclass(frozen=True)
class Fitted:
    """What makes a verdict of a logit.

    A score of one half is one at which a fake is as likely as a real, if there are as many of both.

    Attributes:
        whole: fitted to all videos, for the model that learned from everything.
        by_fold: for the model of each fold, fitted to the videos of the others.
        fold_of: the fold of each group.
    """

    whole: Decision
    by_fold: Mapping[int, Decision]
    fold_of: Mapping[str, int]

    def scores(self, videos: VideoScores) -> NDArray[np.float64]:
        """Returns calibrated scores in [0, 1], float64 [N], of videos that had no say in their fold's decision."""
        found = np.zeros(len(videos.logits))
        folds = np.array([self.fold_of[name] for name in videos.groups])
        for number, own in self.by_fold.items():
            found[folds == number] = measures.scores_of(videos.logits[folds == number], own)
        return found

    def answers(self, videos: VideoScores) -> list[Answer]:
        """Returns what each of N videos is called by the decision of its fold, without silencing."""
        chosen = [self.by_fold[self.fold_of[name]] for name in videos.groups]
        return [
            verdict.answer(score, threshold=own.threshold, band=own.band)
            for score, own in zip(self.scores(videos).tolist(), chosen, strict=True)
        ]


def fit(videos: VideoScores, fold_of: Mapping[str, int]) -> Fitted:
    """Returns what videos that were judged out of fold are calibrated by.

    Args:
        videos: reals and fakes, of two folds or more.
        fold_of: the fold of each group.
    """
    rows = _as_many_of_both(videos.labels)
    logits, labels = videos.logits[rows], videos.labels[rows]
    folds = np.array([fold_of[name] for name in videos.groups])[rows]
    return Fitted(
        whole=_fit(logits, labels),
        by_fold={fold: _fit(logits[folds != fold], labels[folds != fold]) for fold in sorted(set(fold_of.values()))},
        fold_of=dict(fold_of),
    )


def errors(videos: VideoScores, fitted: Fitted) -> dict[str, Any]:
    """Returns how far scores are from shares, of as many reals as fakes, each calibrated by the other folds.

    Returns:
        {"ece", "ece_interval": [low, high] over groups, "brier", "log_loss"}; None where there is no such figure
    """
    rows = _as_many_of_both(videos.labels)
    labels, own, groups = videos.labels[rows], fitted.scores(videos)[rows], [videos.groups[row] for row in rows]
    found, interval = metrics.compute_all(labels, own), metrics.intervals(labels, own, groups)["ece"]
    return {
        "ece": measures.number_or_none(found["ece"]),
        "ece_interval": [measures.number_or_none(end) for end in (interval.low, interval.high)],
        "brier": measures.number_or_none(found["brier"]),
        "log_loss": measures.number_or_none(found["log_loss"]),
    }


def published(fitted: Fitted, videos: VideoScores, pairs: VideoScores) -> dict[str, Any]:
    """Returns what the final model is published with; it is silent unless fakes that were not made here score higher.

    That is shown if the whole interval of their AUC beside their own reals, over LEAST_GROUPS groups or more, lies
    above one half. Fewer groups do so by chance too often, and of other fakes codec or background alone may tell.

    Args:
        fitted: to `videos`.
        videos: real videos and fakes made from them, judged out of fold.
        pairs: matched pairs that were not made here, judged out of fold.

    Returns:
        {"decision", "is_silent", "score_histogram": of `videos`, as many reals as fakes}
    """
    found = scores.of_videos(pairs)
    low = found["interval"][0]
    # No draw differs: there is no interval but the figure itself.
    is_silent = found["num_groups"] < scores.LEAST_GROUPS or (found["auc"] if low is None else low) <= 0.5
    chosen = _silent(videos.logits) if is_silent else fitted.whole
    expected = measures.scores_of(videos.logits[_as_many_of_both(videos.labels)], chosen)
    return {
        "decision": chosen.to_json(),
        "is_silent": is_silent,
        "score_histogram": np.histogram(expected, SCORE_BINS, (0.0, 1.0))[0].tolist(),
    }


def verdicts(said: Said, fitted: Fitted) -> dict[str, dict[str, int]]:
    """Returns how many videos get each answer without silencing, those that are real and those of each method."""
    names = np.where(said.clips.labels == REAL, "real", np.array(said.clips.methods))
    found = {}
    for name in ["real", *sorted(set(said.clips.methods) - {""})]:
        rows = np.flatnonzero(names == name)
        answers = fitted.answers(Said(said.clips.select(rows), said.logits[rows]).videos())
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
