"""Mean of the shares of right answers among reals and among fakes: what accuracy would be with as many of each."""

import numpy as np
import sklearn.metrics
from numpy.typing import NDArray

from deepfake_tf.metrics import THRESHOLD
from deepfake_tf.reporting.resampling import Draws, ratio

OF = "answers"


def compute(labels: NDArray, scores: NDArray, threshold: float = THRESHOLD) -> float:
    """Returns the mean of both classes' recall, in [0, 1]; 0.5 is guessing; NaN for one class.

    Args:
        labels: int [N], 0 real and 1 fake.
        scores: float [N] in [0, 1].
        threshold: a score at or above it counts as fake.
    """
    if len(np.unique(labels)) < 2:
        return float("nan")
    return float(sklearn.metrics.balanced_accuracy_score(labels, scores >= threshold))


def compute_draws(draws: Draws) -> NDArray[np.float64]:
    """Returns it for each draw, float64 [D]."""
    specificity = 1 - ratio(draws.false_alarms, draws.num_real)
    return (ratio(draws.hits, draws.num_fake) + specificity) / 2
