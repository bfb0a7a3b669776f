"""Share of the fakes that were called fake."""

import numpy as np
import sklearn.metrics
from numpy.typing import NDArray

from deepfake_tf.metrics import THRESHOLD
from deepfake_tf.reporting.resampling import Draws, ratio

OF = "answers"


def compute(labels: NDArray, scores: NDArray, threshold: float = THRESHOLD) -> float:
    """Returns those called fake among the fakes, in [0, 1]; NaN if there is no fake.

    Args:
        labels: int [N], 0 real and 1 fake.
        scores: float [N] in [0, 1].
        threshold: a score at or above it counts as fake.
    """
    return float(sklearn.metrics.recall_score(labels, scores >= threshold, zero_division=float("nan")))


def compute_draws(draws: Draws) -> NDArray[np.float64]:
    """Returns it for each draw, float64 [D]."""
    return ratio(draws.hits, draws.num_fake)
