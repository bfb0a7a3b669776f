"""Area under the receiver operating characteristic: how well the scores order real before fake."""

import numpy as np
import sklearn.metrics
from numpy.typing import NDArray

from deepfake_tf.reporting.resampling import Draws

OF = "order"


def compute(labels: NDArray, scores: NDArray) -> float:
    """Returns the chance that a fake scores above a real one, ties counting half, in [0, 1]; NaN for one class.

    Args:
        labels: int [N], 0 real and 1 fake.
        scores: float [N], in any range.
    """
    if len(np.unique(labels)) < 2:
        return float("nan")
    return float(sklearn.metrics.roc_auc_score(labels, scores))


def compute_draws(draws: Draws) -> NDArray[np.float64]:
    """Returns it for each draw, float64 [D]."""
    false_rate, true_rate = draws.rates
    return np.asarray(np.trapezoid(true_rate, false_rate, axis=1))
