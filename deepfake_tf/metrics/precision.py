"""Share of fakes among what was called fake."""

import numpy as np
import sklearn.metrics
from numpy.typing import NDArray

from deepfake_tf.metrics import THRESHOLD
from deepfake_tf.reporting.resampling import Draws, ratio

OF = "answers"


def compute(labels: NDArray, scores: NDArray, threshold: float = THRESHOLD) -> float:
    """Returns true fakes among those called fake, in [0, 1]; NaN if none was called so.

    Args:
        labels: int [N], 0 real and 1 fake.
        scores: float [N] in [0, 1].
        threshold: a score at or above it counts as fake.
    """
    return float(sklearn.metrics.precision_score(labels, scores >= threshold, zero_division=float("nan")))


def compute_draws(draws: Draws) -> NDArray[np.float64]:
    """Returns it for each draw, float64 [D]."""
    return ratio(draws.hits, draws.hits + draws.false_alarms)
