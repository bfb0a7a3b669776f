"""What the validation clips say of a network after an epoch."""

from collections.abc import Callable

import keras
import numpy as np
from numpy.typing import NDArray

from deepfake_tf import metrics
from deepfake_tf.batching.clip_table import ClipTable
from deepfake_tf.judging import scoring
from deepfake_tf.learning.settings import MONITORS
from deepfake_tf.metrics import roc_auc

Predict = Callable[[ClipTable], NDArray[np.float64]]
"""Clips -> their logits, float64 [N]."""


def validate(model: keras.Model, clips: ClipTable, batch_size: int) -> dict[str, float]:
    """Returns log loss and ROC AUC over clips and over videos, named as in MONITORS.

    Args:
        model: gives logit [B].
        clips: labelled clips of both classes.
        batch_size: clips at a time.
    """
    return measure(clips, scoring.predict_logits(model, clips, batch_size=batch_size))


def measure(clips: ClipTable, logits: NDArray[np.float64]) -> dict[str, float]:
    """Returns what `validate` does, from logits [N] in the order of the clips."""
    videos = scoring.join_videos(clips, logits)
    by_clip = metrics.compute_all(clips.labels, scoring.clip_scores(logits))
    by_video = metrics.compute_all(videos.labels, videos.scores)
    values = (by_clip["log_loss"], by_clip["roc_auc"], by_video["log_loss"], by_video["roc_auc"])
    return dict(zip(MONITORS, values, strict=True))


def measure_training(labels: NDArray[np.float64], logits: NDArray[np.float64]) -> dict[str, float]:
    """Returns log loss and ROC AUC over the clips of an epoch as they were trained on: augmented, with dropout.

    Args:
        labels: [N], in [0, 1]; clips in between (mixed ones) have no place in an AUC.
        logits: [N], given while the weights changed.

    Returns:
        "train_loss" and "train_auc"; the latter is not a number where only one class was drawn.
    """
    # -log P(label), without a sigmoid that may be rounded to 0 or 1.
    losses = np.logaddexp(0.0, logits) - labels * logits
    whole = np.isin(labels, (0.0, 1.0))
    both = len(np.unique(labels[whole])) == 2
    auc = roc_auc.compute(labels[whole].astype(np.int64), logits[whole]) if both else np.nan
    return {"train_loss": float(np.mean(losses)), "train_auc": float(auc)}
