"""Share of right answers."""

import numpy as np
import sklearn.metrics
from numpy.typing import NDArray

from deepfake_tf.metrics import THRESHOLD
from deepfake_tf.reporting.resampling import Draws

OF = "answers"


def compute(labels: NDArray, scores: NDArray, threshold: float = THRESHOLD) -> float:
    """Returns the share of scores on the label's side of the threshold, in [0, 1].

    Args:
        labels: int [N], 0 real and 1 fake.
        scores: float [N] in [0, 1].
        threshold: a score at or above it counts as fake.
    """
    return float(sklearn.metrics.accuracy_score(labels, scores >= threshold))


def compute_draws(draws: Draws) -> NDArray[np.float64]:
    """Returns it for each draw, float64 [D]."""
    return (draws.hits + draws.num_real - draws.false_alarms) / (draws.num_real + draws.num_fake)
