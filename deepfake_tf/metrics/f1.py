"""Harmonic mean of precision and recall."""

import numpy as np
import sklearn.metrics
from numpy.typing import NDArray

from deepfake_tf.metrics import THRESHOLD
from deepfake_tf.reporting.resampling import Draws, ratio

OF = "answers"


def compute(labels: NDArray, scores: NDArray, threshold: float = THRESHOLD) -> float:
    """Returns F1 of the class fake, in [0, 1]; NaN if no fake is there and none was called.

    Args:
        labels: int [N], 0 real and 1 fake.
        scores: float [N] in [0, 1].
        threshold: a score at or above it counts as fake.
    """
    return float(sklearn.metrics.f1_score(labels, scores >= threshold, zero_division=float("nan")))


def compute_draws(draws: Draws) -> NDArray[np.float64]:
    """Returns it for each draw, float64 [D]."""
    return ratio(2 * draws.hits, draws.hits + draws.false_alarms + draws.num_fake)
