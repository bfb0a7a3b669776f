"""Calibrating a model that learned from everything: by what its like, which had not, said out of fold."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from deepfake_tf import metrics
from deepfake_tf.errors import DataError
from deepfake_tf.judging import calibration, decision
from deepfake_tf.judging.decision import Decision
from deepfake_tf.judging.scoring import VideoScores
from deepfake_tf.reporting import measures
from deepfake_tf.schema import SCORE_BINS, Calibration

INCONCLUSIVE_SHARE = 0.1
# Self-blends are no fakes of a certain kind: their middle need not be that of real fakes.
_METHOD = "platt"
# Where there is nothing to calibrate by, scores are one half but for their order, and all of them inconclusive.
_SILENT_SCALE = 1e-3
_SILENT_BAND = 0.25


def out_of_fold(videos: VideoScores, by_video: Mapping[str, int]) -> dict[str, Any]:
    """Returns the calibration from all folds, and its error where each fold is calibrated by the others.

    Args:
        videos: judged out of fold.
        by_video: the fold of each.

    Returns:
        {"decision": for the final model, "ece", "brier", "log_loss", "score_histogram"}
    """
    fold = np.array([by_video[name] for name in videos.video_ids])
    out_of_fold = np.zeros(len(fold))
    for number in np.unique(fold).tolist():
        own = fold == number
        fitted = _fit(videos.logits[~own], videos.labels[~own])
        out_of_fold[own] = measures.scores_of(videos.logits[own], fitted)
    errors = metrics.compute_all(videos.labels, out_of_fold)
    fitted = _fit(videos.logits, videos.labels)
    calibrated = measures.scores_of(videos.logits, fitted)
    return {
        "decision": fitted.to_json(),
        "ece": measures.number_or_none(errors["ece"]),
        "brier": measures.number_or_none(errors["brier"]),
        "log_loss": measures.number_or_none(errors["log_loss"]),
        "score_histogram": np.histogram(calibrated, SCORE_BINS, (0.0, 1.0))[0].tolist(),
    }


def _fit(logits: np.ndarray, labels: np.ndarray) -> Decision:
    try:
        fitted = calibration.fit(logits, labels, _METHOD)
    except DataError:
        # Fakes do not score above reals: the score says nothing, and its order stays.
        return Decision(
            calibration=Calibration(scale=_SILENT_SCALE / (float(np.std(logits)) or 1.0)), band=_SILENT_BAND
        )
    calibrated = measures.scores_of(logits, Decision(calibration=fitted))
    return Decision(calibration=fitted, band=decision.choose_band(calibrated, 0.5, INCONCLUSIVE_SHARE))
