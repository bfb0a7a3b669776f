"""Equal error rate: where as many reals are called fake as fakes are called real.

The ROC curve's points are joined by straight lines, and the rate is read where they cross the falling diagonal.
"""

import numpy as np
import sklearn.metrics
from numpy.typing import NDArray

from deepfake_tf.reporting.resampling import Draws

OF = "order"


def compute(labels: NDArray, scores: NDArray) -> float:
    """Returns the rate, in [0, 1]; 0.5 is guessing and 0 is perfect; NaN for one class.

    Args:
        labels: int [N], 0 real and 1 fake.
        scores: float [N], in any range.
    """
    if len(np.unique(labels)) < 2:
        return float("nan")
    false_rate, true_rate, _ = sklearn.metrics.roc_curve(labels, scores, drop_intermediate=False)
    return float(_crossing(false_rate[None], true_rate[None])[0])


def compute_draws(draws: Draws) -> NDArray[np.float64]:
    """Returns it for each draw, float64 [D]."""
    return _crossing(*draws.rates)


def _crossing(false_rate: NDArray[np.float64], true_rate: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns the false-positive rate where it equals 1 - the true-positive rate; [D, K] -> [D]."""
    # Rises from -1 to 1 along the curve.
    gap = false_rate + true_rate - 1
    after = np.argmax(gap >= 0, axis=1)[:, None]
    before = np.maximum(after - 1, 0)
    low, high = (np.take_along_axis(gap, at, axis=1) for at in (before, after))
    share = np.divide(-low, high - low, out=np.zeros_like(low), where=high > low)
    start, end = (np.take_along_axis(false_rate, at, axis=1) for at in (before, after))
    return np.where(np.isnan(gap[:, 0]), np.nan, (start + share * (end - start))[:, 0])
